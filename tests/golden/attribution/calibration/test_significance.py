"""Every formula of the calibration against the same formula written out, or SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from attribution.calibration import significance as calibration


def unit_rows(rng: np.random.Generator, count: int, dimension: int = 16) -> np.ndarray:
    rows = rng.normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("size", [4, 10, 200])
def test_hubness_is_the_mean_of_the_ten_highest(size):
    similarities = np.random.default_rng(size).normal(size=(7, size)).astype(np.float32)
    expected = [np.mean(sorted(row, reverse=True)[:10]) for row in similarities.tolist()]
    np.testing.assert_allclose(calibration.hubness(similarities), expected, rtol=1e-5, atol=1e-7)


def test_the_correction_takes_off_what_query_and_candidate_have_with_anything():
    rng = np.random.default_rng(1)
    query, candidates, background = unit_rows(rng, 1)[0], unit_rows(rng, 30), unit_rows(rng, 250)
    expected = []
    for candidate in candidates:
        own = sorted((float(query @ other) for other in background), reverse=True)[:3]
        hub = sorted((float(candidate @ other) for other in background), reverse=True)[:10]
        expected.append(float(query @ candidate) - sum(own) / 3 - sum(hub) / 10)
    hubs = calibration.hubness(candidates @ background.T)
    found = calibration.corrected(candidates @ query, background @ query, hubs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_z_scores_are_the_nulls_standard_deviations():
    rng = np.random.default_rng(2)
    scores, null = rng.normal(3, 2, 40).astype(np.float32), rng.normal(1, 4, 300).astype(np.float32)
    z, own = calibration.standardised(scores, null)
    np.testing.assert_allclose(z, (scores - null.mean()) / null.std(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own, stats.zscore(null), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ties", [False, True])
def test_p_values_count_the_null_that_is_as_high(ties):
    """Of scores that ten or more of the null reach, the count alone decides."""
    rng = np.random.default_rng(3)
    null, scores = rng.normal(size=500), rng.normal(size=200)
    if ties:
        null, scores = np.round(null, 1), np.round(scores, 1)
    null, scores = null.astype(np.float32), scores.astype(np.float32)
    found = calibration.p_values(scores, null)
    checked = 0
    for score, p in zip(scores.tolist(), found.tolist(), strict=True):
        above = sum(other >= score for other in null.tolist())
        if above >= 10:
            assert p == pytest.approx((1 + above) / 501, rel=1e-12)
            checked += 1
        else:
            assert p <= (1 + above) / 501
    assert checked > 150


def pareto_by_moments(excesses: np.ndarray) -> tuple[float, float]:
    """Hosking & Wallis 1987, (8) and (9): from a0 = E[x] and a1 = E[x (1 - F(x))]."""
    ordered = sorted(excesses.tolist())
    n = len(ordered)
    a0 = math.fsum(ordered) / n
    a1 = math.fsum(x * (1 - (j - 0.35) / n) for j, x in enumerate(ordered, 1)) / n
    k = a0 / (a0 - 2 * a1) - 2
    return -k, 2 * a0 * a1 / (a0 - 2 * a1)


@pytest.mark.parametrize(("shape", "scale"), [(0.1, 1.0), (0.2, 0.03), (0.35, 7.0)])
def test_a_pareto_tail_is_fitted_by_its_moments(shape, scale):
    excesses = stats.genpareto.rvs(shape, scale=scale, size=4000, random_state=5)
    found = calibration.fit_pareto(excesses)
    assert found == pytest.approx(pareto_by_moments(excesses), rel=1e-9)
    assert found == pytest.approx((shape, scale), rel=0.35)


def test_a_tail_with_an_end_is_taken_for_an_exponential():
    """Its maximum-likelihood scale is the mean."""
    excesses = np.random.default_rng(6).random(500)
    assert pareto_by_moments(excesses)[0] < 0
    assert calibration.fit_pareto(excesses) == (0.0, pytest.approx(excesses.mean()))


def test_a_tail_without_a_variance_is_cut_at_one_half():
    excesses = stats.genpareto.rvs(0.9, size=4000, random_state=7)
    shape, scale = calibration.fit_pareto(excesses)
    assert shape == 0.5
    assert scale == pytest.approx(excesses.mean() * 0.5)


@pytest.mark.parametrize("draw", ["standard_t", "normal", "uniform"])
def test_tail_probabilities_are_those_of_the_fitted_distribution(draw):
    rng = np.random.default_rng(8)
    null = (
        rng.standard_t(3, 900) if draw == "standard_t" else getattr(rng, draw)(size=900)
    ).astype(np.float32)
    ordered = np.sort(null.astype(np.float64))[::-1]
    start = ordered[90]
    shape, scale = calibration.fit_pareto(ordered[:90] - start)
    scores = np.linspace(start, start + 15 * scale, 60).astype(np.float32)
    expected = stats.genpareto.sf(scores.astype(np.float64) - start, shape, scale=scale) * 90 / 901
    np.testing.assert_allclose(calibration.tail_p_values(scores, null), expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_false_discovery_rates_are_scipys(seed):
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(50) ** 3, 3).clip(1e-4)
    found = calibration.false_discovery_rates(p, len(p))
    np.testing.assert_allclose(found, stats.false_discovery_control(p), rtol=1e-12)


def test_p_values_that_are_not_given_count_as_one():
    p = np.random.default_rng(9).random(20) / 50
    padded = stats.false_discovery_control(np.concatenate([p, np.ones(980)]))[:20]
    np.testing.assert_allclose(calibration.false_discovery_rates(p, 1000), padded, rtol=1e-12)


@pytest.mark.parametrize("chance", [-3.0, 0.5, 40.0])
def test_shares_are_a_softmax_with_chance_as_one_more_candidate(chance):
    log_odds = np.random.default_rng(10).normal(0, 2, 30)
    top = max([*log_odds.tolist(), chance])
    weights = [
        math.exp((one - top) / calibration.TEMPERATURE) if one > chance else 0.0
        for one in log_odds.tolist()
    ]
    total = sum(weights) + math.exp((chance - top) / calibration.TEMPERATURE)
    found, rest = calibration.shares(log_odds, chance)
    np.testing.assert_allclose(found, [one / total for one in weights], rtol=1e-12)
    assert rest == pytest.approx(
        math.exp((chance - top) / calibration.TEMPERATURE) / total, rel=1e-12
    )


def test_the_memorisation_ratio_is_over_half_the_distance_of_the_fifty_nearest():
    rng = np.random.default_rng(11)
    around = (rng.random(400) + 0.2).astype(np.float32)
    nearest = sorted(around.tolist())[:50]
    expected = [one / (0.5 * sum(nearest) / 50) for one in around[:9].tolist()]
    found = calibration.memorisation_ratio(around[:9], around)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
