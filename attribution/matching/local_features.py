"""Local features: keypoints and cells that can be found again, and which of two pictures match.

Two kinds. Keypoints: SIFT (Lowe, IJCV 2004) compared as RootSIFT (Arandjelović & Zisserman, CVPR
2012), mutual nearest neighbours that pass Lowe's ratio test. Cells: the 14 by 14 cells of
ResNet-50's third stage, mutual nearest neighbours that stand out from all but their own
neighbourhood. A match of keypoints proposes by itself how the candidate was moved (Philbin et al.,
CVPR 2007), two matches of cells do so together.

But: keypoints need structure and stand any turn, but no mirroring, so a query is described twice.
Cells stand a change of style, but hardly a turn and no more than halving the scale.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from threading import BoundedSemaphore

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 384
"""Pixels of the longer side at most, for keypoints."""
KEYPOINTS = 400
"""Keypoints of a picture at most: those that stand out most."""
MIN_SCALE, MAX_SCALE = 0.15, 6.0
_KEYPOINT_RATIO = 0.8
_CELL_RATIO = 0.9
_CELL_SCALE = 3.3
_CELL_TILT = 0.2  # radians: further turned, cells do not match anyway
_APART = 0.15  # two nearer cells say little about the scale
_TONES = 5.0  # standard deviation of a cell's grey values, of 255, above which it shows something
_PROPOSERS = 40
"""Cell matches, the closest ones, that propose: 780 pairs at most."""
_SIFTS = BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))
# OpenCV has two cores busy with one picture, and its scales take 25 MB meanwhile.


@dataclass(frozen=True, slots=True)
class LocalFeatures:
    """The local features of one picture. Points are complex, x + iy, with the longer side as 1.

    Attributes:
        size: width + i height, the longer one 1.
        points: (n,) complex64, keypoints.
        frames: (n,) complex64, each keypoint's diameter and direction.
        roots: (n, 128) float32, RootSIFT, each row of length 1.
        cells: (m, d) float32, each of length 1, row by row, those of one tone left out.
        grid: (m,) complex64, the cells' centres.
    """

    size: complex
    points: NDArray[np.complex64]
    frames: NDArray[np.complex64]
    roots: NDArray[np.float32]
    cells: NDArray[np.float32]
    grid: NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """A query's local features, and those of its mirror image."""

    plain: LocalFeatures
    mirrored: LocalFeatures


@dataclass(frozen=True, slots=True)
class Matches:
    """m features that two pictures share, if anything is shared, and k proposed movements.

    Attributes:
        query, candidate: (m,) complex64, matched points.
        scale, shift: (k,) complex64: candidate's z goes to scale · z + shift in the query.
        agrees: (k, m) bool, whether a match's own scale and direction fit to a proposal.
    """

    query: NDArray[np.complex64]
    candidate: NDArray[np.complex64]
    scale: NDArray[np.complex64]
    shift: NDArray[np.complex64]
    agrees: NDArray[np.bool_]


def describe(picture: NDArray[np.uint8], cells: NDArray[np.float32] | None = None) -> LocalFeatures:
    """The local features of a picture (h, w, 3) uint8 RGB of any size.

    Args:
        picture: at most `SIDE` pixels of it are looked at, and it is never enlarged.
        cells: (rows, columns, d) float32 of the same picture squeezed to a square, as of
            `ResNet50Gem.cells`; None compares keypoints alone.
    """
    height, width = picture.shape[:2]
    size = complex(width, height) / max(height, width)
    points, frames, roots = _keypoints(picture)
    if cells is None:
        cells = np.empty((0, 0, 0), np.float32)
    rows, columns, depth = cells.shape
    down = (np.arange(rows) + 0.5) * (size.imag / max(rows, 1))
    across = (np.arange(columns) + 0.5) * (size.real / max(columns, 1))
    grid = (across[None, :] + 1j * down[:, None]).astype(np.complex64).ravel()
    flat_cells = cells.reshape(rows * columns, depth)
    if rows and columns:
        structured = _has_structure(picture, rows, columns)
        flat_cells, grid = flat_cells[structured], grid[structured]
    return LocalFeatures(size, points, frames, roots, flat_cells, grid)


def _has_structure(picture: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.bool_]:
    """Which cells, row by row, show more than one tone: blank grounds all agree."""
    values = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # INTER_AREA gives the mean of each cell exactly where it shrinks, and repeats where not.
    means, squares = (
        cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
        for image in (values, values * values)
    )
    structured: NDArray[np.bool_] = (squares - means * means > _TONES**2).ravel()
    return structured


def match_keypoints(query: LocalFeatures, candidate: LocalFeatures) -> Matches:
    """The keypoints that match, each with the movement that it proposes."""
    likeness = query.roots @ candidate.roots.T
    ours, theirs = _mutual(likeness)
    best = likeness[ours, theirs]
    others = likeness[ours]
    others[np.arange(len(ours)), theirs] = -1
    accepted = _stands_out(best, others, _KEYPOINT_RATIO)
    ours, theirs = ours[accepted], theirs[accepted]
    scale = query.frames[ours] / candidate.frames[theirs]
    accepted = (np.abs(scale) >= MIN_SCALE) & (np.abs(scale) <= MAX_SCALE)
    scale, ours, theirs = scale[accepted], ours[accepted], theirs[accepted]
    w, z = query.points[ours], candidate.points[theirs]
    # Within 37 degrees and a factor of 1.6: a squeezed or tilted picture is further off in places.
    agrees = np.abs(scale[None, :] - scale[:, None]) < 0.6 * np.abs(scale)[:, None]
    return Matches(w, z, scale, w - scale * z, agrees)


def match_cells(query: LocalFeatures, candidate: LocalFeatures) -> Matches:
    """The cells that match, and the upright movements that pairs of the closest propose."""
    if not len(query.cells) or not len(candidate.cells):
        nothing = np.empty(0, np.complex64)
        return Matches(nothing, nothing, nothing, nothing, np.empty((0, 0), np.bool_))
    likeness = query.cells @ candidate.cells.T
    ours, theirs = _mutual(likeness)
    best = likeness[ours, theirs]
    # A cell sees much of what its neighbours see: they are no rivals.
    rivals = np.where(_neighbours(candidate.grid)[theirs], np.float32(-1), likeness[ours])
    order = np.argsort(-best, kind="stable")
    order = order[_stands_out(best, rivals, _CELL_RATIO)[order]]
    w, z = query.grid[ours[order]], candidate.grid[theirs[order]]
    first, second = np.triu_indices(min(len(order), _PROPOSERS), 1)
    apart = (np.abs(w[second] - w[first]) > _APART) & (np.abs(z[second] - z[first]) > _APART)
    first, second = first[apart], second[apart]
    scale = (w[second] - w[first]) / (z[second] - z[first])
    upright = np.abs(np.angle(scale)) < _CELL_TILT
    plausible = upright & (np.abs(scale) < _CELL_SCALE) & (np.abs(scale) > 1 / _CELL_SCALE)
    scale, first = scale[plausible], first[plausible]
    return Matches(
        w, z, scale, w[first] - scale * z[first], np.ones((len(first), len(w)), np.bool_)
    )


def _keypoints(
    picture: NDArray[np.uint8],
) -> tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.float32]]:
    height, width = picture.shape[:2]
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    shrink = SIDE / max(height, width)
    if shrink < 1:
        smaller = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        gray = cv2.resize(gray, smaller, interpolation=cv2.INTER_AREA)
    with _SIFTS:
        keypoints, roots = cv2.SIFT_create(KEYPOINTS).detectAndCompute(gray, None)  # type: ignore[attr-defined]  # missing in the stubs of OpenCV 5
    if not keypoints:
        nothing = np.empty(0, np.complex64)
        return nothing, nothing, np.empty((0, 128), np.float32)
    # Of equally strong ones OpenCV gives more than were asked for.
    keypoints, roots = keypoints[:KEYPOINTS], roots[:KEYPOINTS]
    values = np.array([(*point.pt, point.size, point.angle) for point in keypoints])
    x, y, diameter, degrees = values.T
    # Width and height are rounded apart from each other, so each is measured by itself.
    unit = max(height, width)
    points = x * (width / gray.shape[1]) + 1j * y * (height / gray.shape[0])
    frames = diameter / max(gray.shape) * np.exp(1j * np.radians(degrees))
    rooted = np.sqrt(roots / np.maximum(roots.sum(axis=1, keepdims=True), 1e-6))
    return (
        (points / unit).astype(np.complex64),
        frames.astype(np.complex64),
        rooted.astype(np.float32),
    )


def _mutual(likeness: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns that are each other's nearest."""
    if not likeness.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    nearest = likeness.argmax(axis=1)
    ours = np.flatnonzero(likeness.argmax(axis=0)[nearest] == np.arange(len(nearest)))
    return ours, nearest[ours]


def _stands_out(
    best: NDArray[np.float32], others: NDArray[np.float32], ratio: float
) -> NDArray[np.bool_]:
    """Lowe's ratio test on the distances of unit vectors: nearest below ratio · next nearest."""
    if not others.size:
        return np.zeros(len(best), np.bool_)
    stands: NDArray[np.bool_] = 1 - best < ratio**2 * (1 - others.max(axis=1))
    return stands


def _neighbours(grid: NDArray[np.complex64]) -> NDArray[np.bool_]:
    """Which cells (n, n) are the same or touch, corners included."""
    across = np.unique(grid.real, return_inverse=True)[1]
    down = np.unique(grid.imag, return_inverse=True)[1]
    touch: NDArray[np.bool_] = (np.abs(across[:, None] - across) <= 1) & (
        np.abs(down[:, None] - down) <= 1
    )
    return touch
