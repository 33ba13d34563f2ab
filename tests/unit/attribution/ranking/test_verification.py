"""The place-by-place comparison of whole candidates, with the shipped network and background."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from attribution.calibration.background import read_background
from attribution.calibration.fusion import Fusion
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.matching.geometry import Box, Region
from attribution.ranking.gallery import Gallery, load_gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import WHOLE, View
from attribution.ranking.verification import LocalMatch, explained_area, verify
from harvester.dataset import shards
from harvester.pictures.decode import open_picture
from harvester.schema import Candidate
from tests.support.checkout import SAMPLE
from tests.support.tiny import TinyEmbedder, scene, tiny_background
from tests.unit.attribution.ranking.test_ranking import candidate, store

CANDIDATES = SAMPLE / "candidates"


@pytest.fixture(scope="module")
def sample() -> list[Candidate]:
    """The sample's candidates with most structure, the same each time."""
    table = shards.read(CANDIDATES, Candidate, ["id", "pdq_quality", "width", "height"])
    rows = [
        row
        for row in table.to_pylist()
        if (row["pdq_quality"] or 0) >= 90 and min(row["width"] or 0, row["height"] or 0) >= 200
    ]
    ids = sorted(row["id"] for row in rows)[:12]
    picked = shards.pick(CANDIDATES, Candidate, ids)
    return [picked[name] for name in ids]


@pytest.fixture(scope="module")
def network() -> ResNet50Gem:
    return ResNet50Gem()


@pytest.fixture(scope="module")
def method(network) -> RankingSetup:
    return RankingSetup((network,), read_background(), Fusion(0, {}, {"sift": 1.0}, {}), network)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, sample, network) -> Gallery:
    return load_gallery([store(tmp_path_factory.mktemp("sample") / "c", sample)], [network])


def view(picture: np.ndarray) -> View:
    """A picture as a view without hashes, so that regions alone propose movements."""
    return View(None, picture, {"pdq": ("0" * 64,) * 8}, 0)


def pictures(sample: list[Candidate]) -> list[np.ndarray]:
    return [open_picture(one.image).rgb for one in sample]


def covered(box: Box, truth: Box) -> float:
    """Intersection over union."""
    across = max(0.0, min(box.right, truth.right) - max(box.left, truth.left))
    down = max(0.0, min(box.bottom, truth.bottom) - max(box.top, truth.top))
    one, other = ((some.right - some.left) * (some.bottom - some.top) for some in (box, truth))
    return across * down / (one + other - across * down)


def pasted(
    part: np.ndarray, ground: np.ndarray, left: float, top: float, share: float
) -> np.ndarray:
    """A part over a ground of 400 by 400, with a side of `share`, saved as JPEG."""
    composed = cv2.resize(ground, (400, 400), interpolation=cv2.INTER_AREA)
    side = round(400 * share)
    x, y = round(400 * left), round(400 * top)
    composed[y : y + side, x : x + side] = cv2.resize(
        part, (side, side), interpolation=cv2.INTER_AREA
    )
    body = cv2.imencode(".jpg", composed[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return open_picture(body.tobytes()).rgb


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_pasted_part_is_found_where_it_is_in_both_pictures(sample, gallery, method, mirrored):
    """A fifth of the output is the middle of a candidate; of eight, most, and never another one."""
    found, boxes = 0, []
    for number, picture in enumerate(pictures(sample)[:8]):
        height, width = picture.shape[:2]
        side = round(0.8 * min(height, width))
        y, x = (height - side) // 2, (width - side) // 2
        part = picture[y : y + side, x : x + side]
        part = part[:, ::-1] if mirrored else part
        query = pasted(part, scene(number), 0.4, 0.3, 0.46)
        rows = np.arange(len(gallery.ids))
        verified = verify([view(query)] * len(rows), gallery, rows, method)
        source = gallery.ids.index(sample[number].id)
        assert not [one for n, one in enumerate(verified) if n != source and one.regions]
        if verified[source].regions:
            found += 1
            region = verified[source].regions[0]
            assert region.mirrored is mirrored
            in_query = covered(region.query, Box(0.4, 0.3, 0.86, 0.76))
            truth = Box(x / width, y / height, (x + side) / width, (y + side) / height)
            boxes.append((in_query, covered(region.candidate, truth)))
    assert found >= 6
    assert np.median(boxes, axis=0).min() > 0.5


def test_a_candidate_is_compared_with_its_own_view(sample, gallery, method):
    """Two views, each of another candidate: crossed over, nothing agrees."""
    views = [view(one) for one in pictures(sample)[:2]]
    rows = np.array([gallery.ids.index(one.id) for one in sample[:2]])
    straight = verify(views, gallery, rows, method)
    crossed = verify(views[::-1], gallery, rows, method)
    assert all(one.regions for one in straight)
    assert not any(one.regions for one in crossed)
    assert straight[0].inliers["sift"] > 20 > crossed[0].inliers["sift"]


def test_what_chance_reaches_is_counted_and_not_accepted(gallery, method):
    rows = np.arange(len(gallery.ids))
    for number in range(3):
        for one in verify([view(scene(number))] * len(rows), gallery, rows, method):
            assert one.regions == ()
            assert set(one.inliers) == {"sift", "cells"}


def test_a_method_without_cells_compares_keypoints_alone(sample, gallery, network):
    bare = RankingSetup((network,), read_background(), Fusion(0, {}, {}, {}))
    row = np.array([gallery.ids.index(sample[0].id)])
    [one] = verify([view(pictures(sample)[0])], gallery, row, bare)
    assert one.inliers["cells"] == 0
    assert [region.method for region in one.regions] == ["sift"]


def test_nothing_to_compare_is_no_error(gallery, method):
    assert verify([], gallery, np.empty(0, np.int64), method) == []


def test_a_candidate_that_cannot_be_decoded_or_is_flat_is_skipped(tmp_path, network):
    """The others are compared all the same, each in its own place."""
    flat = candidate(np.full((200, 200, 3), 90, np.uint8))
    whole = [candidate(scene(1)), candidate(scene(2)), flat]
    folder = store(tmp_path / "c", whole)
    load_gallery([folder], [TinyEmbedder()])
    for part in folder.glob("part-*.parquet"):
        part.unlink()
    broken = {n: getattr(whole[0], n) for n in whole[0].__dataclass_fields__}
    store(folder, [Candidate(**broken | {"image": b"no picture"}), *whole[1:]])
    gallery = load_gallery([folder], [TinyEmbedder()])
    method = RankingSetup((TinyEmbedder(),), tiny_background(), Fusion(0, {}, {}, {}), network)
    rows = np.arange(3)
    found = dict(zip(gallery.ids, verify([view(scene(2))] * 3, gallery, rows, method), strict=True))
    assert found[whole[0].id] is None
    assert found[flat.id] is None
    assert found[whole[1].id].regions


@pytest.mark.parametrize(
    ("tile", "window", "box", "rows", "columns"),
    [
        (None, WHOLE, Box(0, 0, 0.5, 0.5), (0, 16), (0, 16)),
        (4, Box(0.5, 0.5, 1, 1), Box(0, 0, 0.5, 1), (16, 32), (16, 24)),
        # On a canvas regions are in the whole: they must not be moved into the window again.
        (None, Box(0, 0.5, 1, 1), Box(0, 0.5, 1, 0.75), (16, 24), (0, 32)),
    ],
)
def test_a_region_explains_the_places_that_it_has_in_the_whole(tile, window, box, rows, columns):
    region = Region(box, Box(0, 0, 1, 1), 60, "cells", mirrored=False)
    seen = View(tile, scene(1), {}, 0, window)
    area = explained_area(LocalMatch({"cells": 60}, (region,)), seen, is_whole=False)
    expected = np.zeros_like(area)
    expected[slice(*rows), slice(*columns)] = 0.5
    np.testing.assert_array_equal(area, expected)
