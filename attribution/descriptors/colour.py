"""The colour channel: how much of two pictures' colours is shared, wherever they stand.

A joint histogram over CIE L*a*b*, whose distances are near to those that the eye sees. Swain &
Ballard ("Color Indexing", 1991) first compared pictures by such histograms alone; here they are
compared by the Bhattacharyya coefficient (Kailath, "The Divergence and Bhattacharyya Distance
Measures in Signal Selection", 1967). Each pixel is shared linearly between the eight bins around
it, so that a slight change of colour moves a little of the histogram and not whole bins of it.

But: it knows nothing of where a colour stands, and a changed white balance or a grey copy defeats
it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 128
"""Pixels; the longest side at which colours are counted."""
LIGHTNESS = np.linspace(0, 255, 8)
"""Centres of the bins of L*, in OpenCV's 8 bits (100 is 255)."""
CHROMA = 128.0 + np.array([-64, -40, -24, -12, 0, 12, 24, 40, 64])
"""Centres of the bins of a* and b*, in OpenCV's 8 bits (0 is 128); closer where most are."""
_FINE = 64
"""Steps a channel is counted in before they are shared out between the bins."""


def _shares(centres: NDArray[np.float64]) -> NDArray[np.float32]:
    """(len(centres), _FINE): how much of a fine step belongs to each bin; a column's sum is 1."""
    steps = (np.arange(_FINE) + 0.5) * (256 / _FINE) - 0.5
    hats = [np.interp(steps, centres, one) for one in np.eye(len(centres))]
    return np.array(hats, np.float32)


_SHARES = (_shares(LIGHTNESS), _shares(CHROMA), _shares(CHROMA))


class LabHistogram:
    """Joint L*a*b* histogram, square-rooted: 648 numbers a picture, 0 or more.

    The dot product of two is their Bhattacharyya coefficient: 0 if no colour is shared, 1 if all
    are, in the same amounts.
    """

    channel = "lab-histogram"
    dimension = len(LIGHTNESS) * len(CHROMA) ** 2
    version = f"1-{len(LIGHTNESS)}x{len(CHROMA)}x{len(CHROMA)}-{SIDE}"

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, 648) float32, each row of length 1.

        A picture of one flat colour has a row too; what it is near to means nothing.
        """
        rows = [np.sqrt(histogram(picture)).ravel() for picture in pictures]
        return np.array(rows, np.float32).reshape(len(rows), self.dimension)


def histogram(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The share of a picture's (h, w, 3) uint8 RGB colours in each bin of L*, a* and b*.

    Returns:
        (8, 9, 9) float32, 0 or more, of sum 1.
    """
    lab = cv2.cvtColor(shrink(picture, SIDE), cv2.COLOR_RGB2LAB)
    fine = cv2.calcHist([lab], [0, 1, 2], None, [_FINE] * 3, [0, 256] * 3)
    lightness, green_red, blue_yellow = _SHARES
    # One axis after the other: far quicker than to share out pixel by pixel.
    shared = lightness @ fine.reshape(_FINE, -1)
    shared = green_red @ shared.reshape(len(lightness), _FINE, _FINE)
    shared = shared @ blue_yellow.T
    counted: NDArray[np.float32] = shared / shared.sum()
    return counted


def shrink(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (h, w) or (h, w, 3) with its longest side at most `side` pixels; never enlarged."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smaller: NDArray[np.uint8] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(
        np.uint8, copy=False
    )
    return smaller
