"""Rankings as JSON Lines, for a program."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC
from typing import Any

from attribution.calibration.verdicts import Verdict
from attribution.ranking.rank import Match, Ranking
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
        found = candidates.get(match.candidate_id) or Candidate(id=match.candidate_id)
        record = whole | {
            "rank": match.rank,
            "candidate_id": match.candidate_id,
            "score": _number(match.score),
            **_judgement_record(ranking, match),
            "tile": match.tile,
            "channels": {name: _number(value) for name, value in match.channels.items()},
            "z": {name: _number(value) for name, value in match.z.items()},
            "inliers": dict(match.inliers),
            "regions": region_records(match),
            "title": found.title,
            "creator": found.creator,
            "license": found.license,
            "license_url": found.license_url,
            "rights": list(found.rights),
            "page_url": found.page_url,
            "url": found.url or None,
            "source": found.source or None,
            "query": found.query,
            "fetched_at": found.fetched_at and found.fetched_at.astimezone(UTC).isoformat(),
            "width": found.width,
            "height": found.height,
        }
        # Surrogates without a partner are no text, and strict JSON readers stop at them.
        line = json.dumps(record, allow_nan=False, ensure_ascii=False)
        text = line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield json.loads(text)


def region_records(match: Match) -> list[dict[str, Any]]:
    """Where a match agrees with the query, for JSON; boxes rounded to four decimals."""
    return [
        {
            "method": one.method,
            "inliers": one.inliers,
            "mirrored": one.mirrored,
            "query": {side: round(place, 4) for side, place in asdict(one.query).items()},
            "candidate": {side: round(place, 4) for side, place in asdict(one.candidate).items()},
        }
        for one in match.regions
    ]


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
        "unattributed": _number(ranking.unattributed) if judged else None,
        "is_flat": ranking.is_flat,
    }


def _judgement_record(ranking: Ranking, match: Match) -> dict[str, Any]:
    judged = ranking.found is not None
    return {
        "verdict": match.verdict and match.verdict.value,
        "p": match.p if math.isfinite(match.p) else None,
        "q": match.q if math.isfinite(match.q) else None,
        "share": _number(match.share) if judged else None,
        "ratio": _number(match.ratio),
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
