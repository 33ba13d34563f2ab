"""Copies are found by their bands, others are not, and no look-up is slow."""

from __future__ import annotations

import io
import random
import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harvester.dedup import near_duplicates
from harvester.dedup.near_duplicates import MAX_DISTANCE, MOST, bands, distance, nearest, read_pdq
from harvester.pictures.decode import compute_hashes, encode_jpeg, open_picture

PDQ = st.binary(min_size=32, max_size=32)


def flipped(pdq: bytes, places: set[int]) -> bytes:
    number = int.from_bytes(pdq)
    for place in places:
        number ^= 1 << place
    return number.to_bytes(32)


@pytest.fixture
def table():
    connection = sqlite3.connect(":memory:")
    connection.execute(near_duplicates.SCHEMA)
    yield connection
    connection.close()


def put(connection: sqlite3.Connection, picture: bytes, pdq: bytes) -> None:
    rows = [(entry,) for entry in near_duplicates.entries(picture, pdq)]
    connection.executemany("INSERT INTO bands VALUES (?)", rows)


@given(PDQ, st.sets(st.integers(0, 255), max_size=MAX_DISTANCE))
def test_hashes_that_are_near_share_a_band(pdq, places):
    near = flipped(pdq, places)
    assert distance(pdq, near) == len(places)
    assert not set(bands(pdq)).isdisjoint(bands(near))


def test_the_table_gives_every_near_picture_and_hardly_any_other(table):
    rng = random.Random(1)
    stored = {rng.randbytes(32): rng.randbytes(32) for _ in range(2000)}
    for picture, pdq in stored.items():
        put(table, picture, pdq)
    others = 0
    for picture, pdq in list(stored.items())[:300]:
        near = flipped(pdq, set(rng.sample(range(256), MAX_DISTANCE)))
        found = near_duplicates.beginnings(table, near)
        assert picture[:4] in found
        others += len(found) - 1
    assert others < 3


def test_a_band_that_thousands_share_is_looked_into_and_no_further(table):
    rng = random.Random(2)
    pdq = rng.randbytes(32)
    for number in range(5000):
        put(table, number.to_bytes(4) + bytes(28), pdq)
    assert 0 < len(near_duplicates.beginnings(table, pdq)) <= 8 * MOST


def test_the_nearest_is_taken_and_of_two_as_near_the_lower():
    pdq = bytes(32)
    one, two, far = (flipped(pdq, set(range(bits))) for bits in (1, 2, MAX_DISTANCE + 1))
    assert nearest(pdq, [(b"c", two), (b"b", one), (b"a", far), (b"a2", two)]) == b"b"
    assert nearest(pdq, [(b"c", two), (b"a", two)]) == b"a"
    assert nearest(pdq, [(b"a", far)]) is None
    assert nearest(pdq, []) is None


@pytest.mark.parametrize(
    ("digits", "quality"),
    [
        (None, 100),
        ("00" * 32, None),
        ("00" * 32, 49),
        ("00" * 31, 100),
        ("zz" * 32, 100),
        ("0 " * 32, 100),
    ],
)
def test_a_hash_that_cannot_be_trusted_is_none(digits, quality):
    assert read_pdq(digits, quality) is None


def photograph(seed: int) -> np.ndarray:
    """A picture with structure at every size, 300x400, as photographs have."""
    rng = np.random.default_rng(seed)
    rgb = np.zeros((300, 400, 3))
    for side in (3, 6, 12, 40, 100):
        small = Image.fromarray(rng.integers(0, 256, (side, side + 1, 3), dtype=np.uint8))
        rgb += np.asarray(small.resize((400, 300), Image.Resampling.BICUBIC), float)
    return ((rgb - rgb.min()) / np.ptp(rgb) * 255).astype(np.uint8)


def pdq_of(rgb: np.ndarray) -> bytes:
    hashes = compute_hashes(rgb)
    pdq = read_pdq(hashes.pdq, hashes.pdq_quality)
    assert pdq is not None
    return pdq


def test_copies_are_near_and_crops_and_other_pictures_are_not():
    for seed in range(8):
        rgb = photograph(seed)
        original = pdq_of(rgb)
        picture = Image.fromarray(rgb)
        webp = io.BytesIO()
        picture.save(webp, "WEBP", quality=75)
        copies = [encode_jpeg(rgb, quality=75), webp.getvalue()]
        copies.append(encode_jpeg(np.asarray(picture.resize((800, 600)))))
        for body in copies:
            assert distance(original, pdq_of(open_picture(body, max_side=512).rgb)) <= MAX_DISTANCE
        assert distance(original, pdq_of(rgb[15:-15, 20:-20])) > MAX_DISTANCE
        assert distance(original, pdq_of(np.ascontiguousarray(rgb[:, ::-1]))) > MAX_DISTANCE
        assert distance(original, pdq_of(photograph(seed + 100))) > MAX_DISTANCE
