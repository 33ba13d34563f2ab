"""This is the reader of text lines, plain or gzipped, and of what reading a file can end in.

Other encodings are refused with the byte offset, never guessed: a guess ends in wrong names.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from harvester.errors import InputError, reason_of
from harvester.paths import ending_of

_LONGEST_LINE = 16 << 20  # bytes; a file without line ends is no list and must not fill memory


def read_lines(path: Path) -> Iterator[str]:
    """Stream a file's lines, line ends kept; raises as `decode_lines` and `reported` do."""
    with reported(path), open_bytes(path) as stream:
        yield from decode_lines(stream, str(path))


def decode_lines(stream: BinaryIO, where: str) -> Iterator[str]:
    """Stream the lines of UTF-8 text, line ends kept, a byte order mark at the start dropped.

    Raises:
        InputError: naming the byte offset, if the text is in another encoding, or if a line is
            longer than any list's line would be.
    """
    offset = 0
    while raw := stream.readline(_LONGEST_LINE + 1):
        if len(raw) > _LONGEST_LINE:
            raise InputError(
                f"{where}: expected lines of text, found one over {_LONGEST_LINE >> 20} MiB at "
                f"byte offset {offset}; give a list with one entry a line"
            )
        marked = offset == 0 and raw.startswith(b"\xef\xbb\xbf")
        try:
            line = raw[3:].decode() if marked else raw.decode()
        except UnicodeDecodeError as exc:
            at = offset + exc.start + 3 * marked
            raise _not_utf8(where, at, f"the byte 0x{exc.object[exc.start]:02x}") from exc
        if "\0" in line:  # UTF-16 without a mark passes for UTF-8 otherwise
            raise _not_utf8(where, offset + raw.index(b"\0"), "a zero byte")
        yield line
        offset += len(raw)


def open_bytes(path: Path) -> BinaryIO:
    """A file open for reading bytes, unpacked if its name ends in `.gz`."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


@contextmanager
def reported(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what reading a file can raise into one line.

    Raises:
        InputError: in place of any error of the file system, of gzip, of text, or of `kinds`.
    """
    expected: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, ValueError, *kinds)
    try:
        yield
    except FileNotFoundError as exc:
        raise InputError(f"{path}: expected a file, found none; check the path") from exc
    except IsADirectoryError as exc:
        raise InputError(f"{path}: expected a file, found a folder; name a file in it") from exc
    except expected as exc:
        raise InputError(
            f"{path}: expected a whole {ending_of(path) or 'text'} file, found {reason_of(exc)}; "
            "check that it was copied to the end"
        ) from exc


def _not_utf8(where: str, offset: int, found: str) -> InputError:
    return InputError(
        f"{where}: expected UTF-8 text, found {found} at byte offset {offset}; "
        "save the file as UTF-8"
    )
