"""Each figure against another library, or against the formula written out for one pair a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from attribution.evaluate.metrics import (
    auc,
    bootstrap,
    ks_uniform,
    prepare_micro_precision,
    source_ranks,
)
from tests.golden.attribution.evaluate.oracles import micro_average_precision, recall_at
from tests.support.patience import cpu_seconds

# Few levels, so that ties are the rule.
pairs = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30)


def suite(seed: int, queries: int, candidates: int, levels: int | None = None):
    """Scores with one source a query, a little above the others; rounded, they tie."""
    random = np.random.default_rng(seed)
    scores = random.normal(0, 1, (queries, candidates)).astype(np.float32)
    is_source = np.zeros(scores.shape, bool)
    is_source[np.arange(queries), random.integers(candidates, size=queries)] = True
    scores[is_source] += 2
    return (np.round(scores * levels) / levels if levels else scores), is_source


def plain_micro_precision(scores, is_source, positives):
    """The list pair by pair, others first where scores are equal."""
    listed = sorted(zip(scores, is_source, strict=True), key=lambda pair: (-pair[0], pair[1]))
    found, total = 0, 0.0
    for place, (_, hit) in enumerate(listed, 1):
        if hit:
            found += 1
            total += found / place
    return total / positives


def test_micro_precision_without_ties_is_sklearns():
    scores, is_source = suite(1, 50, 40)
    assert micro_average_precision(scores, is_source, 50) == pytest.approx(
        average_precision_score(is_source.ravel(), scores.ravel()), abs=1e-12
    )


@given(pairs)
def test_micro_precision_with_ties_is_the_list_with_sources_last(listed):
    scores = np.array([score for score, _ in listed], np.float64)
    is_source = np.array([hit for _, hit in listed])
    positives = int(is_source.sum()) + 2
    mine = micro_average_precision(scores, is_source, positives)
    assert mine == pytest.approx(plain_micro_precision(scores, is_source, positives))
    if is_source.any():
        # Never above what grouping the ties would give.
        grouped = average_precision_score(is_source, scores)
        assert mine * positives / is_source.sum() <= grouped + 1e-12


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_inside_a_tie_changes_nothing(listed, random):
    shuffled = random.sample(listed, len(listed))
    figures = [
        micro_average_precision(
            np.array([score for score, _ in order], float),
            np.array([hit for _, hit in order]),
            len(order),
        )
        for order in (listed, shuffled)
    ]
    assert figures[0] == pytest.approx(figures[1], abs=1e-12)


def test_a_score_that_cannot_tell_anything_earns_only_the_share_of_sources():
    is_source = np.zeros(1000, bool)
    is_source[:10] = True  # first in the array, which must not help
    assert micro_average_precision(np.ones(1000), is_source, 10) < 0.01


def test_what_was_not_answered_is_no_false_alarm_and_stays_to_be_found():
    scores = np.array([[0.9, np.nan, 0.8], [np.nan, 0.1, np.nan]])
    is_source = np.array([[True, False, False], [True, False, False]])
    assert micro_average_precision(scores, is_source, 2) == 0.5
    assert prepare_micro_precision(scores, is_source)(np.arange(2)) == 0.5


def test_positives_below_the_listed_sources_are_refused_and_none_is_undefined():
    with pytest.raises(ValueError, match="at least the 2 sources"):
        micro_average_precision(np.ones(3), np.array([True, True, False]), 1)
    with pytest.raises(ValueError, match="one shape"):
        micro_average_precision(np.ones(3), np.array([True]), 1)
    assert np.isnan(micro_average_precision(np.ones(3), np.zeros(3, bool), 0))


@pytest.mark.parametrize("levels", [None, 2])
def test_a_draw_of_queries_is_the_list_of_those_queries(levels):
    scores, is_source = suite(2, 30, 20, levels)
    scores[3, :] = np.nan
    is_source[4] = False  # a query without a source
    positives = is_source.sum(axis=1)
    positives[5] += 3  # sources that no list holds
    prepared = prepare_micro_precision(scores, is_source, positives=positives)
    random = np.random.default_rng(3)
    for drawn in [np.arange(30), *random.integers(30, size=(20, 30))]:
        expected = micro_average_precision(
            scores[drawn], is_source[drawn], int(positives[drawn].sum())
        )
        assert prepared(drawn) == pytest.approx(expected, abs=1e-12)


def test_queries_of_one_group_are_drawn_together():
    scores, is_source = suite(4, 24, 15, 3)
    groups = np.random.default_rng(5).permutation(np.arange(24) % 6)
    prepared = prepare_micro_precision(scores, is_source, groups=groups)
    for drawn in np.random.default_rng(6).integers(6, size=(20, 6)):
        rows = np.concatenate([np.flatnonzero(groups == number) for number in drawn])
        expected = micro_average_precision(scores[rows], is_source[rows], len(rows))
        assert prepared(drawn) == pytest.approx(expected, abs=1e-12)


def test_a_draw_without_positives_is_undefined_and_wrong_lengths_are_refused():
    scores, is_source = suite(7, 4, 5)
    is_source[2:] = False
    prepared = prepare_micro_precision(scores, is_source)
    assert np.isnan(prepared(np.array([2, 3, 3, 2])))
    with pytest.raises(ValueError, match="each of 4 queries, found 3 and 4"):
        prepare_micro_precision(scores, is_source, groups=np.arange(3))


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
)
def test_auc_is_sklearns_and_the_count_of_pairs(positive, negative):
    mine = auc(np.array(positive, float), np.array(negative, float))
    assert mine == pytest.approx(
        roc_auc_score([1] * len(positive) + [0] * len(negative), positive + negative)
    )
    wins = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert mine == pytest.approx(np.mean(wins))


def test_auc_of_nothing_is_undefined_and_nan_is_refused():
    assert np.isnan(auc(np.array([]), np.array([1.0])))
    with pytest.raises(ValueError, match="found NaN"):
        auc(np.array([np.nan]), np.array([1.0]))


def naive_gap(p):
    """The largest gap between the steps of the empirical distribution and the diagonal."""
    ordered, n = sorted(p), len(p)
    return max(max((i + 1) / n - x, x - i / n) for i, x in enumerate(ordered))


def test_ks_is_the_largest_gap_and_its_p_value_that_of_uniform_draws():
    random = np.random.default_rng(8)
    p = random.random(25) ** 1.3
    mine = ks_uniform(p)
    assert mine.statistic == pytest.approx(naive_gap(p), abs=1e-12)
    drawn = np.sort(random.random((20_000, 25)), axis=1)
    steps = np.arange(26) / 25
    gaps = np.maximum(steps[1:] - drawn, drawn - steps[:-1]).max(axis=1)
    assert mine.p_value == pytest.approx((gaps >= mine.statistic).mean(), abs=0.01)


def test_ks_tells_uniform_from_not():
    random = np.random.default_rng(9)
    assert ks_uniform(random.random(500)).p_value > 0.01
    assert ks_uniform(random.random(500) ** 2).p_value < 1e-6
    for bad in ([], [0.5, 1.5], [0.5, np.nan]):
        with pytest.raises(ValueError, match=r"expected p-values in 0 to 1"):
            ks_uniform(np.array(bad))


def test_ranks_count_ties_against_the_source():
    scores = np.array([[3, 3, 1], [1, 2, 3], [5, 1, 1], [np.nan, 1, 2], [1, np.nan, np.nan]], float)
    is_source = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 1], [1, 0, 0], [1, 0, 0]], bool)
    ranks = source_ranks(scores, is_source)
    assert ranks.tolist() == [2, 3, 1, 0, 1]
    assert recall_at(ranks, 1) == 0.4
    assert recall_at(ranks, 2) == 0.6
    assert recall_at(ranks, 99) == 0.8
    with pytest.raises(ValueError, match="none for query 1"):
        source_ranks(scores[:2], np.array([[1, 0, 0], [0, 0, 0]], bool))
    with pytest.raises(ValueError, match="found 0"):
        recall_at(ranks, 0)


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 9))
def test_recall_never_falls_as_k_grows(ranks, k):
    held = np.array(ranks, np.int64)
    assert recall_at(held, k) <= recall_at(held, k + 1)


def test_the_interval_of_a_mean_is_the_one_of_the_normal_law():
    values = np.random.default_rng(11).normal(5, 2, 400)
    interval = bootstrap(lambda drawn: float(values[drawn].mean()), 400, seed=1, rounds=4000)
    half = 1.96 * values.std() / 20
    assert interval.value == values.mean()
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(12)
    held = 0
    for number in range(200):
        hits = random.random(100) < 0.8
        found = bootstrap(
            lambda drawn, hits=hits: float(hits[drawn].mean()), 100, seed=number, rounds=300
        )
        held += found.low <= 0.8 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_the_same_seed_draws_the_same_queries():
    values = np.random.default_rng(13).random(50)
    drawn = [bootstrap(lambda d: values[d].mean(), 50, seed=s, rounds=50) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_undefined_rounds_are_left_out_and_no_queries_are_refused():
    some = np.array([1.0, np.nan])
    interval = bootstrap(lambda drawn: some[drawn].max(), 2, seed=0, rounds=100)
    assert (interval.low, interval.high) == (1.0, 1.0)
    assert np.isnan(bootstrap(lambda _: np.nan, 3, seed=0, rounds=10).low)
    with pytest.raises(ValueError, match="at least one query, found 0"):
        bootstrap(lambda _: 0.0, 0, seed=0)


def test_a_thousand_queries_by_a_thousand_rounds_take_seconds():
    scores, is_source = suite(14, 1000, 1000)
    with cpu_seconds(15):
        prepared = prepare_micro_precision(scores, is_source)
        interval = bootstrap(prepared, 1000, seed=0)
    assert interval.low < interval.value < interval.high
