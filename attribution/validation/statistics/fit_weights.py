"""This is the fit of channel weights to losses that models of half the pictures have. Pure.

A picture's influence on a query is taken to be the logistic of its log-odds, so that the many that
have nothing to do with a query add up to little; a half foretells a query by the sum over its
pictures. The weights are those at which these sums correlate best with the halves' losses, the mean
over queries, held towards the shipped ones (L2). A channel without which queries and halves that
were not fitted on are foretold as well, chance aside, gets the weight 0.

Only the order of log-odds is learnt: the logistic has a bias and a scale of its own, fitted for
the shipped weights as for the new ones, so that nothing is gained by being sharper.

But: several summits; the best from a few starts is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attribution.calibration.fusion import probability
from attribution.validation.statistics.datamodeling import linear_datamodeling_scores

Floats = NDArray[np.float64]
RIDGE = 1e-3
"""Correlation that a squared unit of weight away from the shipped one has to bring."""
SURE = 1.0
"""Standard errors by which what is held out must be foretold better for a feature to stay."""
FEWEST = 8
"""Queries, and halves: with fewer, there is nothing to hold out."""
_QUERY_FOLDS, _HALF_FOLDS = 4, 2
_BIASES = (-9.0, -6.0, -3.0, 0.0)  # to start from: the correlation has several summits
_LINK = ((-20.0, 20.0), (0.05, 5.0))


@dataclass(frozen=True, slots=True)
class Cases:
    """What is fitted on.

    Attributes:
        features: (q, n, k) float64, what is weighed.
        rest: (q, n) float64, log-odds that are added as they are.
        kept: (m, n) bool; losses: (q, m), as in `halves.HalvesRun`.
    """

    features: Floats
    rest: Floats
    kept: NDArray[np.bool_]
    losses: NDArray[np.floating]

    def chosen(self, queries: NDArray[np.bool_], halves: NDArray[np.bool_]) -> Cases:
        """Some queries and some halves."""
        return Cases(
            self.features[queries],
            self.rest[queries],
            self.kept[halves],
            self.losses[np.ix_(queries, halves)],
        )

    def influence(self, beta: Floats) -> Floats:
        """(q, n), 0 to 1, by bias, scale and the k weights."""
        return probability(beta[0] + beta[1] * (self.features @ beta[2:] + self.rest))

    def scores(self, beta: Floats) -> Floats:
        """(q,) linear datamodeling scores of these influences; NaN where losses are constant."""
        return linear_datamodeling_scores(self.influence(beta), self.kept, self.losses)


def objective(beta: Floats, cases: Cases, shipped: Floats) -> tuple[float, Floats]:
    """What is made small: the penalty less the mean correlation; and its gradient.

    Args:
        beta: (2 + k,) bias, scale, weights.
        cases: a query of which all losses, or all sums, are equal counts as uncorrelated.
        shipped: (k,) weights that are held to.
    """
    inner = cases.features @ beta[2:] + cases.rest
    influence = probability(beta[0] + beta[1] * inner)
    kept = cases.kept.astype(np.float64)
    sums, length = _centred(influence @ kept.T)
    target, _ = _centred(-cases.losses.astype(np.float64))
    match = (sums * target).sum(axis=1, keepdims=True)
    pull = (target - match * sums) / length @ kept * influence * (1 - influence) / len(match)
    weights = np.tensordot(pull, cases.features, axes=2)
    away = beta[2:] - shipped
    slope = np.concatenate([[pull.sum(), (pull * inner).sum()], beta[1] * weights])
    slope[2:] -= 2 * RIDGE * away
    return float(RIDGE * away @ away - match.mean()), -slope


def _centred(rows: Floats) -> tuple[Floats, Floats]:
    """Rows (q, m) of mean 0 and length 1, and their lengths (q, 1); a constant row is all 0."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    constant = length <= 1e-12 * np.abs(rows).max(axis=1, keepdims=True, initial=1e-300)
    return np.where(constant, 0.0, centred / np.where(constant, 1, length)), np.where(
        constant, np.inf, length
    )


def fit_link(cases: Cases, weights: Floats) -> Floats:
    """(2 + k,): the best bias and scale for weights that stay."""
    held = [(weight, weight) for weight in weights.tolist()]
    starts = [np.array([bias, 1.0, *weights]) for bias in _BIASES]
    return _best(cases, weights, [_least(cases, weights, start, held) for start in starts])


def fit_weights(cases: Cases, shipped: Floats, used: NDArray[np.bool_]) -> Floats:
    """(2 + k,): bias, scale and weights of 0 or more; 0 for what is not used.

    Args:
        cases: what is fitted on.
        shipped: (k,) weights to start from and to hold to.
        used: (k,) which features have a part.
    """
    held = shipped * used
    free = [(0.0, None if is_used else 0.0) for is_used in used.tolist()]
    starts = [fit_link(cases, held), *(np.array([bias, 1.0, *held]) for bias in _BIASES)]
    return _best(cases, held, [_least(cases, held, start, free) for start in starts])


def _best(cases: Cases, shipped: Floats, fits: list[Floats]) -> Floats:
    return min(fits, key=lambda beta: objective(beta, cases, shipped)[0])


def _least(
    cases: Cases, shipped: Floats, start: Floats, bounds: list[tuple[float, float | None]]
) -> Floats:
    result = minimize(
        objective,
        start,
        args=(cases, shipped),
        jac=True,
        bounds=[*_LINK, *bounds],
        method="L-BFGS-B",
    )
    return np.asarray(result.x, np.float64)


def cross_validate(cases: Cases, shipped: Floats, used: NDArray[np.bool_]) -> Floats:
    """(q,) datamodeling scores, each of a fit on other queries and other halves.

    A score that is undefined counts as 0.
    """
    queries = np.arange(len(cases.losses)) % _QUERY_FOLDS
    halves = np.arange(len(cases.kept)) % _HALF_FOLDS
    scores = np.zeros((_HALF_FOLDS, len(queries)))
    for fold in range(_QUERY_FOLDS):
        for part in range(_HALF_FOLDS):
            beta = fit_weights(cases.chosen(queries != fold, halves != part), shipped, used)
            held_out = cases.chosen(queries == fold, halves == part)
            scores[part, queries == fold] = np.nan_to_num(held_out.scores(beta))
    return np.asarray(scores.mean(axis=0), np.float64)


def fit(cases: Cases, shipped: Floats) -> tuple[Floats, list[tuple[float, float]]]:
    """Bias, scale and the weights of what helps; each feature's held-out gain and standard error.

    What helps least goes first, and the others are asked again: of two that say the same, one
    stays.

    Args:
        cases: at least `FEWEST` queries and halves, in an order that says nothing.
        shipped: (k,) weights to hold to.

    Returns:
        Gains are those against what is left, as it was when the feature went.
    """
    used = np.ones(len(shipped), np.bool_)
    gains = [(0.0, 0.0)] * len(shipped)
    while used.any():
        whole = cross_validate(cases, shipped, used)
        left = np.flatnonzero(used).tolist()
        for feature in left:
            less = used & (np.arange(len(used)) != feature)
            lost = whole - cross_validate(cases, shipped, less)
            gains[feature] = float(lost.mean()), float(lost.std(ddof=1) / len(lost) ** 0.5)
        idle = [feature for feature in left if gains[feature][0] <= SURE * gains[feature][1]]
        if not idle:
            break
        used[min(idle, key=lambda feature: gains[feature][0])] = False
    return fit_weights(cases, shipped, used), gains
