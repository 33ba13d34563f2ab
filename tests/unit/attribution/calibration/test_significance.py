"""That p-values hold by chance alone, whatever the scores are distributed like, and what follows."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays
from scipy import stats

from attribution.calibration import significance as calibration

NULLS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy-tailed": lambda rng, n: rng.standard_t(3, size=n),
    "uniform": lambda rng, n: rng.random(n),
    "tied": lambda rng, n: np.round(rng.normal(size=n), 1),
    "few values": lambda rng, n: rng.poisson(0.3, size=n).astype(float),
    "mostly one value": lambda rng, n: (rng.random(n) < 0.005).astype(float),
}
CONTINUOUS = ("normal", "heavy-tailed", "uniform")

finite = st.floats(-100, 100, width=32)
probabilities = st.floats(1e-9, 1)


def draws(name: str, *, nulls: int, each: int, size: int = 780, seed: int = 1) -> np.ndarray:
    """p-values of draws that are exchangeable with their null, over many nulls."""
    rng = np.random.default_rng(seed)
    draw = NULLS[name]
    found = []
    for _ in range(nulls):
        null = draw(rng, size).astype(np.float32)
        found.append(calibration.p_values(draw(rng, each).astype(np.float32), null))
    return np.concatenate(found)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_p_values_of_chance_are_uniform(name):
    """One draw a null: draws against one null depend on each other."""
    p = draws(name, nulls=3000, each=1)
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("name", ["tied", "few values", "mostly one value"])
def test_p_values_of_tied_scores_are_never_too_small(name):
    p = draws(name, nulls=3000, each=1)
    for level in (0.3, 0.1, 0.05, 0.01):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / len(p))


@pytest.mark.parametrize("size", [100, 780])
@pytest.mark.parametrize("name", sorted(NULLS))
def test_p_values_hold_as_far_as_the_null_can_be_counted(name, size):
    """100,000 draws; the deviation is that of the nulls, of which there are 2,000."""
    p = draws(name, nulls=2000, each=50, size=size)
    for level in (0.05, 0.01, 2 / (1 + size)):
        share = np.mean(p <= level)
        assert share <= level + 4 * np.sqrt(level / len(p) + level / (size * 2000))


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_beyond_the_count_the_tail_holds_for_light_tails(name):
    p = draws(name, nulls=1000, each=100)
    for level in (1e-3, 1e-4):
        assert np.mean(p <= level) <= level + 4 * np.sqrt(level / len(p) + level / (780 * 1000))


def test_a_score_beyond_the_null_is_rarer_the_farther_it_is():
    null = np.random.default_rng(3).normal(size=780).astype(np.float32)
    p = calibration.p_values(np.array([4, 5, 6, 8, 12], np.float32), null)
    assert (np.diff(p) < 0).all()
    assert 0 < p[-1] < 1e-6 < p[0] < 2 / 781


def test_a_null_of_one_value_gives_no_more_than_its_count():
    """What lies beyond cannot be learned from scores that do not vary."""
    null = np.ones(780, np.float32)
    p = calibration.p_values(np.array([0.5, 1, np.nextafter(np.float32(1), 2)], np.float32), null)
    assert p.tolist() == pytest.approx([1, 1, 1 / 781])


@pytest.mark.parametrize("seed", range(3))
def test_of_chance_alone_few_queries_have_a_discovery(seed):
    """Under the global null a query has a false discovery in 5 % of cases at most."""
    rng = np.random.default_rng(seed)
    false = 0
    for _ in range(600):
        null = rng.normal(size=780).astype(np.float32)
        p = calibration.p_values(rng.normal(size=50).astype(np.float32), null)
        false += calibration.false_discovery_rates(p, 50).min() <= 0.05
    assert false / 600 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


@hypothesis.given(
    arrays(np.float32, st.integers(1, 30), elements=finite),
    arrays(np.float32, st.integers(2, 200), elements=finite),
)
def test_a_higher_score_never_has_the_higher_p(scores, null):
    p = calibration.p_values(np.sort(scores), null)
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p) <= 1e-12).all()


@hypothesis.given(
    arrays(np.float64, st.integers(1, 60), elements=probabilities), st.integers(0, 99)
)
def test_q_is_at_least_p_and_in_its_order(p, others):
    tests = len(p) + others
    q = calibration.false_discovery_rates(p, tests)
    assert (q >= p).all()
    assert (q <= 1).all()
    assert (np.diff(q[np.argsort(p)]) >= 0).all()
    assert (calibration.false_discovery_rates(p, tests + 1) >= q).all()


@hypothesis.given(
    arrays(np.float64, st.integers(1, 60), elements=probabilities), st.floats(0.0501, 1)
)
def test_a_newcomer_without_evidence_makes_no_discovery(p, newcomer):
    """One more candidate with p above .05 lifts nobody's q from above .05 to below."""
    before = calibration.false_discovery_rates(p, len(p))
    after = calibration.false_discovery_rates(np.append(p, newcomer), len(p) + 1)[:-1]
    assert not ((before > 0.05) & (after <= 0.05)).any()


@hypothesis.given(
    arrays(np.float64, st.integers(0, 40), elements=st.floats(-60, 60)), st.floats(-60, 60)
)
def test_shares_and_the_rest_are_one(log_odds, chance):
    found, rest = calibration.shares(log_odds, chance)
    assert found.sum() + rest == pytest.approx(1)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[log_odds <= chance] == 0).all()
    order = np.argsort(log_odds)
    assert (np.diff(found[order]) >= -1e-12).all()


def test_nothing_above_chance_leaves_everything_unattributed():
    found, rest = calibration.shares(np.array([-3.0, -1.0, 0.0]), 0.0)
    assert (found.tolist(), rest) == ([0, 0, 0], 1)


def test_a_picture_that_is_itself_in_the_neighbourhood_has_the_ratio_zero():
    around = np.linspace(0, 1, 80, dtype=np.float32)
    ratios = calibration.memorisation_ratio(around, around)
    assert ratios[0] == 0
    assert (np.diff(ratios) > 0).all()
    assert np.isfinite(calibration.memorisation_ratio(np.zeros(3, np.float32), np.zeros(9))).all()
