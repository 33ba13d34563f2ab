"""Colour and texture histograms against plain computations of the same formulas."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.color import rgb2lab
from skimage.feature import local_binary_pattern

from attribution.descriptors.colour import CHROMA, LIGHTNESS, histogram
from attribution.descriptors.texture import _CLASSES, SCALES, LocalBinaryPatterns, patterns


def scene(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    noise = np.random.default_rng(seed).random((9, 7, 3), np.float32)
    large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return (large * 255).astype(np.uint8)


def shares(value: float, centres: np.ndarray) -> np.ndarray:
    """How much of one value belongs to each bin."""
    value = float(np.clip(value, centres[0], centres[-1]))
    above = min(int(np.searchsorted(centres, value, side="right")), len(centres) - 1)
    part = (value - centres[above - 1]) / (centres[above] - centres[above - 1])
    belongs = np.zeros(len(centres))
    belongs[above - 1], belongs[above] = 1 - part, part
    return belongs


@pytest.mark.parametrize("seed", range(4))
def test_lab_histogram_is_each_pixel_shared_between_eight_bins(seed):
    picture = scene(seed)
    lab = rgb2lab(picture).reshape(-1, 3) * [255 / 100, 1, 1] + [0, 128, 128]
    expected = np.zeros((len(LIGHTNESS), len(CHROMA), len(CHROMA)))
    for lightness, a, b in lab:
        one = shares(a, CHROMA)[:, None] * shares(b, CHROMA)
        expected += shares(lightness, LIGHTNESS)[:, None, None] * one
    expected /= expected.sum()
    found = histogram(picture)
    # Ours counts in steps of four of 255, OpenCV's L*a*b* is rounded to whole numbers.
    assert np.abs(found - expected).sum() < 0.05
    assert np.sqrt(found * expected).sum() > 0.999


@pytest.mark.parametrize(("neighbours", "radius"), SCALES)
def test_patterns_are_scikit_images(neighbours, radius):
    # In 16 bits and with noise, so that hardly two values are equal.
    grey = cv2.cvtColor(scene(5), cv2.COLOR_RGB2GRAY).astype(np.int32) * 256
    grey += np.random.default_rng(0).integers(0, 2048, grey.shape)
    expected = local_binary_pattern(grey, neighbours, radius, "default")
    found = patterns(grey.astype(np.float32), neighbours, radius)
    differing = found != expected[radius:-radius, radius:-radius]
    assert differing.mean() < 0.001  # float32 here, float64 there


@pytest.mark.parametrize(("neighbours", "radius"), SCALES)
def test_flat_ground_is_one_pattern_where_rounding_makes_many(neighbours, radius):
    grey = np.full((20, 20), 77, np.float32)
    assert (patterns(grey, neighbours, radius) == (1 << neighbours) - 1).all()


def test_texture_histogram_is_scikit_images():
    picture = scene(6)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    found = LocalBinaryPatterns().embed([picture])[0]
    parts = np.split(found, [59])
    for part, (neighbours, radius) in zip(parts, SCALES, strict=True):
        # skimage's own numbering of the classes is another: compared are the sorted shares.
        inner = np.s_[radius:-radius, radius:-radius]
        classes = local_binary_pattern(grey, neighbours, radius, "default")[inner].astype(int)
        counts = np.bincount(_CLASSES[neighbours][classes].ravel(), minlength=len(part))
        coefficient = (part * np.sqrt(counts / counts.sum() / 2)).sum() * 2
        assert coefficient > 0.99


def test_uniform_classes_are_scikit_images():
    grey = np.random.default_rng(1).integers(0, 65536, (200, 200))
    codes = local_binary_pattern(grey, 8, 1, "default").astype(int)
    theirs = local_binary_pattern(grey, 8, 1, "nri_uniform").astype(int)
    ours = _CLASSES[8][codes]
    pairs = set(zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))
    assert len(pairs) == 59
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == 59
