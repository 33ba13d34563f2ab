"""Paths that users name: their kind, their order, what stands there, what may be written over.

A slip of the hand (`--out jobs.csv`, `--log-json list.txt`) names a file that cannot be had again.
So whoever writes a file that a user named asks `check_output` first, before any work: a file that
is already there has to be empty, or look like what would be written. What that looks like is known
where it is written. A link, or another spelling of a path, is the file that it leads to.

But: a file that whence wrote and a user edited since is taken for whence's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from harvester.errors import InputError

IsOurs = Callable[[Path], bool]
"""Whether whence wrote a file of this kind; may raise OSError or ValueError, as for no."""

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


def check_output(
    path: Path, is_ours: IsOurs, *, option: str, inputs: Iterable[str | Path] = ()
) -> None:
    """Refuse to write to a file that is not whence's, or that the same command reads.

    What is no file is left to whoever opens it.

    Args:
        path: that is to be written.
        is_ours: asked of a file that is there and not empty.
        option: by which the user named it, for the message.
        inputs: files that the command reads; names of what is none are passed over.

    Raises:
        InputError: if it must not be written; it is as before.
    """
    if what_is(path) != "a file":
        return
    if any(_is_same(path, Path(one)) for one in inputs):
        raise InputError(
            f"{path}: expected a file to write to, found one that this command reads; nothing was "
            f"changed: give another {option}"
        )
    if not _may_replace(path, is_ours):
        raise InputError(
            f"{path}: expected a new file, or one that whence wrote, found another; nothing was "
            f"changed: move it away, or give another {option}"
        )


def _may_replace(path: Path, is_ours: IsOurs) -> bool:
    try:
        return not path.stat().st_size or is_ours(path)
    except (OSError, ValueError, RecursionError):  # what cannot be read is nobody's to replace
        return False


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # not there, or no name that a file can have
        return False


def user_cache() -> Path:
    """The folder for what can be computed again, of this user and of whence alone."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "whence"


def beginning_of(path: Path, size: int) -> bytes:
    """The first bytes of a file; raises OSError."""
    with path.open("rb") as file:
        return file.read(size)
