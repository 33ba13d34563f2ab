"""This is the cache of local features: those of the pictures compared last, on the user's disk.

Whoever ranks against one gallery meets the same candidates again, and to describe one place by
place takes twenty times as long as to read what was described. A picture is known by the digest of
its file and by the models that describe it, so that no dataset can name or plant an entry, and what
is read is what would be computed, to the bit. The least recently used go first.

But: one run adds no more than there is room for, so that a long batch does not write without end.
An entry outlives its candidate until others push it out; it holds no picture and no name.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import secrets
import time
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.matching.local_features import LocalFeatures
from harvester.errors import reason_of

log = logging.getLogger(__name__)
ROOM = 128
"""Pictures kept, of at most 1.1 MB each."""
_FORMAT = 1
_DIGEST = hashlib.sha256().digest_size
_ABANDONED_S = 3600
"""Age from which on a file under a temporary name is of a process that was killed."""


class FeatureCache:
    """Local features by a picture's file, in a folder that it may share with other processes.

    Where it cannot be written, nothing is kept, and whoever asks goes on without.

    Args:
        folder: made when the first features come.
        room: pictures kept.
    """

    def __init__(self, folder: Path, room: int = ROOM) -> None:
        self._folder, self._room, self._left = folder, room, room

    def get(self, picture: bytes, model: str) -> LocalFeatures | None:
        """What is kept of a picture, as `model` describes its cells; None if that is nothing."""
        path = self._path(picture, model)
        try:
            kept = path.read_bytes()
            if hashlib.sha256(kept[_DIGEST:]).digest() != kept[:_DIGEST]:
                return None
            with np.load(io.BytesIO(kept[_DIGEST:]), allow_pickle=False) as arrays:
                features = LocalFeatures(
                    size=complex(arrays["size"]),
                    points=arrays["points"],
                    frames=arrays["frames"],
                    roots=arrays["roots"],
                    cells=arrays["cells"],
                    grid=arrays["grid"],
                )
            os.utime(path)
        except OSError:  # most often not there
            return None
        return features

    def put(self, picture: bytes, model: str, features: LocalFeatures) -> None:
        """Keep a picture's features, in the place of those used least if there is no room."""
        if not self._left:
            return
        self._left -= 1
        packed = io.BytesIO()
        arrays: dict[str, NDArray[np.generic]] = {
            field.name: np.asarray(getattr(features, field.name)) for field in fields(features)
        }
        np.savez(packed, allow_pickle=False, **arrays)
        path = self._path(picture, model)
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Not synced: what is cut short does not have its digest.
            temporary.write_bytes(hashlib.sha256(packed.getbuffer()).digest() + packed.getbuffer())
            temporary.replace(path)
            self._make_room()
        except OSError as exc:
            self._left = 0
            log.debug("%s: local features are not kept: %s", self._folder, reason_of(exc))
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _make_room(self) -> None:
        used: list[tuple[float, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # another process made room too
                    last = entry.stat(follow_symlinks=False).st_mtime
                    if not entry.name.startswith("."):
                        used.append((last, entry.path))
                    elif last < time.time() - _ABANDONED_S:
                        Path(entry.path).unlink()
        for _, path in sorted(used)[: -self._room]:
            Path(path).unlink(missing_ok=True)

    def _path(self, picture: bytes, model: str) -> Path:
        made_by = f"{_FORMAT} {model} {cv2.__version__} "
        return self._folder / hashlib.sha256(made_by.encode() + picture).hexdigest()
