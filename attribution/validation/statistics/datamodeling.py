"""This is the linear datamodeling score: what a method foretells, against what models do. Pure.

Park et al., "TRAK" (2023, arXiv 2303.14186); Ilyas et al., "Datamodels" (2022): do the scores of
the pictures that a model was trained on, added up, order models as their losses do?

But: it is bounded by how far the losses repeat themselves.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from attribution.evaluate.metrics import Interval
from attribution.validation.statistics.intervals import (
    REPEATS,
    crossed_bootstrap,
    means_known,
    rank_correlations,
)


def predict_outcomes(scores: NDArray[np.floating], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each query's scores added up over the pictures that each model was trained on.

    Added without rounding: subsets of equal sums are equal, and their order is not the order of
    addition.

    Args:
        scores: (q, n), higher is more influential.
        kept: (m, n), for each of m models which pictures it was trained on.

    Returns:
        (q, m).

    Raises:
        ValueError: on shapes that do not fit, or scores that are not finite.
    """
    if scores.ndim != 2 or kept.ndim != 2 or scores.shape[1] != kept.shape[1]:
        raise ValueError(
            "expected a row of scores for each query and a row of kept pictures for each model, "
            f"of one length, found {scores.shape} and {kept.shape}"
        )
    if kept.dtype != np.bool_:
        raise ValueError(f"expected kept pictures as bool, found {kept.dtype}")
    if not np.isfinite(scores).all():
        query, picture = (int(index) for index in np.argwhere(~np.isfinite(scores))[0])
        raise ValueError(
            f"expected a finite score for every picture, found {scores[query, picture]} for "
            f"picture {picture} of query {query}; give what was not ranked a score below the others"
        )
    sums = [[math.fsum(row[mask].tolist()) for mask in kept] for row in scores]
    return np.array(sums, np.float64).reshape(len(scores), len(kept))


def linear_datamodeling_scores(
    scores: NDArray[np.floating], kept: NDArray[np.bool_], losses: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Each query's linear datamodeling score: 1 if the scores order the models as their losses do.

    Args:
        scores: (q, n), higher is more influential: its picture in the training lowers the loss.
        kept: (m, n), which pictures each model was trained on.
        losses: (q, m), each model's loss on each query, averaged over training seeds if there are
            several; NaN where it was not measured.

    Returns:
        (q,), as `scores_of_foretold` gives them.

    Raises:
        ValueError: on shapes that do not fit, or scores that are not finite.
    """
    return scores_of_foretold(predict_outcomes(scores, kept), losses)


def scores_of_foretold(
    foretold: NDArray[np.float64], losses: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Each query's linear datamodeling score, of what `predict_outcomes` gave.

    Who says the same of all models has put them in no order, and gets 0: were the query left out,
    a method would gain by keeping silent wherever it is unsure.

    Args:
        foretold: (q, m).
        losses: (q, m), NaN where it was not measured.

    Returns:
        (q,), -1 to 1, equal values sharing a rank; NaN where the losses are constant, or fewer than
        two models were measured.

    Raises:
        ValueError: on shapes that do not fit.
    """
    correlations = rank_correlations(foretold, -losses)
    measured = ~np.isnan(losses)
    lowest = np.where(measured, losses, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(measured, losses, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isnan(correlations) & (highest > lowest), 0.0, correlations)


def mean_datamodeling_score(
    foretold: NDArray[np.float64],
    losses: NDArray[np.floating],
    *,
    seed: int,
    repeats: int = REPEATS,
) -> Interval:
    """The mean linear datamodeling score, had other queries and other subsets been drawn.

    Queries where it is undefined are left out of the mean.

    Args:
        foretold: (q, m), as `predict_outcomes` gives it.
        losses: (q, m), as `linear_datamodeling_scores` has them.
        seed: the same seed draws the same queries and subsets, so that rankers are compared on
            the same.
        repeats: how many draws.

    Raises:
        ValueError: on shapes that do not fit, or without a query or a model.
    """
    if losses.shape != foretold.shape:
        raise ValueError(
            f"expected a loss for each query and model, {foretold.shape}, found {losses.shape}"
        )

    def means(queries: NDArray[np.int64], models: NDArray[np.int64]) -> NDArray[np.float64]:
        return means_known(_of_drawn(foretold, losses, queries, models))

    return crossed_bootstrap(means, losses.shape, seed=seed, repeats=repeats)


def datamodeling_difference(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    losses: NDArray[np.floating],
    *,
    seed: int,
    repeats: int = REPEATS,
) -> Interval:
    """How far one mean linear datamodeling score is above another, of the same draws for both.

    Two methods mostly fail on the same queries and subsets, so that their difference is known
    better than either.

    Args:
        first: (q, m), what a method foretells, as `predict_outcomes` gives it.
        second: (q, m), likewise of another method.
        losses: (q, m).
        seed: as in `mean_datamodeling_score`.
        repeats: how many draws.

    Raises:
        ValueError: on shapes that do not fit, or without a query or a model.
    """
    if not first.shape == second.shape == losses.shape:
        raise ValueError(
            "expected what two methods foretell and the losses in one shape, found "
            f"{first.shape}, {second.shape} and {losses.shape}"
        )

    def means(queries: NDArray[np.int64], models: NDArray[np.int64]) -> NDArray[np.float64]:
        own, other = (_of_drawn(sums, losses, queries, models) for sums in (first, second))
        return means_known(own - other)

    return crossed_bootstrap(means, losses.shape, seed=seed, repeats=repeats)


def _of_drawn(
    foretold: NDArray[np.float64],
    losses: NDArray[np.floating],
    queries: NDArray[np.int64],
    models: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(r, q): scores of r draws of queries (r, q), over as many draws of models (r, m)."""
    drawn = queries[:, :, None], models[:, None, :]
    told, lost = foretold[drawn], losses[drawn]
    rows = -1, models.shape[1]
    return scores_of_foretold(told.reshape(rows), lost.reshape(rows)).reshape(queries.shape)
