"""What a report's page shows, as plain values: evidence in words, scores, pictures made small.

The template lays these out and escapes them; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attribution.calibration.verdicts import Verdict
from attribution.matching.geometry import Region
from attribution.ranking.rank import Match, Ranking
from attribution.report.facts import (
    Fact,
    SafeText,
    ShownReference,
    describe,
    describe_origin,
    show_declared,
    to_words,
)
from attribution.report.overlays import Embedded, Outline, embed, embed_stored, outline
from attribution.report.score_bars import (
    Score,
    Share,
    highest,
    show_scores,
    show_shares,
    two_digits,
)
from attribution.report.wording import (
    UNTESTED,
    conclusion,
    show_chance,
    show_ratio,
    show_region,
    show_share,
    summary,
)
from harvester.schema import Candidate

CANDIDATE_SIDE = 360
QUERY_SIDE = 512
GRID_SIDE = 2 * CANDIDATE_SIDE
"""A grid is embedded once and its tiles are cut from it by the browser: each is then as large as a
candidate."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A verdict, for a badge.

    Attributes:
        style: a class of the style sheet.
    """

    text: str
    style: str
    explanation: str


@dataclass(frozen=True, slots=True)
class ShownRegion:
    """Where query and candidate agree.

    Attributes:
        number: of its boxes, 1-based.
    """

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class ShownMatch:
    """One match, beside the query or the tile that it is nearest to.

    Attributes:
        tile: 1 to 4, or None for the whole query.
        chance: p and q; None where the ranker has none.
        share: of the influence; None where the ranker has none.
        ratio: a sentence where a candidate is extraction-like.
        picture: None where the dataset holds none that can be decoded.
        query_boxes: over the query or its tile.
        boxes: over the candidate.
    """

    rank: int
    tile: int | None
    title: SafeText | None
    verdict: Rung
    score: str
    chance: tuple[str, str] | None
    share: str | None
    ratio: str | None
    scores: tuple[Score, ...]
    regions: tuple[ShownRegion, ...]
    picture: Embedded | None
    query_boxes: tuple[Outline, ...]
    boxes: tuple[Outline, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """One generated picture with its matches.

    Attributes:
        number: 1-based; its anchor on the page.
        verdict: of the whole ranking, in two or three words.
        more_declared: references that the prompt names beyond those shown.
    """

    number: int
    name: SafeText
    prompt: SafeText | None
    conclusion: str
    verdict: Rung
    gallery_size: int
    is_grid: bool
    picture: Embedded
    shares: tuple[Share, ...]
    matches: tuple[ShownMatch, ...]
    declared: tuple[ShownReference, ...]
    more_declared: int
    origin: tuple[Fact, ...]


def show_query(number: int, ranking: Ranking, candidates: Mapping[str, Candidate]) -> ShownQuery:
    """One ranking as the page shows it; a candidate that is missing has nothing known of it."""
    query = ranking.query
    picture = embed(query.views[0].picture, GRID_SIDE if query.is_grid else QUERY_SIDE)
    tops = highest(ranking.matches)
    declared = show_declared(query.references)
    return ShownQuery(
        number=number,
        name=to_words(query.name, 80) or SafeText("a picture without a name"),
        prompt=to_words(query.prompt, 6000),
        conclusion=conclusion(ranking),
        verdict=Rung(summary(ranking), rung_style(ranking.verdict), ""),
        gallery_size=ranking.gallery_size,
        is_grid=query.is_grid,
        picture=picture,
        shares=show_shares(ranking),
        matches=tuple(
            _show_match(match, ranking, picture, candidates.get(match.candidate_id), tops)
            for match in ranking.matches
        ),
        declared=declared,
        more_declared=len(query.references) - len(declared),
        origin=describe_origin(query.origin),
    )


def rung_style(verdict: str | None) -> str:
    """The class of a verdict's badge, by its value; what is no verdict has the quiet one."""
    known = {rung.value: f"rung-{rung.value.replace(' ', '-')}" for rung in Verdict}
    return known.get(verdict or "", "rung-none")


def _show_match(
    match: Match,
    ranking: Ranking,
    shown: Embedded,
    candidate: Candidate | None,
    tops: Mapping[str, float],
) -> ShownMatch:
    candidate = candidate or Candidate(id=match.candidate_id)
    picture = embed_stored(candidate.image, CANDIDATE_SIDE)
    judged = ranking.found is not None
    regions = match.regions
    tile = match.tile if ranking.query.is_grid else None
    return ShownMatch(
        rank=match.rank,
        tile=tile,
        title=to_words(candidate.title, 140),
        verdict=_rung(match.verdict),
        score=two_digits(match.score),
        chance=(show_chance(match.p), show_chance(match.q)) if judged else None,
        share=show_share(match.share) if judged else None,
        ratio=show_ratio(match.ratio),
        scores=show_scores(match, tops),
        regions=tuple(ShownRegion(n, show_region(one, tile)) for n, one in enumerate(regions, 1)),
        picture=picture,
        query_boxes=_query_boxes(regions, shown, tile),
        boxes=outline((one.candidate for one in regions), picture.width, picture.height)
        if picture
        else (),
        facts=describe(candidate),
    )


def _query_boxes(
    regions: tuple[Region, ...], shown: Embedded, tile: int | None
) -> tuple[Outline, ...]:
    # A tile is drawn as a quarter of the grid, in the grid's units.
    parts = 1 if tile is None else 2
    return outline((one.query for one in regions), shown.width / parts, shown.height / parts)


def _rung(verdict: Verdict | None) -> Rung:
    if verdict is None:
        return Rung(
            UNTESTED,
            "rung-none",
            "This ranker puts candidates in an order and gives no verdicts.",
        )
    return Rung(verdict.value, rung_style(verdict), verdict.explanation)
