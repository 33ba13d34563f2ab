"""A query's channels against candidates, and that the background is treated just like them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from attribution.calibration.background import fit_background
from attribution.calibration.significance import corrected, hubness, p_values, standardised
from attribution.ranking.query import Query, View
from attribution.ranking.scores import (
    ImageChannel,
    QueryVectors,
    embed_query,
    score_images,
    score_prompt,
)
from tests.support.tiny import TinyEmbedder, scene, tiny_background

WHOLE = ImageChannel("tiny", "tiny", "whole")
PARTS = ImageChannel("tiny-parts", "tiny", "parts")


def query_of(*pictures: np.ndarray) -> Query:
    """The whole, and tiles where more are given."""
    return Query("q", None, tuple(View(n or None, p, {}, 100) for n, p in enumerate(pictures)))


def test_every_look_is_described_and_knows_its_view():
    embedder = TinyEmbedder()
    tiles = [scene(seed, 64) for seed in (1, 2, 3, 4)]
    whole = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
    looked = embed_query(query_of(whole, *tiles), [embedder], [WHOLE, PARTS])
    assert looked.view["tiny", "whole"].tolist() == [0, 1, 2, 3, 4]
    # The parts of a grid's whole are its tiles.
    assert looked.view["tiny", "parts"].tolist() == np.repeat([1, 2, 3, 4], 10).tolist()
    np.testing.assert_allclose(looked.rows["tiny", "whole"], embedder.embed([whole, *tiles]))
    single = embed_query(query_of(whole), [embedder], [WHOLE, PARTS])
    assert single.view["tiny", "parts"].tolist() == [0] * 10


def test_only_the_looks_that_a_channel_needs_are_described():
    embedder = TinyEmbedder()
    looked = embed_query(query_of(scene(1, 64)), [embedder], [WHOLE])
    assert embedder.embedded == 1
    assert looked.rows.keys() == {("tiny", "whole")}


def test_candidates_and_background_are_scored_by_one_formula():
    """Written out: the best of the looks, less hubness, less the query's own, standardised."""
    background = tiny_background()
    rows = TinyEmbedder().embed([scene(seed, 64) for seed in range(20)])
    looked = embed_query(query_of(scene(5, 64)), [TinyEmbedder()], [PARTS])
    found = score_images(looked, {"tiny": rows}, background, [PARTS])
    queries = looked.rows["tiny", "parts"]
    reference, null = background.reference["tiny"], background.null["tiny"]
    raw = (queries @ rows.T).max(axis=0)
    to_reference = (queries @ reference.T).max(axis=0)
    scores = corrected(raw, to_reference, hubness(rows @ reference.T))
    chance = corrected((queries @ null.T).max(axis=0), to_reference, hubness(null @ reference.T))
    z, own = standardised(scores, chance)
    np.testing.assert_allclose(found.raw["tiny-parts"], raw, atol=1e-6)
    np.testing.assert_allclose(found.z["tiny-parts"], z, atol=1e-4)
    np.testing.assert_allclose(found.null["tiny-parts"], own, atol=1e-4)


def test_a_picture_of_the_null_is_scored_as_it_is_there():
    """As a candidate it has just the z-score that it has as a background picture."""
    background = tiny_background()
    looked = embed_query(query_of(scene(5, 64)), [TinyEmbedder()], [WHOLE, PARTS])
    found = score_images(looked, {"tiny": background.null["tiny"]}, background, [WHOLE, PARTS])
    for name in ("tiny", "tiny-parts"):
        np.testing.assert_allclose(found.z[name], found.null[name], atol=1e-4)


def test_scores_of_unrelated_candidates_are_draws_of_chance():
    """The share of p at or below each level, over queries and candidates that nothing joins."""
    background = tiny_background()
    rows = TinyEmbedder().embed([scene(seed, 32) for seed in range(300)])
    p = []
    for seed in range(2000, 2040):
        looked = embed_query(query_of(scene(seed, 32)), [TinyEmbedder()], [PARTS])
        found = score_images(looked, {"tiny": rows}, background, [PARTS])
        p.append(p_values(found.z["tiny-parts"], found.null["tiny-parts"]))
    for level in (0.5, 0.1, 0.05):
        # 40 queries against one null of 200: its own deviation is most of the error.
        assert abs(np.mean(np.concatenate(p) <= level) - level) < 3 * np.sqrt(level / 200)


def test_equal_vectors_have_equal_scores_wherever_they_stand():
    """A product of matrices rounds a row by its place; a tie may not hang on that."""
    rng = np.random.default_rng(1)
    some = rng.normal(size=(999, 256)).astype(np.float32)
    some /= np.linalg.norm(some, axis=1, keepdims=True)
    ids = [f"{n:064x}" for n in range(300)]
    background = fit_background("rows", ids, {"tiny": some[:300]}, {"tiny": "1"}, {})
    for count, queries in itertools.product((3, 17, 31, 40, 101, 999), (1, 5, 11)):
        rows = some[:count].copy()
        rows[-1] = rows[count // 2] = rows[0]
        looked = QueryVectors(
            {("tiny", "whole"): some[-queries:]}, {("tiny", "whole"): np.arange(queries)}
        )
        found = score_images(looked, {"tiny": rows}, background, [WHOLE])
        for scores in (found.raw["tiny"], found.z["tiny"]):
            assert scores[0] == scores[count // 2] == scores[-1]


def test_a_channel_without_background_is_compared_and_not_calibrated():
    embedders = [TinyEmbedder(), TinyEmbedder("other")]
    channels = [WHOLE, ImageChannel("other", "other", "whole")]
    looked = embed_query(query_of(scene(1, 64)), embedders, channels)
    rows = TinyEmbedder().embed([scene(2, 64)])
    found = score_images(looked, {"tiny": rows, "other": rows}, tiny_background(), channels)
    assert found.raw.keys() == {"tiny", "other"}
    assert found.z.keys() == found.null.keys() == {"tiny"}


class TinyTower(TinyEmbedder):
    """Words as the scene whose seed is their number of letters."""

    text_channel = "tiny-text"

    def embed_texts(self, prompts):
        return self.embed([scene(len(prompt), 64) for prompt in prompts])


def test_a_prompt_is_compared_by_the_models_that_read():
    tower, plain = TinyTower(), TinyEmbedder("plain")
    rows = tower.embed([scene(seed, 64) for seed in range(10)])
    background = tiny_background()
    looked = embed_query(query_of(scene(1, 64)), [tower], [WHOLE])
    images = score_images(looked, {"tiny": rows}, background, [WHOLE])
    found = score_prompt(images, "village", [tower, plain], {"tiny": rows}, background)
    words = tower.embed_texts(["village"])[0]
    np.testing.assert_allclose(found.raw["tiny-text"], rows @ words, atol=1e-6)
    null = background.null["tiny"] @ words
    np.testing.assert_allclose(
        found.z["tiny-text"], (rows @ words - null.mean()) / null.std(), atol=1e-4
    )
    assert found.raw["tiny-text"].argmax() == len("village")
    assert images.raw.keys() == {"tiny"}  # what was given is left as it was


def test_hubs_are_near_to_nothing():
    """A candidate as near to all of the background as to the query scores below an apt one."""
    rng = np.random.default_rng(1)
    common = np.zeros(32, np.float32)
    common[0] = 1
    rows = rng.normal(size=(300, 32)).astype(np.float32) * 0.3 + common
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = [f"{n:064x}" for n in range(300)]
    background = fit_background("hubs", ids, {"tiny": rows}, {"tiny": "1"}, {})
    query = rows[:1]
    apt = query[0] + 0.9 * rng.normal(size=32).astype(np.float32) / np.sqrt(32)
    candidates = np.stack([common, apt / np.linalg.norm(apt)]).astype(np.float32)

    class Fixed(TinyEmbedder):
        dimension = 32

        def embed(self, pictures):
            return np.repeat(query, len(pictures), axis=0)

    looked = embed_query(query_of(scene(1, 64)), [Fixed()], [WHOLE])
    found = score_images(looked, {"tiny": candidates}, background, [WHOLE])
    assert found.raw["tiny"][0] == pytest.approx(found.raw["tiny"][1], abs=0.25)
    assert found.z["tiny"][0] < found.z["tiny"][1]
