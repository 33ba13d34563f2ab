"""Measures of the proof by forgetting, against closed forms and simulations."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from attribution.validation.statistics.intervals import (
    crossed_bootstrap,
    mean_interval,
    means_by_query,
    paired_test,
)
from attribution.validation.statistics.removal_effects import (
    cosine,
    expected_retraining,
    feature_distance,
    mean_squared,
    random_equivalent,
)

# Intervals and tests


@pytest.mark.parametrize("law", ["normal", "exponential"])
def test_the_interval_of_a_mean_holds_it_as_often_as_it_says(law):
    held = 0
    for seed in range(300):
        values = getattr(np.random.default_rng(seed), law)(size=40)
        found = mean_interval(values, seed=seed, repeats=400)
        held += found.low <= (0 if law == "normal" else 1) <= found.high
    assert 0.89 <= held / 300 <= 0.98


def test_the_seeds_of_a_query_are_drawn_together():
    queries = np.random.default_rng(0).normal(size=25)
    values, groups = np.repeat(queries, 3), np.repeat(np.arange(25), 3)
    assert mean_interval(values, groups=groups, seed=1) == mean_interval(queries, seed=1)
    apart = mean_interval(values, seed=1)
    together = mean_interval(queries, seed=1)
    ratio = (together.high - together.low) / (apart.high - apart.low)
    assert ratio == pytest.approx(math.sqrt(3), abs=0.2)  # three seeds are not three queries


def test_each_query_has_one_voice_whatever_its_seeds():
    found = means_by_query(np.array([1.0, 3.0, np.nan, 8.0, np.nan]), ["b", "b", "b", "a", "c"])
    assert found.tolist() == [8.0, 2.0]
    with pytest.raises(ValueError, match=r"found inf at 1"):
        means_by_query(np.array([1.0, np.inf]))
    with pytest.raises(ValueError, match=r"found \(2,\) and \(3,\)"):
        means_by_query(np.zeros(2), [1, 2, 3])


@given(
    st.lists(st.one_of(st.just(math.nan), st.floats(-1e6, 1e6, width=32)), max_size=12),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_an_interval_of_any_values_is_in_order_and_within_them(values, seed):
    found = mean_interval(np.array(values), seed=seed, repeats=50)
    known = [value for value in values if not math.isnan(value)]
    if not known:
        assert math.isnan(found.value)
    elif max(known) - min(known) <= 1e-12 * max(map(abs, known)):
        assert found.value == pytest.approx(known[0])
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    else:
        slack = 1e-9 * max(map(abs, known))
        assert min(known) - slack <= found.low <= found.high <= max(known) + slack


def test_of_values_that_are_all_alike_nothing_is_known_of_others():
    found = mean_interval(np.full(9, 0.1), groups=[0, 0, 0, 1, 1, 2, 2, 2, 2], seed=0)
    assert found.value == pytest.approx(0.1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_axes_are_drawn_apart_and_both_count():
    random = np.random.default_rng(1)
    table = random.normal(size=(40, 1)) * 3 + random.normal(size=(1, 50)) * 4
    found = crossed_bootstrap(
        lambda rows, columns: table[rows[:, :, None], columns[:, None, :]].mean(axis=(1, 2)),
        (40, 50),
        seed=0,
    )
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    deviation = math.sqrt(rows.var() / 40 + columns.var() / 50)
    assert found.value == pytest.approx(table.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)


def test_crossed_rounds_without_a_figure_are_left_out():
    some = np.array([1.0, np.nan])
    found = crossed_bootstrap(lambda rows, _: some[rows].max(axis=1), (2, 3), seed=0, repeats=50)
    assert (found.low, found.high) == (1.0, 1.0)
    assert np.isnan(
        crossed_bootstrap(lambda rows: np.full(len(rows), np.nan), (3,), seed=0, repeats=5).low
    )
    with pytest.raises(ValueError, match=r"sizes \(\)"):
        crossed_bootstrap(lambda: 0.0, (), seed=0)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=10))
@settings(max_examples=40, deadline=None)
def test_the_paired_test_counts_all_signs(gaps):
    """The signed-rank test by its definition: every choice of signs is as likely."""
    found = paired_test(np.array(gaps, float), np.zeros(len(gaps)), seed=0, repeats=20)
    differing = np.array([gap for gap in gaps if gap], float)
    assert found.queries == len(gaps)
    if not differing.size:
        assert found.p_value == 1
        return
    ranks = stats.rankdata(np.abs(differing))
    signs = np.array(list(itertools.product([0, 1], repeat=len(differing))))
    sums, own = signs @ ranks, float(ranks[differing > 0].sum())
    greater, less = (sums >= own - 1e-9).mean(), (sums <= own + 1e-9).mean()
    assert found.p_value == pytest.approx(min(2 * greater, 2 * less, 1))


def test_fewer_than_six_pairs_decide_nothing():
    assert paired_test(np.arange(1.0, 6), np.zeros(5), seed=0).p_value == 2 / 32
    assert paired_test(np.arange(1.0, 7), np.zeros(6), seed=0).p_value == 2 / 64 < 0.05


def test_a_pair_measured_on_one_side_only_is_left_out():
    first = np.array([1.0, 2.0, np.nan, 4.0, 5.0, 9.0])
    second = np.array([0.0, np.nan, 3.0, 2.0, 2.0, 1.0])
    found = paired_test(first, second, groups=[0, 0, 1, 2, 2, 3], seed=0)
    assert found.queries == 3
    assert found.difference.value == pytest.approx((1 + 2.5 + 8) / 3)
    with pytest.raises(ValueError, match="inf at 0"):
        paired_test(np.array([np.inf]), np.array([np.inf]), seed=0)
    with pytest.raises(ValueError, match=r"found \(1,\) and \(2,\)"):
        paired_test(np.zeros(1), np.zeros(2), seed=0)


def test_the_paired_test_is_wrong_as_often_as_it_says():
    random = np.random.default_rng(5)
    false = sum(
        paired_test(random.normal(size=20), random.normal(size=20), seed=0, repeats=20).p_value
        <= 0.05
        for _ in range(400)
    )
    assert 0.02 <= false / 400 <= 0.08


# Random-equivalent count

COUNTS = np.array([10, 50, 100, 200])


def linear_curve(queries, slope=0.01, seeds=1):
    return np.repeat(COUNTS, seeds), np.repeat(COUNTS, seeds)[:, None] * np.full(queries, slope)


@given(st.floats(0, 2))
@settings(max_examples=40, deadline=None)
def test_on_a_straight_line_the_count_is_the_effect_over_the_slope(effect):
    counts, effects = linear_curve(3)
    found = random_equivalent(counts, effects, np.full(3, effect), 5, seed=0, repeats=5)
    assert found.count.value == pytest.approx(effect / 0.01, abs=1e-9)
    assert found.multiple.value == pytest.approx(effect / 0.05, abs=1e-9)
    assert found.count.low == pytest.approx(found.count.high)


def test_beyond_the_largest_count_it_says_at_least():
    counts, effects = linear_curve(3)
    found = random_equivalent(counts, effects, np.full(3, 2.5), 5, seed=0, repeats=5)
    assert (found.count.value, found.at_least) == (200, True)
    assert found.multiple.low == 40
    assert not random_equivalent(counts, effects, np.full(3, 1.0), 5, seed=0, repeats=5).at_least
    spread = random_equivalent(counts, effects, np.array([0.1, 0.5, 4.0]), 5, seed=0, repeats=200)
    assert (spread.at_least, spread.count.high) == (False, 200)


def test_an_arm_that_changes_nothing_equals_no_removal():
    counts, effects = linear_curve(2)
    for effect in (0.0, -1.0):
        found = random_equivalent(counts, effects, np.full(2, effect), 5, seed=0, repeats=5)
        assert (found.count.value, found.multiple.high, found.at_least) == (0, 0, False)


def test_a_level_stretch_gives_its_fewest_pictures_and_a_dip_is_levelled():
    level = np.array([[0.1], [0.5], [0.5], [1.0]])
    counts = [
        random_equivalent(COUNTS, level, np.array([effect]), 1, seed=0, repeats=2).count.value
        for effect in (0.5, 0.75)
    ]
    assert counts == [50, 150]
    dip = np.array([[0.1], [0.6], [0.4], [1.0]])
    found = random_equivalent(COUNTS, dip, np.array([0.75]), 1, seed=0, repeats=2)
    assert found.count.value == 150
    late = np.array([[-0.5], [0.5], [0.75], [1.0]])
    found = random_equivalent(COUNTS, late, np.array([0.25]), 1, seed=0, repeats=2)
    assert found.count.value == 30
    useless = np.array([[-0.3], [-0.2], [-0.4], [-0.1]])
    found = random_equivalent(COUNTS, useless, np.array([0.01]), 1, seed=0, repeats=2)
    assert (found.count.value, found.at_least) == (200, True)


def test_a_measured_foot_takes_the_place_of_nothing():
    counts = np.array([0, 100])
    effects = np.array([[4.0], [8.0]])
    assert random_equivalent(counts, effects, np.array([6.0]), 1, seed=0).count.value == 50
    assert random_equivalent(counts, effects, np.array([3.0]), 1, seed=0).count.value == 0
    without = random_equivalent(counts[1:], effects[1:], np.array([6.0]), 1, seed=0)
    assert without.count.value == 75


def test_seeds_of_a_count_are_averaged_and_weigh_by_their_number():
    counts = np.array([200, 50, 50])
    found = random_equivalent(counts, np.array([[2.0], [0.2], [0.8]]), np.array([0.5]), 1, seed=0)
    assert found.count.value == 50
    # The dip at 100 is levelled with 50: three seeds of 6 and one of 2 meet at 5.
    counts = np.array([50, 50, 50, 100, 200])
    effects = np.array([[6.0], [6.0], [6.0], [2.0], [20.0]])
    assert random_equivalent(
        counts, effects, np.array([5.0]), 1, seed=0
    ).count.value == pytest.approx(50)


def test_its_interval_holds_the_truth_and_both_arms_share_the_queries():
    held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        strength = random.gamma(4, 0.25, 40)  # some queries move more, in both arms alike
        effects = COUNTS[:, None] * 0.01 * strength + random.normal(0, 0.05, (4, 40))
        arm = strength * 0.8 + random.normal(0, 0.3, 40)
        found = random_equivalent(COUNTS, effects, arm, 4, seed=seed, repeats=200)
        held += found.count.low <= 80 <= found.count.high
    assert 86 <= held <= 100
    effects = COUNTS[:, None] * 0.01 * strength
    exact = random_equivalent(COUNTS, effects, strength * 0.8, 4, seed=0, repeats=100).count
    assert exact.low == pytest.approx(exact.high) == pytest.approx(80)


def test_queries_not_measured_everywhere_are_left_out():
    counts, effects = linear_curve(4)
    effects[2, 1] = np.nan
    found = random_equivalent(counts, effects, np.array([1, 9, np.nan, 1.0]), 5, seed=0, repeats=5)
    assert found.count.value == 100
    with pytest.raises(ValueError, match="none of 4"):
        random_equivalent(counts, effects, np.full(4, np.nan), 5, seed=0)


def test_removals_that_cannot_be_are_refused():
    counts, effects = linear_curve(2)
    with pytest.raises(ValueError, match="4 removals on 3 queries"):
        random_equivalent(counts, effects, np.zeros(3), 5, seed=0)
    with pytest.raises(ValueError, match=r"found \[10, 50, 100, 200\] and 0"):
        random_equivalent(counts, effects, np.zeros(2), 0, seed=0)
    with pytest.raises(ValueError, match=r"found \[0\] and 5"):
        random_equivalent(np.zeros(1, np.int64), effects[:1], np.zeros(2), 5, seed=0)
    with pytest.raises(ValueError, match=r"found \[\] and 5"):
        random_equivalent(counts[:0], effects[:0], np.zeros(2), 5, seed=0)


# Shards and slices


@pytest.mark.parametrize(
    ("shards", "slices", "removed"), [(10, 1, 10), (5, 4, 3), (1, 3, 2), (4, 6, 20)]
)
def test_the_expected_cost_is_the_one_of_many_drawn_removals(shards, slices, removed):
    random = np.random.default_rng(shards)
    steps = np.arange(1, slices + 1)
    touched, again = [], []
    for _ in range(4000):
        places = random.integers(shards * slices, size=removed)
        first = np.full(shards, slices + 1)
        np.minimum.at(first, places // slices, places % slices + 1)
        touched.append((first <= slices).sum())
        seen = [steps[step - 1 :].sum() if step <= slices else 0 for step in first]
        again.append(sum(seen) / (shards * steps.sum()))
    share = expected_retraining(shards, removed)
    assert shards * share == pytest.approx(np.mean(touched), rel=0.02)
    assert expected_retraining(shards, removed, slices=slices) == pytest.approx(
        np.mean(again), rel=0.03
    )


def test_known_costs():
    assert expected_retraining(10, 10) == pytest.approx(0.6513, abs=1e-4)
    assert expected_retraining(10, 131) == pytest.approx(1, abs=1e-5)
    assert expected_retraining(10, 0) == expected_retraining(10, 0, slices=5) == 0
    assert expected_retraining(1, 1) == 1
    assert expected_retraining(20, 1, slices=4) == pytest.approx((2 * 4 + 1) / (3 * 4) / 20)
    for shards, slices, removed in ((0, 1, 1), (1, 0, 1), (1, 1, -1)):
        with pytest.raises(ValueError, match=f"found {shards}, {slices} and {removed}"):
            expected_retraining(shards, removed, slices=slices)


# Change of a picture


def test_pixels_do_not_wrap_and_black_to_white_is_1():
    black = np.zeros((2, 4, 4, 3), np.uint8)
    white = np.full_like(black, 255)
    assert mean_squared(black, white).tolist() == mean_squared(white, black).tolist() == [1, 1]
    one = black.copy()
    one[1, 0, 0, 0] = 51
    assert mean_squared(black, one) == pytest.approx([0, 0.2**2 / 48])
    with pytest.raises(ValueError, match="float32"):
        mean_squared(black, white.astype(np.float32))
    with pytest.raises(ValueError, match="one shape"):
        mean_squared(black, white[:1])


def test_cosines_of_known_angles():
    before = np.array([[3, 0], [1, 1], [1, 0], [0, 0]], np.float32)
    after = np.array([[5, 0], [1, 0], [-2, 0], [1, 0]], np.float32)
    found = cosine(before, after)
    assert found[:3] == pytest.approx([1, math.sqrt(0.5), -1])
    assert np.isnan(found[3])
    with pytest.raises(ValueError, match="2 dimensions"):
        cosine(before[0], after[0])


def test_feature_distance_is_twice_one_minus_the_cosine_of_each_place():
    random = np.random.default_rng(0)
    before, after = random.normal(size=(2, 5, 7, 6, 16)).astype(np.float32)
    cosines = cosine(before.reshape(-1, 16), after.reshape(-1, 16)).reshape(5, 42)
    np.testing.assert_allclose(feature_distance(before, after), (2 - 2 * cosines).mean(axis=1))
    np.testing.assert_allclose(feature_distance(before, before * 9), 0, atol=1e-12)
    np.testing.assert_allclose(feature_distance(before, -before), 4)


def test_places_without_features_and_maps_without_places():
    nothing, some = np.zeros((1, 2, 1, 3)), np.zeros((1, 2, 1, 3))
    some[0, 0, 0] = [0, 7, 0]
    assert feature_distance(nothing, nothing).tolist() == [0]
    assert feature_distance(nothing, some).tolist() == [0.5]
    with pytest.raises(ValueError, match="at least one place"):
        feature_distance(nothing[:, :0], some[:, :0])
