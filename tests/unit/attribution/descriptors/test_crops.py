"""The ways of looking at a query."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.descriptors.crops import CROPS, parts, whole
from attribution.descriptors.hashes import is_flat
from tests.support.tiny import scene


@pytest.mark.parametrize("look", CROPS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 2), (97, 211)])
def test_every_look_gives_pictures_of_any_size(look, shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    made = CROPS[look](picture)
    assert made
    for one in made:
        assert one.dtype == np.uint8
        assert one.ndim == 3
        assert min(one.shape[:2]) >= 1
        assert one.shape[2] == 3


def test_the_whole_is_the_picture_itself():
    picture = scene(1)
    [only] = whole(picture)
    assert only is picture


def test_parts_cover_the_picture_and_overlap_by_half():
    """Numbered pixels: every one is in some part, and a quarter of the picture fills a part."""
    numbers = np.arange(80 * 120).reshape(80, 120)
    picture = np.stack([numbers // 256 // 256, numbers // 256 % 256, numbers % 256], 2)
    made = [one.astype(int) @ [65536, 256, 1] for one in parts(picture.astype(np.uint8))]
    assert len(made) == 10
    assert [one.shape for one in made] == [(40, 60)] * 9 + [(60, 90)]
    assert set(np.concatenate([one.ravel() for one in made]).tolist()) == set(range(80 * 120))
    assert made[4][0, 0] == numbers[20, 30]
    assert made[9][0, 0] == numbers[10, 15]


@pytest.mark.parametrize("top", [0, 30, 77, 100])
@pytest.mark.parametrize("left", [0, 55, 110, 150])
def test_a_part_of_a_fifth_lies_mostly_in_some_window(top, left):
    """Of a paste that fills 45 % of each side, some window holds at least half."""
    mask = np.zeros((200, 300, 3), np.uint8)
    mask[top : top + 90, left : left + 135] = 1
    assert max(one[..., 0].sum() for one in parts(mask)) / (90 * 135) > 0.55


def test_a_part_of_one_colour_is_not_looked_at():
    """A sky or a white ground is near to every flat candidate, and that means nothing."""
    picture = np.full((200, 200, 3), 255, np.uint8)
    picture[100:, 100:] = scene(2, 100)
    made = parts(picture)
    assert 0 < len(made) < 10
    assert not any(is_flat(one) for one in made)


def test_a_picture_whose_parts_are_all_flat_is_looked_at_whole():
    picture = np.full((200, 200, 3), 255, np.uint8)
    assert len(parts(picture)) == 1
    np.testing.assert_array_equal(parts(picture)[0], picture)
