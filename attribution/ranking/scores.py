"""The image channels: scores of a query against candidates, and against the background.

Whatever is done for a candidate is done for each picture of the background's null, the best of
several looks included, so that a candidate that is unrelated to the query is one draw more of the
same chance (conformal p-values; Bates et al., "Testing for Outliers with Conformal p-values",
2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.calibration.background import Background
from attribution.calibration.significance import corrected, hubness, standardised
from attribution.descriptors.crops import CROPS, Crop
from attribution.descriptors.embedder import Embedder, TextTower
from attribution.descriptors.hashes import is_flat
from attribution.descriptors.whitening import derived_from, with_derived
from attribution.ranking.query import Query


@dataclass(frozen=True, slots=True)
class ImageChannel:
    """How a channel of `channels.CHANNELS` comes about.

    Attributes:
        space: whose vectors are compared.
        looks: in which ways the query is looked at; the best counts.
    """

    name: str
    space: str
    crop: Crop


@dataclass(frozen=True)
class QueryVectors:
    """A query as vectors.

    Attributes:
        rows: by space and look, (l, d) float32 unit rows, over the query's views.
        view: by space and look, (l,) the number of the view that each row looks at.
    """

    rows: Mapping[tuple[str, Crop], NDArray[np.float32]]
    view: Mapping[tuple[str, Crop], NDArray[np.int64]]


@dataclass(frozen=True)
class ImageScores:
    """One query's scores; n candidates, N background pictures.

    Attributes:
        raw: by channel, (n,) similarities.
        z: by channel that has a background, (n,) as `significance.standardised` gives.
        null: likewise, (N,) of the background itself.
    """

    raw: Mapping[str, NDArray[np.float32]]
    z: Mapping[str, NDArray[np.float32]]
    null: Mapping[str, NDArray[np.float32]]


def embed_query(
    query: Query, embedders: Sequence[Embedder], channels: Sequence[ImageChannel]
) -> QueryVectors:
    """Describe a query in every look that some channel needs.

    A grid is looked at whole and tile by tile, and only its tiles in parts: the parts of the whole
    are the tiles. A tile of one colour is not looked at.
    """
    rows: dict[tuple[str, Crop], NDArray[np.float32]] = {}
    views: dict[tuple[str, Crop], NDArray[np.int64]] = {}
    for embedder in reversed(embedders):  # the first one's network may be under way still
        spaces = {embedder.channel, *derived_from(embedder.channel)}
        needed = dict.fromkeys(one.crop for one in channels if one.space in spaces)
        pictures, keys = _pictures(query, needed)
        embedded = embedder.embed(pictures)
        for crop in needed:
            of_crop = [index for index, (key, _) in enumerate(keys) if key == crop]
            for space, vectors in with_derived({embedder.channel: embedded[of_crop]}).items():
                rows[space, crop] = vectors
                views[space, crop] = np.array([keys[index][1] for index in of_crop])
    return QueryVectors(rows, views)


def _pictures(
    query: Query, crops: Iterable[Crop]
) -> tuple[list[NDArray[np.uint8]], list[tuple[Crop, int]]]:
    """Everything to describe, and which look at which view each is."""
    pictures: list[NDArray[np.uint8]] = []
    keys: list[tuple[Crop, int]] = []
    views = [(n, view) for n, view in enumerate(query.views) if not n or not is_flat(view.picture)]
    for crop in crops:
        for number, view in views:
            if crop == "whole" or number or len(views) == 1:
                cropped = CROPS[crop](view.picture)
                pictures += cropped
                keys += [(crop, number)] * len(cropped)
    return pictures, keys


def score_images(
    query_vectors: QueryVectors,
    candidates: Mapping[str, NDArray[np.float32]],
    background: Background,
    channels: Sequence[ImageChannel],
) -> ImageScores:
    """Compare a query with candidates, by space (n, d), in every channel.

    A channel without a background is compared and not calibrated.
    """
    hubs: dict[str, NDArray[np.float32]] = {}
    firsts = {one: _first_equal(candidates[one]) for one in {one.space for one in channels}}
    raw, z, null = {}, {}, {}
    for channel in channels:
        rows, space = candidates[channel.space], channel.space
        queries = query_vectors.rows[space, channel.crop]
        raw[channel.name] = _best(queries, rows)[firsts[space]]
        if space not in background.null:
            continue
        if space not in hubs:
            hubs[space] = hubness(rows @ background.reference[space].T)[firsts[space]]
        to_reference = _best(queries, background.reference[space])
        scores = corrected(raw[channel.name], to_reference, hubs[space])
        chance = corrected(
            _best(queries, background.null[space]), to_reference, background.hubs[space]
        )
        z[channel.name], null[channel.name] = standardised(scores, chance)
    return ImageScores(raw, z, null)


def score_prompt(
    scores: ImageScores,
    prompt: str,
    embedders: Sequence[Embedder],
    candidates: Mapping[str, NDArray[np.float32]],
    background: Background,
) -> ImageScores:
    """The same with the prompt against the pictures, by every model that embeds both."""
    raw, z, null = dict(scores.raw), dict(scores.z), dict(scores.null)
    for embedder in embedders:
        if not isinstance(embedder, TextTower):
            continue
        name, space = embedder.text_channel, embedder.channel
        words = embedder.embed_texts([prompt])
        raw[name] = _best(words, candidates[space])[_first_equal(candidates[space])]
        if space in background.null:
            chance = _best(words, background.null[space])
            z[name], null[name] = standardised(raw[name], chance)
    return ImageScores(raw, z, null)


def _first_equal(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each row (n, d) the first that equals it: a product rounds a row by its place."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(row.tobytes(), n) for n, row in enumerate(rows)], np.int64)


def _best(queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    best: NDArray[np.float32] = (queries @ rows.T).max(axis=0)
    return best
