"""This is the source of a local folder: its pictures, with what the files beside them say.

Sidecars of three habits are read: a caption in `<stem>.txt` or `<stem>.caption`; a JSON object in
`<stem>.json` or `<file name>.json` (gallery-dl, img2dataset); and `metadata.csv`, `.jsonl` or
`.parquet` with a column `file_name` (Hugging Face ImageFolder). Where they disagree the one
nearest to the picture counts: JSON before caption before metadata.

Nothing outside the folder is read, and no path of the machine appears in a finding.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.errors import InputError
from harvester.paths import natural_key, what_is
from harvester.readers.tables import as_text, read_rows
from harvester.schema import Finding, LocalPicture
from harvester.urls import is_web_address

SOURCE = "folder"
_LOG = logging.getLogger(__name__)
_PICTURE = re.compile(
    r"\.(jpe?g|jpe|jfif|png|apng|webp|gif|avif|heic|heif|bmp|tiff?|jxl|jp2|svg|psd)(?![a-z0-9])"
)
_OTHER_KIND = re.compile(r"\.(?=.*[a-z])[a-z0-9]{1,11}")
_NOT_PICTURES = frozenset({"thumbs.db", "desktop.ini", "__macosx", "makefile", "license"})
_LONGEST_SIDECAR = 4 << 20  # bytes
_TEXTS: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "name"),
    "caption": ("caption", "description", "text", "content", "alt"),
    "creator": ("author", "artist", "creator", "uploader", "user", "photographer"),
    "license": ("license", "licence", "license_name"),
}
_LINKS: Mapping[str, tuple[str, ...]] = {
    "license_url": ("license_url", "licence_url"),
    "page_url": ("page_url", "page", "webpage_url", "post_url", "permalink", "source_url", "url"),
}
_METADATA_FIELDS = {"file_name": ("file_name", "filename", "file", "path"), **_TEXTS, **_LINKS}
_METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_Metadata = dict[str, dict[str, str]]
"""A picture's path below the folder, with slashes → the fields of its finding."""


def read_folder(folder: Path, *, creator: str | None = None) -> Iterator[LocalPicture]:
    """Stream a folder's pictures in natural order, folders below it included.

    Files with a picture's ending are taken, and so are those with an odd ending (`…jpg!d`) or
    none, which only their bytes can tell. Hidden files and folders are skipped; so are linked
    folders, and links that lead out of the folder. A broken sidecar is logged and passed over.

    Args:
        folder: its own name, not its path, begins each finding's address.
        creator: of every picture whose sidecars name none.

    Raises:
        InputError: if there is no such folder, or nothing in it could be a picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = what_is(folder)
        raise InputError(f"{folder}: expected a folder of pictures, found {found}; check the path")
    return _read(folder.resolve(), {} if creator is None else {"creator": creator})


def _read(root: Path, given: dict[str, str]) -> Iterator[LocalPicture]:
    found_at = datetime.now(UTC)
    rank = others = 0
    metadata: _Metadata = {}  # grows on the way down: a folder's may name files below it
    for parent, names in _walk(root):
        present = frozenset(names)
        for name in _METADATA_FILES:
            if name in present and is_inside(parent / name, root):
                metadata.update(_read_metadata(parent / name, root))
        for name in names:
            if _is_sidecar(name):
                continue
            if not _may_be_picture(name):
                others += 1
                continue
            path = parent / name
            if not is_inside(path, root):
                _LOG.warning("%s: skipped: it leads out of the folder, or nowhere", _storable(path))
                continue
            rank += 1
            relative = path.relative_to(root).as_posix()
            texts = given | metadata.pop(relative, {}) | _read_sidecars(path, present, root)
            finding = Finding(
                url=_storable(f"file:{root.name}/{relative}"),
                source=SOURCE,
                rank=rank,
                found_at=found_at,
                **texts,
            )
            yield LocalPicture(finding=finding, path=path)
    if others:
        _LOG.info("%s: left out %d files of other kinds", _storable(root), others)
    if not rank:
        raise InputError(
            f"{_storable(root)}: expected pictures, found none beside {others} other files; "
            "check that it is the folder that holds them"
        )


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder and the names of its files, in natural order, linked folders left out."""

    def tell(exc: OSError) -> None:
        _LOG.warning("%s: skipped: %s", _storable(exc.filename), exc.strerror)

    for parent, below, names in os.walk(root, onerror=tell):
        below[:] = sorted(filter(_is_visible, below), key=natural_key)
        yield Path(parent), sorted(filter(_is_visible, names), key=natural_key)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _NOT_PICTURES


def _is_sidecar(name: str) -> bool:
    return name in _METADATA_FILES or Path(name).suffix.lower() in (".txt", ".caption", ".json")


def _may_be_picture(name: str) -> bool:
    suffix = Path(name).suffix.lower()
    return bool(_PICTURE.match(suffix)) or not _OTHER_KIND.fullmatch(suffix)


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path leads, links followed, to a file below a folder that is resolved."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to nothing, or to itself
        return False
    return target.is_file() and target.is_relative_to(root)


def _read_metadata(path: Path, root: Path) -> _Metadata:
    """What a metadata file says of the pictures in its own folder and below."""
    metadata: _Metadata = {}
    try:
        for _, row in read_rows(path, _METADATA_FIELDS, any_of=("file_name",)):
            if name := as_text(row.get("file_name")):
                key = os.path.relpath(os.path.normpath(path.parent / name), root)
                metadata[key.replace(os.sep, "/")] = _texts_of(row)
    except (InputError, ValueError, RecursionError) as exc:
        _LOG.warning("%s; what it said before that is kept", exc)
    return metadata


def _read_sidecars(path: Path, present: frozenset[str], root: Path) -> dict[str, str]:
    """What the files of the picture's own name say."""
    texts: dict[str, str] = {}
    for ending in (".txt", ".caption", ".json"):
        for name in (path.stem + ending, path.name + ending):
            sidecar = path.with_name(name)
            if name not in present or not is_inside(sidecar, root):
                continue
            try:
                content = _read_small(sidecar)
                if ending == ".json":
                    texts.update(_texts_of(_parse_object(content)))
                elif caption := as_text(" ".join(content.split())):
                    texts["caption"] = caption
            except (OSError, ValueError, RecursionError) as exc:
                _LOG.warning("%s: sidecar passed over: %s", _storable(sidecar), exc)
    return texts


def _read_small(path: Path) -> str:
    with path.open("rb") as stream:
        content = stream.read(_LONGEST_SIDECAR + 1)
    if len(content) > _LONGEST_SIDECAR:
        raise ValueError(f"expected at most {_LONGEST_SIDECAR >> 20} MiB, found more")
    return content.decode("utf-8-sig")


def _parse_object(content: str) -> dict[str, Any]:
    value = json.loads(content)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found a {type(value).__name__}")  # noqa: TRY004 - all faults of a sidecar are handled as one
    return value


def _texts_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a finding that a record names, by the first of its keys that says something."""
    texts = {}
    for field, keys in _TEXTS.items():
        words = (_words(record.get(key)) for key in (field, *keys))
        if text := next(filter(None, words), None):
            texts[field] = text
    for field, keys in _LINKS.items():
        links = (as_text(record.get(key)) for key in (field, *keys))
        if link := next((link for link in links if link and is_web_address(link)), None):
            texts[field] = link
    return texts


def _words(value: Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(filter(None, map(_words, value))) or None
    if isinstance(value, dict):  # gallery-dl's authors: {"id": …, "name": …}
        return _words(value.get("name") or value.get("username"))
    return as_text(value)


def _storable(text: str | Path) -> str:
    """Text that UTF-8 can hold, of a name whose bytes were not UTF-8."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")
