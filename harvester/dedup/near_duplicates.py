"""This is the near-duplicate index: which stored picture a new one is a copy of, by PDQ.

Two pictures are taken for one when both have PDQ quality and their hashes differ in at most
`MAX_DISTANCE` of 256 bits. Eight bands of 32 bits are looked up: seven differing bits leave at
least one band equal (the pigeonhole; Norouzi, Punjani and Fleet, CVPR 2012), and what shares a
band is compared as a whole.

The distance is measured, on 300 of 3,027 photographs (PDQ's distances are even, so 7 is 6).
Merged are re-encodings: JPEG at quality 75 and more, 100 %; 60, 99 %; 50, 96 %; WebP 75, 99 %, 50,
97 %; enlarged to 200 %, 98 %; reduced to 75 %, 93 %, to 50 %, 76 %; grey, 100 %. Of 4.6 million
pairs of photographs 11 are as near, every one a copy that the collection holds twice.
Kept apart are crops (1 % off each side: 99 %; 2 % and more: all), borders, mirrored and turned
pictures (1°: 99 %), captions of 12 % of the height or more (99 %).

But: what is small or faint does not show in PDQ. A line of text of 8 % of the height is merged with
its original in 5 of 100 pictures, of 6 % in 14, a pale watermark across the middle in 34 and a
hardly visible one in 89; a patch of 1 % of the area in 12. pHash and dHash tell those no better.
To merge more half-size copies too would cost four times as many captions (10 bits: 92 % and 21 %).
A merged picture's address is kept as a finding: what is lost is its own stored copy.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator

MAX_DISTANCE = 7
"""Bits of 256 in which copies may differ."""
MIN_QUALITY = 50
"""Of PDQ: below it a picture has too little structure for its hash to mean anything."""
SCHEMA = "CREATE TABLE bands (entry INTEGER PRIMARY KEY) STRICT"
"""One row a band of a picture: 3 bits of which band, 28 of the band, 32 that begin the id."""
MOST = 32
"""Pictures that are compared a band: one that thousands share makes no look-up slow."""
_BANDS = struct.Struct(">8I")
_ID_BITS = 32
_ID_MASK = (1 << _ID_BITS) - 1
_ONE_BAND = "SELECT entry FROM (SELECT entry FROM bands WHERE entry BETWEEN ? AND ? LIMIT ?)"
_ALL_BANDS = " UNION ALL ".join([_ONE_BAND] * 8)


def read_pdq(digits: str | None, quality: int | None) -> bytes | None:
    """The 32 bytes of a hash that can be trusted, else None."""
    if digits is None or quality is None or quality < MIN_QUALITY or len(digits) != 64:
        return None
    try:
        pdq = bytes.fromhex(digits)
    except ValueError:
        return None
    return pdq if len(pdq) == 32 else None


def distance(pdq: bytes, other: bytes) -> int:
    """Bits in which two hashes differ, 0 to 256."""
    return (int.from_bytes(pdq) ^ int.from_bytes(other)).bit_count()


def bands(pdq: bytes) -> list[int]:
    """The eight bands of a hash, 31 bits each, no two places alike."""
    return [place << 28 | band >> 4 for place, band in enumerate(_BANDS.unpack(pdq))]


def entries(picture: bytes, pdq: bytes) -> Iterator[int]:
    """The rows of `SCHEMA` for one picture.

    Args:
        picture: its id, 32 bytes.
        pdq: 32 bytes.
    """
    start = int.from_bytes(picture[:4])
    return (band << _ID_BITS | start for band in bands(pdq))


def beginnings(connection: sqlite3.Connection, pdq: bytes) -> set[bytes]:
    """The first four bytes of the ids of pictures that share a band; at most 8 x `MOST`."""
    bounds: list[int] = []
    for band in bands(pdq):
        bounds += (band << _ID_BITS, band << _ID_BITS | _ID_MASK, MOST)
    rows = connection.execute(_ALL_BANDS, bounds).fetchall()
    return {(entry & _ID_MASK).to_bytes(4) for (entry,) in rows}


def nearest(pdq: bytes, pictures: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Of (id, hash) pairs the id of the nearest copy; of two as near the lower."""
    near = ((distance(pdq, other), picture) for picture, other in pictures)
    best = min((one for one in near if one[0] <= MAX_DISTANCE), default=None)
    return best and best[1]
