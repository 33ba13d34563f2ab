"""These are measures of how far a removal moves a model, and of what does the same. Pure.

- random-equivalent count (after Wang et al., "Data Attribution for Text-to-Image Models by
  Unlearning Synthesized Images", 2024): how many pictures have to go at random to do what the
  named ones did?
- expected cost of forgetting with shards and slices (Bourtoule et al., "Machine Unlearning",
  arXiv 1912.03817).
- change of a picture: of its pixels, of its features, and of its feature maps place by place
  (Zhang et al., "The Unreasonable Effectiveness of Deep Features", 2018, without its learnt
  weights).

But: a random-equivalent count is never told beyond the largest number that was tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from attribution.evaluate.metrics import Interval, bootstrap
from attribution.validation.statistics.intervals import REPEATS


@dataclass(frozen=True, slots=True)
class RandomEquivalent:
    """How many random removals have the same mean effect as an arm's.

    Attributes:
        count: pictures, 0 to `largest`.
        removed: how many the arm removed.
        largest: how many were removed at random at most.
    """

    count: Interval
    removed: float
    largest: int

    @property
    def at_least(self) -> bool:
        """Whether the count is a lower bound: no random removal had as large an effect."""
        return self.count.value >= self.largest

    @property
    def multiple(self) -> Interval:
        """The count as a multiple of what the arm removed."""
        count = self.count
        return Interval(
            count.value / self.removed, count.low / self.removed, count.high / self.removed
        )


def random_equivalent(
    removed_counts: NDArray[np.int64],
    effects: NDArray[np.floating],
    arm_effect: NDArray[np.floating],
    arm_removed: float,
    *,
    seed: int,
    repeats: int = REPEATS,
) -> RandomEquivalent:
    """How many pictures removed at random do what an arm's did.

    The random arm's mean effect is made to rise with the count (isotonic regression) and is read
    off in straight lines from none at 0; where it stays level, the fewest pictures count. Queries
    are drawn again, for both arms the same.

    But: which pictures were removed at random is not drawn again; give several seeds a count.

    Args:
        removed_counts: (r,) from 0; a count may stand several times, once for each seed. If 0 is
            among them, its effects are the foot instead of none (the change that another training
            seed alone makes).
        effects: (r, q), of removing so many at random; higher is a larger change.
        arm_effect: (q,), the mean over seeds of removing the arm's pictures.
        arm_removed: how many these were.
        seed: the same seed draws the same queries.
        repeats: how many draws.

    Raises:
        ValueError: on shapes that do not fit, no count above 0, or no query measured everywhere.
            A query with NaN anywhere is left out.
    """
    if effects.shape != (len(removed_counts), len(arm_effect)):
        raise ValueError(
            f"expected effects of {len(removed_counts)} removals on {len(arm_effect)} queries, "
            f"found {effects.shape}"
        )
    counts, numbers, weights = np.unique(removed_counts, return_inverse=True, return_counts=True)
    if not counts.size or counts[0] < 0 or counts[-1] < 1 or arm_removed < 1:
        raise ValueError(
            f"expected counts from 0 with one above it, and an arm that removed a picture, found "
            f"{counts.tolist()} and {arm_removed}"
        )
    complete = np.isfinite(effects).all(axis=0) & np.isfinite(arm_effect)
    if not complete.any():
        raise ValueError(
            f"expected a query measured in both arms at every count, found none of {len(complete)}"
        )
    arm = np.asarray(arm_effect, np.float64)[complete]
    rows = np.asarray(effects, np.float64)[:, complete]
    curves = np.stack([rows[numbers == number].mean(axis=0) for number in range(len(counts))])

    places = np.append(0.0, counts)

    def equivalent(drawn: NDArray[np.int64]) -> float:
        curve = isotonic_regression(curves[:, drawn].mean(axis=1), weights=weights).x
        curve = np.append(0.0, np.maximum(curve, 0.0))
        return _read_off(places, curve, float(arm[drawn].mean()))

    count = bootstrap(equivalent, len(arm), seed=seed, rounds=repeats)
    return RandomEquivalent(count, arm_removed, int(counts[-1]))


def _read_off(places: NDArray[np.float64], curve: NDArray[np.float64], effect: float) -> float:
    """Where a curve that never falls first reaches an effect; its last place if it never does."""
    above = int(np.searchsorted(curve, effect, side="left"))
    if above == 0:
        return float(places[0])
    if above == len(curve):
        return float(places[-1])
    step = (effect - curve[above - 1]) / (curve[above] - curve[above - 1])
    return float(places[above - 1] + step * (places[above] - places[above - 1]))


def expected_retraining(shards: int, removed: int, *, slices: int = 1) -> float:
    """The share of all training that has to be done again, 0 to 1, when pictures are forgotten.

    A shard is trained in R steps, the r-th on its first r slices for as many epochs as any other,
    so that step r has the share 2r / (R(R + 1)) of its cost. Step r is done again if one of the K
    pictures stands in one of these r slices of all S·R, which happens with probability
    1 − (1 − r/(SR))^K; the sum over r of share times probability is the answer. It is
    (2R + 1)/(3R) of a shard for one picture, so that slices alone save a third at most. With one
    slice it is the share of shards that hold at least one of so many pictures, 1 − (1 − 1/S)^K.

    But: each picture stands in a shard drawn on its own. Shards of exactly equal size are touched
    a little more often, shards by artist far less.

    Args:
        shards: S, each as large as any other.
        removed: K, each in a slice drawn on its own.
        slices: R of each shard.

    Raises:
        ValueError: without a shard or a slice, or on a negative count.
    """
    if shards < 1 or slices < 1 or removed < 0:
        raise ValueError(
            "expected at least one shard, one slice and no negative count of pictures, found "
            f"{shards}, {slices} and {removed}"
        )
    steps = np.arange(1, slices + 1)
    costs = 2 * steps / (slices * (slices + 1))
    return float((costs * (1 - (1 - steps / (shards * slices)) ** removed)).sum())


def mean_squared(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean squared difference (n,) of the pixels of pictures (n, h, w, c), of values 0 to 1.

    Raises:
        ValueError: on shapes that differ, or pixels that are not uint8.
    """
    _check_alike(before, after, 4)
    if before.dtype != np.uint8 or after.dtype != np.uint8:
        raise ValueError(f"expected pixels as uint8, found {before.dtype} and {after.dtype}")
    squares = (before.astype(np.float64) - after.astype(np.float64)) ** 2
    return np.asarray(squares.mean(axis=(1, 2, 3)) / 255**2, np.float64)


def cosine(before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine (n,), -1 to 1, of features (n, d) row by row; NaN where a row is all zeros.

    Raises:
        ValueError: on shapes that differ.
    """
    _check_alike(before, after, 2)
    one, other = _unit(before), _unit(after)
    defined = one.any(axis=-1) & other.any(axis=-1)
    products = np.where(defined, (one * other).sum(axis=-1), np.nan)
    return np.asarray(np.clip(products, -1.0, 1.0), np.float64)


def feature_distance(
    before: NDArray[np.floating], after: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How far feature maps (n, h, w, c) differ place by place: (n,), 0 to 4.

    The channels of each place are scaled to length 1 (none stays none), and their squared
    distance is averaged over places. Maps without negative values, as those of a ResNet, differ
    by at most 2.

    Raises:
        ValueError: on shapes that differ, or maps without a place.
    """
    _check_alike(before, after, 4)
    if not before.shape[1] or not before.shape[2]:
        raise ValueError(f"expected maps of at least one place, found {before.shape}")
    squares = ((_unit(before) - _unit(after)) ** 2).sum(axis=-1)
    return np.asarray(squares.mean(axis=(1, 2)), np.float64)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = np.asarray(vectors, np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    unit = np.zeros(wide.shape)
    np.divide(wide, length, out=unit, where=length > 0)
    return unit


def _check_alike(before: NDArray[np.generic], after: NDArray[np.generic], dimensions: int) -> None:
    if before.shape != after.shape or before.ndim != dimensions:
        raise ValueError(
            f"expected two arrays of one shape and {dimensions} dimensions, found {before.shape} "
            f"and {after.shape}"
        )
