"""These are the figures of merit as their formulas have them, that `metrics` is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def recall_at(ranks: NDArray[np.int64], k: int) -> float:
    """Share of queries whose source stands among the first k; `ranks` as `source_ranks` gives."""
    if k < 1:
        raise ValueError(f"expected k of at least 1, found {k}")
    return float(np.mean((ranks >= 1) & (ranks <= k))) if ranks.size else np.nan


def micro_average_precision(
    scores: NDArray[np.floating], is_source: NDArray[np.bool_], positives: int
) -> float:
    """µAP: the mean, over all sources there are, of the precision at each one's place in the list.

    Among equal scores the others stand before the sources.

    Args:
        scores: any shape, all pairs of all queries together.
        is_source: the same shape.
        positives: true pairs there are, in the list or not.

    Returns:
        0 to 1; NaN without positives.

    Raises:
        ValueError: on shapes that differ, or fewer positives than sources in the list.
    """
    if scores.shape != is_source.shape:
        raise ValueError(
            f"expected scores and sources of one shape, found {scores.shape} and {is_source.shape}"
        )
    if positives < is_source.sum():
        raise ValueError(
            f"expected at least the {int(is_source.sum())} sources of the list as positives, found "
            f"{positives}"
        )
    if not positives:
        return np.nan
    answered = ~np.isnan(scores)
    found = is_source[answered][np.lexsort((is_source[answered], -scores[answered]))]
    places = np.flatnonzero(found) + 1
    return float((np.arange(1, len(places) + 1) / places).sum() / positives)
