"""What a server's headers say about the use of a picture: opt-outs, read and obeyed.

Two signals are known: `X-Robots-Tag` and the TDM Reservation Protocol's `TDM-Reservation`. Those
that speak of machine learning or of data mining refuse the picture. Those that speak of search
results (`noindex`, `noimageindex`, `unavailable_after`, …) are recorded and not obeyed as a
refusal: whence lists nothing in a search engine, many hosts send `noindex` with every picture to
keep files out of web results, and skipping them would hide from artists the very copies that they
look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

AGENT = "whence"
"""The name under which a site may address us alone: `X-Robots-Tag: whence: noai`."""

_REFUSALS = frozenset({"noai", "noimageai", "noml", "none"})

_VALUED = frozenset(
    {
        "unavailable_after",
        "max-snippet",
        "max-image-preview",
        "max-video-preview",
        "indexifembedded",
    }
)
"""Directives that themselves hold a colon; any other word before one names an agent."""

_DAY_BEFORE_COMMA = re.compile(
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?", re.IGNORECASE
)
_MAX_SIGNAL = 200
_MAX_SIGNALS = 16


@dataclass(frozen=True, slots=True)
class Consent:
    """What the owner's signals say.

    Attributes:
        refusal: the signal that refuses our use, as `Header: directive`; None where none does.
        rights: every signal seen, as written, one a header.
    """

    refusal: str | None
    rights: tuple[str, ...]


def read_consent(headers: Iterable[tuple[str, str]], *, agent: str = AGENT) -> Consent:
    """Read the opt-outs in the headers of an answer, and of the redirects before it.

    Args:
        headers: names, in any case, and values; a name may repeat.
        agent: the name in agent-scoped directives that means us, in lower case.
    """
    refusal: str | None = None
    rights: dict[str, None] = {}
    for name, value in headers:
        lower = name.lower()
        if lower == "x-robots-tag":
            found = next((d for d in _directives_for(value, agent) if d in _REFUSALS), None)
            signal = "X-Robots-Tag"
        elif lower == "tdm-reservation":
            found = "1" if value.strip() == "1" else None
            signal = "TDM-Reservation"
        elif lower == "tdm-policy":
            found, signal = None, "TDM-Policy"
        else:
            continue
        if found is not None and refusal is None:
            refusal = f"{signal}: {found}"
        if len(rights) < _MAX_SIGNALS:
            rights[f"{signal}: {' '.join(value.split())[:_MAX_SIGNAL]}"] = None
    return Consent(refusal, tuple(rights))


def _directives_for(value: str, agent: str) -> Iterator[str]:
    """The directives of one header that hold for us, in lower case.

    An agent's name holds until the next one: in `noindex, otherbot: noai, nofollow` only the first
    directive is for everybody.
    """
    applies = True
    for part in _split(value):
        word, colon, rest = part.partition(":")
        word = word.strip().lower()
        if colon and word not in _VALUED:
            applies = word in {agent, "*", ""}
            word = rest.partition(":")[0].strip().lower()
        if applies and word:
            yield word


def _split(value: str) -> Iterator[str]:
    """Split at commas, but not at the one inside a date (`Wed, 03 Dec 2025 13:09:53 GMT`)."""
    pending = ""
    for part in value.split(","):
        whole = f"{pending},{part}" if pending else part
        last_word = whole.rpartition(":")[2].strip()
        dated = "unavailable_after" in whole.lower()
        if not pending and dated and _DAY_BEFORE_COMMA.fullmatch(last_word):
            pending = whole
            continue
        pending = ""
        yield whole
    if pending:
        yield pending
