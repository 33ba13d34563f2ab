"""This is the secret key that turns people's names into pseudonyms.

A pseudonym is a keyed hash: with the key, the same person has the same pseudonym in every harvest;
without it, nobody can try all names and find out whose it is. So the key never stands in a dataset.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from pathlib import Path

from harvester.errors import ShardError, reason_of

ENVIRONMENT = "WHENCE_AUTHOR_KEY"
_LOOKS, _BETWEEN_LOOKS_S = 20, 0.05
_FRESH_S = 5.0  # an older file that is empty is not being written


def author_key(folder: Path) -> bytes:
    """The key from the environment, else the one kept in `folder`, made at first use.

    Raises:
        ShardError: if the key can neither be read nor made, or is empty.
    """
    given = os.environ.get(ENVIRONMENT)
    if given:
        return os.fsencode(given)
    path = folder / "author.key"
    try:
        if not path.exists():
            _make_key(path)
        key = _read_key(path)
    except OSError as exc:
        raise ShardError(
            f"{path}: expected a place for the key that pseudonyms are made with, found "
            f"{reason_of(exc)}; set {ENVIRONMENT} to a secret of your own, or use --keep-authors"
        ) from exc
    if not key:
        raise ShardError(
            f"{path}: expected the key that pseudonyms are made with, found an empty file; put the "
            "key back, or delete the file to begin with a new one"
        )
    return key


def _make_key(path: Path) -> None:
    """Put a new key there, whole; where another process was faster, its key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".author-") as stream:  # mode 0600
        stream.write(secrets.token_hex(32).encode())
        stream.flush()
        os.fsync(stream.fileno())
        try:
            os.link(stream.name, path)
        except FileExistsError:
            pass
        except (OSError, AttributeError):  # some file systems and platforms have no hard links
            _write_key(path, Path(stream.name).read_bytes())


def _write_key(path: Path, key: bytes) -> None:
    """As `_make_key`, but whoever looks at once may see it empty: `_read_key` waits."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(key)
            stream.flush()
            os.fsync(stream.fileno())


def _read_key(path: Path) -> bytes:
    for _ in range(_LOOKS):
        key = path.read_bytes().strip()
        if key or time.time() - path.stat().st_mtime > _FRESH_S:
            return key
        time.sleep(_BETWEEN_LOOKS_S)
    return b""
