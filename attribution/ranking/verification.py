"""Geometric verification of the head of the order: which local features agree, and where.

Pictures are read from their dataset, and each is described and matched in a thread: OpenCV, the
network and NumPy let other threads run.
"""

from __future__ import annotations

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
from attribution.matching.geometry import Agreement, Region, match
from attribution.matching.local_features import (
    LocalFeatures,
    QueryFeatures,
    describe,
)
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import View
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
    regions = tuple(
        region
        for region in proposed
        if region is told_by or region.inliers >= thresholds.get(region.method, np.inf)
    )
    parts = None
    if query.parts is not None and picture is not None:
        parts = found_share(query.parts, describe_parts(picture))
    return LocalMatch(inliers_of(agreement), regions, alignment, parts)


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


def explained_area(
    verified: LocalMatch, tile: int | None, *, is_whole: bool
) -> NDArray[np.float32]:
    """How far a candidate explains each place of the whole query: (32, 32) float32, 0 to 1.

    Args:
        verified: what comparing it found.
        tile: the quarter of the query that it was compared with; None for the whole.
        is_whole: it is as good as the same picture, and explains all.
    """
    area = np.zeros((SIDE, SIDE), np.float32)
    alignment = verified.alignment
    if is_whole:
        area[:] = 1
    elif alignment is not None and alignment.explained.any():
        blocks = alignment.explained.astype(np.float32)
        area[:] = cv2.resize(blocks, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    else:
        for region in verified.regions:
            box = region.query
            rows = slice(round(box.top * SIDE), round(box.bottom * SIDE))
            area[rows, round(box.left * SIDE) : round(box.right * SIDE)] = 0.5
    if tile is None:
        return area
    whole, half = np.zeros((SIDE, SIDE), np.float32), SIDE // 2
    down, across = divmod(tile - 1, 2)
    whole[down * half : (down + 1) * half, across * half : (across + 1) * half] = cv2.resize(
        area, (half, half), interpolation=cv2.INTER_AREA
    )
    return whole


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
