"""These are the metrics of retrieval, each with its rule for ties, and bootstrap intervals.

Scores point one way: higher is closer. µAP is micro-averaged as in Douze et al., "The 2021 Image
Similarity Dataset and Challenge" (arXiv 2106.09672): one list of all pairs of all queries by
falling score, so that a score has to mean the same for every query. A tie is read against the
ranker everywhere but in the AUC, where it counts half: otherwise a score with few levels (a hash)
would gain by the order in which its ties happen to stand.

A pair whose score is NaN was not answered: it is neither found nor a false alarm, and a source
among them stays one that was to be found.

But: intervals are percentile ones; near 0 and 1, and with fewer than about thirty queries, they are
too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harvester.distribution import needs_extra


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, and where it would lie had other queries of the same kind been drawn."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Uniformity:
    """How far p-values stray from uniform.

    Attributes:
        statistic: largest gap between their distribution and the uniform one, 0 to 1.
        p_value: how often a gap as large comes from p-values that are uniform.
    """

    statistic: float
    p_value: float


def source_ranks(scores: NDArray[np.floating], is_source: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rank of each query's best source: one more than the others that score at least as high.

    Args:
        scores: (m, n), NaN where a candidate was not ranked.
        is_source: (m, n), at least one in each row.

    Returns:
        (m,) from 1; 0 where none of the sources was ranked.

    Raises:
        ValueError: on shapes that differ, or a query without a source.
    """
    _check_pairs(scores, is_source)
    if not is_source.any(axis=1).all():
        lacking = int(np.flatnonzero(~is_source.any(axis=1))[0])
        raise ValueError(f"expected a source for every query, found none for query {lacking}")
    answered = np.where(np.isnan(scores), -np.inf, scores)
    best = np.where(is_source, answered, -np.inf).max(axis=1)
    ahead = ((answered >= best[:, None]) & ~is_source).sum(axis=1)
    return np.where(best > -np.inf, ahead + 1, 0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class MicroPrecision:
    """µAP of any draw of queries, with repetitions: what `bootstrap` resamples.

    The mean, over all sources there are, of the precision at each one's place in the list; among
    equal scores the others stand before the sources.

    Sorted once: each draw then costs one product of its counts with `false`. A query drawn twice
    stands twice in the list.

    Attributes:
        false: (g, t) float64, for each group of queries and each found source, by falling score,
            how many of the group's other pairs score at least as high.
        group_of: (t,) int64, the group of each found source.
        positives: (g,) float64, true pairs of each group.
    """

    false: NDArray[np.float64] = field(repr=False)
    group_of: NDArray[np.int64] = field(repr=False)
    positives: NDArray[np.float64] = field(repr=False)

    def __call__(self, drawn: NDArray[np.int64]) -> float:
        """µAP of the groups drawn (any length), 0 to 1; NaN if they have no positives."""
        counts = np.bincount(drawn, minlength=len(self.positives)).astype(np.float64)
        positives = counts @ self.positives
        if not positives:
            return np.nan
        false = counts @ self.false
        repeats = counts[self.group_of]
        before = np.cumsum(repeats) - repeats
        total = 0.0
        for nth in range(1, int(repeats.max(initial=0)) + 1):
            here = repeats >= nth
            true = before[here] + nth
            total += float((true / (true + false[here])).sum())
        return float(total / positives)


def prepare_micro_precision(
    scores: NDArray[np.floating],
    is_source: NDArray[np.bool_],
    *,
    positives: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> MicroPrecision:
    """Sort the pairs once for many draws.

    Args:
        scores: (m, n), NaN where a candidate was not ranked.
        is_source: (m, n).
        positives: (m,) true pairs of each query, if there are more than `is_source` shows.
        groups: (m,) 0 to g - 1: queries that are drawn together, as the edits of one picture must
            be; each query alone if None.

    Raises:
        ValueError: on shapes that differ.
    """
    _check_pairs(scores, is_source)
    group = np.arange(len(scores)) if groups is None else groups
    per_query = is_source.sum(axis=1) if positives is None else positives
    if len(group) != len(scores) or len(per_query) != len(scores):
        raise ValueError(
            f"expected a group and a count of positives for each of {len(scores)} queries, found "
            f"{len(group)} and {len(per_query)}"
        )
    count = int(group.max(initial=-1)) + 1
    is_found = is_source & ~np.isnan(scores)
    rows = np.nonzero(is_found)[0]
    order = np.argsort(-scores[is_found], kind="stable")
    thresholds = scores[is_found][order]
    false = np.empty((count, len(thresholds)))
    for number in range(count):
        own = group == number
        others = np.sort(scores[own][~is_source[own]])  # NaN last
        others = others[: len(others) - int(np.isnan(others).sum())]
        false[number] = len(others) - np.searchsorted(others, thresholds, side="left")
    return MicroPrecision(
        false, group[rows][order], np.bincount(group, per_query, minlength=count).astype(np.float64)
    )


def auc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """How often a positive score is above a negative one, a tie counting half (Mann & Whitney).

    Returns:
        0 to 1, 0.5 for no difference; NaN if either is empty.

    Raises:
        ValueError: if a score is NaN, which has no place in the order.
    """
    if np.isnan(positive).any() or np.isnan(negative).any():
        raise ValueError("expected scores, found NaN among them; leave out what was not answered")
    if not positive.size or not negative.size:
        return np.nan
    ordered = np.sort(negative, axis=None)
    below = np.searchsorted(ordered, positive.ravel(), side="left").sum()
    not_above = np.searchsorted(ordered, positive.ravel(), side="right").sum()
    return float((int(below) + int(not_above)) / (2 * positive.size * negative.size))


def ks_uniform(p: NDArray[np.floating]) -> Uniformity:
    """One-sample, two-sided Kolmogorov–Smirnov test of p-values against the uniform on 0 to 1.

    But: p-values counted against a background of N have steps of 1 / (N + 1), which show once
    there are more of them than about N squared.

    Raises:
        ValueError: if there are none, or one is outside 0 to 1.
    """
    if not p.size or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"expected p-values in 0 to 1, found {p.size} with others among them")
    # Here and not above: the distributions take longer to import than all else together.
    with needs_extra("evaluate", "the test of uniformity"):
        from scipy.stats import kstest  # noqa: PLC0415

    result = kstest(p.ravel(), "uniform")
    return Uniformity(float(result.statistic), float(result.pvalue))


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    n: int,
    *,
    seed: int,
    rounds: int = 1000,
    level: float = 0.95,
) -> Interval:
    """A figure with its percentile interval, by drawing the queries again with repetition.

    Args:
        statistic: the figure of the queries with these numbers, (n,) int64 of 0 to n - 1. Rounds
            where it is NaN (no positives drawn) are left out.
        n: how many queries there are; pairs are never drawn apart from their query.
        seed: the same seed draws the same queries, so that two rankers are compared on the same.
        rounds: how many draws.
        level: share of the draws inside the interval.

    Raises:
        ValueError: if there are no queries.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    if n < 1:
        raise ValueError(f"expected at least one query, found {n}")
    random = np.random.default_rng(seed)
    drawn = np.array([statistic(random.integers(n, size=n)) for _ in range(rounds)], np.float64)
    drawn = drawn[~np.isnan(drawn)]
    value = float(statistic(np.arange(n)))
    if not drawn.size:
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def mean_with_interval(values: NDArray[np.float64], seed: int) -> Interval:
    """The mean of a value a query, with its interval."""
    return bootstrap(lambda drawn: float(values[drawn].mean()), len(values), seed=seed)


def _check_pairs(scores: NDArray[np.floating], is_source: NDArray[np.bool_]) -> None:
    if scores.shape != is_source.shape:
        raise ValueError(
            f"expected scores and sources of one shape, found {scores.shape} and {is_source.shape}"
        )
