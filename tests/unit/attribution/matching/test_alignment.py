"""One picture laid over another: what is the same agrees, and only what is content tells."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from attribution.matching.alignment import BLOCK, SIDE, Movement, align, stretched
from tests.support.tiny import scene


def photograph(number: int, height: int = 240, width: int = 320) -> np.ndarray:
    """Tones at every scale, as photographs have them."""
    draw = np.random.default_rng(number)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (3, 6, 12, 24, 48):
        coarse = draw.normal(size=(cells, round(cells * width / height), 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / cells**0.6
    low, high = picture.min(), picture.max()
    return ((picture - low) / (high - low) * 255).astype(np.uint8)


def page(words: str) -> np.ndarray:
    """Lines of text on white."""
    canvas = Image.new("RGB", (400, 500), "white")
    font, draw = ImageFont.load_default(13), ImageDraw.Draw(canvas)
    letters = np.random.default_rng(sum(map(ord, words)))
    for y in range(20, 480, 18):
        line = "".join(letters.choice(list("abcdefghiklmnoprstuvw    "), 52))
        draw.text((20, y), line, "black", font)
    return np.array(canvas)


def whole(query: np.ndarray, candidate: np.ndarray):
    return align(query, candidate, stretched(query, candidate), is_rough=True)


@pytest.mark.parametrize("size", [(320, 240), (160, 120), (500, 375)])
def test_a_copy_agrees_everywhere_and_tells(size):
    picture = photograph(1)
    copy = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    alignment = whole(picture, copy)
    assert alignment.is_whole
    assert (alignment.covered, alignment.agreeing) == (1.0, 1.0)
    assert alignment.telling > 0.5
    assert alignment.tones > 0.99
    assert alignment.drawn < 0.1
    assert alignment.colour_gap < 5
    assert alignment.explained.shape == (round(SIDE * 0.75) // BLOCK, SIDE // BLOCK)
    assert alignment.explained.mean() > 0.95


def test_a_copy_in_other_colours_is_told_apart_by_the_gap_alone():
    picture = photograph(2)
    alignment = whole(picture, np.ascontiguousarray(picture[..., [1, 2, 0]]))
    assert alignment.colour_gap > 30


def test_another_picture_agrees_nowhere():
    alignment = whole(photograph(3), photograph(4))
    assert alignment.agreeing < 0.3
    assert alignment.telling < 0.1
    assert alignment.explained.mean() < 0.1
    assert align(page("one"), photograph(4), Movement(1, 0, 0)) is None


def test_other_words_agree_but_tell_nothing():
    alignment = whole(page("one"), page("another"))
    assert alignment.telling < 0.4 * alignment.agreeing
    assert alignment.tones < 0.97
    same = whole(page("one"), page("one"))
    assert (same.agreeing, round(same.tones, 3), same.colour_gap) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_is_laid_where_the_movement_says(mirrored):
    """The candidate, at half its size, in the lower right quarter of the query."""
    candidate, query = photograph(5), photograph(6)
    small = cv2.resize(candidate, (160, 120), interpolation=cv2.INTER_AREA)
    query[120:, 160:] = small
    if mirrored:
        query = np.ascontiguousarray(query[:, ::-1])
    alignment = align(query, candidate, Movement(0.5, 0, 0.5 + 0.375j, mirrored=mirrored))
    assert alignment.covered == pytest.approx(0.25, abs=0.03)
    assert alignment.inside > 0.97
    assert alignment.agreeing > 0.9
    here = alignment.explained[:, ::-1] if mirrored else alignment.explained
    assert here[6:, 8:].mean() > 0.9
    assert not here[:5, :].any()
    assert not here[:, :7].any()


def test_a_movement_that_is_a_few_pixels_off_is_refined():
    picture = photograph(7)
    alignment = align(picture, picture, Movement(1.02, 0.01j, 0.01 - 0.012j), is_rough=True)
    assert alignment.agreeing > 0.98
    assert alignment.tones > 0.98


def test_the_whole_of_one_is_brought_onto_the_whole_of_another():
    wide, tall = photograph(8), cv2.resize(photograph(8), (120, 300), interpolation=cv2.INTER_AREA)
    alignment = whole(wide, tall)
    assert alignment.covered == 1.0
    assert alignment.agreeing > 0.9


@pytest.mark.parametrize("shape", [(17, 400, 3), (400, 17, 3), (1, 1, 3), (40, 60, 3)])
def test_any_shape_is_laid_over_any_other(shape):
    """A query with no whole block has nothing to agree, and raises nothing."""
    odd = np.random.default_rng(9).integers(0, 256, shape, np.uint8)
    for query, candidate in ((odd, scene(1)), (scene(1), odd), (odd, odd)):
        alignment = whole(query, candidate)
        assert alignment is not None
        assert 0 <= alignment.agreeing <= 1


@pytest.mark.parametrize(
    "movement", [Movement(0, 0, 0), Movement(1e-6, 0, 0), Movement(1, 0, 9), Movement(1, 1, 0)]
)
def test_a_movement_out_of_reach_covers_nothing_or_agrees_in_nothing(movement):
    alignment = align(scene(1), scene(1), movement, is_rough=True)
    assert alignment is None or alignment.covered * alignment.agreeing < 0.2
