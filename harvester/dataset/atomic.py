"""These are atomic files: a new one takes its name only when it is whole and on disk.

It is written under a temporary name in the same folder, synced and moved. What stands in the way
(a folder, a device, no right to write) is told before anything is computed.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harvester.dataset.storage import Location, put
from harvester.errors import ShardError, reason_of
from harvester.paths import what_is

_SHOWN = 50
"""Characters of a name that its temporary file shows: names have at most 255 bytes."""


def write_text(path: Location, text: str) -> None:
    """Write a text to `path`: whole or not at all, synced to the disk.

    Raises:
        ShardError: if it cannot be written.
    """
    try:
        with writing(path) as file:
            file.write(text.encode("utf-8", "replace"))
    except OSError as exc:
        raise ShardError(
            f"{path}: expected to write it, found {reason_of(exc)}; the shards are whole: make "
            "room, then run the same command again"
        ) from exc


@contextmanager
def writing(path: Location) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well; see `replacing`.

    Raises:
        OSError: as `replacing` does.
        ShardError: if a remote place does not take it.
    """
    if isinstance(path, Path):
        with replacing(path) as temporary, temporary.open("wb") as file:
            yield file
    else:
        with put(path) as file:
            yield file


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place when the block ends well.

    So the file appears whole or not at all: it is synced to the disk before it is moved, and
    removed if the block raises. It exists and is empty when the block begins, to be opened for
    text or bytes; nobody can have laid a link at its name. Missing folders are made. A link at
    `path` itself is replaced, and what it leads to is left as it is.

    Raises:
        OSError: if it cannot be written or moved; FileExistsError where a folder, a device or a
            pipe stands at `path`, which its `strerror` names: `errors.reason_of` is fit to show.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _check_place(path)
    temporary = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(temporary, flags, 0o666))
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _check_place(path: Path) -> None:
    """Moving a file to the name of a device or pipe would take it away from the whole system."""
    found = what_is(path)
    folder = path.parent.resolve()
    if folder == Path("/dev") or folder.is_relative_to("/proc"):
        found = "a place of the system"  # such as /dev/stdout, a link to whatever that is
    if found not in {"a file", "nothing"}:
        raise FileExistsError(errno.EEXIST, f"{found} in its place", str(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
