"""Removals by every arm, and the outcomes and results that they leave as files."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.errors import ProofError
from attribution.validation import results
from attribution.validation.experiments.generations import GeneratedQueries, _queries
from attribution.validation.experiments.removals import (
    OWN,
    RANDOM,
    SAME_CATEGORY,
    WITHOUT_OWN,
    Arm,
    half_subsets,
    plan,
)
from attribution.validation.experiments.retraining import Removal
from attribution.validation.experiments.settings import SIZES, Settings
from attribution.validation.methods.scores import Scored, read_scores, write_scores
from attribution.validation.outcomes import (
    RetrainingOutcome,
    outcome_name,
    read_outcome,
    write_outcome,
)
from attribution.validation.results import ALONE, AS_SHARES
from tests.support.small_model import COUNT, made_pictures, material

PLANNED = Settings(
    prompts=3,
    seeds=(0, 4),
    ks=(1, 5),
    channel_ks=(2,),
    alone_ks=(2,),
    random_shares=(0.001, 0.1, 0.5, 0.9),
    subsets=4,
)
ARMS = ("whence", "image", "text", "cosine", "aivalis2025", "phash")


def generated(tmp_path, settings=PLANNED, pictures=None) -> GeneratedQueries:
    """The queries of a run; who only plans asks no model."""
    made = material(tmp_path, replace(settings, subset_prompts=settings.prompts + 1), pictures)
    seed, prompt = _queries(settings.seeds, settings.prompts, settings.prompts + 1)
    return GeneratedQueries(made, {}, {}, seed, prompt)


def scores_of(asked: GeneratedQueries, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    shape = (len(asked.seed), len(asked.corpus.pictures))
    return {name: draw.random(shape, np.float32) for name in ARMS}


# Removals


def test_queries_are_those_of_every_seed_and_then_more_of_the_first():
    seed, prompt = _queries((5, 6), 2, 4)
    assert seed.tolist() == [5, 5, 6, 6, 5, 5]
    assert prompt.tolist() == [0, 1, 0, 1, 2, 3]


def test_for_one_prompt_at_a_time_only_its_own_first_go(tmp_path):
    asked = generated(tmp_path)
    scores = scores_of(asked)
    planned = plan(asked, scores)
    assert [*planned.alone] == [Arm(ALONE, k) for k in PLANNED.alone_ks]
    for k in PLANNED.alone_ks:
        for seed, removals in planned.alone[Arm(ALONE, k)].items():
            rows = np.flatnonzero(asked.seed == seed)[: PLANNED.prompts]
            best = np.argsort(-scores["whence"][rows], axis=1)[:, :k]
            ids = asked.corpus.pictures.ids
            assert [one.removed for one in removals] == [
                frozenset(ids[row] for row in of_one) for of_one in best
            ]
            assert {one.seed for one in removals} == {seed}
            assert {*removals} <= {*planned.removals}


def test_every_arm_removes_the_first_of_every_prompt_together(tmp_path):
    asked = generated(tmp_path)
    scores = scores_of(asked)
    planned = plan(asked, scores)
    ids = asked.corpus.pictures.ids
    for name in ARMS:
        for k in PLANNED.ks if name != "phash" else PLANNED.channel_ks:
            for seed in PLANNED.seeds:
                rows = np.flatnonzero(asked.seed == seed)[: PLANNED.prompts]
                best = np.argsort(-scores[name][rows], axis=1)[:, :k]
                expected = frozenset(ids[row] for row in np.unique(best))
                assert planned.arms[Arm(name, k)][seed] == Removal(seed, expected)
    assert Arm("phash", 1) not in planned.arms
    assert next(iter(planned.arms)) == Arm(OWN, 1)
    # The larger K removes what the smaller one does.
    for seed in PLANNED.seeds:
        few, many = (planned.arms[Arm("whence", k)][seed].removed for k in PLANNED.ks)
        assert few < many


def test_equal_scores_stand_by_id(tmp_path):
    asked = generated(tmp_path)
    flat = {name: np.zeros((len(asked.seed), COUNT), np.float32) for name in ARMS}
    planned = plan(asked, flat)
    ids = asked.corpus.pictures.ids
    assert planned.arms[Arm("whence", 5)][0].removed == frozenset(ids[:5])
    assert planned.arms[Arm("cosine", 1)][4].removed == frozenset(ids[:1])


def test_with_and_without_the_prompts_own(tmp_path):
    captions = tuple(f"thing {number // 3}" for number in range(COUNT))  # three artists each
    asked = generated(tmp_path, pictures=made_pictures(captions=captions))
    planned = plan(asked, scores_of(asked))
    pictures, prompts = asked.corpus.pictures, asked.corpus.prompts[: PLANNED.prompts]
    for seed in PLANNED.seeds:
        own = {name for name, one in zip(pictures.ids, captions, strict=True) if one in prompts}
        assert planned.arms[Arm(OWN, 3)][seed].removed == own
        for k in PLANNED.ks:
            removed = planned.arms[Arm(WITHOUT_OWN, k)][seed].removed
            assert 0 < len(removed) <= k * len(prompts)
            assert not own & removed  # nor what is another prompt's own


def test_a_random_arm_removes_as_many_as_whence(tmp_path):
    asked = generated(tmp_path)
    planned = plan(asked, scores_of(asked))
    for k in PLANNED.ks:
        for seed in PLANNED.seeds:
            drawn = planned.arms[Arm(RANDOM, k)][seed].removed
            named = planned.arms[Arm("whence", k)][seed].removed
            assert len(drawn) == len(named)
            assert drawn != named


def test_the_same_category_is_the_prompts(tmp_path):
    asked = generated(tmp_path, replace(PLANNED, prompts=1))
    planned = plan(asked, scores_of(asked))
    pictures = asked.corpus.pictures
    category = pictures.categories[asked.corpus.rows_of_caption(asked.corpus.prompts[0])[0]]
    for seed in PLANNED.seeds:
        removed = planned.arms[Arm(SAME_CATEGORY, 5)][seed].removed
        assert len(removed) == 5
        assert {pictures.categories[pictures.row_of[name]] for name in removed} == {category}
    few, many = (planned.arms[Arm(SAME_CATEGORY, k)][0].removed for k in (1, 5))
    assert few < many


def test_more_than_the_set_is_the_set(tmp_path):
    asked = generated(tmp_path, replace(PLANNED, ks=(COUNT + 100,)))
    planned = plan(asked, scores_of(asked))
    everything = frozenset(asked.corpus.pictures.ids)
    assert planned.arms[Arm("whence", COUNT + 100)][0].removed == everything


def test_random_removals_are_nested_and_of_every_size(tmp_path):
    planned = plan(generated(tmp_path), scores_of(generated(tmp_path)))
    assert list(planned.random) == [1, 4, 20, 36]  # never none
    for seed in PLANNED.seeds:
        draws = [by_seed[seed].removed for by_seed in planned.random.values()]
        assert [len(one) for one in draws] == list(planned.random)
        assert all(few < many for few, many in pairwise(draws))
    assert planned.random[20][0].removed != planned.random[20][4].removed
    assert len(planned.removals) == len(set(planned.removals))


def test_halves_are_halves_and_differ():
    ids = made_pictures().ids
    halves = half_subsets(ids, PLANNED)
    assert [len(one.removed) for one in halves] == [COUNT // 2] * 4
    assert len({one.removed for one in halves}) == 4
    assert {one.seed for one in halves} == {0}
    assert halves == half_subsets(ids, PLANNED)
    quarter = half_subsets(ids, replace(PLANNED, subset_share=0.25))
    assert {len(one.removed) for one in quarter} == {30}


@pytest.mark.parametrize("size", SIZES)
def test_the_sizes_fit_together(size):
    told = SIZES[size]
    assert told.subset_prompts >= told.prompts
    assert 0 < min(told.random_shares) < max(told.random_shares) < 1
    assert told.side % 4 == 0
    assert told.recipe.seed == 0  # a run's folder is of no seed


# Outcomes and scores


OUTCOME = RetrainingOutcome(
    seed=2**62,
    removed=("a", "ü\x00\n"),
    query_losses=np.array([1.5, np.nan, -0.0], np.float32),
    picture_losses=np.arange(4, dtype=np.float32),
    codes=np.array([[1, 2], [3, 999]], np.int32),
    training_loss=0.25,
    seconds=1e-9,
)


@pytest.mark.parametrize(
    "outcome",
    [
        OUTCOME,
        replace(OUTCOME, removed=(), query_losses=np.empty(0, np.float32)),
    ],
)
def test_an_outcome_comes_back(tmp_path, outcome):
    path = tmp_path / "folder" / "outcome.parquet"
    write_outcome(path, outcome)
    found = read_outcome(path)
    assert (found.seed, found.removed, found.seconds) == (
        outcome.seed,
        outcome.removed,
        outcome.seconds,
    )
    for name in ("query_losses", "picture_losses", "codes"):
        one, other = getattr(found, name), getattr(outcome, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@given(st.sets(st.text(min_size=1, max_size=4), max_size=4), st.integers(0, 9))
def test_the_name_of_an_outcome_is_of_what_was_removed_in_any_order(removed, seed):
    names = sorted(name.replace("\0", "") for name in removed)
    try:
        found = outcome_name("base", seed, names)
    except UnicodeEncodeError:  # a lone surrogate is no id of a dataset
        return
    assert found == outcome_name("base", seed, names[::-1])
    assert found.startswith(f"{seed}-{len(names)}-")
    assert found != outcome_name("other", seed, names)
    assert found != outcome_name("base", seed + 1, names)
    assert found != outcome_name("base", seed, [*names, "one more"])


def test_scores_come_back(tmp_path):
    draw = np.random.default_rng(0)
    names = ["whence", shares := f"pdq{AS_SHARES}", "z of nothing"]
    made = Scored(
        {name: draw.random((2, 3), np.float32) for name in names[:2]},
        {"phash": draw.random((2, 3), np.float32)},
        {"whence": 0.5, shares: 0.25},
    )
    path = tmp_path / "scores.parquet"
    write_scores(path, made)
    found = read_scores(path)
    assert list(found.by_arm) == list(made.by_arm)
    assert found.arms == ["whence"]
    np.testing.assert_array_equal(found.by_arm[shares], made.by_arm[shares])
    np.testing.assert_array_equal(found.z["phash"], made.z["phash"])
    assert found.seconds["whence"] == 0.5


def filled(kind: type):
    """A row with a value of every field's type, NaN and markup among them."""
    values = {
        "str": "<b>\x1b[31m\n",
        "int": 2**40,
        "float": float("nan"),
        "bool": True,
        "bytes": b"\x89PNG\x00",
        "tuple[str, ...]": ("a", ""),
    }
    return kind(**{one.name: values[one.type] for one in kind.__dataclass_fields__.values()})


KINDS = (
    results.Effect,
    results.RandomEffect,
    results.Paired,
    results.Datamodelling,
    results.ExemplarFound,
    results.Forgot,
    results.Recognisable,
    results.Refitted,
    results.Sheet,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_rows_come_back(tmp_path, kind):
    path = tmp_path / "below" / "rows.parquet"
    assert results.read_rows(path, kind) == ()
    row = filled(kind)
    results.write_rows(path, [row, row])
    found = results.read_rows(path, kind)
    assert len(found) == 2
    for name in kind.__dataclass_fields__:
        one, other = getattr(found[0], name), getattr(row, name)
        assert type(one) is type(other)
        assert one == other or (math.isnan(one) and math.isnan(other))


READERS = {
    "outcome": read_outcome,
    "scores": read_scores,
    "rows": lambda path: results.read_rows(path, results.Effect),
}
BODIES = {"empty": b"", "cut": b"PAR1", "text": b"once upon a time", "zeros": b"\0" * 99}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_other_files_are_refused_in_one_line(tmp_path, read):
    path = tmp_path / "file.parquet"
    for body in BODIES.values():
        path.write_bytes(body)
        refused(read, path)
    path.unlink()
    path.mkdir()
    refused(read, path)


def refused(read, path):
    with pytest.raises(ProofError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "delete it and run the same command again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_outcome_that_is_missing_or_twice_there_is_refused(tmp_path):
    path = tmp_path / "outcome.parquet"
    refused(read_outcome, path)
    write_outcome(path, OUTCOME)
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)
    refused(read_outcome, path)


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "x.parquet"
    for write in (
        lambda: write_outcome(path, OUTCOME),
        lambda: write_scores(path, Scored({}, {}, {})),
        lambda: results.write_rows(path, [filled(results.Paired)]),
    ):
        with pytest.raises(ProofError, match="expected to write"):
            write()
