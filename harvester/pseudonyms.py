"""The key that turns people's names into pseudonyms.

A pseudonym is a keyed hash: with the key, the same person has the same pseudonym in every harvest;
without it, nobody can try all names and find out whose it is. So the key never stands in a dataset.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from harvester.errors import ShardError

ENVIRONMENT = "WHENCE_AUTHOR_KEY"


def author_key(folder: Path) -> bytes:
    """The key from the environment, else the one kept in `folder`, made at first use.

    Raises:
        ShardError: if the key can neither be read nor made.
    """
    given = os.environ.get(ENVIRONMENT)
    if given:
        return given.encode()
    path = folder / "author.key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_bytes()
        with os.fdopen(descriptor, "wb") as stream:
            key = secrets.token_hex(32).encode()
            stream.write(key)
    except OSError as exc:
        raise ShardError(
            f"{path}: expected a place for the key that pseudonyms are made with, found "
            f"{exc.strerror or exc}; set {ENVIRONMENT} to a secret of your own, or use "
            "--keep-authors"
        ) from exc
    return key
