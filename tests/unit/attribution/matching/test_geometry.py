"""What is found where, and that unrelated, flat or tiny pictures share nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.matching.geometry import FLOOR, Box, inlier_counts, match, threshold
from attribution.matching.local_features import KEYPOINTS, QueryFeatures, describe

NO_CHANCE = np.zeros(3000, np.int64)


def describe_query(picture, cells=None, mirrored_cells=None):
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    return QueryFeatures(describe(picture, cells), describe(mirrored, mirrored_cells))


def scene(seed: int, width: int = 360, height: int = 270) -> np.ndarray:
    """Shapes of every size and colour, no two scenes alike."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(160):
        at = (int(rng.integers(width)), int(rng.integers(height)))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        axes = (int(rng.integers(3, 28)), int(rng.integers(3, 28)))
        cv2.ellipse(picture, at, axes, float(rng.integers(180)), 0, 360, colour, -1)
    return picture


def overlap(box: Box, left: float, top: float, right: float, bottom: float) -> float:
    """Intersection over union."""
    across = max(0.0, min(box.right, right) - max(box.left, left))
    down = max(0.0, min(box.bottom, bottom) - max(box.top, top))
    areas = (box.right - box.left) * (box.bottom - box.top) + (right - left) * (bottom - top)
    return across * down / (areas - across * down)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_pasted_part_is_found_in_both_pictures(mirrored):
    """A fifth of the output is a shrunken part of another picture, saved as JPEG."""
    source, other = scene(1), scene(2)
    part = cv2.resize(source[60:240, 90:330], None, fx=0.75, fy=0.75)
    part = part[:, ::-1] if mirrored else part
    composed = other.copy()
    composed[20:155, 160:340] = part
    composed = cv2.imdecode(cv2.imencode(".jpg", composed, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], 1)
    region = match(describe_query(composed), describe(source)).sift
    assert region.inliers >= threshold(NO_CHANCE)
    assert region.mirrored is mirrored
    assert overlap(region.query, 160 / 360, 20 / 270, 340 / 360, 155 / 270) > 0.7
    assert overlap(region.candidate, 90 / 360, 60 / 270, 330 / 360, 240 / 270) > 0.7


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: np.ascontiguousarray(np.rot90(p)),
        lambda p: cv2.resize(p, (250, 270)),
        lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    ],
    ids=["turned", "squeezed", "halved"],
)
def test_a_whole_copy_is_found_whole(edit):
    source = scene(3)
    region = match(describe_query(edit(source)), describe(source)).sift
    assert region.inliers >= threshold(NO_CHANCE)
    assert overlap(region.query, 0, 0, 1, 1) > 0.75
    assert overlap(region.candidate, 0, 0, 1, 1) > 0.75


def test_a_crop_is_found_by_its_cells():
    net = ResNet50Gem(precision="float32")
    source = scene(4)
    crop = np.ascontiguousarray(source[40:240, 60:320])
    ours, mirror, theirs = net.cells([crop, np.ascontiguousarray(crop[:, ::-1]), source])
    region = match(describe_query(crop, ours, mirror), describe(source, theirs)).cells
    assert region.inliers >= 40
    assert not region.mirrored
    assert overlap(region.query, 0, 0, 1, 1) > 0.6
    assert overlap(region.candidate, 60 / 360, 40 / 270, 320 / 360, 240 / 270) > 0.6


def test_a_mirrored_crop_is_found_by_its_cells_where_it_stands():
    net = ResNet50Gem(precision="float32")
    source = scene(5)
    left = np.ascontiguousarray(source[:, :250])
    flipped = np.ascontiguousarray(left[:, ::-1])
    ours, mirror, theirs = net.cells([flipped, left, source])
    region = match(describe_query(flipped, ours, mirror), describe(source, theirs)).cells
    assert region.mirrored
    assert overlap(region.candidate, 0, 0, 250 / 360, 1) > 0.6


def test_unrelated_pictures_share_nothing():
    pairs = [(describe_query(scene(n)), describe(scene(n + 50))) for n in range(10)]
    counts = inlier_counts(pairs)
    assert counts["sift"].shape == counts["cells"].shape == (10,)
    assert counts["sift"].max() < FLOOR
    assert counts["cells"].max() == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 5000), (5000, 1), (300, 200)])
def test_flat_and_tiny_pictures_have_no_region(size):
    """Neither by keypoints nor by cells that are all the same."""
    flat = np.full((*size, 3), 90, np.uint8)
    same = np.full((14, 14, 8), 8**-0.5, np.float32)
    found = match(describe_query(flat, same, same), describe(flat, same))
    assert found.sift is None
    assert found.cells is None


def test_what_repeats_is_no_evidence_of_one_place():
    """A tiling has its like everywhere, so that no match stands out."""
    tile = scene(6, 30, 30)
    one, two = np.tile(tile, (9, 12, 1)), np.tile(tile, (7, 7, 1))
    found = match(describe_query(one), describe(two)).sift
    assert found is None or found.inliers < threshold(NO_CHANCE)


def test_the_same_pictures_always_give_the_same_answer():
    query, candidate = describe_query(scene(7)), describe(scene(7)[30:200, 30:300])
    first = match(query, candidate)
    cv2.setRNGSeed(99)
    assert match(query, candidate) == first
    assert first.sift is not None


def test_features_are_bounded_and_of_unit_length():
    features = describe(cv2.resize(scene(8), (1500, 1100)))
    assert 100 < len(features.points) <= KEYPOINTS
    assert features.size == pytest.approx(1 + 1j * 1100 / 1500)
    assert features.points.real.max() <= 1
    assert features.points.imag.max() <= features.size.imag
    np.testing.assert_allclose(np.linalg.norm(features.roots, axis=1), 1, rtol=1e-5)


def test_the_threshold_lies_above_the_background_and_continues_its_tail():
    """Of counts that fall by e every five, a share of 1e-4 lies beyond 5 ln(1e4) = 46."""
    null = np.floor(np.random.default_rng(0).exponential(5, 4000)).astype(np.int64)
    found = threshold(null, chance=1e-4)
    assert found > null.max()
    assert 40 <= found <= 56
    assert threshold(null, chance=1e-2) == null.max() + 1
    assert threshold(NO_CHANCE) == FLOOR


@pytest.mark.parametrize(("counts", "chance"), [([], 1e-4), ([1, 2], 0.0), ([1, 2], 1.0)])
def test_a_threshold_needs_a_background(counts, chance):
    with pytest.raises(ValueError, match="describe a background first"):
        threshold(np.array(counts, np.int64), chance=chance)
