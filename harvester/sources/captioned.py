"""This is the source of captioned sets: a folder of pictures and a list of captions for them.

What a captioned set is to all who train on one: a picture, its caption, its maker and a category.
The category is the folder right above the picture in a finding's address, as Hugging Face's
ImageFolder has it: `file:<set>/<category>/<file name>`.

A list's row is for a picture by its path, below the folder of pictures or beside the list. What
the list says counts before what sidecars say, which `folder` reads. Of several rows for one
picture (COCO has five) the first counts, for each field.

But: a list is held in memory, some 1 KB a row; and a picture in no folder has no category.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.errors import InputError
from harvester.paths import what_is
from harvester.readers.tables import as_text, read_rows
from harvester.sanitize import clean
from harvester.schema import LocalPicture, category_of
from harvester.sources.folder import read_folder
from harvester.urls import is_web_address

SOURCE = "captions"
_FILE_NAME = ("file_name", "filename", "file", "path", "image", "image_path", "filepath")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "file_name": _FILE_NAME,
    "caption": ("caption", "text", "prompt", "description", "alt"),
    "title": ("title", "name"),
    "creator": ("creator", "artist", "author", "photographer"),
    "category": ("category", "class", "label"),
    "license": ("license", "licence"),
    "license_url": ("license_url", "licence_url"),
}
_SLASHES = re.compile(r"[/\\]+")
_LONGEST_CATEGORY = 80  # characters
_SHOWN = 20


@dataclass(slots=True)
class CaptionTally:
    """What a captioned set came to.

    Attributes:
        taken: pictures.
        without_caption: of these.
        left_out: pictures of categories that are not wanted.
        lost: pictures that are named and not there, or cannot be drawn; of a list, those of
            every category.
    """

    taken: int = 0
    without_caption: int = 0
    left_out: int = 0
    lost: int = 0

    def take(self, picture: LocalPicture) -> LocalPicture:
        """Count a picture, and hand it on."""
        self.taken += 1
        self.without_caption += picture.finding.caption is None
        return picture

    def record(self) -> dict[str, int]:
        """For `--json`."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class CaptionFilter:
    """Which categories are taken; names are compared without regard to case.

    Attributes:
        only: all are, where none is named.
        without: are not, whatever `only` says.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def wants(self, category: str) -> bool:
        """Whether a category is taken; "" stands for none."""
        name = category.casefold()
        wanted = not self.only or name in {one.casefold() for one in self.only}
        return wanted and name not in {one.casefold() for one in self.without}

    def check(self, categories: Iterable[str], where: str) -> None:
        """Refuse categories that a set does not have: a name misspelt takes or leaves too much.

        Raises:
            InputError: naming the first such, and those that there are.
        """
        there = sorted({category for category in categories if category})
        present = {category.casefold() for category in there}
        for name in (*self.only, *self.without):
            if name.casefold() not in present:
                shown = ", ".join(map(clean, there[:_SHOWN])) or "none"
                raise InputError(
                    f"{clean(where)}: expected a category of this set ({shown}), found "
                    f"{clean(name)!r}; give one of these"
                )


def read_captioned(
    folder: Path, captions: Path, *, choice: CaptionFilter | None = None, tally: CaptionTally
) -> Iterator[LocalPicture]:
    """Stream a folder's pictures in natural order, with what a list says of them.

    A picture that the list does not name, or gives no caption, is taken without one.

    Args:
        folder: of pictures, folders below it included; read as `folder.read_folder` does.
        captions: csv, tsv, json, jsonl or parquet file with a column `file_name` (or `file`,
            `path`, `image`) and any of `caption` (`text`, `prompt`), `title`, `creator`
            (`artist`), `category`, `license`, `license_url`.
        choice: of categories; all where None.
        tally: is counted in.

    Raises:
        InputError: if there is no such folder or list, if the list is broken or names no picture
            of the folder, or if no picture is of a category that is wanted.
    """
    folder, choice = Path(folder), choice or CaptionFilter()
    read_folder(folder)  # refuses a folder that is none, before the list is read
    rows = _read_list(Path(captions), folder.resolve(), tally)
    if choice.only or choice.without:
        choice.check((category_of(one.finding.url) for one in _read(folder, rows)), folder.name)
    return _take(_read(folder, rows), choice, tally, folder.name)


def as_category(text: Any) -> str | None:
    """A category as it can stand in an address: one line, no slash; None where none is left."""
    name = clean(_SLASHES.sub(" ", as_text(text) or ""))[:_LONGEST_CATEGORY].strip(" .")
    return name or None


def _read_list(path: Path, root: Path, tally: CaptionTally) -> dict[str, dict[str, Any]]:
    """A picture's whole path → the fields that the list has for it; counts what is not there."""
    if not path.is_file():
        raise InputError(
            f"{path}: expected a list of captions, found {what_is(path)}; check the path"
        )
    bases = tuple(dict.fromkeys((str(root), str(path.resolve().parent))))
    rows: dict[str, dict[str, Any]] = {}
    named: set[tuple[str, ...]] = set()  # of each name, its paths: one from each base
    for _, row in read_rows(path, _FIELDS, any_of=("file_name",)):
        name = as_text(row.get("file_name"))
        if name is None:
            continue
        paths = tuple(os.path.normpath(os.path.join(base, name)) for base in bases)  # noqa: PTH118  # normalised as text, links unread
        named.add(paths)
        texts = _texts_of(row)
        for listed in paths:
            described = rows.setdefault(listed, {})
            for field, text in texts.items():
                described.setdefault(field, text)
    lost = sum(not any(map(os.path.isfile, paths)) for paths in named)
    if lost == len(named):
        found = f"none of {len(named):,} named" if named else "no row that names a file"
        raise InputError(
            f"{path}: expected names of pictures below {root.name} or beside the list, found "
            f"{found}; give paths as they stand from there"
        )
    tally.lost += lost
    return rows


def _texts_of(row: Mapping[str, Any]) -> dict[str, str]:
    texts = {
        field: " ".join(text.split())
        for field in _FIELDS
        if field not in {"file_name", "category"} and (text := as_text(row.get(field)))
    }
    if not is_web_address(texts.get("license_url", "")):
        texts.pop("license_url", None)
    if category := as_category(row.get("category")):
        texts["category"] = category
    return texts


def _read(folder: Path, rows: Mapping[str, dict[str, Any]]) -> Iterator[LocalPicture]:
    for picture in read_folder(folder):
        texts = dict(rows.get(str(picture.path), {}))
        url = _with_category(picture.finding.url, texts.pop("category", None))
        finding = dataclasses.replace(picture.finding, url=url, source=SOURCE, **texts)
        yield dataclasses.replace(picture, finding=finding)


def _take(
    pictures: Iterator[LocalPicture], choice: CaptionFilter, tally: CaptionTally, where: str
) -> Iterator[LocalPicture]:
    for picture in pictures:
        if choice.wants(category_of(picture.finding.url)):
            yield tally.take(picture)
        else:
            tally.left_out += 1
    if not tally.taken:
        raise InputError(
            f"{clean(where)}: expected pictures of the categories that are wanted, found none "
            f"among {tally.left_out:,}; leave out less"
        )


def _with_category(url: str, category: str | None) -> str:
    """An address whose picture lies in a folder of its category's name."""
    if category is None or category_of(url) == category:
        return url
    above, _, name = url.rpartition("/")
    return f"{above}/{category}/{name}"
