"""Significance: corrected similarities, p-values and false discoveries against a null. Pure.

A similarity means something only beside the similarities that unrelated pictures have. So each
query is compared with a background of pictures that nobody suspects, and a candidate's score is
placed among theirs:

- hubness and background correction: a picture that is near to everything is near to nothing
  (SSCD, Pizzi et al. 2022, eq. 8; CSLS, Conneau et al. 2018);
- the share of the background that scores as high is the p-value; beyond the background's own
  tail it is continued by a generalised Pareto distribution (Knijnenburg et al., "Fewer
  permutations, more accurate P-values", 2009);
- where most of a gallery is nearer to the query than the background is, because it was searched for
  by the same prompt or is of another kind of picture, the null moves with the gallery's bulk
  (Efron, "Large-Scale Simultaneous Hypothesis Testing: The Choice of a Null Hypothesis", 2004);
- over the candidates of one query, Benjamini & Hochberg (1995).

But: p-values hold as far as background and bulk together resemble the unrelated candidates. What
most candidates share, a subject above all, is no evidence for any of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 3
"""Nearest background pictures whose mean similarity is taken off a query's similarities."""
HUB_NEIGHBOURS = 10
"""Highest similarities to the background whose mean is a picture's hubness."""
TEMPERATURE = 3.0
"""Log-odds by which a share must be stronger to be e times as large.

A prior: shares have no ground truth here. At 1 one strong candidate would have all of them.
"""
_TAIL_SHARE = 0.1
"""Share of the null, its highest scores, that the tail is fitted to."""
_BULK = 5
"""Candidates that a gallery needs for its bulk to say anything."""


def hubness(to_background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each row's 10 highest similarities (n, N) to background pictures, as (n,)."""
    return mean_highest(to_background, HUB_NEIGHBOURS)


def mean_highest(similarities: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Mean of the k highest of each row (n, N), as (n,); of all where there are fewer."""
    k = min(k, similarities.shape[1])
    highest = np.partition(similarities, -k, axis=1)[:, -k:]
    mean: NDArray[np.float32] = highest.mean(axis=1, dtype=np.float32)
    return mean


def corrected(
    similarities: NDArray[np.float32],
    query_to_background: NDArray[np.float32],
    hubs: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Similarities (n,) less what the query and each candidate have with anything.

    Args:
        similarities: of one query to n candidates.
        query_to_background: (N,) of the same query to the background.
        hubs: (n,) as `hubness` gives.
    """
    own = mean_highest(query_to_background[None], NEIGHBOURS)[0]
    scores: NDArray[np.float32] = (similarities - own - hubs).astype(np.float32)
    return scores


def standardised(
    scores: NDArray[np.float32], null: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores (n,) and null (N,) in the null's standard deviations from its mean (z-scores)."""
    mean, deviation = float(null.mean()), max(float(null.std()), 1e-6)
    z, own = (scores - mean) / deviation, (null - mean) / deviation
    return z.astype(np.float32), own.astype(np.float32)


def follow_gallery(null: NDArray[np.float32], bulk: NDArray[np.float32]) -> NDArray[np.float32]:
    """The null (N,), moved up and stretched to a gallery's bulk where that is nearer.

    Middle and spread are the median and its distance from the lower quartile, which sources do not
    touch as long as they are few. It only moves up: no gallery makes the null easier to beat.

    Args:
        null: scores of background pictures.
        bulk: (n,) scores of a gallery's candidates, or of a sample of them; fewer than 5 say
            nothing.
    """
    if len(bulk) < _BULK:
        return null
    low, middle = np.quantile(bulk, (0.25, 0.5))
    null_low, null_middle = np.quantile(null, (0.25, 0.5))
    shift = max(0.0, float(middle - null_middle))
    stretch = max(1.0, float((middle - low) / max(null_middle - null_low, 1e-6)))
    moved = (null - null_middle) * np.float32(stretch) + np.float32(null_middle + shift)
    followed: NDArray[np.float32] = moved.astype(np.float32, copy=False)
    return followed


def p_values(scores: NDArray[np.float32], null: NDArray[np.float32]) -> NDArray[np.float64]:
    """The chance (n,) that an unrelated picture scores as high as each candidate.

    `(1 + #{null >= score}) / (1 + N)`, which is valid for any distribution; beyond the whole null,
    the fitted tail, where that is lower. Never 0. The tail has no part where there is a count: the
    lower of the two would be below its level too often (2 to 5 times at a level of 2 / (1 + N)).

    Args:
        scores: (n,) of the candidates.
        null: (N,) the same score of N background pictures.
    """
    ordered = np.sort(null)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    counted = ((1.0 + above) / (1.0 + len(ordered))).astype(np.float64)
    beyond = above == 0
    if beyond.any():
        counted[beyond] = np.minimum(counted[beyond], tail_p_values(scores[beyond], ordered))
    return counted


def tail_p_values(scores: NDArray[np.float32], null: NDArray[np.float32]) -> NDArray[np.float64]:
    """The chance (n,) of scores in or beyond the null's upper tenth, by a generalised Pareto tail.

    Fitted by probability-weighted moments (Hosking & Wallis, "Parameter and Quantile Estimation
    for the Generalized Pareto Distribution", 1987). A fit with an end is replaced by an exponential
    tail: that no chance reaches beyond some score cannot be learned from a sample.
    """
    ordered = np.sort(null)[::-1].astype(np.float64)
    count = max(2, round(len(ordered) * _TAIL_SHARE))
    start = ordered[count] if count < len(ordered) else ordered[-1]
    if ordered[0] == ordered[count - 1]:  # one value only: what lies beyond cannot be learned
        return np.where(scores > ordered[0], 1.0, count) / (1.0 + len(ordered))
    shape, scale = fit_pareto(ordered[:count] - start)
    beyond = np.maximum(scores.astype(np.float64) - start, 0) / scale
    survival = np.exp(-beyond) if shape < 1e-6 else (1 + shape * beyond) ** (-1 / shape)
    tail: NDArray[np.float64] = np.maximum(survival * count / (1 + len(ordered)), 1e-300)
    return tail


def fit_pareto(excesses: NDArray[np.float64]) -> tuple[float, float]:
    """Shape (0 to .5) and scale of a generalised Pareto distribution; excesses (k,) from 0 up."""
    ordered = np.sort(excesses)
    places = (np.arange(len(ordered)) + 0.65) / len(ordered)
    mean = max(float(ordered.mean()), 1e-12)
    weighted = float((ordered * (1 - places)).mean())
    shape = 2 - mean / max(mean - 2 * weighted, 1e-12)
    if shape <= 0:
        return 0.0, mean
    shape = min(shape, 0.5)
    return shape, mean * (1 - shape)


def false_discovery_rates(p: NDArray[np.float64], tests: int) -> NDArray[np.float64]:
    """Benjamini & Hochberg's q (n,) for p-values (n,).

    Calling all with q ≤ a discoveries keeps the expected share of false ones at or below a.

    Args:
        p: the lowest of all p-values.
        tests: of how many; those that are not given count as 1.
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * tests / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return q


def shares(log_odds: NDArray[np.float64], chance: float) -> tuple[NDArray[np.float64], float]:
    """Each candidate's share (n,) of an influence of 1, and the share left unattributed.

    After Wang et al., "Evaluating Data Attribution for Text-to-Image Models" (2023), who take
    `relu(exp((s - max) / t) + b)` and divide by the sum. But: theirs always sums to 1 over the
    candidates. Here the best that chance has takes part as if it were one more candidate, so that
    weak candidates leave most of the influence unattributed, and those below it have none.

    Args:
        log_odds: (n,) of the candidates.
        chance: the highest log-odds among unrelated pictures.
    """
    top = max(float(log_odds.max(initial=chance)), chance)
    weights = np.where(log_odds > chance, np.exp((log_odds - top) / TEMPERATURE), 0.0)
    rest = float(np.exp((chance - top) / TEMPERATURE))
    total = float(weights.sum()) + rest
    return weights / total, rest / total


def memorisation_ratio(
    distances: NDArray[np.float32], neighbourhood: NDArray[np.float32], *, k: int = 50
) -> NDArray[np.float64]:
    """How much nearer a candidate is than the query's neighbourhood; below 1 is extraction-like.

    Carlini et al., "Extracting Training Data from Diffusion Models" (2023), section 5.1: the
    distance over half (their alpha of .5) of the mean distance to the 50 nearest pictures.

    Args:
        distances: (n,) Euclidean, of the query to candidates.
        neighbourhood: (N,) distances of the query to all pictures at hand, candidates included.
        k: how many of the nearest are the neighbourhood.
    """
    nearest = np.sort(neighbourhood)[:k]
    half = max(0.5 * float(nearest.mean()), 1e-9)
    return (distances / half).astype(np.float64)
