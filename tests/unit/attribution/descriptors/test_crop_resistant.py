"""Segments' hashes: a crop is found where a hash of the whole picture is not."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from attribution.descriptors.crop_resistant import (
    MAX_DISTANCE,
    MAX_PARTS,
    describe_parts,
    found_share,
)
from attribution.descriptors.hashes import hamming, pack
from harvester.pictures.decode import compute_hashes


def words(*values: int) -> np.ndarray:
    return np.array(values, np.uint64).reshape(-1, 1)


@pytest.fixture(scope="module")
def coffee():
    return np.ascontiguousarray(data.coffee())


@pytest.fixture(scope="module")
def cat():
    return np.ascontiguousarray(data.chelsea())


def test_the_same_picture_is_found_whole(coffee):
    parts = describe_parts(coffee)
    assert parts.dtype == np.uint64
    assert parts.shape[1] == 1
    assert 1 <= len(parts) <= MAX_PARTS
    assert found_share(parts, parts) == 1


def test_a_crop_is_found_where_the_whole_pictures_hash_is_not(coffee, cat):
    height, width = coffee.shape[:2]
    crop = np.ascontiguousarray(coffee[height // 8 : -height // 8, width // 8 : -width // 8])
    query = describe_parts(crop)
    assert found_share(query, describe_parts(coffee)) >= 0.3
    assert found_share(query, describe_parts(cat)) == 0
    whole, _ = pack([compute_hashes(p).dhash for p in (crop, coffee)], 64)
    assert hamming(whole[:1], whole[1:])[0, 0] > MAX_DISTANCE


def test_a_flat_picture_is_one_part():
    assert len(describe_parts(np.full((50, 60, 3), 128, np.uint8))) == 1


def test_the_share_counts_the_querys_parts():
    near, far = (1 << MAX_DISTANCE) - 1, (1 << (MAX_DISTANCE + 1)) - 1
    assert found_share(words(0), words(near)) == 1
    assert found_share(words(0), words(far)) == 0
    ones = (1 << 64) - 1
    assert found_share(words(0, ones), words(0)) == 0.5
    assert found_share(words(0), words(0, ones)) == 1
    assert found_share(words(0, ones, far << 40), words(0, ones)) == pytest.approx(2 / 3)


def test_no_parts():
    assert found_share(words(0), words()) == 0
    with pytest.raises(ValueError, match="found none"):
        found_share(words(), words(0))
