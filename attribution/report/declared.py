"""The pictures that a prompt itself names: declared, and not found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attribution.asked import Declared
from attribution.report.facts import Words, to_address, to_words
from attribution.report.overlays import Embedded, embed
from harvester.images import PictureError, open_picture
from harvester.schema import ReferenceRole

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
    address: Words | None
    picture: Embedded | None
    missing: Words


def show_declared(declared: Sequence[Declared]) -> tuple[ShownReference, ...]:
    """The first `MOST` references that a prompt names, as the page shows them."""
    return tuple(
        ShownReference(
            role=_ROLES[one.role],
            address=to_address(one.url),
            picture=_embed(one.picture),
            missing=_missing(one),
        )
        for one in declared[:MOST]
    )


def _missing(one: Declared) -> Words:
    told = to_words(one.error, 160)
    if told is not None:
        return told
    return Words("not fetched" if one.status is None else f"no picture ({one.status.value})")


def _embed(body: bytes | None) -> Embedded | None:
    try:
        return embed(open_picture(body or b"").rgb, _SIDE)
    except PictureError:
        return None
