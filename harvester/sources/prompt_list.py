"""This is the reader of prompt lists, with or without the pictures that were made from them.

A text file holds a prompt a line; a table has a column `prompt`, and may have `image` and `id`.

A row without an id is known by what it says, its picture's name and its prompt, and not by where it
stands: rows may be put before it or moved, and it is the same job.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from harvester.errors import InputError
from harvester.paths import ending_of, what_is
from harvester.readers.lines import decode_lines, read_lines
from harvester.readers.tables import as_text, is_table, read_rows

STDIN = "-"
_LOG = logging.getLogger(__name__)
_FIELDS = {
    "prompt": ("prompt", "text", "caption"),
    "image": ("image", "image_path", "path", "file_name", "file"),
    "id": ("id", "job_id", "key"),
}
_PROMPT_A_LINE = (".txt", "")
_DIGITS = 16
"""Hexadecimal digits of an id that is made here: of a million rows, hardly two share one."""


@dataclass(frozen=True, slots=True)
class PromptJob:
    """A prompt to search for, a generated picture to rank against, or both.

    Attributes:
        image: relative paths of a list have been taken from the list's own folder; the file may
            be missing.
        id: unique in the list: the one given, else a digest of the prompt and of the picture's
            name as written, with `-2`, `-3`, … behind it for rows that say the same.
        has_own_id: whether it was given.
    """

    prompt: str | None
    image: Path | None
    id: str
    has_own_id: bool = False


def read_prompts(path: str | Path, *, stdin: BinaryIO | None = None) -> Iterator[PromptJob]:
    """Stream the jobs of a list; `-` reads a prompt a line from standard input.

    In text, blank lines and lines that start with `# ` are skipped. In tables, rows with neither
    prompt nor picture are skipped, counted and logged.

    Args:
        path: a .txt, .csv, .tsv, .json, .jsonl or .parquet file, or `-`.
        stdin: read in place of the process's own standard input.

    Raises:
        InputError: if the list is missing, broken, of another kind, not UTF-8, empty, or names
            one id twice; jobs before a break have been yielded by then.
    """
    if str(path) == STDIN:
        return _unique("standard input", _from_lines(_stdin_lines(stdin)))
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a list of prompts, found {what_is(path)}; check the path, or give "
            "- for standard input"
        )
    if is_table(path):
        return _unique(str(path), _from_table(path))
    if ending_of(path) in _PROMPT_A_LINE:
        return _unique(str(path), _from_lines(read_lines(path)))
    raise InputError(
        f"{path}: expected txt, csv, tsv, json, jsonl or parquet, found {ending_of(path)!r}; "
        "give the file the ending of what it holds"
    )


def read_image_jobs(path: str | Path) -> list[PromptJob]:
    """The jobs of a list that names pictures; those without one among them too.

    Raises:
        InputError: if no job names a picture, and as `read_prompts` does.
    """
    listed = list(read_prompts(path))
    if not any(job.image for job in listed):
        raise InputError(
            f"{path}: expected a column named image, found prompts alone; add the pictures that "
            "were generated, or search for the prompts with `harvest ddg --prompts`"
        )
    return listed


def _stdin_lines(stdin: BinaryIO | None) -> Iterator[str]:
    return decode_lines(sys.stdin.buffer if stdin is None else stdin, "standard input")


def _from_lines(lines: Iterator[str]) -> Iterator[PromptJob]:
    ids = _Ids()
    for line in lines:
        prompt = line.strip()
        if prompt in ("", "#") or line.startswith("# "):
            continue
        yield PromptJob(prompt=prompt, image=None, id=ids.of(prompt, None))


def _from_table(path: Path) -> Iterator[PromptJob]:
    skipped, ids = 0, _Ids()
    for number, values in read_rows(path, _FIELDS, any_of=("prompt", "image")):
        prompt = as_text(values.get("prompt"))
        image = _image_of(values.get("image"), path, number)
        if prompt is None and image is None:
            skipped += 1
            continue
        given = as_text(values.get("id"))
        name = given or ids.of(prompt, as_text(values.get("image")))
        yield PromptJob(prompt=prompt, image=image, id=name, has_own_id=given is not None)
    if skipped:
        _LOG.warning("%s: skipped %d rows: neither prompt nor picture in them", path, skipped)


class _Ids:
    """Ids of a list's rows that have none, by what they say."""

    def __init__(self) -> None:
        self._met = Counter[str]()

    def of(self, prompt: str | None, image: str | None) -> str:
        text = json.dumps([prompt, image]).encode()
        digest = hashlib.sha256(text).hexdigest()[:_DIGITS]
        self._met[digest] += 1
        count = self._met[digest]
        return digest if count == 1 else f"{digest}-{count}"


def _image_of(value: Any, path: Path, number: int) -> Path | None:
    if value is not None and not isinstance(value, str):
        raise InputError(
            f"{path}: expected the path of a picture in row {number}, found a "
            f"{type(value).__name__}; save the pictures as files and name those"
        )
    name = as_text(value)
    # No file's name holds a zero byte, and asking for one is an error of its own kind.
    return path.parent / name.replace("\0", "\ufffd") if name else None


def _unique(where: str, jobs: Iterator[PromptJob]) -> Iterator[PromptJob]:
    seen: set[str] = set()
    for job in jobs:
        if job.id in seen:
            raise InputError(
                f"{where}: expected an id of its own for every row, found {job.id!r} twice; "
                "rename one, or leave the column out"
            )
        seen.add(job.id)
        yield job
    if not seen:
        raise InputError(f"{where}: expected at least one prompt, found none; add one a line")
