"""What the names of files and addresses tell: a kind, an order, whether they lead to the web."""

from __future__ import annotations

import re
from pathlib import Path

_DIGITS = re.compile(r"(\d+)")
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


def is_web_address(text: str) -> bool:
    """Whether a text begins as an http or https address does; nothing else of it is checked."""
    return text[:8].lower().startswith(("http://", "https://"))
