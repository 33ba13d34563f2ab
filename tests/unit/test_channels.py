"""Each channel by itself, against a plain computation."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.descriptors import CHANNELS
from attribution.fusion import WEIGHTS, blend, likeness, relevance
from attribution.grid import looks_like_grid, split_tiles
from attribution.hashes import agreement, dihedral, hamming, pack
from attribution.index import VectorIndex
from attribution.text import TextIndex
from attribution.verdicts import PDQ_QUALITY, near_copies

words = st.integers(0, 2**64 - 1)


def bits(value: int, width: int = 16) -> str:
    return f"{value:0{width}x}"


@given(words, words, words)
def test_hamming_is_a_metric_and_counts_bits(a, b, c):
    packed, _ = pack([bits(a), bits(b), bits(c)], 64)
    distance = hamming(packed, packed)
    assert distance[0, 1] == (a ^ b).bit_count()
    assert (distance == distance.T).all()
    assert (np.diag(distance) == 0).all()
    assert distance[0, 2] <= distance[0, 1] + distance[1, 2]


@given(st.lists(st.integers(0, 2**256 - 1), min_size=1, max_size=8), st.integers(0, 2**256 - 1))
def test_agreement_is_the_best_turn(gallery, query):
    packed, there = pack([bits(value, 64) for value in gallery], 256)
    turns = [bits(query, 64), bits(query ^ (2**256 - 1), 64)]
    expected = []
    for value in gallery:
        distance = (value ^ query).bit_count()
        expected.append(1 - min(distance, 256 - distance) / 256)
    np.testing.assert_allclose(agreement(turns, packed, there, 256), expected, rtol=1e-6)


@pytest.mark.parametrize("broken", [None, "", "12", "zz" * 8, "0" * 15 + "é"])
def test_a_hash_that_is_none_has_no_score(broken):
    packed, there = pack([broken, "0" * 16], 64)
    assert there.tolist() == [False, True]
    scores = agreement(["0" * 16], packed, there, 64)
    assert np.isnan(scores[0])
    assert scores[1] == 1
    assert np.isnan(agreement([broken or ""], packed, there, 64)).all()


def test_dihedral_turns_are_eight_different_pictures():
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    turns = dihedral(picture)
    assert len({(turn.shape, turn.tobytes()) for turn in turns}) == 8
    assert turns[0] is not picture
    np.testing.assert_array_equal(turns[0], picture)


@pytest.mark.parametrize(
    ("distance", "quality", "is_copy"),
    [(0, 100, True), (31, PDQ_QUALITY, True), (32, 100, False), (0, PDQ_QUALITY - 1, False)],
)
def test_a_near_copy_differs_in_at_most_31_bits_of_two_good_hashes(distance, quality, is_copy):
    score = np.array([1 - distance / 256], np.float32)
    assert near_copies(score, np.array([quality], np.int16), 100)[0] == is_copy
    assert near_copies(score, np.array([100], np.int16), quality)[0] == is_copy


def test_a_missing_hash_is_no_near_copy():
    assert not near_copies(np.array([np.nan], np.float32), np.array([100], np.int16), 100)[0]


def test_bm25_prefers_rarer_words_and_is_zero_without_any():
    index = TextIndex(["a red barn", "a red lighthouse", "", "red red red", "Ein roter Leuchtturm"])
    scores = index.scores("the red lighthouse")
    assert scores.argmax() == 1
    assert scores[2] == scores[4] == 0
    assert scores[0] > 0
    assert (index.scores("zebra") == 0).all()
    assert (index.scores("the of a") == 0).all()


def test_text_takes_any_script_and_galleries_without_words():
    index = TextIndex(["рыбацкая деревня", "富士山 の 風景", ""])
    assert index.scores("деревня").argmax() == 0
    assert index.scores("風景").argmax() == 1
    assert (TextIndex(["", ""]).scores("anything") == 0).all()
    assert (TextIndex(["a", "the of"]).scores("anything") == 0).all()


def test_nearest_neighbours_are_those_of_a_full_sort():
    """The index against brute force, up to ties."""
    generator = np.random.default_rng(5)
    vectors = generator.standard_normal((300, 32), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[:20] + 0.1 * generator.standard_normal((20, 32), np.float32)
    cosines = queries @ vectors.T
    nearest = VectorIndex(vectors).nearest(queries, 7)
    np.testing.assert_allclose(
        np.take_along_axis(cosines, nearest, axis=1), -np.sort(-cosines, axis=1)[:, :7], rtol=1e-5
    )
    assert VectorIndex(vectors[:3]).nearest(queries, 7).shape == (20, 3)


def test_the_blend_stays_between_0_and_1_and_rises_with_each_channel():
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    image = likeness(np.array([-1, 0.45, 0.725, 1], np.float32))
    np.testing.assert_allclose(image, [0, 0, 0.5, 1], atol=1e-6)
    text = relevance(np.array([0, 1, 2, 4], np.float32), 4)
    np.testing.assert_allclose(text, [0, 0.25, 0.5, 1])
    assert (np.diff(blend(image, text)) > 0).all()
    np.testing.assert_array_equal(blend(image, None), image)
    np.testing.assert_array_equal(relevance(np.zeros(2, np.float32), 0), [0, 0])


def test_every_channel_says_what_its_score_means():
    for name, channel in CHANNELS.items():
        assert channel.name == name
        assert len(channel.meaning) > 20
        assert channel.source


def smooth(seed: int, side: int) -> np.ndarray:

    noise = np.random.default_rng(seed).random((5, 5, 3), np.float32)
    return (cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(
        np.uint8
    )


def grid(seeds, side: int = 200) -> np.ndarray:
    a, b, c, d = (smooth(seed, side) for seed in seeds)
    return np.vstack([np.hstack([a, b]), np.hstack([c, d])])


def test_a_grid_is_told_from_a_single_picture():
    assert looks_like_grid(grid((1, 2, 3, 4)))
    assert not looks_like_grid(smooth(1, 400))
    assert not looks_like_grid(np.zeros((400, 400, 3), np.uint8))


def test_a_pair_of_pictures_is_no_grid():
    assert not looks_like_grid(np.hstack([smooth(1, 400), smooth(2, 400)]))
    assert not looks_like_grid(np.vstack([smooth(1, 400), smooth(2, 400)]))


def test_a_grid_of_odd_size_is_still_found():
    assert looks_like_grid(grid((1, 2, 3, 4))[:-1, :-1])


def test_a_tiny_picture_is_never_a_grid():
    assert not looks_like_grid(grid((1, 2, 3, 4), side=60))


@pytest.mark.parametrize("shape", [(400, 400), (401, 399), (2, 2), (3, 5)])
def test_tiles_stand_in_reading_order_and_are_equally_large(shape):
    picture = np.zeros((*shape, 3), np.uint8)
    height, width = shape[0] // 2, shape[1] // 2
    picture[:height, -width:] = 1
    picture[-height:, :width] = 2
    picture[-height:, -width:] = 3
    tiles = split_tiles(picture)
    assert [int(tile[0, 0, 0]) for tile in tiles[1:]] == [1, 2, 3]
    assert {tile.shape for tile in tiles} == {(height, width, 3)}
