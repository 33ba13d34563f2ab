"""The facts known of a candidate, for a person: cleaned, cut, and the unknown named as unknown."""

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
    statements = [source] if source else []
    if candidate.rank is not None:
        statements.append(f"result {candidate.rank:,}")
    if query is not None:
        statements.append(f"searching for “{query.shown}”")
    return SafeText(", ".join(statements), query.whole if query else None) if statements else None


def _instant(instant: datetime | None) -> SafeText | None:
    return None if instant is None else SafeText(show_instant(instant))


def _size(candidate: Candidate) -> SafeText | None:
    statements = []
    if candidate.width is not None and candidate.height is not None:
        times = "\N{MULTIPLICATION SIGN}"
        statements.append(f"{candidate.width:,} {times} {candidate.height:,} pixels")
    if candidate.bytes is not None:
        statements.append(f"{math.ceil(candidate.bytes / 1000):,} kB")
    return SafeText(", ".join(statements)) if statements else None


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
    credentials = origin.credentials
    return {
        "prompt": origin.prompt,
        "negative_prompt": origin.negative_prompt,
        "generator": origin.generator,
        "job_id": origin.job_id,
        "digital_source_type": origin.digital_source_type,
        "claims": [{"where": one.where, "facts": list(one.facts)} for one in origin.claims],
        "credentials": credentials
        and {
            "state": credentials.state.value,
            "signer": credentials.signer,
            "generator": credentials.generator,
            "actions": list(credentials.actions),
            "digital_source_type": credentials.digital_source_type,
            "signed_at": credentials.signed_at,
            "reason": credentials.reason,
        },
    }


def _credentials(credentials: Credentials | None) -> SafeText | None:
    if credentials is None:
        return None
    statements = [credentials.state.value]
    if credentials.state in {CredentialState.VALID, CredentialState.UNTRUSTED}:
        statements.append(f"signed by “{credentials.signer or 'nobody named'}”")
        if credentials.generator:
            statements.append(f"made with “{credentials.generator}”")
        if credentials.signed_at:
            statements.append(f"on {credentials.signed_at}")
        statements.extend(credentials.actions)
    return to_words("; ".join([*statements, *filter(None, [credentials.reason])]), 600)


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
            role=_ROLES[reference.role],
            address=to_address(reference.url),
            picture=embed_stored(reference.picture, _SIDE),
            missing=_missing(reference),
        )
        for reference in declared[:MOST]
    )


def _missing(reference: ReferencePicture) -> SafeText:
    reason = to_words(reference.error, 160)
    if reason is not None:
        return reason
    return SafeText(
        "not fetched" if reference.status is None else f"no picture ({reference.status.value})"
    )
