"""Alignment: one picture laid over another by a movement, and what agrees there, block by block.

A region says that points agree; points of a frame, a layout or a typeface do so between pictures
that show other things. So the candidate is warped onto the query, the fit is refined (enhanced
correlation coefficient, Evangelidis & Psarakis, PAMI 2008), and small blocks are compared by their
normalised correlation, each within a few pixels of its place, which a rough movement leaves over.
Blocks tell of drawing, their mean tones of light and colour.

But: what is redrawn agrees nowhere block by block, although cells do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = TypeVar("Picture", NDArray[np.uint8], NDArray[np.float32])
SIDE = 256
"""Pixels of the query's longer side where the two are compared."""
BLOCK = 16
"""Pixels of a block's side there."""
CORRELATION = 0.7
"""Normalised correlation from which on a block with structure agrees."""
WHOLE = 0.75
"""Share of both pictures from which on one lies over the whole of the other."""
_REACH = 3  # pixels around its place where a block is looked for
_STRUCTURE = 4.0  # standard deviation of a block's grey values, of 255: above, it shows something
_AROUND, _OWN = 40, 6  # pixels: how far rivals are looked for, and what is the block's own place
_RATIO = 0.64
_PROMISING = 0.15  # share of agreeing blocks below which a movement is given up
_COVERED = 0.9
_BLANK_GAP = 30.0  # RGB distance up to which blocks without structure are alike
_SMOOTHING = 1.2  # pixels: noise, compression and resampling are finer


@dataclass(frozen=True, slots=True)
class Movement:
    """Where a candidate's point z lies in the query: turn · z + skew · conj(z) + shift.

    Points are complex, x + iy, with each picture's longer side as 1.

    Attributes:
        mirrored: the query's mirror image is meant.
    """

    turn: complex
    skew: complex
    shift: complex
    mirrored: bool = False


def stretched(query: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> Movement:
    """The movement that brings the whole of a candidate (h, w, 3) onto the whole of a query."""
    across, down = (
        (query.shape[axis] / max(query.shape[:2]))
        / (candidate.shape[axis] / max(candidate.shape[:2]))
        for axis in (1, 0)
    )
    return Movement((across + down) / 2, (across - down) / 2, 0)


@dataclass(frozen=True, slots=True)
class Alignment:
    """What agrees between a query and a candidate that is laid over it.

    Attributes:
        covered: share of the query that the candidate covers.
        inside: share of the candidate that lies within the query.
        structured: share of the covered blocks that show something in either picture.
        agreeing: share of those that agree; 0 where there are none.
        telling: share of them that agree, and with nothing else around as well: blocks of text, of
            a pattern or of a straight edge agree with their neighbours too.
        drawn: share of those that agree which have few tones, as letters and flat colours.
        likeness: correlation of the structured blocks, a tenth of which have less; 0 where there
            are none.
        tones: correlation of the mean grey values of covered half-blocks; 1 where neither picture
            has any range.
        colour_gap: how far the mean colours of covered blocks are apart in RGB, each 0 to 255: nine
            tenths of them are nearer.
        explained: (rows, columns) bool, blocks of the query whose content the candidate has.
    """

    covered: float
    inside: float
    structured: float
    agreeing: float
    telling: float
    drawn: float
    likeness: float
    tones: float
    colour_gap: float
    explained: NDArray[np.bool_]

    @property
    def is_whole(self) -> bool:
        """Whether both pictures are there as good as whole."""
        return min(self.covered, self.inside) >= WHOLE


def align(
    query: NDArray[np.uint8],
    candidate: NDArray[np.uint8],
    movement: Movement,
    *,
    is_rough: bool = False,
) -> Alignment | None:
    """Lay a candidate (h, w, 3) over a query (h, w, 3), both uint8 RGB, and compare them there.

    Args:
        query: the picture that is looked at.
        candidate: the one that is laid over it.
        movement: where it lies.
        is_rough: the movement may be further off than a block; the fit is refined whatever agrees.

    Returns:
        What agrees; None where so little does that no refinement would help.
    """
    height, width = query.shape[:2]
    scale = SIDE / max(height, width)
    size = max(BLOCK, round(width * scale)), max(BLOCK, round(height * scale))
    ours = cv2.resize(query, size, interpolation=cv2.INTER_AREA)
    theirs, mask, inside = _laid_over(candidate, movement, size)
    grey, other = (
        cv2.GaussianBlur(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), (0, 0), _SMOOTHING).astype(
            np.float32
        )
        for one in (ours, theirs)
    )
    if not is_rough:
        correlations, structured = _correlations(grey, other)
        structured &= _block_means(mask) >= _COVERED
        if _share(structured & (correlations >= CORRELATION), structured) < _PROMISING:
            return None
    refined = _refined(grey, other, mask)
    if refined is not None:
        back = cv2.WARP_INVERSE_MAP
        other, theirs = _warped(other, refined, size, back), _warped(theirs, refined, size, back)
        mask = cast(
            "NDArray[np.float32]",
            cv2.warpAffine(mask, refined, size, flags=cv2.INTER_LINEAR | back),
        )
    covered = _block_means(mask) >= _COVERED
    correlations, structured = _correlations(grey, other)
    structured &= covered
    agrees = structured & (correlations >= CORRELATION)
    telling = _telling(grey, other, agrees, correlations)
    colours, others = (_block_means(one.astype(np.float32)) for one in (ours, theirs))
    gaps = np.linalg.norm(colours - others, axis=2)
    return Alignment(
        covered=float(covered.mean()),
        inside=inside,
        structured=_share(structured, covered),
        agreeing=_share(agrees, structured),
        telling=_share(telling, structured),
        drawn=_share(agrees & _drawn(grey), agrees),
        likeness=float(np.quantile(correlations[structured], 0.1)) if structured.any() else 0.0,
        tones=_tone_correlation(grey, other, mask),
        colour_gap=float(np.quantile(gaps[covered], 0.9)) if covered.any() else math.inf,
        explained=_explained(agrees, structured, covered & (gaps < _BLANK_GAP)),
    )


def _laid_over(
    candidate: NDArray[np.uint8], movement: Movement, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], float]:
    """The candidate where it lies in the query, where it lies, and how much of it lies within."""
    longest = max(candidate.shape[:2])
    # Brought to the query's scale first: warping alone would take every n-th pixel.
    stretch = math.sqrt(abs(abs(movement.turn) ** 2 - abs(movement.skew) ** 2))
    shrink = min(1.0, stretch * SIDE / longest)
    height, width = (max(1, round(side * shrink)) for side in candidate.shape[:2])
    smaller = cast(
        "NDArray[np.uint8]", cv2.resize(candidate, (width, height), interpolation=cv2.INTER_AREA)
    )
    longest = max(height, width)
    turn, skew = movement.turn * SIDE / longest, movement.skew * SIDE / longest
    shift = movement.shift * SIDE
    matrix = np.array(
        [
            [(turn + skew).real, (skew - turn).imag, shift.real],
            [(turn + skew).imag, (turn - skew).real, shift.imag],
        ]
    )
    if movement.mirrored:
        matrix[0] = -matrix[0]
        matrix[0, 2] += size[0]
    # Pixels are squares: a centre is half a pixel from its corner in both pictures.
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    theirs = _warped(smaller, matrix, size)
    everywhere = np.ones((height, width), np.float32)
    mask = cast("NDArray[np.float32]", cv2.warpAffine(everywhere, matrix, size))
    area = abs(np.linalg.det(matrix[:, :2])) * height * width
    return theirs, mask, min(1.0, float(mask.sum()) / max(area, 1.0))


def _warped(
    picture: Picture, matrix: NDArray[np.floating], size: tuple[int, int], flags: int = 0
) -> Picture:
    """By a 2 by 3 matrix; beyond a picture's border its last pixels go on."""
    warped = cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR | flags, borderMode=cv2.BORDER_REPLICATE
    )
    return cast("Picture", warped)


def _refined(
    grey: NDArray[np.float32], other: NDArray[np.float32], mask: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """A small affine that lays the candidate better; None where none is found."""
    start = np.eye(2, 3, dtype=np.float32)
    criteria = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4
    covered = (mask > 0.5).astype(np.uint8)
    try:
        _, found = cv2.findTransformECC(grey, other, start, cv2.MOTION_AFFINE, criteria, covered, 5)
    except cv2.error:  # it does not converge
        return None
    corners = np.array([[0, 0, 1], [grey.shape[1], 0, 1], [0, grey.shape[0], 1]], np.float32)
    moved = np.abs(found @ corners.T - corners[:, :2].T).max()
    return found.astype(np.float32) if moved < BLOCK else None


def _block_means(values: NDArray[np.float32], side: int = BLOCK) -> NDArray[np.float32]:
    """(h, w) or (h, w, c) → the same of whole blocks."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    cut = values[: rows * side, : columns * side]
    # By INTER_AREA, which is the mean where it shrinks by a whole number: ten times NumPy's pace.
    means = cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA)
    return cast("NDArray[np.float32]", means)


def _correlations(
    grey: NDArray[np.float32], other: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """By block, the best normalised correlation within reach, and whether it shows something."""
    mean = _block_means(grey)
    deviation = np.sqrt(np.maximum(_block_means(grey * grey) - mean * mean, 0))
    height, width = grey.shape
    best = np.full(mean.shape, -1, np.float32)
    own_deviation = np.zeros_like(mean)
    padded = np.pad(other, _REACH, mode="edge")
    for down in range(2 * _REACH + 1):
        for across in range(2 * _REACH + 1):
            moved = padded[down : down + height, across : across + width]
            theirs = _block_means(moved)
            spread = np.sqrt(np.maximum(_block_means(moved * moved) - theirs * theirs, 0))
            together = _block_means(grey * moved) - mean * theirs
            best = np.maximum(best, together / np.maximum(deviation * spread, 1e-3))
            if (down, across) == (_REACH, _REACH):
                own_deviation = spread
    return best, (deviation > _STRUCTURE) | (own_deviation > _STRUCTURE)


def _telling(
    grey: NDArray[np.float32],
    other: NDArray[np.float32],
    agrees: NDArray[np.bool_],
    correlations: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Which blocks agree better at their place than anywhere around it, by Lowe's ratio."""
    telling = np.zeros_like(agrees)
    around = np.pad(other, _AROUND, mode="edge")
    for row, column in np.argwhere(agrees).tolist():
        top, left = row * BLOCK, column * BLOCK
        block = grey[top : top + BLOCK, left : left + BLOCK]
        window = around[top : top + BLOCK + 2 * _AROUND, left : left + BLOCK + 2 * _AROUND]
        likeness = cv2.matchTemplate(window, block, cv2.TM_CCOEFF_NORMED)
        own = slice(_AROUND - _OWN, _AROUND + _OWN + 1)
        likeness[own, own] = -1
        rival = float(likeness.max())
        telling[row, column] = 1 - correlations[row, column] < _RATIO * (1 - rival) - 0.01
    return telling


def _drawn(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which blocks are mostly flat beside their own contrast."""
    across, down = cv2.Sobel(grey, -1, 1, 0) / 8, cv2.Sobel(grey, -1, 0, 1) / 8
    mean = _block_means(grey)
    deviation = np.sqrt(np.maximum(_block_means(grey * grey) - mean * mean, 1e-6))
    steep = np.repeat(np.repeat(deviation, BLOCK, 0), BLOCK, 1)
    cut = np.hypot(across, down)[: steep.shape[0], : steep.shape[1]]
    drawn: NDArray[np.bool_] = _block_means((cut < 0.03 * steep).astype(np.float32)) > 0.35
    return drawn


def _tone_correlation(
    grey: NDArray[np.float32], other: NDArray[np.float32], mask: NDArray[np.float32]
) -> float:
    covered = _block_means(mask, BLOCK // 2) >= _COVERED
    ours, theirs = (_block_means(one, BLOCK // 2)[covered] for one in (grey, other))
    if len(ours) < 2:
        return 0.0
    spreads = float(ours.std()), float(theirs.std())
    if max(spreads) < _STRUCTURE / 2:
        return 1.0
    if min(spreads) < 1e-3:
        return 0.0
    return float(
        ((ours - ours.mean()) * (theirs - theirs.mean())).mean() / (spreads[0] * spreads[1])
    )


def _explained(
    agrees: NDArray[np.bool_],
    structured: NDArray[np.bool_],
    alike: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Blocks that agree and are not alone in it, and blank ones of a like colour around them."""
    kernel = np.ones((3, 3), np.float32)
    around = cv2.filter2D(agrees.astype(np.float32), -1, kernel, borderType=cv2.BORDER_CONSTANT)
    against = cv2.filter2D(
        (structured & ~agrees).astype(np.float32), -1, kernel, borderType=cv2.BORDER_CONSTANT
    )
    held = agrees & (around >= 3) & (around > against)
    blank = alike & ~structured
    near = cv2.dilate(held.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    explained: NDArray[np.bool_] = held | (blank & near)
    return explained


def _share(some: NDArray[np.bool_], of_all: NDArray[np.bool_]) -> float:
    return float(some.sum()) / float(of_all.sum()) if of_all.any() else 0.0
