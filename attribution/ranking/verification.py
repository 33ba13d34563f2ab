"""Geometric verification of the head of the order: which local features agree, and where.

Pictures are read from their dataset, and described and matched in threads: OpenCV and NumPy let
other threads run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

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
    describe_query,
)
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from harvester.pictures.decode import try_open

AT_ONCE = 6
"""Candidates that are compared together: each takes some 3 MB meanwhile."""


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
    queries = dict(zip(different, features, strict=True))
    verified: list[LocalMatch | None] = []
    for start in range(0, len(ids), AT_ONCE):
        here = slice(start, start + AT_ONCE)
        bodies = [candidates[name].image for name in ids[here]]
        verified += _verify(views[here], bodies, queries, setup)
    return verified


def _verify(
    views: Sequence[NDArray[np.uint8]],
    bodies: Sequence[bytes | None],
    queries: Mapping[int, QueryFeatures],
    setup: RankingSetup,
) -> list[LocalMatch | None]:
    """Compare a few candidates, whose features are in memory together.

    Args:
        views: what each is compared with.
        bodies: the candidates, as stored.
        queries: the views' features, by the views' identity.
        setup: of the ranking.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pictures = list(pool.map(_open_structured, bodies))
        decoded = [index for index, picture in enumerate(pictures) if picture is not None]
        described = describe_all([p for p in pictures if p is not None], setup.cells)
        agreements = pool.map(match, (queries[id(views[index])] for index in decoded), described)
        verified: list[LocalMatch | None] = [None] * len(bodies)
        for index, agreement in zip(decoded, agreements, strict=True):
            verified[index] = _accepted(agreement, setup)
    if setup.crop_resistant:
        shares = _shared_parts(views, pictures)
        verified = [
            agreement and replace(agreement, parts=share)
            for agreement, share in zip(verified, shares, strict=True)
        ]
    return verified


def _shared_parts(
    views: Sequence[NDArray[np.uint8]], pictures: Sequence[NDArray[np.uint8] | None]
) -> list[float | None]:
    """How many of its view's parts each picture has; None where there is no picture."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        described = list(
            pool.map(lambda parts: None if parts is None else describe_parts(parts), pictures)
        )
    own = {id(view): describe_parts(view) for view in {id(view): view for view in views}.values()}
    return [
        None if parts is None else found_share(own[id(view)], parts)
        for view, parts in zip(views, described, strict=True)
    ]


def describe_queries(
    views: Sequence[NDArray[np.uint8]], cells: CellEmbedder | None
) -> list[QueryFeatures]:
    """The local features of pictures (h, w, 3), and of their mirror images."""
    mirrored = [np.ascontiguousarray(view[:, ::-1]) for view in views]
    both = [None] * 2 * len(views) if cells is None else cells.cells([*views, *mirrored])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(describe_query, views, both[: len(views)], both[len(views) :]))


def describe_all(
    pictures: Sequence[NDArray[np.uint8]], cells: CellEmbedder | None
) -> list[LocalFeatures]:
    """The local features of pictures (h, w, 3)."""
    of_cells = [None] * len(pictures) if cells is None else cells.cells(pictures)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(describe, pictures, of_cells))


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


def _open_structured(body: bytes | None) -> NDArray[np.uint8] | None:
    picture = try_open(body)
    return None if picture is None or is_flat(picture) else picture
