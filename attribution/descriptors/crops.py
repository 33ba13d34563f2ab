"""The crops of a query: whole, and in parts, so that a source that fills a part is found.

A candidate is described once, as it is. The query is described in parts as well, and the best of
these counts, in a channel of its own: a best of many is high by chance too, and chance is measured
for each channel.

Quarter turns were looked at as well, and fitted to a weight of 0: hashes and keypoints know a
turned copy already.

But: a source of which the query is a small cut is looked for in no part of the candidate here;
`matching.geometry` finds it, if the candidate is near enough to be compared there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.hashes import is_flat

Crop = Literal["whole", "parts"]
_THIRDS = (0.0, 0.25, 0.5)


def whole(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The picture (h, w, 3) as it is."""
    return [picture]


def parts(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Nine windows of half the sides, half overlapping, and the middle three quarters.

    A part that fills a fifth of the picture has sides of .45 and so nearly fills one of them.
    Windows of one colour are left out, since they are near to every flat candidate; without any
    other it is the picture itself.
    """
    windows = [(top, left, 0.5) for top in _THIRDS for left in _THIRDS]
    cropped = [_window(picture, *window) for window in [*windows, (0.125, 0.125, 0.75)]]
    return [window for window in cropped if not is_flat(window)] or [picture]


CROPS: Mapping[Crop, Callable[[NDArray[np.uint8]], Sequence[NDArray[np.uint8]]]] = {
    "whole": whole,
    "parts": parts,
}


def _window(picture: NDArray[np.uint8], top: float, left: float, share: float) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    rows = slice(round(top * height), max(round((top + share) * height), round(top * height) + 1))
    columns = slice(
        round(left * width), max(round((left + share) * width), round(left * width) + 1)
    )
    window = picture[rows, columns]
    return window if window.size else picture
