"""What is known of a candidate, for a person: every word cleaned and cut, the unknown named so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from attribution.report.untrusted import cut, short_address, web_link
from harvester.printable import clean
from harvester.schema import Candidate

_WHOLE = 1000
"""Characters of a cut text that its tooltip still holds: no browser shows more."""


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
class Fact:
    """One thing known of a candidate.

    Attributes:
        words: None where it is unknown.
        missing: what then stands in its place.
    """

    label: str
    words: Words | None
    missing: str = "unknown"


def describe(candidate: Candidate) -> tuple[Fact, ...]:
    """The facts of a candidate in reading order; unknown ones too, but for opt-out signals."""
    facts = [
        Fact("Page", to_address(candidate.page_url)),
        Fact("Picture file", to_address(candidate.url)),
        Fact("Creator", to_words(candidate.creator, 100)),
        Fact("Licence", _licence(candidate), "unknown \N{EN DASH} ask the maker"),
        Fact("Found by", _finding(candidate)),
        Fact("Harvested", _instant(candidate.fetched_at)),
        Fact("Size", _size(candidate)),
    ]
    if candidate.rights:
        facts.append(Fact("Owner's signals", to_words(", ".join(candidate.rights), 200)))
    return tuple(facts)


def show_instant(instant: datetime) -> str:
    """A date and time in UTC, to the minute."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def to_words(text: str | None, limit: int) -> Words | None:
    """A stranger's text, its first `limit` characters shown; None where nothing can be read."""
    kept = max(_WHOLE, limit)
    # Cleaning shortens, so that it is given more than is kept; yet not a megabyte.
    whole = cut(clean((text or "")[: 2 * kept]), kept)
    shown = cut(whole, limit)
    return Words(shown, whole if shown != whole else None) if shown else None


def to_address(address: str | None) -> Words | None:
    """An address, short; a link where it may be followed, and None where nothing can be read."""
    words = to_words(address, _WHOLE)
    if words is None or not address:
        return None
    shown = short_address(address, 70)
    return Words(shown, words.shown if shown != words.shown else None, web_link(address))


def _licence(candidate: Candidate) -> Words | None:
    name, link = to_words(candidate.license, 100), to_address(candidate.license_url)
    if name is None or link is None:
        return name or link
    if link.href is None:
        return Words(f"{name.shown} ({link.shown})", name.whole)
    return Words(name.shown, name.whole, link.href)


def _finding(candidate: Candidate) -> Words | None:
    source = clean(candidate.source)
    query = to_words(candidate.query, 120)
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
