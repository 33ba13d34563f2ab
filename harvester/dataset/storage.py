"""This is the storage layer: a local folder, or a file system that Arrow or fsspec knows.

A local place is a `pathlib.Path`, and everything that is promised of files on a disk holds there.
Any other is a `RemoteLocation`: `s3://bucket/path`, `gs://…`, `abfs://…`, `hdfs://…` through
`pyarrow.fs`, any other scheme (`memory://`, `sftp://`, …) through `fsspec`. Both are a `Location`:
names are joined to it with `/`, and the functions here and in `shards` take either.

An object appears whole or not at all: it is built in memory and put there at once, or where a
file system shows files that are half written, put under another name and moved.

But: what is in memory has to fit there, which shards do. An upload that a `kill -9` cuts short is
never seen, and may stay in the bucket as an unfinished multipart upload until the bucket's own
rules remove it.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow.fs as pafs

from harvester.errors import HarvestError, ShardError, reason_of
from harvester.sanitize import clean
from harvester.urls import hide_credentials

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # one letter would be a drive of Windows
_S3_OPTIONS = frozenset({"endpoint_override", "region", "scheme"})
_CONNECT_S = 5.0
_ANSWER_S = 10.0
_ATTEMPTS = 3
"""With these an endpoint that never answers is given up after half a minute."""
_WHOLE = re.compile(r"s3|gcs|abfs|py::fsspec\+(memory|s3a?|gs|gcs|abfss?|az|adl)")
"""File systems on which an object is not seen before it is complete."""
_READ_AHEAD = 256 << 10
"""Bytes asked for at once: the many small columns of a row group lie side by side."""
_LONGEST_TEXT = 1 << 30


class Location(Protocol):
    """A folder or file of a dataset: a `pathlib.Path`, or a `RemoteLocation`."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    @property
    def parent(self) -> Self:
        """The folder that it is in."""

    def __truediv__(self, key: str, /) -> Self:
        """What is called `key` in this folder; with an empty key the folder itself."""


@dataclass(frozen=True, slots=True)
class RemoteLocation:
    """A folder or object that is on no local disk.

    Attributes:
        files: the file system, with its credentials; it can be pickled.
        path: on the file system.
        root: what stands before the path in messages; no credentials.
    """

    files: pafs.FileSystem = field(repr=False)
    path: str
    root: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> RemoteLocation:
        """The folder that it is in."""
        return RemoteLocation(self.files, self.path.rpartition("/")[0], self.root)

    def __truediv__(self, key: str, /) -> RemoteLocation:
        """What is called `key` in this folder; with an empty key the folder itself."""
        return RemoteLocation(self.files, f"{self.path}/{key}", self.root) if key else self

    def __str__(self) -> str:
        """As messages name it."""
        return self.root + self.path


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a folder.

    Attributes:
        size: in bytes; -1 where it cannot be told.
        modified_at: by the store's own clock; None where it tells none.
    """

    name: str
    size: int
    modified_at: datetime | None = None


def location_of(text: str | Path | Location) -> Location:
    """The place that a text names, or one as it is; nothing is asked of it yet.

    Args:
        text: a path, or an address with a scheme. For S3, `endpoint_override`, `region` and
            `scheme` may follow a question mark; credentials come from the environment.

    Raises:
        ShardError: if the scheme is unknown, or the address cannot be one.
    """
    if not isinstance(text, str):
        return text
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(text)
    kind = scheme[1].lower()
    shown = clean(hide_credentials(text.partition("?")[0]))
    try:
        if kind == "file":
            return _local(text)
        files, path = _open_s3(text) if kind == "s3" else _open_other(text, kind)
    except Exception as exc:
        # Each kind of fsspec's raises what the library beneath it does.
        raise ShardError(
            f"{shown}: expected a folder, or an address such as s3://bucket/path, found "
            f"{reason_of(exc)}; check the address, and that what its scheme needs is installed"
        ) from exc
    return RemoteLocation(files, path.rstrip("/"), f"{kind}://")


def _local(text: str) -> Path:
    parts = urlsplit(text)
    if parts.netloc not in {"", "localhost"}:
        raise ValueError(f"a file of the host {parts.netloc}")
    return Path(unquote(parts.path))


def _open_s3(text: str) -> tuple[pafs.FileSystem, str]:
    """By hand: `FileSystem.from_uri` sets no time limits."""
    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(options.keys() - _S3_OPTIONS):
        raise ValueError(f"the option {unknown[0]}, which is none of {', '.join(_S3_OPTIONS)}")
    bucket = parts.netloc.rpartition("@")[2]
    if not bucket:
        raise ValueError("no bucket")
    if "://" in (endpoint := options.get("endpoint_override", "")):
        scheme, _, options["endpoint_override"] = endpoint.partition("://")
        options.setdefault("scheme", scheme)
    if parts.username:
        options["access_key"] = unquote(parts.username)
        options["secret_key"] = unquote(parts.password or "")
    files = _s3(tuple(sorted(options.items())))
    return files, f"{bucket}/{unquote(parts.path).strip('/')}".rstrip("/")


@functools.lru_cache(maxsize=8)
def _s3(options: tuple[tuple[str, str], ...]) -> pafs.FileSystem:
    """One client for all places of one store: it holds the connections."""
    return pafs.S3FileSystem(
        **dict(options),
        connect_timeout=_CONNECT_S,
        request_timeout=_ANSWER_S,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        allow_delayed_open=True,  # what fits into one request is sent as one
    )


def _open_other(text: str, kind: str) -> tuple[pafs.FileSystem, str]:
    if kind in {"http", "https"}:
        raise ValueError("a web address, which nothing can be listed or written at")
    if kind in {"gs", "gcs"} and "retry_limit_seconds" not in text:
        text += f"{'&' if '?' in text else '?'}retry_limit_seconds={_ATTEMPTS * _ANSWER_S:.0f}"
    if kind in {"gs", "gcs", "abfs", "abfss", "hdfs", "viewfs"}:
        files, path = pafs.FileSystem.from_uri(text)
        return files, path
    from fsspec.core import (  # type: ignore[import-untyped]  # noqa: PLC0415  # slow to import
        url_to_fs,
    )

    file_system, path = url_to_fs(text)
    return pafs.PyFileSystem(pafs.FSSpecHandler(file_system)), path


def list_files(folder: Location) -> list[Entry]:
    """What lies in a folder, by name, folders left out; empty where there is no such folder.

    Raises:
        ShardError: if it cannot be listed, or a store has no such bucket.
    """
    if isinstance(folder, Path):
        return _list_local(folder)
    remote = _remote(folder)
    with _storage_errors(remote, "be listed"):
        infos = remote.files.get_file_info(pafs.FileSelector(remote.path, allow_not_found=True))
        bucket = remote.path.strip("/").partition("/")[0]
        # A bucket that is missing lists as an empty one, and a slip of the pen is no dataset.
        is_bare = not infos and remote.files.type_name in {"s3", "gcs"}
        if is_bare and remote.files.get_file_info(bucket).type is pafs.FileType.NotFound:
            raise FileNotFoundError(errno.ENOENT, f"no bucket {bucket}")
    return sorted(
        (
            Entry(one.base_name, -1 if one.size is None else one.size, one.mtime)
            for one in infos
            if one.type is pafs.FileType.File
        ),
        key=lambda entry: entry.name,
    )


def _list_local(folder: Path) -> list[Entry]:
    listed: list[Entry] = []
    try:
        with os.scandir(folder) as entries:
            for listing in entries:
                try:
                    size = listing.stat().st_size
                except OSError:  # a link that leads nowhere: whoever opens it is told
                    size = -1
                listed.append(Entry(listing.name, size))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise ShardError(
            f"{folder}: expected a folder that can be listed, found {reason_of(exc)}; check its "
            "rights"
        ) from exc
    return sorted(listed, key=lambda entry: entry.name)


def open_for_reading(location: Location) -> BinaryIO:
    """A file of known length, to be read at any place.

    Raises:
        OSError: if it cannot be opened; FileNotFoundError where there is none.
        ValueError: if it is no file: a pipe or device would be waited for without end.
    """
    if isinstance(location, Path):
        if not stat.S_ISREG(location.stat().st_mode):
            raise ValueError("no file")
        return location.open("rb")
    remote = _remote(location)
    raw = remote.files.open_input_file(remote.path)
    return cast("BinaryIO", io.BufferedReader(raw, _READ_AHEAD))


def read_text(location: Location, limit: int = _LONGEST_TEXT) -> str | None:
    """A file's text; None where there is none, or nothing that is text.

    Args:
        location: of the file.
        limit: bytes that are read.

    Raises:
        ShardError: if a remote place does not answer.
    """
    with _storage_errors(location, "be read"):
        try:
            with open_for_reading(location) as file:
                return file.read(limit).decode("utf-8")
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            return None
        except (OSError, ValueError):
            if isinstance(location, Path):
                return None
            raise


def exists(location: Location) -> bool:
    """Whether there is anything of this name, be it a link that leads nowhere.

    Raises:
        ShardError: if a remote place does not answer.
    """
    if isinstance(location, Path):
        return os.path.lexists(location)
    remote = _remote(location)
    with _storage_errors(location, "be found"):
        return remote.files.get_file_info(remote.path).type is not pafs.FileType.NotFound


def remove(location: Location) -> None:
    """Remove a file, if it is there.

    Raises:
        ShardError: if it cannot be removed.
    """
    with _storage_errors(location, "be removed"):
        if isinstance(location, Path):
            location.unlink(missing_ok=True)
            return
        remote = _remote(location)
        try:
            remote.files.delete_file(remote.path)
        except FileNotFoundError:
            return


@contextmanager
def put(location: Location) -> Iterator[BinaryIO]:
    """A file in memory, which is put at a remote place when the block ends well, else nowhere.

    Raises:
        ShardError: if it cannot be put there.
    """
    with io.BytesIO() as memory:
        yield memory
        with _storage_errors(location, "be written"):
            _put(_remote(location), memory)


def _put(location: RemoteLocation, memory: io.BytesIO) -> None:
    is_whole = bool(_WHOLE.fullmatch(location.files.type_name))
    path = location.path
    if not is_whole:
        location.files.create_dir(location.parent.path, recursive=True)
        path = (location.parent / f".{location.name}.{secrets.token_hex(8)}.tmp").path
    with memory.getbuffer() as view, location.files.open_output_stream(path) as stream:
        stream.write(view)
    if not is_whole:
        location.files.move(path, location.path)


def _remote(location: Location) -> RemoteLocation:
    if not isinstance(location, RemoteLocation):
        raise TypeError(f"expected a Path or a RemoteLocation, found {type(location).__name__}")
    return location


@contextmanager
def _storage_errors(location: Location, what: str) -> Iterator[None]:
    try:
        yield
    except HarvestError:
        raise
    except Exception as exc:
        # Libraries beneath fsspec raise what they like.
        step = "" if isinstance(location, Path) else ", the address and the credentials"
        raise ShardError(
            f"{location}: expected it to {what}, found {reason_of(exc)}; check its rights{step}, "
            "then run the same command again"
        ) from exc
