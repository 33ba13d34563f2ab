"""What packages of emoji say of their pictures: names, categories, whose they are. Pure.

OpenMoji's groups are given the names that the others use, so that one category holds the same
things in every set.

But: names are Unicode's, which is not how everyone would call the thing (`face with ok gesture`),
and two pictures may share one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harvester.printable import clean
from harvester.rows import as_text
from harvester.sources.captioned import as_category

_PNG = re.compile(r"[0-9a-f]{2,6}(-[0-9a-f]{2,6}){0,15}\.png")
SVG = re.compile(r"[0-9A-F]{2,6}(-[0-9A-F]{2,6}){0,15}\.svg")
_LONGEST_NAME = 200  # characters
_TONES = {
    "1F3FB": "light skin tone",
    "1F3FC": "medium-light skin tone",
    "1F3FD": "medium skin tone",
    "1F3FE": "medium-dark skin tone",
    "1F3FF": "dark skin tone",
}


@dataclass(frozen=True, slots=True)
class Emoji:
    """One picture that a package names; `name` in plain words, `file` without a folder."""

    name: str | None
    category: str
    file: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a package has its names and pictures, and whose they are.

    Attributes:
        names, pictures: paths in the package.
        file_name: of every picture.
        read: what a record names; with pictures of skin tones or without.
    """

    creator: str
    license: str
    license_url: str
    names: str
    pictures: str
    file_name: re.Pattern[str]
    read: Callable[[Mapping[str, Any], bool], Iterator[Emoji]]


def plain_words(name: str) -> str | None:
    """A Unicode name as plain words in lower case: `FAMILY: MAN, BOY` → `family man boy`."""
    text = re.sub(r"[^\w\s’'#*&+!?-]|_", " ", clean(name).replace(".", "")).lower()
    return " ".join(text.split())[:_LONGEST_NAME].strip() or None


def _datasource(vendor: str) -> Callable[[Mapping[str, Any], bool], Iterator[Emoji]]:
    """Reads a record of `emoji.json`, for one vendor."""

    def read(record: Mapping[str, Any], variants: bool) -> Iterator[Emoji]:  # noqa: FBT001  # one signature for all
        name = plain_words(as_text(record.get("name")) or "") or plain_words(
            as_text(record.get("short_name")) or ""
        )
        category = as_category(record.get("category")) or "Other"
        if record.get(f"has_img_{vendor}") is True:
            yield Emoji(name, category, str(record.get("image")))
        varied = record.get("skin_variations") if variants else None
        for tones, variant in varied.items() if isinstance(varied, dict) else ():
            if isinstance(variant, dict) and variant.get(f"has_img_{vendor}") is True:
                said = (_TONES.get(tone, "") for tone in tones.split("-"))
                words = " ".join(filter(None, (name, *said)))
                yield Emoji(words or None, category, str(variant.get("image")))

    return read


def _openmoji(record: Mapping[str, Any], variants: bool) -> Iterator[Emoji]:  # noqa: FBT001  # as above
    """Reads a record of `openmoji.json`."""
    if record.get("skintone") and not variants:
        return
    group = as_text(record.get("group")) or ""
    yield Emoji(
        plain_words(as_text(record.get("annotation")) or ""),
        as_category(group.replace("-", " " if group.startswith("extras") else " & ").title())
        or "Other",
        f"{record.get('hexcode')}.svg",
    )


_BY = "https://creativecommons.org/licenses/by"

LAYOUTS: Mapping[str, Layout] = {
    "emoji-datasource-twitter": Layout(
        creator="Twitter",
        license="CC BY 4.0",
        license_url=f"{_BY}/4.0/",
        names="emoji.json",
        pictures="img/twitter/64",
        file_name=_PNG,
        read=_datasource("twitter"),
    ),
    "emoji-datasource-google": Layout(
        creator="Google",
        license="Apache-2.0",
        license_url="https://www.apache.org/licenses/LICENSE-2.0",
        names="emoji.json",
        pictures="img/google/64",
        file_name=_PNG,
        read=_datasource("google"),
    ),
    "openmoji": Layout(
        creator="OpenMoji",
        license="CC BY-SA 4.0",
        license_url=f"{_BY}-sa/4.0/",
        names="data/openmoji.json",
        pictures="color/svg",
        file_name=SVG,
        read=_openmoji,
    ),
}
