"""The colour channel: what moves its score and what does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.descriptors.colour import CHROMA, LIGHTNESS, LabHistogram, histogram, shrink


def flat(*colour: int, side: int = 40) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


def scene(seed: int, height: int = 240, width: int = 320) -> np.ndarray:
    noise = np.random.default_rng(seed).random((9, 7, 3), np.float32)
    large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return (large * 255).astype(np.uint8)


def scores(*pictures: np.ndarray) -> np.ndarray:
    rows = LabHistogram().embed(pictures)
    return rows @ rows.T


def test_rows_are_of_length_one_and_as_long_as_said():
    rows = LabHistogram().embed([scene(0), scene(1), flat(0, 0, 0), flat(255, 255, 255)])
    assert rows.shape == (4, LabHistogram.dimension) == (4, 8 * 9 * 9)
    assert rows.dtype == np.float32
    assert rows.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


def test_no_pictures_are_no_rows():
    assert LabHistogram().embed([]).shape == (0, LabHistogram.dimension)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_each_colour_is_counted_whole_between_neighbouring_bins(colour):
    shares = histogram(flat(*colour, side=1))
    assert shares.sum() == pytest.approx(1, rel=1e-5)
    for extent, axes in (LIGHTNESS, (1, 2)), (CHROMA, (0, 2)), (CHROMA, (0, 1)):
        used = np.flatnonzero(shares.max(axis=axes) > 1e-6)
        assert np.ptp(used) <= 1, (extent, used)


def test_where_a_colour_stands_does_not_count():
    picture = scene(3)
    turned = np.ascontiguousarray(np.rot90(picture))
    shuffled = np.ascontiguousarray(np.concatenate([picture[:, 160:], picture[:, :160]], axis=1))
    assert scores(picture, turned, picture[:, ::-1], shuffled)[0].min() > 0.999


def test_the_share_of_common_colours_is_the_score():
    red, blue, green = (200, 20, 20), (20, 20, 200), (20, 200, 20)
    half = flat(*red)
    half[:, 20:] = blue
    table = scores(half, flat(*red), flat(*green))
    assert table[0, 1] == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert table[0, 2] < 0.01
    assert table[1, 2] < 0.01


def test_a_slight_change_of_colour_is_a_slight_change_of_score():
    steps = [flat(120 + k, 90, 60) for k in (0, 10, 20, 40)]
    near = scores(*steps)[0]
    assert near[1] > 0.6
    assert (np.diff(near) < 0).all()


def test_a_smaller_or_recompressed_copy_has_the_same_colours():
    picture = scene(4, 480, 640)
    smaller = cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1)
    table = scores(picture, smaller, jpeg, scene(5))
    assert table[0, 1] > 0.99
    assert table[0, 2] > 0.95 > table[0, 3]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 3), (128, 128), (129, 20)])
def test_shrink_keeps_small_pictures_and_bounds_large_ones(shape):
    picture = np.zeros((*shape, 3), np.uint8)
    smaller = shrink(picture, 128)
    assert max(smaller.shape[:2]) == min(128, max(shape))
    assert min(smaller.shape[:2]) >= 1
    assert (smaller is picture) == (max(shape) <= 128)
