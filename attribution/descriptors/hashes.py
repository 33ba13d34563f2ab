"""Perceptual hashes as channels: how many bits of two pictures agree.

The hashes are made by `harvester.pictures.decode`, the same for candidates and queries. A query is
hashed in its eight turns and mirrorings, a candidate once.

But: not crop-resistant. With 2 % cut away nine copies of ten are found, with 5 % hardly any
(benchmarks/near_copies.py); those are found by `regions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

BITS = {"pdq": 256, "phash": 64, "dhash": 64}


def dihedral(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """A picture (h, w, 3) in its four quarter turns, each plain and mirrored; itself first."""
    turned = [np.rot90(picture, turns) for turns in range(4)]
    return tuple(np.ascontiguousarray(p) for t in turned for p in (t, t[:, ::-1]))


def pack(hashes: Iterable[str | None], bits: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Hexadecimal hashes as words (n, bits / 64) uint64, and which of them are really there.

    A hash that is missing, of another length or not hexadecimal is not there; its words are 0.
    """
    width = bits // 4
    raw = bytearray()
    there = []
    for text in hashes:
        try:
            value = bytes.fromhex(text) if text is not None and len(text) == width else b""
        except ValueError:
            value = b""
        there.append(bool(value))
        raw += value or bytes(bits // 8)
    words = np.frombuffer(raw, np.uint64).reshape(-1, bits // 64)
    return words, np.array(there, bool)


def hamming(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Differing bits between each of left (m, w) and each of right (n, w), as (m, n)."""
    differing = np.bitwise_count(left[:, None, :] ^ right[None, :, :])
    distances: NDArray[np.int64] = differing.sum(axis=2, dtype=np.int64)
    return distances


def agreement(
    query: Sequence[str], gallery: NDArray[np.uint64], there: NDArray[np.bool_], bits: int
) -> NDArray[np.float32]:
    """For each gallery hash (n, bits / 64), the best `1 - distance / bits` over a query's turns.

    Returns:
        (n,) float32 in 0 to 1; NaN where the candidate, or the whole query, has no hash.
    """
    words, query_there = pack(query, bits)
    words = words[query_there]
    if not len(words):
        return np.full(len(gallery), np.nan, np.float32)
    distance = hamming(words, gallery).min(axis=0)
    score: NDArray[np.float32] = (1.0 - distance / bits).astype(np.float32)
    score[~there] = np.nan
    return score


HASH_NEAR = 91
"""PDQ bits of 256 within which no unrelated pictures were: see `fusion.from_hashes`."""


def nearest_turn(turns: Sequence[str], word: NDArray[np.uint64]) -> int | None:
    """Which of a picture's turns has the hash nearest to one (4,); None where none is near."""
    words, there = pack(turns, BITS["pdq"])
    distances = np.where(there, hamming(words, word[None])[:, 0], BITS["pdq"])
    nearest = int(distances.argmin())
    return nearest if distances[nearest] <= HASH_NEAR else None


PDQ_MATCH = 1 - 31 / 256
"""PDQ's own threshold, 31 of 256 bits.

Of 1.83 million pairs of Caltech-101 pictures, eight turns each, ten come within it. Nine are
copies: the same picture recoloured, mirrored or redrawn in part. One is not: two catalogue
photographs of two motorcycles of one make, in the same place and light
(benchmarks/near_copies.py).
"""
PDQ_QUALITY = 50
"""Below this a picture has too little structure for its PDQ hash to mean anything."""
FLAT = 2.0
"""Standard deviation of the colours, of 255, below which a picture offers nothing to compare."""


def trusted_hashes(quality: NDArray[np.int16], query_quality: int) -> NDArray[np.bool_]:
    """Which candidates' PDQ hashes mean something beside the query's, by both qualities."""
    trusted: NDArray[np.bool_] = (quality >= PDQ_QUALITY) & (query_quality >= PDQ_QUALITY)
    return trusted


def near_copies(
    pdq: NDArray[np.float32], quality: NDArray[np.int16], query_quality: int
) -> NDArray[np.bool_]:
    """Which candidates are near copies, by PDQ agreement and both pictures' PDQ quality."""
    trusted = trusted_hashes(quality, query_quality)
    # Half a bit of slack: in float32 a distance of exactly 31 must stay a match.
    agrees = np.nan_to_num(pdq) >= np.float32(PDQ_MATCH - 0.5 / 256)
    found: NDArray[np.bool_] = trusted & agrees
    return found


def is_flat(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture (h, w, 3) is of one colour, or as good as."""
    # Not of the grey values: red and blue can have the same one.
    return float(picture.reshape(-1, 3).std(axis=0, dtype=np.float32).max()) < FLAT
