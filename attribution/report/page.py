"""What a report's page shows, as plain values: words cleaned and cut, pictures made small.

The template lays these out and escapes them; it decides nothing.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attribution.descriptors import CHANNELS, Channel
from attribution.fusion import UNRELATED_COSINE
from attribution.query import Query
from attribution.ranking import Match, Ranking
from attribution.report.untrusted import clean, cut, short_address, web_link
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

_WHOLE = 1000
"""Characters of a cut text that its tooltip still holds: no browser shows more."""

_KINDS = {"image": "Likeness", "text": "Words", "copy": "Copy check"}


@dataclass(frozen=True, slots=True)
class Words:
    """Text from outside, safe but for escaping.

    Attributes:
        whole: the longer text that `shown` was cut from; None where nothing was cut.
        href: where it links to; None for plain text.
    """

    shown: str
    whole: str | None = None
    href: str | None = None


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
class Fact:
    """One thing known of a candidate.

    Attributes:
        words: None where it is unknown.
        missing: what then stands in its place.
    """

    label: str
    words: Words | None
    missing: str = "unknown"


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


def show_query(number: int, ranking: Ranking, candidates: Mapping[str, Candidate]) -> ShownQuery:
    """One ranking as the page shows it; a candidate that is missing has nothing known of it."""
    query = ranking.query
    tops = _highest(ranking.matches)
    many = ranking.near_copies
    return ShownQuery(
        number=number,
        name=_words(query.name, 80) or Words("a picture without a name"),
        prompt=_words(query.prompt, 1500),
        conclusion=ranking.conclusion,
        verdict="no evidence" if not many else f"{many} near {'copies' if many > 1 else 'copy'}",
        near_copies=many,
        gallery_size=ranking.gallery_size,
        is_grid=query.is_grid,
        picture=embed(query.views[0].picture, GRID_SIDE if query.is_grid else QUERY_SIDE),
        matches=tuple(
            _show_match(match, query, candidates.get(match.candidate_id), tops)
            for match in ranking.matches
        ),
    )


def channels_of(rankings: Iterable[Ranking]) -> tuple[Channel, ...]:
    """The channels that some matches were compared in, known ones in the order of the table."""
    seen = {name for ranking in rankings for match in ranking.matches for name in match.channels}
    known = [name for name in CHANNELS if name in seen]
    return tuple(_channel(name) for name in _by_kind([*known, *sorted(seen - CHANNELS.keys())]))


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


def show_instant(instant: datetime) -> str:
    """A date and time in UTC, to the minute."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _show_match(
    match: Match, query: Query, candidate: Candidate | None, tops: Mapping[str, float]
) -> ShownMatch:
    candidate = candidate or Candidate(id=match.candidate_id)
    return ShownMatch(
        rank=match.rank,
        tile=match.tile if query.is_grid else None,
        title=_words(candidate.title, 140),
        verdict=match.verdict,
        score=_two_digits(match.score),
        scores=tuple(
            _show_score(_channel(name), match.channels[name], tops.get(name, 0.0))
            for name in _by_kind(match.channels)
        ),
        picture=_embed_candidate(candidate),
        facts=_facts(candidate),
    )


def _embed_candidate(candidate: Candidate) -> Embedded | None:
    try:
        return embed(open_picture(candidate.image or b"").rgb, CANDIDATE_SIDE)
    except PictureError:
        return None


def _channel(name: str) -> Channel:
    # Only an embedding is named by what the user chose, so only its name can be unknown here.
    unknown = Channel(name, "image", "likeness to this model; it is not described here", 0, 1, "")
    return CHANNELS.get(name, unknown)


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
    """A channel's line; without a bound above, the best of the matches shown is the bar's end."""
    low = channel.low if channel.low is not None else 0.0
    high = channel.high if channel.high is not None else highest
    chance = {"copy": 0.5, "image": UNRELATED_COSINE}.get(channel.kind)
    return Score(
        channel=channel.name,
        label=_KINDS[channel.kind],
        meaning=channel.meaning,
        value=_two_digits(value),
        bar=_percent(value, low, high) if math.isfinite(value) else None,
        mark=None if chance is None else _percent(chance, low, high),
    )


def _percent(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.0
    return round(100 * min(max(share, 0.0), 1.0), 1)


def _two_digits(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "none"


def _facts(candidate: Candidate) -> tuple[Fact, ...]:
    facts = [
        Fact("Page", _address(candidate.page_url)),
        Fact("Picture file", _address(candidate.url)),
        Fact("Creator", _words(candidate.creator, 100)),
        Fact("Licence", _licence(candidate), "unknown \N{EN DASH} ask the maker"),
        Fact("Found by", _finding(candidate)),
        Fact("Harvested", _instant(candidate.fetched_at)),
        Fact("Size", _size(candidate)),
    ]
    if candidate.rights:
        facts.append(Fact("Owner's signals", _words(", ".join(candidate.rights), 200)))
    return tuple(facts)


def _words(text: str | None, limit: int) -> Words | None:
    # Cleaning may shorten: a little more than is kept is enough.
    whole = cut(clean((text or "")[: 4 * _WHOLE]), max(_WHOLE, limit))
    shown = cut(whole, limit)
    return Words(shown, whole if shown != whole else None) if shown else None


def _address(address: str | None) -> Words | None:
    words = _words(address, _WHOLE)
    if words is None or not address:
        return None
    shown = short_address(address, 70)
    return Words(shown, words.shown if shown != words.shown else None, web_link(address))


def _licence(candidate: Candidate) -> Words | None:
    name, link = _words(candidate.license, 100), _address(candidate.license_url)
    if name is None or link is None:
        return name or link
    if link.href is None:
        return Words(f"{name.shown} ({link.shown})", name.whole)
    return Words(name.shown, name.whole, link.href)


def _finding(candidate: Candidate) -> Words | None:
    source = clean(candidate.source)
    query = _words(candidate.query, 120)
    told = [source] if source else []
    if candidate.rank is not None:
        told.append(f"result {candidate.rank:,}")
    if query is not None:
        told.append(f"searching for “{query.shown}”")
    return Words(", ".join(told), query.whole if query else None) if told else None


def _instant(instant: datetime | None) -> Words | None:
    return None if instant is None else Words(show_instant(instant))


def _size(candidate: Candidate) -> Words | None:
    told = []
    if candidate.width is not None and candidate.height is not None:
        times = "\N{MULTIPLICATION SIGN}"
        told.append(f"{candidate.width:,} {times} {candidate.height:,} pixels")
    if candidate.bytes is not None:
        told.append(f"{math.ceil(candidate.bytes / 1000):,} kB")
    return Words(", ".join(told)) if told else None
