"""The linear datamodeling score against closed forms, and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from attribution.validation.statistics.datamodeling import (
    datamodeling_difference,
    linear_datamodeling_scores,
    mean_datamodeling_score,
    predict_outcomes,
    scores_of_foretold,
)
from attribution.validation.statistics.intervals import rank_correlations


def linear_models(seed, *, queries=30, models=60, pictures=200, noise=0.0):
    """Influences, halves, and losses that fall by exactly the influences of what was kept."""
    random = np.random.default_rng(seed)
    influence = random.normal(size=(queries, pictures))
    kept = np.zeros((models, pictures), bool)
    for row in kept:
        row[random.permutation(pictures)[: pictures // 2]] = True
    losses = 7 - influence @ kept.T
    losses += random.normal(size=losses.shape) * noise * math.sqrt(pictures / 4)
    return influence, kept, losses


def test_true_influences_score_1_and_their_opposite_minus_1():
    influence, kept, losses = linear_models(0)
    np.testing.assert_allclose(linear_datamodeling_scores(influence, kept, losses), 1)
    np.testing.assert_allclose(linear_datamodeling_scores(-influence, kept, losses), -1)
    interval = mean_datamodeling_score(
        predict_outcomes(influence, kept), losses, seed=0, repeats=50
    )
    assert (interval.value, interval.low, interval.high) == pytest.approx((1, 1, 1))


@given(st.floats(1e-3, 1e3), st.floats(-100, 100), st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_only_the_order_counts(scale, shift, loss_scale):
    influence, kept, losses = linear_models(1, queries=3, models=12, pictures=20, noise=1.0)
    expected = linear_datamodeling_scores(influence, kept, losses)
    found = linear_datamodeling_scores(influence * scale, kept, np.arctan(losses) * loss_scale)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    moved = linear_datamodeling_scores(influence + shift, kept, losses)
    np.testing.assert_allclose(moved, expected, atol=1e-12)  # halves are of one size


def test_noise_as_large_as_the_signal_gives_the_correlation_of_the_normal_law():
    influence, kept, losses = linear_models(2, queries=60, models=100, noise=1.0)
    # Signal and noise of one variance: Pearson 1/√2, and Spearman 6/π · asin(half of it).
    expected = 6 / math.pi * math.asin(math.sqrt(0.5) / 2)
    interval = mean_datamodeling_score(
        predict_outcomes(influence, kept), losses, seed=0, repeats=300
    )
    assert interval.value == pytest.approx(expected, abs=0.03)
    assert interval.low < expected < interval.high
    assert interval.high - interval.low < 0.15


def test_who_knows_the_influences_reaches_the_root_of_what_two_seeds_agree_by():
    influence, kept, losses = linear_models(10, queries=60, models=100, noise=1.0)
    luck = np.random.default_rng(11).normal(size=losses.shape) * math.sqrt(200 / 4)
    again = 7 - influence @ kept.T + luck
    agree = mean_datamodeling_score(-again, losses, seed=0, repeats=20).value
    known = mean_datamodeling_score(predict_outcomes(influence, kept), losses, seed=0, repeats=20)
    assert agree == pytest.approx(6 / math.pi * math.asin(0.5 / 2), abs=0.03)
    assert known.value == pytest.approx(math.sqrt(agree), abs=0.02)


def test_scores_by_chance_are_zero_within_their_interval():
    held = 0
    for seed in range(20):
        _, kept, losses = linear_models(seed, queries=15, models=30)
        chance = np.random.default_rng(100 + seed).normal(size=(15, 200))
        interval = mean_datamodeling_score(
            predict_outcomes(chance, kept), losses, seed=seed, repeats=100
        )
        held += interval.low <= 0 <= interval.high
    assert held >= 16


def test_it_is_scipys_spearman_with_ties_and_gaps():
    random = np.random.default_rng(3)
    scores = random.integers(0, 3, (8, 12)).astype(float)
    kept = random.random((40, 12)) < 0.5
    losses = random.integers(0, 5, (8, 40)).astype(float)
    losses[random.random(losses.shape) < 0.2] = np.nan
    found = linear_datamodeling_scores(scores, kept, losses)
    for query in range(8):
        there = ~np.isnan(losses[query])
        expected = stats.spearmanr(kept[there] @ scores[query], -losses[query][there]).statistic
        assert found[query] == pytest.approx(expected, abs=1e-12)


def test_equal_scores_order_nothing_however_they_are_added():
    _, kept, losses = linear_models(4, queries=1)
    equal = np.full((1, 200), 0.1)
    assert linear_datamodeling_scores(equal, kept, losses).tolist() == [0.0]
    some = np.array([[0.1, 0.2, 0.3, -0.3]])
    assert 0.1 + 0.3 - 0.3 != 0.1
    sums = predict_outcomes(some, np.array([[1, 0, 1, 1], [1, 0, 0, 0]], bool))
    assert sums.tolist() == [[0.1, 0.1]]


def test_one_query_and_one_model():
    influence, kept, losses = linear_models(5, queries=1, noise=1.0)
    interval = mean_datamodeling_score(
        predict_outcomes(influence, kept), losses, seed=0, repeats=100
    )
    assert interval.low < interval.value < interval.high
    single = mean_datamodeling_score(
        predict_outcomes(influence, kept[:1]), losses[:, :1], seed=0, repeats=10
    )
    assert np.isnan([single.value, single.low, single.high]).all()
    assert linear_datamodeling_scores(influence, kept[:0], losses[:, :0]).shape == (1,)


def test_an_undefined_query_is_left_out_of_the_mean():
    influence, kept, losses = linear_models(6, queries=4)
    losses[2] = np.nan
    losses[3] = 5.0
    found = linear_datamodeling_scores(influence, kept, losses)
    assert np.isnan(found).tolist() == [False, False, True, True]
    interval = mean_datamodeling_score(
        predict_outcomes(influence, kept), losses, seed=0, repeats=20
    )
    assert interval.value == pytest.approx(1)


def test_the_difference_of_two_methods_is_known_better_than_either():
    """One knows the influences, the other has as much noise of its own in them as they vary."""
    influence, kept, losses = linear_models(8, queries=60, models=100, noise=1.0)
    noisy = influence + np.random.default_rng(80).normal(size=influence.shape)
    known, blurred = predict_outcomes(influence, kept), predict_outcomes(noisy, kept)
    # Spearman of normal variables: 6/π · asin(r / 2), with r of √½ and √½ · √½.
    expected = 6 / math.pi * (math.asin(math.sqrt(0.5) / 2) - math.asin(0.5 / 2))
    apart = datamodeling_difference(known, blurred, losses, seed=0, repeats=300)
    assert apart.value == pytest.approx(expected, abs=0.03)
    assert apart.low < expected < apart.high
    alone = mean_datamodeling_score(predict_outcomes(influence, kept), losses, seed=0, repeats=300)
    other = mean_datamodeling_score(predict_outcomes(noisy, kept), losses, seed=0, repeats=300)
    assert apart.value == pytest.approx(alone.value - other.value)
    assert apart.high - apart.low < (alone.high - alone.low) + (other.high - other.low)
    swapped = datamodeling_difference(blurred, known, losses, seed=0, repeats=300)
    assert (swapped.low, swapped.high) == pytest.approx((-apart.high, -apart.low))
    same = datamodeling_difference(known, known * 2 + 1, losses, seed=0, repeats=10)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_nothing_is_gained_by_keeping_silent():
    influence, kept, losses = linear_models(9, queries=4)
    told = predict_outcomes(influence, kept)
    silent = told.copy()
    silent[1] = silent[2] = 7.0
    losses[2] = 5.0  # who could have known?
    losses[3, 1:] = np.nan
    found = scores_of_foretold(silent, losses)
    np.testing.assert_array_equal(found, [1, 0, np.nan, np.nan])
    quiet = np.where(np.arange(4)[:, None] == 1, 0.0, influence)
    assert (
        mean_datamodeling_score(predict_outcomes(quiet, kept), losses, seed=0, repeats=5).value
        == 0.5
    )
    apart = datamodeling_difference(told, silent, losses, seed=0, repeats=200)
    assert (apart.value, apart.low, apart.high) == pytest.approx((0.5, 0, 1))
    with pytest.raises(ValueError, match=r"in one shape, found \(4, 60\), \(2, 60\)"):
        datamodeling_difference(told, silent[:2], losses, seed=0)


def test_what_does_not_fit_is_refused():
    influence, kept, losses = linear_models(7, queries=2, models=4, pictures=6)
    gap = influence.copy()
    gap[1, 3] = np.nan
    with pytest.raises(ValueError, match="found nan for picture 3 of query 1"):
        linear_datamodeling_scores(gap, kept, losses)
    with pytest.raises(ValueError, match="found int64"):
        linear_datamodeling_scores(influence, kept.astype(np.int64), losses)
    with pytest.raises(ValueError, match="of one length"):
        linear_datamodeling_scores(influence, kept[:, :5], losses)
    with pytest.raises(ValueError, match=r"\(2, 4\), found \(2, 3\)"):
        mean_datamodeling_score(predict_outcomes(influence, kept), losses[:, :3], seed=0)
    with pytest.raises(ValueError, match="two arrays of rows"):
        rank_correlations(losses, losses[:, :3])
    with pytest.raises(ValueError, match=r"found sizes \(0, 4\)"):
        mean_datamodeling_score(predict_outcomes(influence[:0], kept), losses[:0], seed=0)
