"""The pictures that are measured on: a folder of photographs, or seeded ones that are made here."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from harvester.pictures.decode import PictureError, open_picture

_FIELD = 2048


def find_photographs(folder: Path) -> list[Path]:
    """The picture files of a folder and of those in it, in the order of their names.

    Raises:
        SystemExit: if there is none.
    """
    endings = {".jpg", ".jpeg", ".png", ".webp"}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings)
    if not paths:
        raise SystemExit(f"{folder}: expected pictures, found none; check --images")
    return paths


def read_pictures(
    folder: Path | None, count: int, seed: int, *, max_side: int = 512
) -> list[NDArray[np.uint8]]:
    """So many pictures (h, w, 3) uint8 RGB: drawn from a folder, or made if that is None."""
    if folder is None:
        return list(make_pictures(count, seed))
    paths = find_photographs(folder)
    chosen = random.Random(seed).sample(paths, min(count, len(paths)))
    pictures = []
    for path in chosen:
        try:
            pictures.append(open_picture(path.read_bytes(), max_side=max_side).rgb)
        except PictureError as exc:
            print(f"{path.name} is left out: {exc}")
    return pictures


def make_pictures(
    count: int, seed: int, *, height: int = 384, width: int = 512
) -> Iterator[NDArray[np.uint8]]:
    """Seeded landscapes of colour: broad shapes, each picture's own, finer ones, and some grain.

    But: no object stands in them. Speeds hold for photographs too; likenesses do not.
    """
    random_ = np.random.default_rng(seed)
    shapes = random_.random((300, 300, 3), np.float32) - np.float32(0.5)
    grain = random_.normal(0, 0.03, (_FIELD, _FIELD, 3))
    fine = 0.7 * cv2.resize(shapes, (_FIELD, _FIELD), interpolation=cv2.INTER_CUBIC) + grain
    for _ in range(count):
        colours = random_.random((5, 7, 3), np.float32)
        broad = cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC)
        top, left = random_.integers(0, (_FIELD - height, _FIELD - width))
        field = broad + fine[top : top + height, left : left + width]
        yield (field.clip(0, 1) * 255).astype(np.uint8)
