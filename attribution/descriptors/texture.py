"""The texture channel: which small patterns of light and dark a picture is made of.

Uniform local binary patterns at two scales (Ojala, Pietikäinen & Mäenpää, "Multiresolution
Gray-Scale and Rotation Invariant Texture Classification with Local Binary Patterns", 2002), the
histograms side by side. A pattern is told by the order of grey values alone, so that a picture made
lighter or of more contrast keeps its own.

But: the patterns are told apart by their direction too, as in the paper before it makes them
rotation-invariant (its eq. 9): that finds twice as many copies, but turned ones only if the query
is turned too. Pixels whose circle leaves the picture are left out, so is the paper's measure of
contrast, and blur and noise change the finest patterns.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.colour import shrink

SIDE = 128
"""Pixels; the longest side at which patterns are looked for; at 256 fewer copies are found."""
SCALES = ((8, 1), (16, 2))
"""Neighbours on the circle, and its radius in pixels."""
_EQUAL = 1e-3
"""Grey values nearer than this are equal: interpolation between equal ones is off by less."""


class LocalBinaryPatterns:
    """Histograms of local binary patterns, square-rooted: 302 numbers a picture, 0 or more.

    The dot product of two is the mean over the scales of their Bhattacharyya coefficients: 1 if
    every pattern is as frequent in both, and about .92 for unrelated photographs.
    """

    channel = "lbp"
    dimension = sum(neighbours * (neighbours - 1) + 3 for neighbours, _ in SCALES)
    version = "1-" + "-".join(f"{neighbours}r{radius}" for neighbours, radius in SCALES)

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, 302) float32, each row of length 1.

        A picture of one flat colour has a row too, and one of fewer than 5 pixels on a side has
        that of a flat one; what it is near to means nothing.
        """
        rows = [_describe(picture) for picture in pictures]
        return np.array(rows, np.float32).reshape(len(rows), self.dimension)


def _describe(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(shrink(picture, SIDE), cv2.COLOR_RGB2GRAY).astype(np.float32)
    margin = 2 * max(radius for _, radius in SCALES) + 1
    if min(grey.shape) < margin:
        grey = np.full((margin, margin), grey.mean(), np.float32)
    shares = [
        np.bincount(_CLASSES[n][patterns(grey, n, r)].ravel(), minlength=n * (n - 1) + 3)
        for n, r in SCALES
    ]
    return np.concatenate([np.sqrt(s / (s.sum() * len(SCALES))) for s in shares])


def patterns(grey: NDArray[np.float32], neighbours: int, radius: int) -> NDArray[np.uint16]:
    """Each pixel's neighbours on a circle, as bits: 1 where they are as light as it or lighter.

    Args:
        grey: (h, w) float32, at least `2 * radius + 1` on each side.
        neighbours: how many, at most 16; the first stands to the right, the next ones follow
            counter-clockwise, and the first is the lowest bit.
        radius: in pixels; between pixels, grey values are interpolated linearly.

    Returns:
        (h - 2 * radius, w - 2 * radius) uint16, without the border.
    """
    height, width = grey.shape
    inner = np.s_[radius : height - radius, radius : width - radius]
    threshold = grey[inner] - np.float32(_EQUAL)
    codes = np.zeros(threshold.shape, np.uint16)
    for bit in range(neighbours):
        angle = 2 * np.pi * bit / neighbours
        kernel = _kernel(-radius * np.sin(angle), radius * np.cos(angle), radius)
        lighter = cv2.filter2D(grey, -1, kernel)[inner] >= threshold
        codes |= lighter.astype(np.uint16) << np.uint16(bit)
    return codes


def _kernel(down: float, right: float, radius: int) -> NDArray[np.float32]:
    """The weights by which the four pixels around a point make its grey value."""
    at = np.arange(-radius, radius + 1)
    vertical, horizontal = (np.clip(1 - np.abs(at - x), 0, 1) for x in (down, right))
    return np.outer(vertical, horizontal).astype(np.float32)


def _classes(neighbours: int) -> NDArray[np.uint8]:
    """For each code its class; the codes of more than two changes around the circle share the last.

    Of `neighbours` bits, `neighbours * (neighbours - 1) + 2` codes have fewer changes.
    """
    codes = np.arange(1 << neighbours, dtype=np.uint32)
    turned = (codes >> 1) | ((codes & 1) << (neighbours - 1))
    uniform = np.bitwise_count(codes ^ turned) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, uniform.sum()).astype(np.uint8)


_CLASSES = {neighbours: _classes(neighbours) for neighbours, _ in SCALES}
