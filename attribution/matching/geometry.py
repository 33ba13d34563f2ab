"""Geometric verification of two pictures: the one movement that explains most of their matches.

Every proposed movement is tried, none drawn at random, so that the same two pictures always give
the same answer; the best one is then fitted to its inliers as a full affine, which follows a
squeezed picture too, as in LO-RANSAC (Chum, Matas & Kittler, DAGM 2003). How many inliers are more
than chance is decided against the counts of unrelated pictures (`threshold`).

But: one region a pair and method, the strongest. A watermark, a frame or a logo that two pictures
share is a region as well. The boxes hold the inliers and a margin: where a picture is smooth, they
end too early.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attribution.matching.alignment import Movement
from attribution.matching.local_features import (
    MAX_SCALE,
    MIN_SCALE,
    LocalFeatures,
    Matches,
    QueryFeatures,
    match_cells,
    match_keypoints,
)

MatchMethod = Literal["sift", "cells"]
FLOOR = 8
"""Inliers below which nothing is accepted, whatever the background had."""
CHANCE = 1e-4
"""Share of unrelated pairs that one method may take for related."""
# In longer sides; scaled by the root of the movement's scale, so that no side is preferred.
_TOLERANCE: dict[MatchMethod, float] = {"sift": 0.012, "cells": 0.04}
_MARGIN: dict[MatchMethod, float] = {"sift": 0.02, "cells": 0.036}
_STRETCH = 2.2
_SPREAD = 0.02
_STEP = 96
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle, in fractions of a picture's width and height, 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Region:
    """What two pictures share, by one method.

    Attributes:
        query: box in the query as it is, also where its mirror image matched.
        inliers: matched places that one movement explains, those that fall together counted once.
        movement: where the candidate lies in the query; None of a region that was read and not
            found.
    """

    query: Box
    candidate: Box
    inliers: int
    method: MatchMethod
    mirrored: bool
    movement: Movement | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The strongest region of each method, accepted or not; None where none is left to count."""

    sift: Region | None
    cells: Region | None


def match(query: QueryFeatures, candidate: LocalFeatures) -> Agreement:
    """The places where a candidate agrees with a query or with its mirror image.

    Pure and deterministic, and lets other threads run.
    """
    views = ((query.plain, False), (query.mirrored, True))
    return Agreement(
        _strongest([_region("sift", view, candidate, mirrored=turned) for view, turned in views]),
        _strongest([_region("cells", view, candidate, mirrored=turned) for view, turned in views]),
    )


def inlier_counts(
    pairs: Iterable[tuple[QueryFeatures, LocalFeatures]],
) -> dict[MatchMethod, NDArray[np.int64]]:
    """How many inliers each pair has, by method: of unrelated pairs, the null of `threshold`.

    Returns:
        (number of pairs,) int64 each, 0 where no movement holds.
    """
    agreements = [match(query, candidate) for query, candidate in pairs]
    return {
        "sift": np.array([one.sift.inliers if one.sift else 0 for one in agreements], np.int64),
        "cells": np.array([one.cells.inliers if one.cells else 0 for one in agreements], np.int64),
    }


def threshold(null_counts: NDArray[np.int64], *, chance: float = CHANCE) -> int:
    """The fewest inliers that unrelated pairs reach in a share of at most `chance`.

    Where that share is too small to be seen in the background, the tail is continued as an
    exponential from its upper twentieth, by the mean excess there. The answer is above every count
    of the background, and at least `FLOOR`.

    Raises:
        ValueError: without a single count, or if `chance` is not between 0 and 1.
    """
    if not len(null_counts) or not 0 < chance < 1:
        raise ValueError(
            f"expected counts of unrelated pairs and a chance between 0 and 1, found "
            f"{len(null_counts)} counts and {chance}; describe a background first"
        )
    start = float(np.quantile(null_counts, 0.95))
    beyond = null_counts[null_counts > start] - start
    tail = 0.0
    if len(beyond):
        share = len(beyond) / len(null_counts)
        tail = start + float(beyond.mean()) * max(0.0, math.log(share / chance))
    return max(FLOOR, int(null_counts.max()) + 1, math.ceil(tail))


def _strongest(regions: list[Region | None]) -> Region | None:
    """The region with most inliers; of equal ones the first."""
    there = [region for region in regions if region is not None]
    return max(there, key=lambda region: region.inliers, default=None)


def _region(
    method: MatchMethod, query: LocalFeatures, candidate: LocalFeatures, *, mirrored: bool
) -> Region | None:
    matching = match_keypoints if method == "sift" else match_cells
    matches = matching(query, candidate)
    # The cells are few and coarse: what a skew would explain besides is chance.
    inliers = _explained(matches, _TOLERANCE[method], skews=method == "sift")
    w, z = matches.query[inliers], matches.candidate[inliers]
    if min(_spread(w), _spread(z)) < _SPREAD:
        return None
    margin = _MARGIN[method]
    return Region(
        query=_box(w, query.size, margin, mirrored=mirrored),
        candidate=_box(z, candidate.size, margin),
        # Several keypoints at one place, or many that fall into one, are one piece of evidence.
        inliers=min(_distinct(w), _distinct(z)),
        method=method,
        mirrored=mirrored,
        movement=Movement(*_affine(w, z, skews=method == "sift"), mirrored),
    )


def _explained(matches: Matches, tolerance: float, *, skews: bool) -> NDArray[np.bool_]:
    """Which matches (m,) the best movement explains; none where no sound movement does."""
    w, z = matches.query, matches.candidate
    if len(w) < 4 or not len(matches.scale):
        return np.zeros(len(w), np.bool_)
    scale, shift = matches.scale[:, None], matches.shift[:, None]
    # A keypoint's scale and direction are rough: a proposal is taken at twice the tolerance.
    near = np.abs(scale * z + shift - w) < 2 * tolerance * np.sqrt(np.abs(scale))
    near &= matches.agrees
    inliers: NDArray[np.bool_] = near[near.sum(axis=1).argmax()]
    for _ in range(_ROUNDS):
        if inliers.sum() < 4:
            break
        fitted = _fitted(w, z, inliers, tolerance, skews=skews)
        if fitted is None:
            return np.zeros(len(w), np.bool_)
        if np.array_equal(fitted, inliers):
            break
        inliers = fitted
    return inliers


def _fitted(
    w: NDArray[np.complex64],
    z: NDArray[np.complex64],
    inliers: NDArray[np.bool_],
    tolerance: float,
    *,
    skews: bool,
) -> NDArray[np.bool_] | None:
    """Which matches the affine through the inliers explains; None if it is out of reason.

    Without `skews` it is the similarity through them.
    """
    affine = _affine(w[inliers], z[inliers], skews=skews)
    longest = abs(affine[0]) + abs(affine[1])
    shortest = abs(affine[0]) - abs(affine[1])  # below 0 it mirrors
    if shortest < MIN_SCALE or longest > MAX_SCALE or longest > _STRETCH * shortest:
        return None
    off = np.abs(affine[0] * z + affine[1] * z.conj() + affine[2] - w)
    return np.asarray(off < tolerance * math.sqrt(longest * shortest) ** 0.5)


def _affine(
    w: NDArray[np.complex64], z: NDArray[np.complex64], *, skews: bool
) -> tuple[complex, complex, complex]:
    """The affine of the plane that brings z nearest to w; without `skews` the similarity.

    Any is turn · z + skew · conj(z) + shift; without skew, a similarity.
    """
    skew = z.conj() if skews else np.zeros_like(z)
    terms = np.stack([z, skew, np.ones_like(z)], axis=1).astype(np.complex128)
    solved = np.linalg.lstsq(terms, w.astype(np.complex128), rcond=None)[0]
    return complex(solved[0]), complex(solved[1]), complex(solved[2])


def _spread(points: NDArray[np.complex64]) -> float:
    """Standard deviation along the direction in which points differ least; 0 for a line."""
    if len(points) < 3:
        return 0.0
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(np.cov(points.real, points.imag))[0])))


def _distinct(points: NDArray[np.complex64]) -> int:
    return len(np.unique(np.round(points * _STEP)))


def _box(
    points: NDArray[np.complex64], size: complex, margin: float, *, mirrored: bool = False
) -> Box:
    left = max(0.0, (float(points.real.min()) - margin) / size.real)
    right = min(1.0, (float(points.real.max()) + margin) / size.real)
    top = max(0.0, (float(points.imag.min()) - margin) / size.imag)
    bottom = min(1.0, (float(points.imag.max()) + margin) / size.imag)
    return Box(1 - right, top, 1 - left, bottom) if mirrored else Box(left, top, right, bottom)
