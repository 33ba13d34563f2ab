"""These are questions to the name of a file: its kind, its place in an order, what is there."""

from __future__ import annotations

import re
import stat
from pathlib import Path

_DIGITS = re.compile(r"(\d+)")
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_LONGEST_NUMBER = 400
"""Digits that are read as one number; Python refuses those of thousands."""


def ending_of(path: Path) -> str:
    """The ending that tells what a file holds: `.csv` for `A.CSV` and for `a.csv.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def natural_key(name: str) -> tuple[list[str | int], str]:
    """A sorting key that puts `part 2` before `part 10`, and never finds two names equal."""
    # Splitting by digits alternates text and number, so like is compared with like.
    pieces: list[str | int] = list(_DIGITS.split(name.casefold()))
    pieces[1::2] = [
        int(digits[:_LONGEST_NUMBER]) for digits in pieces[1::2] if isinstance(digits, str)
    ]
    return pieces, name


def what_is(path: Path) -> str:
    """What stands at a path, links followed, in a message's words: `a folder`, `nothing`."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # among them a name that no file can have
        return "nothing"
    return _KINDS.get(stat.S_IFMT(mode), "something else")
