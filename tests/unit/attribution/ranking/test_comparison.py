"""What a ranking must not depend on, and what it must not say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from attribution.calibration.fusion import Fusion
from attribution.calibration.verdicts import Verdict
from attribution.evaluate.galleries import only
from attribution.ranking.comparison import compare
from attribution.ranking.gallery import Gallery, load_gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import Query, query_from_bytes
from attribution.ranking.rank import Ranking, rank
from harvester.schema import Candidate
from tests.support.tiny import TinyEmbedder, scene, tiny_background, tiny_method
from tests.unit.attribution.ranking.test_ranking import candidate, png, store

TITLES = ("a village at night", "village people", "harbour", "")


def query_of(picture: np.ndarray, prompt: str | None = None, *, grid: str = "no") -> Query:
    return query_from_bytes(png(picture), "q.png", prompt, grid=grid)


def flat(value: int = 90, side: int = 200) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def blurred(seed: int) -> np.ndarray:
    return cv2.GaussianBlur(scene(seed), (0, 0), 12)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Gallery:
    """Sixteen scenes with titles, the first six below the shade of a blur, and two flat pictures."""
    rows = [candidate(scene(seed), title=TITLES[seed % 4]) for seed in range(16)]
    rows += [candidate(flat(90)), candidate(flat(255))]
    folder = store(tmp_path_factory.mktemp("gallery") / "c", rows)
    return load_gallery([folder], [TinyEmbedder()])


def by_id(ranking: Ranking) -> dict[str, tuple[float, float, float]]:
    return {one.candidate_id: (one.score, one.p, one.q) for one in ranking.matches}


seeds = st.sampled_from([3, 7, 500, 501, 502])
subsets = st.sets(st.integers(0, 17), min_size=1, max_size=15)


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Gallery:
    """Twelve scenes of one subject, found by its prompt, and 150 that have nothing to do with it."""
    subject = scene(5, 256).astype(np.float32)
    own = [(0.6 * subject + 0.4 * scene(seed)).astype(np.uint8) for seed in range(300, 312)]
    rows = [candidate(picture, query_prompt="a subject") for picture in own]
    rows += [candidate(scene(seed, 128)) for seed in range(400, 550)]
    return load_gallery([store(tmp_path_factory.mktemp("searched") / "c", rows)], [TinyEmbedder()])


@hypothesis.settings(max_examples=25)
@hypothesis.given(seed=st.integers(600, 620), strangers=st.sets(st.integers(0, 161), max_size=150))
def test_strangers_change_no_score_and_lift_nobody_above_chance(searched, seed, strangers):
    """A shared subject does not become evidence because others are searched as well."""
    own = searched.found_by["a subject"].tolist()
    picture = (0.6 * scene(5) + 0.4 * scene(seed)).astype(np.uint8)
    query = query_of(picture, "a subject")
    alone = by_id(rank(query, only(searched, own), tiny_method(), k=20))
    among = by_id(rank(query, only(searched, {*own, *strangers}), tiny_method(), k=200))
    for name, (score, _, q) in alone.items():
        assert among[name][0] == pytest.approx(score, abs=1e-5)
        assert not (q > 0.05 and among[name][2] <= 0.05)


@hypothesis.settings(max_examples=25)
@hypothesis.given(seed=seeds, rows=subsets, newcomer=st.integers(0, 15))
def test_a_newcomer_changes_nobodys_score(gallery, seed, rows, newcomer):
    """But for rounding. Who is above chance may depend on it: it is part of what most have."""
    query = query_of(blurred(seed))
    before = by_id(rank(query, only(gallery, rows), tiny_method(), k=20))
    after = by_id(rank(query, only(gallery, rows | {newcomer}), tiny_method(), k=20))
    for name, (score, _, _) in before.items():
        assert after[name][0] == pytest.approx(score, abs=1e-5)


@hypothesis.settings(max_examples=15)
@hypothesis.given(seed=seeds, prompt=st.sampled_from([None, "a village", "people by the harbour"]))
def test_shares_q_and_verdicts_fit_together(gallery, seed, prompt):
    ranking = rank(query_of(blurred(seed), prompt), gallery, tiny_method(), k=20)
    assert sum(one.share for one in ranking.matches) + ranking.unattributed == pytest.approx(1)
    assert all(one.q >= one.p > 0 for one in ranking.matches)
    assert [one.rank for one in ranking.matches] == list(range(1, 19))
    scores = [one.score for one in ranking.matches]
    assert scores == sorted(scores, reverse=True)
    assert sum(ranking.found.values()) == 18


@pytest.mark.parametrize("count", [3, 7, 16, 17, 31])
@pytest.mark.parametrize("copies", [2, 5])
def test_duplicates_tie_wherever_they_stand(tmp_path, count, copies):
    """A product of matrices rounds a row by its place; ranks must not."""
    rows = [candidate(scene(seed, 128)) for seed in range(count)]
    twin = rows[0]
    rows += [
        Candidate(**{n: getattr(twin, n) for n in twin.__dataclass_fields__} | {"id": name})
        for name in [f"{digit:x}" * 64 for digit in range(0, 16, 16 // copies)][:copies]
    ]
    gallery = load_gallery([store(tmp_path / "c", rows)], [TinyEmbedder()])
    method = dataclasses.replace(tiny_method(), verified=0)
    for seed in range(5):
        matches = rank(query_of(blurred(seed + 50)), gallery, method, k=len(rows)).matches
        twins = [m for m in matches if m.candidate_id in {r.id for r in [twin, *rows[count:]]}]
        assert len({(m.score, m.p, m.q, m.share) for m in twins}) == 1
        assert [m.candidate_id for m in twins] == sorted(m.candidate_id for m in twins)
        assert twins[-1].rank - twins[0].rank == copies


def test_sure_candidates_are_ordered_by_how_sure(gallery):
    """Beyond a log-odds of 17 every probability is 1 as float32; the order goes on."""
    fusion = Fusion(25.0, {"tiny": 1.5}, {}, {})
    method = RankingSetup((TinyEmbedder(),), tiny_background(), fusion, verified=0)
    compared = compare(query_of(blurred(500)), gallery, method)
    assert (np.sort(compared.score)[-10:] == 1).all()
    order = compared.order()
    assert (np.diff(compared.log_odds[order]) <= 0).all()


def test_a_flat_query_gets_no_evidence_at_all(gallery):
    """Not even from a flat candidate of its own colour."""
    for value in (90, 93, 255):
        ranking = rank(query_of(flat(value)), gallery, tiny_method(), k=20)
        assert ranking.is_flat
        assert ranking.verdict is Verdict.NO_EVIDENCE
        assert ranking.found == {Verdict.NO_EVIDENCE: 18}
        assert ranking.unattributed == 1
        for one in ranking.matches:
            assert (one.p, one.q, one.share, one.regions) == (1, 1, 0, ())
            assert one.score == pytest.approx(0, abs=1e-9)
        names = [one.candidate_id for one in ranking.matches]
        assert names == sorted(names)


class Meaned(TinyEmbedder):
    """As a network does, it describes one colour as something: all such pictures alike."""

    channel = "meaned"

    def __init__(self):
        super().__init__("meaned")

    def embed(self, pictures):
        rows = super().embed(pictures)
        rows[np.abs(rows).max(axis=1) < 1e-6, 0] = 1
        return rows


@pytest.fixture(scope="module")
def flat_gallery(tmp_path_factory) -> Gallery:
    rows = [candidate(scene(seed)) for seed in range(16)]
    folder = store(tmp_path_factory.mktemp("flat") / "c", [*rows, candidate(flat(90))])
    return load_gallery([folder], [Meaned()])


def meaned_method() -> RankingSetup:
    vectors = tiny_background("meaned")
    return RankingSetup((Meaned(),), vectors, Fusion(-4.0, {"meaned": 1.5}, {"sift": 0.5}, {}))


def test_a_flat_query_and_a_flat_candidate_do_not_match(flat_gallery):
    ranking = rank(query_of(flat(93)), flat_gallery, meaned_method(), k=20)
    assert max(one.score for one in ranking.matches) < 1e-9
    assert min(one.q for one in ranking.matches) == 1


@pytest.mark.parametrize("value", [90, 0, 255])
def test_a_flat_tile_of_a_grid_matches_no_flat_candidate(flat_gallery, value):
    """One tile that failed, or is covered, may not make a flat picture the source."""
    tiles = [np.hstack([scene(100), flat(value, 256)]), np.hstack([scene(101), scene(102)])]
    ranking = rank(query_of(np.vstack(tiles), grid="yes"), flat_gallery, meaned_method(), k=20)
    assert not ranking.is_flat
    assert ranking.verdict is Verdict.NO_EVIDENCE
    other = rank(
        query_of(np.vstack([tiles[1], tiles[0]]), grid="yes"), flat_gallery, meaned_method()
    )
    assert other.verdict is Verdict.NO_EVIDENCE


def test_tiles_after_a_flat_one_are_still_told_apart(flat_gallery):
    tiles = [np.hstack([flat(90, 256), scene(3)]), np.hstack([scene(5), scene(101)])]
    ranking = rank(query_of(np.vstack(tiles), grid="yes"), flat_gallery, meaned_method(), k=2)
    found = {one.candidate_id: one.tile for one in ranking.matches}
    assert found == {candidate(scene(3)).id: 2, candidate(scene(5)).id: 3}


def test_four_flat_tiles_of_different_colours_give_no_evidence(flat_gallery):
    rows = [np.hstack([flat(0), flat(90)]), np.hstack([flat(180), flat(255)])]
    ranking = rank(query_of(np.vstack(rows), grid="yes"), flat_gallery, meaned_method(), k=20)
    matches = {one.candidate_id: one.verdict for one in ranking.matches}
    assert matches[candidate(flat(90)).id] is Verdict.NO_EVIDENCE


def test_words_alone_have_no_share(tmp_path):
    """Candidates that were searched for by the prompt all carry its words, and no more."""
    rows = [candidate(scene(seed, 128), title="a village at night") for seed in range(30)]
    gallery = load_gallery([store(tmp_path / "c", rows)], [TinyEmbedder()])
    method = tiny_method()
    for seed in (500, 501, 502):
        silent = rank(query_of(blurred(seed)), gallery, method)
        told = rank(query_of(blurred(seed), "a village at night"), gallery, method)
        assert told.unattributed == pytest.approx(silent.unattributed, abs=1e-6)


def test_points_that_chance_explains_have_no_share(gallery):
    """A region below the background's threshold may move the order, and proves nothing."""
    method = dataclasses.replace(
        tiny_method(), fusion=Fusion(-4.0, {"tiny": 1.5}, {"sift": 50.0}, {})
    )
    for seed in (500, 501):
        ranking = rank(query_of(scene(seed)), gallery, method, k=20)
        assert not any(one.regions for one in ranking.matches)
        above = [one for one in ranking.matches if one.p <= 1 / 201]
        assert ranking.unattributed == 1 or above


def test_the_order_is_by_score_and_verification_never_takes_off(gallery):
    query = query_of(blurred(3))
    bare = compare(query, gallery, dataclasses.replace(tiny_method(), verified=0))
    full = compare(query, gallery, tiny_method())
    there = np.isfinite(full.log_odds)  # what is of one colour goes out, wherever it stood
    assert [gallery.ids[row] for row in full.rows[~there]] == sorted(
        candidate(flat(shade)).id for shade in (90, 255)
    )
    assert (full.log_odds >= bare.log_odds - 1e-6)[there].all()
    assert len(full.verified) == 18 - 2  # the flat ones have no places
    assert not bare.verified


def test_a_candidate_that_can_no_longer_be_decoded_is_ranked_by_what_is_known(tmp_path):
    """Its vector and hash are on disk, and its picture is not what it was."""
    folder = Path(store(tmp_path / "c", [candidate(scene(1)), candidate(scene(2))]))
    load_gallery([folder], [TinyEmbedder()])
    broken = candidate(scene(1))
    fields = {name: getattr(broken, name) for name in broken.__dataclass_fields__}
    for part in folder.glob("part-*.parquet"):
        part.unlink()
    store(folder, [Candidate(**fields | {"image": b"\xff\xd8 no picture"}), candidate(scene(2))])
    gallery = load_gallery([folder], [TinyEmbedder()])
    assert len(gallery.ids) == 2
    ranking = rank(query_of(scene(1)), gallery, tiny_method(), k=2)
    found = {one.candidate_id: one for one in ranking.matches}[broken.id]
    assert found.regions == ()
    assert found.verdict is not Verdict.NEAR_COPY
