"""The bars of a page: a line and bar for each score, and one bar for all shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attribution.descriptors.channels import KNOWN, Channel, describe_channel
from attribution.ranking.rank import Match, Ranking
from attribution.report.wording import others_share, shared, show_share

MOST_SHARES = 6
"""Matches whose shares have a part of the bar of their own."""
_KINDS = {
    "image": "Likeness",
    "text": "Words",
    "place": "Points",
    "copy": "Copy check",
    "term": "Term",
}


@dataclass(frozen=True, slots=True)
class Score:
    """One channel's line.

    Attributes:
        z: standard deviations above unrelated pictures; None where it is not calibrated.
        bar: share of the channel's range in percent; None where there is no score.
        mark: where unrelated pictures stand on that bar, in percent; None where nobody measured.
    """

    channel: str
    label: str
    meaning: str
    value: str
    z: str | None
    bar: float | None
    mark: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the bar of shares.

    Attributes:
        rank: of the match that it belongs to; None for the others, and for what is unattributed.
        percent: of the bar.
    """

    rank: int | None
    label: str
    text: str
    percent: float


def show_scores(match: Match, tops: Mapping[str, float]) -> tuple[Score, ...]:
    """One match's lines, by kind; counts of agreeing points among them.

    Args:
        match: of a ranking.
        tops: the highest score of each channel, as `highest` gives.
    """
    values = _values(match)
    return tuple(
        _show_score(describe_channel(name), values[name], match.z.get(name), tops.get(name, 0.0))
        for name in _by_kind(values)
    )


def show_shares(ranking: Ranking) -> tuple[Share, ...]:
    """The bar of shares from left to right; empty where the ranker gives none."""
    if ranking.found is None:
        return ()
    parts = [
        Share(one.rank, f"Candidate {one.rank}", show_share(one.share), _percent(one.share))
        for one in shared(ranking, MOST_SHARES)
    ]
    others = others_share(ranking, MOST_SHARES)
    if others > 0:
        parts.append(Share(None, "other candidates", show_share(others), _percent(others)))
    left = ranking.unattributed
    return (*parts, Share(None, "unattributed", show_share(left), _percent(left)))


def highest(matches: Sequence[Match]) -> dict[str, float]:
    """By channel, the highest score of some matches."""
    tops: dict[str, float] = {}
    for match in matches:
        for name, value in _values(match).items():
            if math.isfinite(value):
                tops[name] = max(value, tops.get(name, value))
    return tops


def channels_of(rankings: Iterable[Ranking]) -> tuple[Channel, ...]:
    """The channels that some matches were compared in, known ones in the order of the table."""
    seen = {name for ranking in rankings for match in ranking.matches for name in _values(match)}
    known = [name for name in KNOWN if name in seen]
    return tuple(describe_channel(name) for name in _by_kind([*known, *sorted(seen - {*known})]))


def _values(match: Match) -> dict[str, float]:
    return {**match.channels, **{name: float(count) for name, count in match.inliers.items()}}


def _by_kind(names: Iterable[str]) -> list[str]:
    order = list(_KINDS)
    return sorted(names, key=lambda name: order.index(describe_channel(name).kind))


def _show_score(channel: Channel, value: float, z: float | None, top: float) -> Score:
    """A channel's line; without a bound above, the best of the matches shown is the bar's end.

    One without a bound below has no bar.
    """
    low = channel.low if channel.low is not None else 0.0
    high = channel.high if channel.high is not None else top
    has_bar = math.isfinite(value) and channel.low is not None
    return Score(
        channel=channel.name,
        label=_KINDS[channel.kind],
        meaning=channel.meaning,
        value=f"{value:,.0f}" if channel.kind == "place" else two_digits(value),
        z=None if z is None or not math.isfinite(z) else f"z\N{NO-BREAK SPACE}{z:.1f}",
        bar=_percent(value, low, high) if has_bar else None,
        mark=None if channel.chance is None else _percent(channel.chance, low, high),
    )


def two_digits(value: float) -> str:
    """A score with two digits behind the point."""
    return f"{value:.2f}" if math.isfinite(value) else "none"


def _percent(value: float, low: float = 0.0, high: float = 1.0) -> float:
    share = (value - low) / (high - low) if high > low else 0.0
    return round(100 * min(max(share, 0.0), 1.0), 1)
