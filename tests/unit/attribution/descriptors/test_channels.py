"""Each channel by itself, against a plain computation."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.backbones.spec import parse_backbone
from attribution.calibration.fusion import probability, relevance
from attribution.descriptors.bm25 import Bm25Scorer
from attribution.descriptors.channels import CHANNELS, KNOWN, PLACES, describe_channel
from attribution.descriptors.colour import LabHistogram
from attribution.descriptors.hashes import (
    PDQ_QUALITY,
    agreement,
    dihedral,
    hamming,
    near_copies,
    pack,
)
from attribution.descriptors.text import CandidateText
from attribution.descriptors.texture import LocalBinaryPatterns
from attribution.descriptors.tfidf import TfidfIndex
from attribution.prompt import from_plain
from attribution.ranking.tiles import looks_like_grid, split_tiles
from attribution.ranking.vector_index import VectorIndex

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


def test_words_lie_between_what_is_excluded_and_the_best():
    found = relevance(np.array([-3, -0.5, 0, 1, 4], np.float32))
    np.testing.assert_allclose(found, [-0.75, -0.125, 0, 0.25, 1])
    np.testing.assert_array_equal(relevance(np.array([-3, 0], np.float32)), [-1, 0])


def test_log_odds_are_shown_from_0_to_1():
    shown = probability(np.array([-99, -np.log(3), 0, np.log(3), 99]))
    np.testing.assert_allclose(shown, [0, 0.25, 0.5, 0.75, 1], atol=1e-6)


def test_every_channel_says_what_its_score_means():
    for name, channel in KNOWN.items():
        assert channel.name == name
        assert len(channel.meaning) > 20
        assert not channel.meaning.endswith(".")  # the page adds it
        assert channel.source
        assert describe_channel(name) is channel
        assert channel.chance is None or channel.low <= channel.chance <= channel.high


def test_the_table_names_what_the_code_computes():
    """A channel that the code renames would lose its meaning on every page."""
    from attribution.descriptors import whitening  # noqa: PLC0415  # names alone
    from attribution.matching import geometry as regions  # noqa: PLC0415  # names alone

    computed = {LabHistogram.channel, LocalBinaryPatterns.channel, whitening.BASE}
    assert computed | {whitening.CHANNEL} <= CHANNELS.keys()
    assert set(PLACES) == set(regions.MatchMethod.__args__)


def test_scores_keep_within_what_the_table_says():
    """Of real channels on real pictures: a bar never runs over its end."""
    pictures = [smooth(seed, 64) for seed in range(8)]
    for embedder in (LabHistogram(), LocalBinaryPatterns()):
        rows = embedder.embed(pictures)
        channel = CHANNELS[embedder.channel]
        assert (rows @ rows.T).min() >= channel.low - 1e-6
        assert (rows @ rows.T).max() <= channel.high + 1e-6
    texts = ["a red barn", "a red barn", "the sea"]
    assert 0 <= TfidfIndex(texts).scores("a red barn").max() <= 1 + 1e-9
    index = Bm25Scorer([CandidateText(title=text) for text in texts])
    assert index.scores(from_plain("red barn")).min() == 0


@pytest.mark.parametrize(
    ("asked", "kind", "told"),
    [
        ("dinov2", "image", "DINOv2"),
        ("openclip", "image", "CLIP's picture features"),
        ("sscd:sscd_disc_mixup.torchscript.pt", "image", "copies"),
        ("torchscript:own.pt", "image", "not described"),
        ("timm:resnet18", "image", "not described"),
    ],
)
def test_a_further_model_is_known_by_its_family(asked, kind, told):
    """By the name that its backbone really gives the channel."""
    name = parse_backbone(asked).channel
    channel = describe_channel(name)
    assert (channel.name, channel.kind) == (name, kind)
    assert told in channel.meaning
    assert (channel.low, channel.high, channel.chance) == (-1, 1, None)


def test_a_text_tower_is_a_channel_of_words():
    channel = describe_channel(parse_backbone("openclip").channel + "-text")
    assert channel.kind == "text"
    assert "prompt" in channel.meaning


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
