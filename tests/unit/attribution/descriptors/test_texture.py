"""The texture channel: what moves its score and what does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from attribution.descriptors.texture import _CLASSES, SCALES, LocalBinaryPatterns, patterns


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def scores(*pictures: np.ndarray) -> np.ndarray:
    rows = LocalBinaryPatterns().embed(pictures)
    return rows @ rows.T


@pytest.fixture(scope="module")
def brick():
    return data.brick()


@pytest.fixture(scope="module")
def grass():
    return data.grass()


def test_rows_are_of_length_one_and_as_long_as_said(brick):
    rows = LocalBinaryPatterns().embed([rgb(brick), np.zeros((30, 40, 3), np.uint8)])
    assert rows.shape == (2, LocalBinaryPatterns.dimension) == (2, 59 + 243)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


def test_no_pictures_are_no_rows():
    assert LocalBinaryPatterns().embed([]).shape == (0, LocalBinaryPatterns.dimension)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (4, 4), (5, 5), (400, 2)])
def test_the_smallest_pictures_have_a_row_too(shape):
    rows = LocalBinaryPatterns().embed([np.zeros((*shape, 3), np.uint8)])
    assert np.linalg.norm(rows) == pytest.approx(1, rel=1e-5)


def test_two_parts_of_a_texture_are_nearer_than_two_textures(brick, grass):
    left, right = rgb(brick[:, :256]), rgb(brick[:, 256:])
    table = scores(left, right, rgb(grass[:, :256]), rgb(grass[:, 256:]))
    within, between = min(table[0, 1], table[2, 3]), table[:2, 2:].max()
    assert within > between + 0.02


def test_light_and_contrast_do_not_count(brick):
    small = cv2.resize(brick, (128, 128), interpolation=cv2.INTER_AREA) // 2
    lighter = small + 40
    stronger = small * 2
    assert scores(rgb(small), rgb(lighter), rgb(stronger))[0].min() > 0.999


def test_direction_counts():
    stripes = np.tile(np.array([0, 0, 255, 255], np.uint8), (128, 32))
    table = scores(rgb(stripes), rgb(np.ascontiguousarray(stripes.T)))
    assert table[0, 1] < 0.9


def test_a_lone_light_pixel_has_no_neighbour_as_light():
    grey = np.zeros((9, 9), np.float32)
    grey[4, 4] = 1
    for neighbours, radius in SCALES:
        found = patterns(grey, neighbours, radius)
        assert found[4 - radius, 4 - radius] == 0
        assert found.shape == (9 - 2 * radius,) * 2


def test_the_first_neighbour_is_right_and_the_others_follow_counter_clockwise():
    for bit, (row, column) in enumerate([(2, 4), (1, 3), (0, 2), (1, 1), (2, 0)]):
        grey = np.zeros((5, 5), np.float32)
        grey[2, 2] = 0.1
        grey[row, column] = 255
        if bit % 2 == 0:  # two pixels away, on the axes
            assert patterns(grey, 16, 2)[0, 0] & (1 << (2 * bit))
        else:
            assert patterns(grey, 8, 1)[1, 1] & (1 << bit)


@pytest.mark.parametrize("neighbours", [8, 16])
def test_codes_of_more_than_two_changes_share_the_last_class(neighbours):
    classes = _CLASSES[neighbours]
    last = neighbours * (neighbours - 1) + 2
    assert classes.max() == last
    for code in (0, 1, 0b111, (1 << neighbours) - 1, 1 << (neighbours - 1) | 1):
        assert classes[code] < last
        assert (classes == classes[code]).sum() == 1
    for code in (0b101, 0b1001, 0b110101):
        assert classes[code] == last
