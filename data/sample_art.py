"""Photographs → pictures that look generated: the sample's stand-in for a Midjourney.

Each style redraws its source: cropped, perhaps mirrored, bent in perspective, recoloured, and laid
down again as strokes or flat colours, so that no pixel of the source is left and its subject still
shows. Everything follows from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(h, w, 3), sRGB."""

Style = Callable[[Picture, np.random.Generator], Picture]


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture to draw.

    Attributes:
        source: the source's path in `sources.csv`, from its last folder on, without its ending.
        style: a key of `STYLES`.
        crop: left, top, right, bottom as fractions of the source.
        mirrored: left and right changed.
        hue: turn of all colours, in degrees.
    """

    source: str
    style: str
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    mirrored: bool = False
    hue: float = 0.0


def draw(tile: Tile, original: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """One tile, (height, width) pixels; the crop is widened or cut to that shape."""
    height, width = size
    view = _cut(original, tile.crop, width / height)
    if tile.mirrored:
        view = view[:, ::-1]
    smooth = cv2.INTER_AREA if view.shape[1] > width else cv2.INTER_CUBIC
    view = _levels(cv2.resize(np.ascontiguousarray(view), (width, height), interpolation=smooth))
    view = _bend(view, rng)
    return STYLES[tile.style](_turn_hue(view, tile.hue), rng)


def lay_grid(tiles: list[Picture]) -> Picture:
    """Four equal pictures as Midjourney lays them: 1 2 above 3 4, without borders."""
    return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def _cut(original: Picture, crop: tuple[float, float, float, float], shape: float) -> Picture:
    height, width = original.shape[:2]
    left, top, right, bottom = crop
    centre_x, centre_y = (left + right) / 2 * width, (top + bottom) / 2 * height
    wide, high = (right - left) * width, (bottom - top) * height
    wide, high = min(wide, high * shape), min(high, wide / shape)
    x, y = round(centre_x - wide / 2), round(centre_y - high / 2)
    return original[max(y, 0) : round(y + high), max(x, 0) : round(x + wide)]


def _bend(picture: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
    shift = rng.uniform(0, 0.06, (4, 2)).astype(np.float32) * [width, height] * inwards
    turn = cv2.getPerspectiveTransform((corners + shift).astype(np.float32), corners)
    mirror = cv2.BORDER_REFLECT_101
    return _levels(cv2.warpPerspective(picture, turn, (width, height), borderMode=mirror))


def _turn_hue(picture: Picture, degrees: float) -> Picture:
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + round(degrees / 2)) % 180
    return _levels(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _grade(picture: Picture, *, gain: float = 1.0, warmth: float = 0.0, lift: float = 0) -> Picture:
    """Saturation times `gain`; `warmth` from blue to yellow and `lift` of brightness in levels."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[..., 0] += lift
    lab[..., 1:] = (lab[..., 1:] - 128) * gain + 128
    lab[..., 2] += warmth
    return _levels(cv2.cvtColor(_levels(lab), cv2.COLOR_LAB2RGB))


def _flatten(picture: Picture, colours: int) -> Picture:
    """Few flat colours: mean shift, then the nearest of a k-means palette."""
    flat = cv2.pyrMeanShiftFiltering(picture, 9, 22)
    points = flat.reshape(-1, 3).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 15, 1.0)
    cv2.setRNGSeed(1)
    start = np.empty(0, np.int32)  # no labels to begin with
    _, labels, palette = cv2.kmeans(points, colours, start, stop, 1, cv2.KMEANS_PP_CENTERS)
    return _levels(cv2.medianBlur(_levels(palette[labels.ravel()]).reshape(picture.shape), 5))


def _levels(picture: NDArray[Any]) -> Picture:
    levels: Picture = np.clip(picture, 0, 255).astype(np.uint8)
    return levels


def _noise(rng: np.random.Generator, like: Picture, grain: float) -> NDArray[np.float32]:
    """(h, w, 1), mean 0, deviation 1, in blots of about `grain` pixels."""
    raw = rng.normal(0, 1, like.shape[:2]).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(raw, (0, 0), grain), np.float32)
    soft /= soft.std()
    return soft[..., None]


def _brush(
    picture: Picture, rng: np.random.Generator, *, widths: tuple[int, ...], length: float
) -> Picture:
    """Curved strokes along the picture's edges, broad ones first, fine ones where they differ.

    Source: after A. Hertzmann, Painterly Rendering with Curved Brush Strokes (SIGGRAPH 1998). But:
    strokes end after a fixed length, and not where the colour changes.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 2.5)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=5)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=5)
    angle = np.arctan2(across, -down)
    canvas = np.full_like(picture, picture.mean(axis=(0, 1)).astype(np.uint8))
    height, width = grey.shape
    for thick in widths:
        wanted = cv2.GaussianBlur(picture, (0, 0), thick * 0.5)
        spots = [(x, y) for y in range(0, height, thick) for x in range(0, width, thick)]
        for spot in rng.permutation(len(spots)):
            x, y = spots[spot]
            colour = wanted[y, x].astype(np.int16)
            if np.abs(canvas[y, x] - colour).sum() < 24:
                continue
            tint = np.clip(colour + rng.normal(0, 7, 3), 0, 255).astype(int).tolist()
            path, at = [], np.array([x, y], np.float64)
            for _ in range(4):
                path.append(at.copy())
                column, row = np.clip(at, 0, (width - 1, height - 1)).astype(int)
                way = angle[row, column] + rng.normal(0, 0.15)
                at += np.array([np.cos(way), np.sin(way)]) * thick * length / 3
            line = np.round(path).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(canvas, [line], isClosed=False, color=tint, thickness=thick, lineType=16)
    return canvas


def _oil(picture: Picture, rng: np.random.Generator) -> Picture:
    strokes = _brush(_grade(picture, gain=1.35), rng, widths=(20, 10, 5, 3), length=3.0)
    grey = cv2.cvtColor(strokes, cv2.COLOR_RGB2GRAY).astype(np.float32)
    relief = cv2.Sobel(grey, cv2.CV_32F, 1, 1, ksize=3)  # light from the upper left
    return _levels(strokes + 0.35 * relief[..., None])


def _swirl(picture: Picture, rng: np.random.Generator) -> Picture:
    return _brush(_grade(picture, gain=1.2, lift=6), rng, widths=(16, 8, 4), length=5.0)


def _watercolour(picture: Picture, rng: np.random.Generator) -> Picture:
    wash = _flatten(_levels(cv2.stylization(picture, sigma_s=40, sigma_r=0.5)), 26)
    blots, grain = _noise(rng, wash, 14), _noise(rng, wash, 0.8)
    return _levels(_grade(wash, gain=1.15, lift=18) + 9 * blots + 3 * grain)


def _gouache(picture: Picture, rng: np.random.Generator) -> Picture:
    flat = _flatten(_grade(picture, gain=1.3, warmth=6), 20)
    return _brush(flat, rng, widths=(12, 6, 3), length=2.0)


def _storybook(picture: Picture, rng: np.random.Generator) -> Picture:
    flat = _grade(_flatten(picture, 18), gain=1.4, warmth=12, lift=4)
    grey = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 5)
    ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 13, 6)
    ink = cv2.GaussianBlur(cv2.medianBlur(ink, 3), (0, 0), 0.7)
    paper = 0.35 + 0.65 * np.asarray(ink, np.float32) / 255
    return _levels(flat * paper[..., None] + 3 * _noise(rng, flat, 1.2))


def _ink_wash(picture: Picture, rng: np.random.Generator) -> Picture:
    flat = _brush(_flatten(picture, 18), rng, widths=(16, 8, 4, 2), length=3.0)
    return _grade(flat, gain=0.75, warmth=8, lift=8)


def _poster(picture: Picture, rng: np.random.Generator) -> Picture:
    shifted = _levels(picture + rng.normal(0, 6, 3))
    return _grade(_flatten(shifted, 8), gain=1.5, warmth=10)


STYLES: Mapping[str, Style] = {
    "oil": _oil,
    "swirl": _swirl,
    "watercolour": _watercolour,
    "gouache": _gouache,
    "storybook": _storybook,
    "ink wash": _ink_wash,
    "poster": _poster,
}
