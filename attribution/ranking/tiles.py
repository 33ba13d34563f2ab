"""The detector of Midjourney's 2 by 2 grids, and their four tiles.

A grid has no border between its tiles, only two straight seams through the middle: there, and
nowhere near, neighbouring pixels differ along the whole height and width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEAM_RATIO = 2.0
"""How much rougher than its surroundings three of the four half-seams must be.

At 2.0: none of 3,027 Caltech-101 photographs reaches it, sizes left aside, and 96 % of 600 grids
made of four photographs of one category do (JPEG 80 and 95, half to 1.33 times the size;
benchmarks/grid.py).
"""
MIN_SIDE = 128
"""Pixels; below this a tile is too small to rank."""


def looks_like_grid(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture (h, w, 3) uint8 RGB is four pictures side by side.

    But: a picture with straight edges both ways through its very middle (a window frame) is taken
    for a grid, and tiles that meet in the same flat colour are not told apart.
    """
    height, width = picture.shape[:2]
    if min(height, width) < 2 * MIN_SIDE:
        return False
    return seam_strength(picture) >= SEAM_RATIO


def seam_strength(picture: NDArray[np.uint8]) -> float:
    """The second weakest of the four half-seams: its step over the usual step beside it, from 0.

    The second, so that two tiles may meet in one background colour.
    """
    height, width = picture.shape[:2]
    signed = picture.astype(np.int16)
    across = signed.transpose(1, 0, 2)
    halves = [
        _half_seam(signed[: height // 2]),
        _half_seam(signed[height // 2 :]),
        _half_seam(across[: width // 2]),
        _half_seam(across[width // 2 :]),
    ]
    return sorted(halves)[1]


def split_tiles(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """The four tiles in Midjourney's order: upper left, upper right, lower left, lower right."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    return (
        picture[:height, :width],
        picture[:height, -width:],
        picture[-height:, :width],
        picture[-height:, -width:],
    )


def _half_seam(strip: NDArray[np.int16]) -> float:
    """The step at the middle column of (h, w, 3), over the 90th percentile of those near it."""
    middle = strip.shape[1] // 2
    reach = max(8, strip.shape[1] // 16)
    near = strip[:, middle - reach - 1 : middle + reach + 1]
    steps = np.abs(np.diff(near, axis=1)).mean(axis=(0, 2))
    # steps[reach] lies between the columns middle - 1 and middle; scaling moves a seam by one.
    at_seam = steps[reach - 1 : reach + 2].max()
    beside = np.concatenate([steps[: reach - 2], steps[reach + 3 :]])
    return float(at_seam / (np.percentile(beside, 90) + 1.0))
