"""What is known of a candidate, for a person: every word cleaned and cut, the unknown named so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from attribution.prompt import ReferencePicture
from attribution.provenance.content_credentials import Credentials, CredentialState
from attribution.provenance.origin import Origin
from attribution.report.overlays import Embedded, embed_stored
from attribution.report.safe_text import cut, short_address, web_link
from harvester.sanitize import clean
from harvester.schema import Candidate, ReferenceRole

_WHOLE = 1000
"""Characters of a cut text that its tooltip still holds: no browser shows more."""


@dataclass(frozen=True, slots=True)
class SafeText:
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
    words: SafeText | None
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


def to_words(text: str | None, limit: int) -> SafeText | None:
    """A stranger's text, its first `limit` characters shown; None where nothing can be read."""
    kept = max(_WHOLE, limit)
    # Cleaning shortens, so that it is given more than is kept; yet not a megabyte.
    whole = cut(clean((text or "")[: 2 * kept]), kept)
    shown = cut(whole, limit)
    return SafeText(shown, whole if shown != whole else None) if shown else None


def to_address(address: str | None) -> SafeText | None:
    """An address, short; a link where it may be followed, and None where nothing can be read."""
    words = to_words(address, _WHOLE)
    if words is None or not address:
        return None
    shown = short_address(address, 70)
    return SafeText(shown, words.shown if shown != words.shown else None, web_link(address))


def _licence(candidate: Candidate) -> SafeText | None:
    name, link = to_words(candidate.license, 100), to_address(candidate.license_url)
    if name is None or link is None:
        return name or link
    if link.href is None:
        return SafeText(f"{name.shown} ({link.shown})", name.whole)
    return SafeText(name.shown, name.whole, link.href)


def _finding(candidate: Candidate) -> SafeText | None:
    source = clean(candidate.source)
    query = to_words(candidate.query, 120)
    told = [source] if source else []
    if candidate.rank is not None:
        told.append(f"result {candidate.rank:,}")
    if query is not None:
        told.append(f"searching for “{query.shown}”")
    return SafeText(", ".join(told), query.whole if query else None) if told else None


def _instant(instant: datetime | None) -> SafeText | None:
    return None if instant is None else SafeText(show_instant(instant))


def _size(candidate: Candidate) -> SafeText | None:
    told = []
    if candidate.width is not None and candidate.height is not None:
        times = "\N{MULTIPLICATION SIGN}"
        told.append(f"{candidate.width:,} {times} {candidate.height:,} pixels")
    if candidate.bytes is not None:
        told.append(f"{math.ceil(candidate.bytes / 1000):,} kB")
    return SafeText(", ".join(told)) if told else None


_LIMIT = 200


def describe_origin(origin: Origin) -> tuple[Fact, ...]:
    """The facts that a file states, in reading order; the silent ones are left out.

    Credentials are the exception: that a file has none is worth a line.
    """
    facts = [
        Fact("Not to be shown", to_words(origin.negative_prompt, 1000)),
        Fact("Generator", to_words(origin.generator, _LIMIT)),
        Fact("Job", to_words(origin.job_id, _LIMIT)),
        Fact("Kind of source", to_words(_last(origin.digital_source_type), _LIMIT)),
        Fact("Said in", to_words(", ".join(claim.where for claim in origin.claims), 600)),
    ]
    signed = Fact("Content Credentials", _credentials(origin.credentials), "none in the file")
    return (*(fact for fact in facts if fact.words), signed)


def origin_record(origin: Origin) -> dict[str, Any]:
    """The same for JSON; keys are always all there, and the unknown is null."""
    found = origin.credentials
    return {
        "prompt": origin.prompt,
        "negative_prompt": origin.negative_prompt,
        "generator": origin.generator,
        "job_id": origin.job_id,
        "digital_source_type": origin.digital_source_type,
        "claims": [{"where": one.where, "facts": list(one.facts)} for one in origin.claims],
        "credentials": found
        and {
            "state": found.state.value,
            "signer": found.signer,
            "generator": found.generator,
            "actions": list(found.actions),
            "digital_source_type": found.digital_source_type,
            "signed_at": found.signed_at,
            "reason": found.reason,
        },
    }


def _credentials(found: Credentials | None) -> SafeText | None:
    if found is None:
        return None
    told = [found.state.value]
    if found.state in {CredentialState.VALID, CredentialState.UNTRUSTED}:
        told.append(f"signed by “{found.signer or 'nobody named'}”")
        if found.generator:
            told.append(f"made with “{found.generator}”")
        if found.signed_at:
            told.append(f"on {found.signed_at}")
        told.extend(found.actions)
    return to_words("; ".join([*told, *([found.reason] if found.reason else [])]), 600)


def _last(address: str | None) -> str | None:
    return address.rpartition("/")[2] if address else None


MOST = 16
"""References that a page shows; a prompt that people write names a handful."""
_SIDE = 240
_ROLES = {
    ReferenceRole.IMAGE: "Image prompt",
    ReferenceRole.STYLE: "Style reference (--sref)",
    ReferenceRole.CHARACTER: "Character reference (--cref)",
    ReferenceRole.OBJECT: "Object reference (--oref)",
}


@dataclass(frozen=True, slots=True)
class ShownReference:
    """One declared reference.

    Attributes:
        role: what was to be taken from it, in words.
        address: the link; for a style code the code.
        picture: None where there is none that can be shown.
        missing: why there is none, or that nobody asked.
    """

    role: str
    address: SafeText | None
    picture: Embedded | None
    missing: SafeText


def show_declared(declared: Sequence[ReferencePicture]) -> tuple[ShownReference, ...]:
    """The first `MOST` references that a prompt names, as the page shows them."""
    return tuple(
        ShownReference(
            role=_ROLES[one.role],
            address=to_address(one.url),
            picture=embed_stored(one.picture, _SIDE),
            missing=_missing(one),
        )
        for one in declared[:MOST]
    )


def _missing(one: ReferencePicture) -> SafeText:
    told = to_words(one.error, 160)
    if told is not None:
        return told
    return SafeText("not fetched" if one.status is None else f"no picture ({one.status.value})")
