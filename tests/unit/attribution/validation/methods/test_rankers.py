"""Every arm's scores: whence's own order, a place for every picture, no number that is none."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from attribution.baselines import aivalis2025
from attribution.baselines.peers import PlainCosine
from attribution.calibration import fusion
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.errors import ProofError
from attribution.evaluate.galleries import only
from attribution.ranking import comparison
from attribution.ranking.comparison import compare
from attribution.ranking.gallery import load_gallery
from attribution.ranking.rank import rank
from attribution.validation.methods.rankers import (
    COSINE,
    IMAGE,
    PUBLISHED,
    TEXT,
    WHENCE,
    as_ranked,
    open_rankers,
    order,
    show,
)
from attribution.validation.model.dataset import SHOWN_SIDE
from attribution.validation.results import AS_SHARES, LOG_ODDS, SCORE
from harvester.schema import Candidate
from tests.support.tiny import TinyEmbedder, scene, tiny_method
from tests.unit.attribution.ranking.test_ranking import candidate, store

COUNT, LET_THROUGH = 40, 25
"""Pictures, and how many of them the published method's text lets through here."""


def generated(seed: int) -> np.ndarray:
    """What a small model would make of a scene: 32 px, blurred."""
    return cv2.GaussianBlur(scene(seed, 32), (0, 0), 1)


def flat(value: int, side: int = 32) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Scenes with numbered captions, one of them twice, and a flat picture."""
    rows = [candidate(scene(n, 48), caption=f"scene {n} by Anna Ek") for n in range(COUNT - 2)]
    twin = {name: getattr(rows[7], name) for name in rows[7].__dataclass_fields__}
    rows += [Candidate(**twin | {"id": "f" * 64}), candidate(flat(90))]
    return load_gallery([store(tmp_path_factory.mktemp("set") / "c", rows)], [TinyEmbedder()])


@pytest.fixture(scope="module")
def rankers(gallery):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(aivalis2025, "SHORTLIST", LET_THROUGH)
        yield open_rankers(gallery, tiny_method())


PROMPTS = ("scene 3 by Anna Ek", "scene 7 by Anna Ek", "", "nothing of the kind", "scene 5")
PICTURES = (generated(3), generated(7), generated(500), flat(90), scene(5, 48))


@pytest.fixture(scope="module")
def scores(rankers):
    return rankers.score(PICTURES, PROMPTS)


def ids_ranked(query, gallery, method) -> tuple[str, ...]:
    matches = rank(query, gallery, method, k=len(gallery.ids)).matches
    return tuple(match.candidate_id for match in matches)


def test_every_arm_has_a_finite_score_for_every_picture_and_a_cost(scores):
    hashes = {"pdq", "phash", "dhash"}
    words = {TEXT, "bm25", "tfidf"}
    shared = {f"{name}{AS_SHARES}" for name in (WHENCE, TEXT, "tiny", "pdq")}
    assert (
        set(scores.by_arm)
        == {WHENCE, IMAGE, SCORE, LOG_ODDS, COSINE, PUBLISHED, "tiny"} | hashes | words | shared
    )
    for rows in scores.by_arm.values():
        assert rows.shape == (len(PICTURES), COUNT)
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()
    assert scores.seconds.keys() == scores.by_arm.keys()
    assert all(seconds > 0 for seconds in scores.seconds.values())
    assert scores.seconds["pdq"] < scores.seconds[WHENCE] < scores.seconds[PUBLISHED]


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_whence_stands_in_the_order_of_its_ranking(scores, gallery, number):
    query = show(PICTURES[number], PROMPTS[number], "q")
    expected = ids_ranked(query, gallery, tiny_method())
    assert order(scores.by_arm[WHENCE][number], gallery.ids, COUNT) == expected


def test_a_near_copy_stands_above(scores, gallery):
    """The last picture is a candidate's own."""
    copied = compare(show(PICTURES[4], PROMPTS[4], "q"), gallery, tiny_method())
    assert copied.is_copy.any()
    best = order(scores.by_arm[WHENCE][4], gallery.ids, 1)
    assert best == (candidate(scene(5, 48)).id,)


def test_log_odds_that_meet_in_float32_still_stand_in_their_order(gallery):
    compared = compare(show(generated(500), PROMPTS[0], "q"), gallery, tiny_method())
    compared.log_odds = -4 - 1e-9 * (1.0 + np.random.default_rng(0).permutation(COUNT))
    compared.log_odds[:3] = -np.inf
    compared.log_odds[10:12] = -4.0
    found = as_ranked(compared)
    assert order(found, gallery.ids, COUNT) == tuple(gallery.ids[n] for n in compared.order())
    assert len(np.unique(found)) == COUNT - 3
    np.testing.assert_allclose(found, -4, atol=1e-4)


def test_what_is_outside_of_the_pool_is_lowest(gallery, monkeypatch):
    monkeypatch.setattr(comparison, "POOL", 12)
    compared = compare(show(generated(3), "", "q"), gallery, tiny_method())
    assert 12 <= len(compared.rows) < COUNT
    outside = np.ones(COUNT, bool)
    outside[compared.rows] = False
    found = as_ranked(compared)
    assert len(set(found[outside])) == 1
    assert found[outside].max() < found[~outside].min()
    inside = [gallery.ids[row] for row in compared.rows[compared.order()]]
    assert list(order(found, gallery.ids, len(inside))) == inside


def test_equal_pictures_tie_and_stand_by_id(scores, gallery):
    first, second = gallery.ids.index(candidate(scene(7, 48)).id), gallery.ids.index("f" * 64)
    for arm, rows in scores.by_arm.items():
        # A product of matrices rounds a row by its place; a full shortlist is cut between the two.
        same = rows[[0, 1, 2, 4]] if arm == PUBLISHED else rows
        atol = 1e-5 if arm == COSINE else 0
        np.testing.assert_allclose(same[:, first], same[:, second], rtol=0, atol=atol, err_msg=arm)
    top = order(scores.by_arm[WHENCE][1], gallery.ids, 2)
    assert top == (gallery.ids[first], gallery.ids[second])


def test_a_flat_generation_ties_all_of_whence(scores, gallery):
    assert len(np.unique(scores.by_arm[WHENCE][3])) == 1
    assert not scores.by_arm[f"{WHENCE}{AS_SHARES}"][3].any()
    assert order(scores.by_arm[WHENCE][3], gallery.ids, 5) == gallery.ids[:5]


def test_shares_of_the_only_image_channel_are_whence_s_where_nothing_else_proves_anything(gallery):
    method = tiny_method()
    compared = compare(show(generated(7), "", "q"), gallery, method)
    weight = method.fusion.weights["tiny"]
    compared._proven = weight * compared.scores.z["tiny"].astype(np.float64)
    compared.null = compared._followed(
        np.float32(weight) * compared.scores.null["tiny"],
        np.float32(weight) * compared.scores.z["tiny"],
    )
    whole, _ = compared.odds_shares()
    assert whole.max() > 0
    np.testing.assert_allclose(compared.shares_by_images()["tiny"], whole, atol=1e-6)


def test_shares_by_words_and_by_hashes_are_above_0_for_what_they_prove(scores, gallery):
    text = scores.by_arm[f"{TEXT}{AS_SHARES}"]
    np.testing.assert_array_equal(text > 0, scores.by_arm[TEXT] > 0)
    assert not text[2].any()  # it was asked without a prompt
    hashed = scores.by_arm[f"pdq{AS_SHARES}"]
    copied = gallery.ids.index(candidate(scene(5, 48)).id)
    assert hashed[4].argmax() == copied
    for rows in (text, hashed):
        assert (rows.sum(axis=1) < 1).all()


def test_arms_are_what_their_sources_say(scores, gallery):
    query = show(PICTURES[0], PROMPTS[0], "q")
    compared = compare(query, gallery, tiny_method())
    weights, rest = compared.odds_shares()
    np.testing.assert_allclose(scores.by_arm[f"{WHENCE}{AS_SHARES}"][0], weights, atol=1e-6)
    np.testing.assert_array_equal(scores.by_arm[SCORE][0], compared.score)
    odds, found = compared.log_odds.astype(np.float32), scores.by_arm[LOG_ODDS][0]
    np.testing.assert_array_equal(found[np.isfinite(odds)], odds[np.isfinite(odds)])
    assert np.isneginf(odds).any()  # of one colour
    assert found[np.isneginf(odds)].max() < odds[np.isfinite(odds)].min()
    assert scores.by_arm[f"{WHENCE}{AS_SHARES}"][0].sum() + rest == pytest.approx(1)
    alone = compared.shares_by_images()["tiny"]
    np.testing.assert_allclose(scores.by_arm[f"tiny{AS_SHARES}"][0], alone, atol=1e-6)
    texts = {"bm25": gallery.text_scorers["bm25"].scores(query.prompt_parts)}
    np.testing.assert_array_equal(scores.by_arm[TEXT][0], fusion.from_texts(texts))
    np.testing.assert_array_equal(scores.by_arm["pdq"][0], compared.pdq)
    np.testing.assert_allclose(scores.by_arm["tiny"][0], compared.scores.raw["tiny"], atol=1e-6)
    plain = PlainCosine()
    own, first = plain.describe([query.views[0].picture, scene(3, 48)])
    row = gallery.ids.index(candidate(scene(3, 48)).id)
    # The candidate is stored as JPEG.
    assert scores.by_arm[COSINE][0, row] == pytest.approx(float(own @ first), abs=0.02)


def test_the_published_formula_is_its_ranking_and_then_the_text(scores, gallery):
    for number in (0, 3):
        query = show(PICTURES[number], PROMPTS[number], "q")
        found = scores.by_arm[PUBLISHED][number]
        matches = aivalis2025.rank([query], gallery, ResNet50Gem(), k=COUNT).matches
        rows = [gallery.ids.index(match.candidate_id) for match in matches]
        assert len(rows) == LET_THROUGH
        expected = [match.score for match in matches]
        np.testing.assert_allclose(found[rows], expected, rtol=2e-3, atol=2e-3)
        rest = np.setdiff1d(np.arange(COUNT), rows)
        assert found[rest].max() < found[rows].min()
        text = gallery.tfidf_index.scores(PROMPTS[number])[rest]
        np.testing.assert_allclose(np.diff(found[rest]), np.diff(text), atol=1e-5)


def test_a_picture_without_a_hash_is_below(rankers, gallery):
    part = only(gallery, range(20))
    part.hashes["phash"][1][4] = False
    cut = replace(
        rankers, gallery=part, cosine=replace(rankers.cosine, answer=lambda _: np.ones(20))
    )
    row = cut.score(PICTURES[:1], PROMPTS[:1]).by_arm["phash"][0]
    assert row.argmin() == 4
    assert row[4] < np.delete(row, 4).min()


def test_a_picture_is_shown_enlarged_and_never_as_a_grid():
    tiles = np.vstack([np.hstack([scene(1, 16), scene(2, 16)])] * 2)
    query = show(tiles, "boats", "q")
    assert [view.picture.shape for view in query.views] == [(SHOWN_SIDE, SHOWN_SIDE, 3)]
    back = cv2.resize(query.views[0].picture, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - tiles).mean() < 4
    assert show(tiles, "", "q").prompt is None


@pytest.mark.parametrize(
    "picture",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
    ids=["grey", "float", "empty"],
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ProofError, match=r"q: expected a picture \(h, w, 3\) of uint8, found"):
        show(picture, "boats", "q")


@pytest.mark.parametrize(("pictures", "prompts"), [((), ()), (PICTURES[:2], ("one",))])
def test_a_prompt_for_each_picture(rankers, pictures, prompts):
    with pytest.raises(ProofError, match="a prompt for each"):
        rankers.score(pictures, prompts)


def test_order_takes_the_highest_and_ties_by_id():
    scores = np.array([0.5, 2.0, 0.5, -1.0], np.float32)
    ids = ("d", "b", "a", "c")
    assert order(scores, ids, 2) == ("b", "a")
    assert order(scores, ids, 4) == order(scores, ids, 99) == ("b", "a", "d", "c")
    assert order(scores, ids, 0) == ()
    for bad in ((scores[:3], 2), (np.full(4, np.nan, np.float32), 2), (scores, -1)):
        with pytest.raises(ProofError, match="expected scores of 4 pictures"):
            order(bad[0], ids, bad[1])
