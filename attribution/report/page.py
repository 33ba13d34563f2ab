"""What a report's page shows, as plain values: scores with their bars, pictures made small.

The template lays these out and escapes them; it decides nothing.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attribution.descriptors import KNOWN, Channel
from attribution.query import Query
from attribution.ranking import Match, Ranking
from attribution.report.facts import Fact, Words, describe, to_words
from attribution.report.origin import describe_origin
from attribution.verdicts import Verdict
from harvester.images import PictureError, encode_jpeg, open_picture
from harvester.schema import Candidate

CANDIDATE_SIDE = 360
QUERY_SIDE = 512
GRID_SIDE = 2 * CANDIDATE_SIDE
"""A grid is embedded once and its tiles are cut from it by the browser: each is then as large as a
candidate."""

_BYTES_PER_PIXEL = 0.35
"""What an embedded picture may weigh: 45 kB for a square candidate; JPEG 85 takes .2 on average."""

_QUALITIES = (85, 75, 60, 45, 30)

_KINDS = {"image": "Likeness", "text": "Words", "copy": "Copy check", "term": "Term"}


@dataclass(frozen=True, slots=True)
class Embedded:
    """A JPEG as a data: address, with its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Score:
    """One channel's line.

    Attributes:
        bar: share of the channel's range in percent; None where there is no score.
        mark: where unrelated pictures stand on that bar, in percent; None where nobody measured.
    """

    channel: str
    label: str
    meaning: str
    value: str
    bar: float | None
    mark: float | None


@dataclass(frozen=True, slots=True)
class ShownMatch:
    """One match, beside the query or the tile that it is nearest to.

    Attributes:
        tile: 1 to 4, or None for the whole query.
        picture: None where the dataset holds none that can be decoded.
    """

    rank: int
    tile: int | None
    title: Words | None
    verdict: Verdict
    score: str
    scores: tuple[Score, ...]
    picture: Embedded | None
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """One generated picture with its matches.

    Attributes:
        number: 1-based; its anchor on the page.
        verdict: of the whole ranking, in two or three words.
    """

    number: int
    name: Words
    prompt: Words | None
    conclusion: str
    verdict: str
    near_copies: int
    gallery_size: int
    is_grid: bool
    picture: Embedded
    matches: tuple[ShownMatch, ...]
    origin: tuple[Fact, ...]


def show_query(number: int, ranking: Ranking, candidates: Mapping[str, Candidate]) -> ShownQuery:
    """One ranking as the page shows it; a candidate that is missing has nothing known of it."""
    query = ranking.query
    tops = _highest(ranking.matches)
    many = ranking.near_copies
    return ShownQuery(
        number=number,
        name=to_words(query.name, 80) or Words("a picture without a name"),
        prompt=to_words(query.prompt, 6000),
        conclusion=ranking.conclusion,
        verdict=_verdict(many),
        near_copies=many or 0,
        gallery_size=ranking.gallery_size,
        is_grid=query.is_grid,
        picture=embed(query.views[0].picture, GRID_SIDE if query.is_grid else QUERY_SIDE),
        matches=tuple(
            _show_match(match, query, candidates.get(match.candidate_id), tops)
            for match in ranking.matches
        ),
        origin=describe_origin(query.origin),
    )


def _verdict(near_copies: int | None) -> str:
    if near_copies is None:
        return "order only"
    if not near_copies:
        return "no evidence"
    return f"{near_copies} near {'copies' if near_copies > 1 else 'copy'}"


def channels_of(rankings: Iterable[Ranking]) -> tuple[Channel, ...]:
    """The channels that some matches were compared in, known ones in the order of the table."""
    seen = {name for ranking in rankings for match in ranking.matches for name in match.channels}
    known = [name for name in KNOWN if name in seen]
    return tuple(_channel(name) for name in _by_kind([*known, *sorted(seen - KNOWN.keys())]))


def embed(rgb: NDArray[np.uint8], max_side: int) -> Embedded:
    """Pixels (h, w, 3) as a JPEG within `max_side` pixels, at 85 or as much less as noise needs."""
    picture = Image.fromarray(rgb)
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    small = np.asarray(picture)
    allowed = 2000 + _BYTES_PER_PIXEL * picture.width * picture.height
    body = b""
    for quality in _QUALITIES:
        body = encode_jpeg(small, quality=quality)
        if len(body) <= allowed:
            break
    uri = "data:image/jpeg;base64," + base64.b64encode(body).decode("ascii")
    return Embedded(uri, picture.width, picture.height)


def _show_match(
    match: Match, query: Query, candidate: Candidate | None, tops: Mapping[str, float]
) -> ShownMatch:
    candidate = candidate or Candidate(id=match.candidate_id)
    return ShownMatch(
        rank=match.rank,
        tile=match.tile if query.is_grid else None,
        title=to_words(candidate.title, 140),
        verdict=match.verdict,
        score=_two_digits(match.score),
        scores=tuple(
            _show_score(_channel(name), match.channels[name], tops.get(name, 0.0))
            for name in _by_kind(match.channels)
        ),
        picture=_embed_candidate(candidate),
        facts=describe(candidate),
    )


def _embed_candidate(candidate: Candidate) -> Embedded | None:
    try:
        return embed(open_picture(candidate.image or b"").rgb, CANDIDATE_SIDE)
    except PictureError:
        return None


def _channel(name: str) -> Channel:
    # Only an embedding is named by what the user chose, so only its name can be unknown here.
    meaning = "likeness to this model; it is not described here"
    unknown = Channel(name, "image", meaning, 0, 1, None, "")
    return KNOWN.get(name, unknown)


def _by_kind(names: Iterable[str]) -> list[str]:
    order = list(_KINDS)
    return sorted(names, key=lambda name: order.index(_channel(name).kind))


def _highest(matches: Sequence[Match]) -> dict[str, float]:
    highest: dict[str, float] = {}
    for match in matches:
        for name, value in match.channels.items():
            if math.isfinite(value):
                highest[name] = max(value, highest.get(name, value))
    return highest


def _show_score(channel: Channel, value: float, highest: float) -> Score:
    """A channel's line; without a bound above, the best of the matches shown is the bar's end.

    One without a bound below has no bar.
    """
    low = channel.low if channel.low is not None else 0.0
    high = channel.high if channel.high is not None else highest
    return Score(
        channel=channel.name,
        label=_KINDS[channel.kind],
        meaning=channel.meaning,
        value=_two_digits(value),
        bar=_percent(value, low, high)
        if math.isfinite(value) and channel.low is not None
        else None,
        mark=None if channel.chance is None else _percent(channel.chance, low, high),
    )


def _percent(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.0
    return round(100 * min(max(share, 0.0), 1.0), 1)


def _two_digits(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "none"
