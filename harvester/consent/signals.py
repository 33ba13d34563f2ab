"""These are the opt-out signals, the policies that obey them, and the reader of HTTP headers.

Here are the words of it that all parts share (`Signal`, `ConsentPolicy`, `decide`), and the reader
of headers: `X-Robots-Tag` and the TDM Reservation Protocol's `TDM-Reservation`. Other signals come
from `robots`, `tdmrep` and `embedded`. Three policies weigh them:

* `strict`, the default, obeys every opt-out: against machine learning (`noai`, `noimageai`,
  `noml`), against data mining (TDM reservation), against search (`noindex`, `noimageindex`, `none`,
  `unavailable_after` a date that is over), robots.txt, and the prohibitions of PLUS `DataMining`.
* `search-only` takes whence for the search engine that it is: it obeys what speaks of search and of
  crawling (robots.txt, the words against search, PLUS prohibitions of every use), not what speaks
  of training or of data mining alone.
* `record` refuses nothing and writes everything down.

Signals are recorded in every policy, as written.

Source: Google's robots meta tag specification for `X-Robots-Tag`; W3C TDMRep, final report of
10 May 2024, for the TDM headers. But: `noarchive` and `nosnippet`, which single engines take for
words on training too, are recorded and not obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from harvester.sanitize import clean

AGENT = "whence"
"""The name under which a site may address us alone: `X-Robots-Tag: whence: noai`."""


class ConsentPolicy(StrEnum):
    """Which opt-outs are obeyed."""

    STRICT = "strict"
    SEARCH_ONLY = "search-only"
    RECORD = "record"


class SignalKind(StrEnum):
    """Which use a signal speaks against."""

    AI = "ai"  # training of models
    TDM = "tdm"  # text and data mining
    SEARCH = "search"  # being found in a search
    ROBOTS = "robots"  # being fetched by a program
    ANY = "any"  # whatever reads pictures by the million
    NOTE = "note"  # none: a permission, a fact, a word to others


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that an owner says.

    Attributes:
        text: where it was said and the word that counts: `X-Robots-Tag: noai`.
        written: the whole that it stands in, as written; empty where text is all there is.
    """

    text: str
    kind: SignalKind
    written: str = ""


@dataclass(frozen=True, slots=True)
class SiteVerdict:
    """What one file of a site says of one address.

    Attributes:
        signal: the refusal, or what else was said; None where nothing was.
        crawl_delay_s: seconds that the site wants between two requests.
    """

    signal: Signal | None = None
    crawl_delay_s: float | None = None


_OBEYED: dict[ConsentPolicy, frozenset[SignalKind]] = {
    ConsentPolicy.STRICT: frozenset(SignalKind) - {SignalKind.NOTE},
    ConsentPolicy.SEARCH_ONLY: frozenset({SignalKind.SEARCH, SignalKind.ROBOTS, SignalKind.ANY}),
    ConsentPolicy.RECORD: frozenset(),
}
_DIRECTIVES = {
    "noai": SignalKind.AI,
    "noimageai": SignalKind.AI,
    "noml": SignalKind.AI,
    "noindex": SignalKind.SEARCH,
    "noimageindex": SignalKind.SEARCH,
    "none": SignalKind.SEARCH,
}
_DATED = "unavailable_after"
_VALUED = frozenset(
    {_DATED, "max-snippet", "max-image-preview", "max-video-preview", "indexifembedded"}
)
"""Directives that themselves hold a colon; any other word before one names an agent."""
_DAY_BEFORE_COMMA = re.compile(
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?", re.IGNORECASE
)
_MAX_SIGNAL = 200
_MAX_SIGNALS = 16


def decide(signals: Iterable[Signal], policy: ConsentPolicy) -> str | None:
    """The text of the first signal that refuses our use under a policy; None where none does."""
    obeyed = _OBEYED[policy]
    return next((signal.text for signal in signals if signal.kind in obeyed), None)


def rights_of(signals: Iterable[Signal]) -> tuple[str, ...]:
    """Signals as a row keeps them: each once, opt-outs first, at most 16 of 200 characters."""
    # Opt-outs first, so that a flood of other words cannot push out the one that refused.
    ordered = sorted(signals, key=lambda signal: signal.kind is SignalKind.NOTE)
    texts = dict.fromkeys((signal.written or signal.text)[:_MAX_SIGNAL] for signal in ordered)
    return tuple(texts)[:_MAX_SIGNALS]


def read_signals(
    headers: Iterable[tuple[str, str]], *, agent: str = AGENT, now: datetime | None = None
) -> tuple[Signal, ...]:
    """Read the signals in the headers of an answer; every header of consent gives one at least.

    Args:
        headers: names, in any case, and values; a name may repeat.
        agent: the name in agent-scoped directives that means us, in lower case.
        now: the moment that `unavailable_after` is held against, in UTC.
    """
    # By kind as well: a note that reads like an opt-out must not stand in the way of one.
    signals: dict[tuple[str, SignalKind], Signal] = {}
    notes = 0
    for name, value in headers:
        lower = name.lower()
        if lower == "x-robots-tag":
            header, kinds = "X-Robots-Tag", _judge_robots(value, agent, now)
        elif lower == "tdm-reservation":
            kinds = {"1": SignalKind.TDM} if value.strip() == "1" else {}
            header = "TDM-Reservation"
        elif lower == "tdm-policy":
            header, kinds = "TDM-Policy", {}
        else:
            continue
        written = f"{header}: {clean(value[: 2 * _MAX_SIGNAL])}"[:_MAX_SIGNAL]
        for word, kind in kinds.items():
            text = f"{header}: {word}"
            signals.setdefault((text, kind), Signal(text, kind, written))
        if not kinds and notes < _MAX_SIGNALS:
            notes += 1
            signals.setdefault((written, SignalKind.NOTE), Signal(written, SignalKind.NOTE))
    return tuple(signals.values())


def _judge_robots(value: str, agent: str, now: datetime | None) -> dict[str, SignalKind]:
    """The words of one header that refuse some use, and which; of passed dates the first."""
    kinds: dict[str, SignalKind] = {}
    is_over = False
    for word, rest in _directives_for(value, agent):
        if word in _DIRECTIVES:
            kinds[word] = _DIRECTIVES[word]
        elif word == _DATED and not is_over:
            moment = _read_moment(rest)
            is_over = moment is not None and moment <= (now or datetime.now(UTC))
            if is_over:
                kinds[f"{_DATED}: {moment:%Y-%m-%d}"] = SignalKind.SEARCH
    return kinds


def _directives_for(value: str, agent: str) -> Iterator[tuple[str, str]]:
    """The directives of one header that hold for us, in lower case, and what follows their colon.

    An agent's name holds until the next one: in `noindex, otherbot: noai, nofollow` only the first
    directive is for everybody.
    """
    applies = True
    for part in _split(value):
        word, colon, rest = part.partition(":")
        word = word.strip().lower()
        if colon and word not in _VALUED:
            applies = word in {agent, "*", ""}
            word, colon, rest = rest.partition(":")
            word = word.strip().lower()
        if not applies:
            continue
        if colon:
            yield word, rest
        else:
            # Some write blanks or semicolons where commas belong; what they mean is plain.
            yield from ((each, "") for each in word.replace(";", " ").split())


def _split(value: str) -> Iterator[str]:
    """Split at commas, but not at the one inside a date (`Wed, 03 Dec 2025 13:09:53 GMT`)."""
    pending = ""
    for part in value.split(","):
        whole = f"{pending},{part}" if pending else part
        last_word = whole.rpartition(":")[2].strip()
        if not pending and _DATED in whole.lower() and _DAY_BEFORE_COMMA.fullmatch(last_word):
            pending = whole
            continue
        pending = ""
        yield whole
    if pending:
        yield pending


def _read_moment(text: str) -> datetime | None:
    """A date of RFC 822, RFC 850 or ISO 8601, in UTC where it names no zone; None of all else."""
    text = text.strip()[:64]
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError, IndexError, TypeError):
            continue
    return None
