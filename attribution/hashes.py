"""Perceptual hashes as channels: how many bits of two pictures agree.

The hashes are made by `harvester.images`, the same for candidates and queries. A query is hashed in
its eight turns and mirrorings, a candidate once.

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
