"""Rankings as JSON Lines, one object a match, for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from attribution.calibration.verdicts import Verdict
from attribution.ranking.rank import Ranking
from attribution.ranking.records import match_record, region_records, rounded
from attribution.report.facts import origin_record
from attribution.report.wording import conclusion
from harvester.schema import Candidate


def json_lines(ranking: Ranking, candidates: Mapping[str, Candidate]) -> Iterator[str]:
    """The records as lines, without their ends, in ASCII, so that a terminal may print them."""
    for record in match_records(ranking, candidates):
        yield json.dumps(record, allow_nan=False)


def match_records(
    ranking: Ranking, candidates: Mapping[str, Candidate]
) -> Iterator[dict[str, Any]]:
    """One JSON object a match, best first; keys are always all there.

    Unknown values and scores that are no number are null. Dates are ISO 8601 in UTC; scores are
    rounded to six decimals, but p and q are as they are. What belongs to the ranking as a whole
    stands in every record, so that each can be read alone: origin, gallery_size, found,
    ranking_verdict, conclusion, unattributed, is_flat and declared. Boxes are in fractions of width
    and height, of the query or of the tile that is named, and of the candidate as it was harvested.
    A ranker that gives no verdicts has null for all that rests on them.
    """
    whole = _ranking_record(ranking)
    for match in ranking.matches:
        candidate = candidates.get(match.candidate_id) or Candidate(id=match.candidate_id)
        columns = match_record(match)
        record = whole | {
            **{name: value for name, value in columns.items() if name != "tile"},
            "tile": columns["tile"],  # after the numbers, where readers of lines know it
            "channels": {name: rounded(value) for name, value in match.channels.items()},
            "z": {name: rounded(value) for name, value in match.z.items()},
            "inliers": dict(match.inliers),
            "regions": region_records(match),
            "title": candidate.title,
            "creator": candidate.creator,
            "license": candidate.license,
            "license_url": candidate.license_url,
            "rights": list(candidate.rights),
            "page_url": candidate.page_url,
            "url": candidate.url or None,
            "source": candidate.source or None,
            "query": candidate.query,
            "fetched_at": candidate.fetched_at and candidate.fetched_at.astimezone(UTC).isoformat(),
            "width": candidate.width,
            "height": candidate.height,
        }
        # Surrogates without a partner are no text, and strict JSON readers stop at them.
        line = json.dumps(record, allow_nan=False, ensure_ascii=False)
        text = line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield json.loads(text)


def _ranking_record(ranking: Ranking) -> dict[str, Any]:
    judged = ranking.found is not None
    return {
        "image": ranking.query.name,
        "prompt": ranking.query.prompt,
        "origin": origin_record(ranking.query.origin),
        "declared": [
            {
                "url": one.url,
                "role": one.role.value,
                "status": one.status and one.status.value,
                "error": one.error,
            }
            for one in ranking.query.references
        ],
        "gallery_size": ranking.gallery_size,
        "found": None
        if ranking.found is None
        else {rung.value: ranking.found.get(rung, 0) for rung in Verdict},
        "ranking_verdict": ranking.verdict and ranking.verdict.value,
        "conclusion": conclusion(ranking),
        "unattributed": rounded(ranking.unattributed) if judged else None,
        "is_flat": ranking.is_flat,
    }
