"""Crop-resistant hashes: one for each bright or dark part of a picture; on request only.

Follows Steinebach, Liu & Yannikos, "Efficient Cropping-Resistant Robust Image Hashing" (2014), as
the ImageHash package does it: the picture is parted by its brightness, and each part's box is
hashed by itself. A crop keeps most of the parts that lie within it.

But: slow, and far from all crops are found; a picture of few and large parts is as cut as its hash
is, and a turned or mirrored one is not found at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attribution.descriptors.hashes import hamming, pack
from harvester.distribution import needs_extra

BITS = 64
"""A part's dHash."""
MAX_DISTANCE = 16
"""Bits; two parts are the same up to here, a quarter of all, as in the ImageHash package."""
MAX_PARTS = 64
"""The largest parts are taken; a picture of noise would have thousands."""


def describe_parts(picture: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hashes of a picture's (h, w, 3) uint8 RGB parts, the largest parts first.

    Returns:
        (n, 1) uint64, 1 to 64 rows: a picture without parts is one part itself.

    Raises:
        ExtraMissingError: if ImageHash is not installed.
    """
    with needs_extra("crops", "--crop-resistant"):
        import imagehash  # noqa: PLC0415

    parted = imagehash.crop_resistant_hash(Image.fromarray(picture), limit_segments=MAX_PARTS)
    words, _ = pack((str(part) for part in parted.segment_hashes), BITS)
    return words


def found_share(query: NDArray[np.uint64], candidate: NDArray[np.uint64]) -> float:
    """The share of the query's parts (m, 1) that are among the candidate's (n, 1), 0 to 1.

    Raises:
        ValueError: if the query has no parts; `describe_parts` always gives one.
    """
    if not len(query):
        raise ValueError("expected parts of the query as describe_parts gives them, found none")
    if not len(candidate):
        return 0.0
    nearest = hamming(query, candidate).min(axis=1)
    return float((nearest <= MAX_DISTANCE).mean())
