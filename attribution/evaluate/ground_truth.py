"""This reads the ground truth: a csv file of generated pictures (`image`) and their `source`.

A source is a candidate's id, or a file: candidates are named by the SHA-256 of the bytes they were
served as, so that a file is found again by its content. Paths are relative to the list's own
folder. Several rows may name one image.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Collection
from pathlib import Path

from attribution.errors import SuiteError
from harvester.errors import reason_of

_COLUMNS = ("image", "source")
_ID = re.compile("[0-9a-f]{64}")
_NAMED = 5
"""Faults that an error names."""


def read_pairs(path: Path, ids: Collection[str]) -> dict[Path, list[str]]:
    """Candidate ids by picture, in the order of the list.

    Args:
        path: the csv file.
        ids: of the gallery's candidates.

    Raises:
        SuiteError: if it cannot be read, lacks a column or rows, or names files or candidates
            that are not there; says which, with their lines.
    """
    known = set(ids)
    sources_of: dict[Path, list[str]] = {}
    faults: list[str] = []
    for line, image, source in _rows(path):
        picture = path.parent / image
        if not _is_file(picture):
            faults.append(f"line {line}: no picture {image}")
            continue
        name = source if _ID.fullmatch(source) else _hash_of(path.parent / source)
        if name is None:
            faults.append(f"line {line}: no source {source}")
        elif name not in known:
            faults.append(f"line {line}: {source} is no candidate")
        else:
            sources_of.setdefault(picture, []).append(name)
    if faults:
        raise SuiteError(
            f"{path}: expected pictures, and sources of the gallery, found {_some(faults)}; "
            "correct the list, or bring the sources into the gallery with `harvest folder`"
        )
    if not sources_of:
        raise SuiteError(f"{path}: expected pairs of image and source, found none; add a row each")
    return sources_of


def read_same(path: Path) -> dict[str, set[str]]:
    """Pictures that a person found to be the same: by candidate id, the ids of the others.

    A csv file as for `read_pairs`; both columns hold ids or files. What is not in the gallery does
    no harm, so that one list serves every part of a collection.

    Raises:
        SuiteError: if it cannot be read, lacks a column, or names files that are not there.
    """
    same: dict[str, set[str]] = {}
    faults: list[str] = []
    for line, *texts in _rows(path):
        names = [text if _ID.fullmatch(text) else _hash_of(path.parent / text) for text in texts]
        faults += [
            f"line {line}: no picture {text}"
            for text, name in zip(texts, names, strict=True)
            if name is None
        ]
        for one, other in (names, names[::-1]):
            if one is not None and other is not None:
                same.setdefault(one, set()).add(other)
    if faults:
        raise SuiteError(
            f"{path}: expected candidates' ids or files, found {_some(faults)}; correct the list"
        )
    return same


def _some(faults: list[str]) -> str:
    more = f" and {len(faults) - _NAMED:,} more" if len(faults) > _NAMED else ""
    return "; ".join(faults[:_NAMED]) + more


def _rows(path: Path) -> list[tuple[int, str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise SuiteError(
                    f"{path}: expected the columns image and source, found "
                    f"{', '.join(reader.fieldnames or ()) or 'none'}; name them in the first line"
                )
            return [
                (reader.line_num, (row["image"] or "").strip(), (row["source"] or "").strip())
                for row in reader
            ]
    except (OSError, ValueError, csv.Error) as exc:  # UnicodeDecodeError is a ValueError
        reason = reason_of(exc) if isinstance(exc, OSError) else f"something else ({exc})"
        raise SuiteError(f"{path}: expected a csv file in UTF-8, found {reason}") from exc


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def _hash_of(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):  # a zero byte in the name is a ValueError
        return None
