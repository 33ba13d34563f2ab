"""Geometric verification of the head of the order: which local features agree, and where.

Pictures are read from their dataset, and each is described and matched in a thread: OpenCV, the
network and NumPy let other threads run.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.calibration.shares import SIDE
from attribution.calibration.verdicts import holds_content, is_equal, shares_part
from attribution.descriptors.crop_resistant import describe_parts, found_share
from attribution.descriptors.embedder import CellEmbedder
from attribution.descriptors.hashes import dihedral, is_flat, nearest_turn
from attribution.matching.alignment import Alignment, align, stretched
from attribution.matching.geometry import Agreement, Box, Region, match
from attribution.matching.local_features import (
    LocalFeatures,
    QueryFeatures,
    describe,
)
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import WHOLE, View
from harvester.pictures.decode import try_open

PROPOSED: Mapping[str, int] = {"sift": 4, "cells": 16}
"""Inliers from which on a movement is tried out: what it lays over the query decides."""
_MAX_THREADS = 6
"""Candidates that are compared at a time, at most: each takes some 3 MB meanwhile."""


@dataclass(frozen=True, slots=True)
class LocalMatch:
    """What comparing two pictures place by place found.

    Attributes:
        inliers: by method, points that one movement explains.
        regions: the accepted ones, at most one a method.
        alignment: what agrees where the candidate is laid over the query, by the movement that
            explains the most; None where no movement was proposed.
        parts: share of the query's parts that the candidate has; None where nobody asked.
    """

    inliers: Mapping[str, int]
    regions: tuple[Region, ...]
    alignment: Alignment | None = None
    parts: float | None = None


@dataclass(frozen=True, slots=True)
class _Compared:
    """A view as candidates are compared with it; its parts where hashes of parts are asked for."""

    view: View
    features: QueryFeatures
    parts: NDArray[np.uint64] | None


def verify(
    views: Sequence[View],
    gallery: Gallery,
    rows: NDArray[np.int64],
    setup: RankingSetup,
) -> list[LocalMatch | None]:
    """Compare some candidates, each with its view of the query.

    None where one cannot be decoded or is of one colour, which agrees with any ground.

    Raises:
        GalleryError: if a candidate is gone from its dataset.
    """
    ids = [gallery.ids[row] for row in rows]
    candidates = gallery.pick(ids)
    different = {id(view): view for view in views}
    features = describe_queries([view.picture for view in different.values()], setup.cells)
    queries = {
        key: _Compared(view, own, describe_parts(view.picture) if setup.crop_resistant else None)
        for (key, view), own in zip(different.items(), features, strict=True)
    }
    words, there = gallery.hashes["pdq"]
    turns = [
        nearest_turn(view.hashes["pdq"], words[row]) if there[row] else None
        for view, row in zip(views, rows, strict=True)
    ]
    with _threads() as pool:
        return list(
            pool.map(
                partial(_verify, setup),
                (queries[id(view)] for view in views),
                (candidates[name].image for name in ids),
                turns,
            )
        )


def _verify(
    setup: RankingSetup, query: _Compared, body: bytes | None, turn: int | None
) -> LocalMatch | None:
    """Compare one candidate, given as it is stored.

    Args:
        setup: of the ranking.
        query: the view that it is nearest to.
        body: of the candidate.
        turn: of the query's eight, whose hash is near the candidate's; None if none is.
    """
    if body is None:
        return None
    cache, model = setup.feature_cache, setup.cells.cell_version if setup.cells else ""
    features = cache.get(body, model) if cache else None
    picture = _open_structured(body) if features is None or query.parts is not None else None
    if features is None:
        if picture is None:
            return None
        features = _described(picture, setup.cells)
        if cache:
            cache.put(body, model, features)
    agreement = match(query.features, features)
    proposed = [
        region
        for region in (agreement.sift, agreement.cells)
        if region is not None and region.inliers >= PROPOSED[region.method]
    ]
    if picture is None and (proposed or turn is not None):
        picture = _open_structured(body)
    alignment, told_by = None, None
    if picture is not None:
        alignment, told_by = _aligned(query.view, picture, proposed, turn)
    if alignment is None or not (holds_content(alignment) or shares_part(alignment)):
        told_by = None
    thresholds = setup.background.thresholds
    # A tile is shown as it is; what is on a canvas is shown on it.
    window = query.view.window if query.view.tile is None else WHOLE
    regions = tuple(
        replace(region, query=_within(window, region.query))
        for region in proposed
        if region is told_by or region.inliers >= thresholds.get(region.method, np.inf)
    )
    parts = None
    if query.parts is not None and picture is not None:
        parts = found_share(query.parts, describe_parts(picture))
    return LocalMatch(inliers_of(agreement), regions, alignment, parts)


def _within(window: Box, box: Box) -> Box:
    """A box of a window's as one of the whole's."""
    width, height = window.right - window.left, window.bottom - window.top
    return Box(
        window.left + box.left * width,
        window.top + box.top * height,
        window.left + box.right * width,
        window.top + box.bottom * height,
    )


def _aligned(
    view: View, picture: NDArray[np.uint8], proposed: Sequence[Region], turn: int | None
) -> tuple[Alignment | None, Region | None]:
    """The candidate laid over the view, by whichever movement explains the most of it.

    With the region that it is the movement of; None where it is a turn of the whole.
    """
    laid: list[tuple[Alignment, Region | None]] = []
    for region in proposed:
        # Cells lie coarser than keypoints: where these say it all, they add nothing.
        if region.movement is not None and not any(holds_content(one) for one, _ in laid):
            is_rough = region.method == "cells"
            one = align(view.picture, picture, region.movement, is_rough=is_rough)
            if one is not None:
                laid.append((one, region))
    if turn is not None and not any(one.is_whole and _is_near(one) for one, _ in laid):
        turned = dihedral(view.picture)[turn]
        whole = align(turned, picture, stretched(turned, picture))
        if whole is not None:
            back = np.rot90(whole.explained[:, :: -1 if turn % 2 else 1], -(turn // 2))
            laid.append((replace(whole, explained=np.ascontiguousarray(back)), None))
    return max(laid, key=lambda pair: _extent(pair[0]), default=(None, None))


def _extent(alignment: Alignment) -> tuple[bool, float]:
    content = alignment.covered * alignment.structured
    is_copy = alignment.is_whole and _is_near(alignment)
    return is_copy, content * (alignment.telling + 0.1 * alignment.agreeing)


def _is_near(alignment: Alignment) -> bool:
    return is_equal(alignment) or holds_content(alignment)


def explained_area(verified: LocalMatch, view: View, *, is_whole: bool) -> NDArray[np.float32]:
    """How far a candidate explains each place of the whole query: (32, 32) float32, 0 to 1.

    Args:
        verified: what comparing it found.
        view: of the query, that it was compared with.
        is_whole: it is as good as the same picture, and explains all of that.
    """
    whole = np.zeros((SIDE, SIDE), np.float32)
    area = whole[places_in(view.window)]
    alignment = verified.alignment
    if is_whole:
        area[:] = 1
    elif alignment is not None and alignment.explained.any():
        blocks = alignment.explained.astype(np.float32)
        area[:] = cv2.resize(blocks, area.shape[::-1], interpolation=cv2.INTER_AREA)
    else:
        for region in verified.regions:
            # A tile's regions are in the tile, all others already in the whole.
            box = region.query if view.tile is None else _within(view.window, region.query)
            whole[places_in(box)] = 0.5
    return whole


def places_in(box: Box) -> tuple[slice, slice]:
    """Rows and columns of the places that a box of the query covers, at least one each way."""
    top, left = (min(math.floor(edge * SIDE), SIDE - 1) for edge in (box.top, box.left))
    bottom, right = (math.ceil(edge * SIDE) for edge in (box.bottom, box.right))
    return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def describe_queries(
    views: Sequence[NDArray[np.uint8]], cells: CellEmbedder | None
) -> list[QueryFeatures]:
    """The local features of pictures (h, w, 3), and of their mirror images."""
    mirrored = [np.ascontiguousarray(view[:, ::-1]) for view in views]
    described = describe_all([*views, *mirrored], cells)
    return list(map(QueryFeatures, described[: len(views)], described[len(views) :]))


def describe_all(
    pictures: Sequence[NDArray[np.uint8]], cells: CellEmbedder | None
) -> list[LocalFeatures]:
    """The local features of pictures (h, w, 3)."""
    with _threads() as pool:
        return list(pool.map(_described, pictures, repeat(cells)))


def _described(picture: NDArray[np.uint8], cells: CellEmbedder | None) -> LocalFeatures:
    return describe(picture, None if cells is None else cells.cells([picture])[0])


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS))


def inliers_of(agreement: Agreement) -> dict[str, int]:
    """By method, how many points agree."""
    return {
        "sift": agreement.sift.inliers if agreement.sift else 0,
        "cells": agreement.cells.inliers if agreement.cells else 0,
    }


def _open_structured(body: bytes) -> NDArray[np.uint8] | None:
    picture = try_open(body)
    return None if picture is None or is_flat(picture) else picture
