"""The head of the order, compared place by place: which points agree, and where.

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


@dataclass(frozen=True, slots=True)
class LocalMatch:
    """What comparing two pictures place by place found.

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
    picked = gallery.pick(ids)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pictures = list(pool.map(_open_structured, (picked[name].image for name in ids)))
    there = [place for place, picture in enumerate(pictures) if picture is not None]
    different = {id(view): view for view in views}
    queries = dict(
        zip(different, describe_queries(list(different.values()), setup.cells), strict=True)
    )
    described = describe_all([p for p in pictures if p is not None], setup.cells)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(match, (queries[id(views[place])] for place in there), described))
    verified: list[LocalMatch | None] = [None] * len(ids)
    for place, one in zip(there, found, strict=True):
        verified[place] = _accepted(one, setup)
    if setup.crop_resistant:
        shares = _shared_parts(views, pictures)
        verified = [
            one and replace(one, parts=share) for one, share in zip(verified, shares, strict=True)
        ]
    return verified


def _shared_parts(
    views: Sequence[NDArray[np.uint8]], pictures: Sequence[NDArray[np.uint8] | None]
) -> list[float | None]:
    """How many of its view's parts each picture has; None where there is no picture."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        described = list(
            pool.map(lambda one: None if one is None else describe_parts(one), pictures)
        )
    own = {id(view): describe_parts(view) for view in {id(view): view for view in views}.values()}
    return [
        None if one is None else found_share(own[id(view)], one)
        for view, one in zip(views, described, strict=True)
    ]


def describe_queries(
    views: Sequence[NDArray[np.uint8]], cells: CellEmbedder | None
) -> list[QueryFeatures]:
    """The places of pictures (h, w, 3), and of their mirror images."""
    mirrored = [np.ascontiguousarray(view[:, ::-1]) for view in views]
    both = [None] * 2 * len(views) if cells is None else cells.cells([*views, *mirrored])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(describe_query, views, both[: len(views)], both[len(views) :]))


def describe_all(
    pictures: Sequence[NDArray[np.uint8]], cells: CellEmbedder | None
) -> list[LocalFeatures]:
    """The places of pictures (h, w, 3)."""
    made = [None] * len(pictures) if cells is None else cells.cells(pictures)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(describe, pictures, made))


def inliers_of(found: Agreement) -> dict[str, int]:
    """By method, how many points agree."""
    return {
        "sift": found.sift.inliers if found.sift else 0,
        "cells": found.cells.inliers if found.cells else 0,
    }


def _accepted(found: Agreement, setup: RankingSetup) -> LocalMatch:
    regions = tuple(
        region
        for region in (found.sift, found.cells)
        if region is not None
        and region.inliers >= setup.background.thresholds.get(region.method, np.inf)
    )
    return LocalMatch(inliers_of(found), regions)


def _open_structured(body: bytes | None) -> NDArray[np.uint8] | None:
    picture = try_open(body)
    return None if picture is None or is_flat(picture) else picture
