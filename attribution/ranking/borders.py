"""The trimmer of borders: where a picture is that stands on a canvas of one colour.

A story, a poster or a print sheet shows a picture within bars. A side is trimmed as far as its rows
or columns are of the colour of its edge. But: a frame of two colours stays, and a thing that was
photographed on white is trimmed like a picture on a canvas, so that the whole is looked at, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from attribution.matching.geometry import Box

LEAST = 0.3
"""Share of the picture that its borders must have to be looked at without them."""
MIN_SIDE = 48
"""Pixels that must be left of each side."""
_TOLERANCE = 12.0  # of 255: what JPEG adds to one colour, and a little gradient


def content_box(picture: NDArray[np.uint8]) -> Box | None:
    """What is left of a picture (h, w, 3) uint8 RGB without its borders; None if that is most."""
    height, width = picture.shape[:2]
    top, bottom = _trimmed(picture)
    left, right = _trimmed(picture[top:bottom].transpose(1, 0, 2))
    if min(bottom - top, right - left) < MIN_SIDE:
        return None
    if (bottom - top) * (right - left) > (1 - LEAST) * height * width:
        return None
    return Box(left / width, top / height, right / width, bottom / height)


def cut_out(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """A box of a picture (h, w, 3), copied."""
    height, width = picture.shape[:2]
    rows = slice(round(box.top * height), round(box.bottom * height))
    cut = picture[rows, round(box.left * width) : round(box.right * width)]
    return np.ascontiguousarray(cut)


def _trimmed(rows: NDArray[np.uint8]) -> tuple[int, int]:
    """The first row (n, m, 3) that is not of the first one's colour, and the last, plus one."""
    begin = _border(rows)
    return (0, len(rows)) if begin == len(rows) else (begin, len(rows) - _border(rows[::-1]))


def _border(rows: NDArray[np.uint8]) -> int:
    """How many of the first rows are of one colour, the first one's."""
    if not rows.size:
        return 0
    colour = np.median(rows[0], axis=0)
    furthest = np.abs(rows.astype(np.float32) - colour).max(axis=2)
    # The very last pixels aside: captions end in specks of dust.
    plain = np.quantile(furthest, 0.99, axis=1) <= _TOLERANCE
    return int(np.argmin(plain)) if not plain.all() else len(rows)
