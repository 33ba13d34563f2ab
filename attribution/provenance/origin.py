"""The origin of a generated file: the prompt, generator and signer that its bytes name.

All of it is claimed by the file and none of it is proof, but for credentials whose state is valid:
texts can be written by anyone, and are lost whenever a picture is saved anew. Silence means
nothing. Whatever is broken or hostile ends in silence too, so that a picture is ranked all the
same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

from attribution.provenance.content_credentials import (
    Credentials,
    CredentialState,
    read_credentials,
)
from attribution.provenance.file_texts import FileText, read_texts
from attribution.provenance.generators import FileClaims, name_maker, read_text, source_type
from harvester.errors import reason_of
from harvester.schema import MAX_TEXT

_log = logging.getLogger(__name__)
CREDENTIALS = "Content Credentials"
_Given = TypeVar("_Given")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Claim:
    """Which part of a file said something.

    Attributes:
        where: for a person: `PNG text parameters`, `XMP DigitalSourceType`, `Content Credentials`.
        facts: names of the facts of `Origin` that it speaks of, whether or not it had the last
            word on them.
    """

    where: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a generated file says of itself; every text is a stranger's.

    Attributes:
        prompt: words and flags as the tool wrote them, line breaks included.
        negative_prompt: what the picture should not show, where the tool keeps it apart.
        generator: a common name where the generator is a known one, else its own.
        job_id: of Midjourney, a UUID in lower case.
        digital_source_type: an address out of IPTC's or C2PA's list; `…/trainedAlgorithmicMedia`
            says that a model made the picture.
        claims: where all this stood, texts in the file's order, credentials last.
        credentials: None where the file has none.
    """

    prompt: str | None = None
    negative_prompt: str | None = None
    generator: str | None = None
    job_id: str | None = None
    digital_source_type: str | None = None
    claims: tuple[Claim, ...] = ()
    credentials: Credentials | None = None


def read_origin(body: bytes, *, trust_anchors: str | None = None) -> Origin:
    """Read what a picture file says of itself; an empty `Origin` if nothing. Never raises.

    Args:
        body: the file byte for byte, of any kind and origin.
        trust_anchors: as in `content_credentials.read_credentials`.
    """
    told: list[tuple[FileText, FileClaims]] = []
    for text in _try(read_texts, body) or ():
        said = _try(read_text, text)
        if said is not None and _facts(said):
            told.append((text, _bounded(said)))
    found = _try(lambda file: read_credentials(file, trust_anchors=trust_anchors), body)
    signed = _signed(found)
    ranked = sorted(told, key=_authority)
    texts = [said for _, said in ranked]
    # Both prompts come from one text: of two texts they would not belong together.
    words = next((said for said in texts if said.prompt), None)
    words = words or next((said for said in texts if said.negative_prompt), FileClaims())
    trusted = found is not None and found.state is CredentialState.VALID
    order = [signed, *texts] if trusted else [*texts, signed]
    claims = [Claim(f"{text.place} {text.name}", _facts(said)) for text, said in told]
    if found is not None:
        claims.append(Claim(CREDENTIALS, _facts(signed)))
    return Origin(
        prompt=words.prompt,
        negative_prompt=words.negative_prompt,
        generator=_first(said.generator for said in order),
        job_id=_first(said.job_id for said in texts),
        digital_source_type=_first(said.digital_source_type for said in order),
        claims=tuple(claims),
        credentials=found,
    )


def _authority(told: tuple[FileText, FileClaims]) -> int:
    """Texts in which a tool keeps its prompt go first; a program's mere name is the last resort."""
    text, said = told
    name = text.name.lower()
    if name in {"software", "creatortool", "credit"}:
        return 3
    if name == "aipromptinformation":
        return 1
    return 0 if said.prompt else 2


def _signed(credentials: Credentials | None) -> FileClaims:
    """What whole credentials say, whoever signed them; of broken ones nothing."""
    if credentials is None:
        return FileClaims()
    maker = name_maker(credentials.generator) or credentials.generator
    return FileClaims(
        generator=maker, digital_source_type=source_type(credentials.digital_source_type)
    )


def _bounded(said: FileClaims) -> FileClaims:
    """Texts of at most `MAX_TEXT` characters, without halves of characters."""
    return FileClaims(**{field.name: _cut(getattr(said, field.name)) for field in fields(said)})


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    # JSON can spell half a character, which no file, terminal or address can take.
    whole = text[:MAX_TEXT].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole[:MAX_TEXT].strip() or None


def _facts(said: FileClaims) -> tuple[str, ...]:
    return tuple(field.name for field in fields(said) if getattr(said, field.name))


def _first(values: Iterable[str | None]) -> str | None:
    return next(filter(None, values), None)


def _try(read: Callable[[_Given], _Value], given: _Given) -> _Value | None:
    """What a reader finds; a file that breaks the reader has said nothing."""
    try:
        return read(given)
    except Exception as exc:  # noqa: BLE001  # any damage at all: the picture is ranked without
        _log.debug("the file's own words not read: %s", reason_of(exc))
        return None
