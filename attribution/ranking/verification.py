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

import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.crop_resistant import describe_parts, found_share
from attribution.descriptors.embedder import CellEmbedder
from attribution.descriptors.hashes import is_flat
from attribution.matching.geometry import Agreement, Region, match
from attribution.matching.local_features import (
    LocalFeatures,
    QueryFeatures,
    describe,
)
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from harvester.pictures.decode import try_open

_MAX_THREADS = 6
"""Candidates that are compared at a time, at most: each takes some 3 MB meanwhile."""


@dataclass(frozen=True, slots=True)
class LocalMatch:
    """What comparing two pictures by their local features found.

    Attributes:
        inliers: by method, points that one movement explains.
        regions: the accepted ones, at most one a method.
        parts: share of the query's parts that the candidate has; None where nobody asked.
    """

    inliers: Mapping[str, int]
    regions: tuple[Region, ...]
    parts: float | None = None


def verify(
    views: Sequence[NDArray[np.uint8]],
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
    features = describe_queries(list(different.values()), setup.cells)
    queries = {
        key: _Compared(own, describe_parts(view) if setup.crop_resistant else None)
        for (key, view), own in zip(different.items(), features, strict=True)
    }
    with _threads() as pool:
        return list(
            pool.map(
                partial(_verify, setup),
                (queries[id(view)] for view in views),
                (candidates[name].image for name in ids),
            )
        )


@dataclass(frozen=True, slots=True)
class _Compared:
    """A view as candidates are compared with it; its parts where hashes of parts are asked for."""

    features: QueryFeatures
    parts: NDArray[np.uint64] | None


def _verify(setup: RankingSetup, query: _Compared, body: bytes | None) -> LocalMatch | None:
    """Compare one candidate, given as it is stored."""
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
    verified = _accepted(match(query.features, features), setup)
    if query.parts is None or picture is None:
        return verified
    return replace(verified, parts=found_share(query.parts, describe_parts(picture)))


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


def _accepted(agreement: Agreement, setup: RankingSetup) -> LocalMatch:
    regions = tuple(
        region
        for region in (agreement.sift, agreement.cells)
        if region is not None
        and region.inliers >= setup.background.thresholds.get(region.method, np.inf)
    )
    return LocalMatch(inliers_of(agreement), regions)


def _open_structured(body: bytes) -> NDArray[np.uint8] | None:
    picture = try_open(body)
    return None if picture is None or is_flat(picture) else picture
