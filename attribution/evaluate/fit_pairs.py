"""These are the training pairs of the fusion: pictures that belong together, or do not.

They are edited copies and views of one scene, and pictures of one subject; `fit_fusion` fits the
fusion on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attribution.calibration.fusion import Z_LIMIT
from attribution.descriptors.whitening import with_derived
from attribution.evaluate.edits import EDITS, make_copy, rng_for
from attribution.matching.geometry import match
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import Query, View
from attribution.ranking.scores import embed_query, score_images
from attribution.ranking.verification import describe_all, describe_queries, inliers_of
from harvester.pictures.decode import open_picture

MATCHINGS = ("sift", "cells")
FOLDS = 5
HARD, RANDOM = 20, 20
"""Negatives of a copy: the nearest pictures, and some of the others."""
FEWEST_OF_SUBJECT, MOST_OF_SUBJECT = 3, 5
"""Pictures that a subject needs, and that are asked of it."""
RgbPicture = NDArray[np.uint8]


def read_pictures(folder: Path, setup: RankingSetup) -> PairPictures:
    """All pictures of a folder, described."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    bodies = [path.read_bytes() for path in paths]
    names = [hashlib.sha256(body).hexdigest() for body in bodies]
    pictures = [open_picture(body).rgb for body in bodies]
    return PairPictures(
        names,
        np.array([path.parent.relative_to(folder).as_posix() for path in paths]),
        pictures,
        with_derived({one.channel: one.embed(pictures) for one in setup.embedders}),
    )


@dataclass(frozen=True)
class Pairs:
    """Pairs of a query and a picture.

    Attributes:
        z: (n, channels) z-scores, cut at `Z_LIMIT`.
        inliers: (n, methods) doublings of agreeing points; 0 where nobody looked.
        is_source: (n,) whether they belong together.
        weight: (n,) such that the sources of a query weigh as much as all others do.
        query: (n,) number of the query, rising from 0.
        fold: (n,) which fold the query is of.
    """

    z: NDArray[np.float64]
    inliers: NDArray[np.float64]
    is_source: NDArray[np.bool_]
    weight: NDArray[np.float64]
    query: NDArray[np.int64]
    fold: NDArray[np.int64]


@dataclass(frozen=True)
class Copies:
    """Copies and scenes.

    Attributes:
        pairs: with their sources, and with others.
        z: (m, n, channels) float32, each query against all pictures.
        source: (m,) which picture each was made of.
    """

    pairs: Pairs
    z: NDArray[np.float32]
    source: NDArray[np.int64]


@dataclass(frozen=True)
class PairPictures:
    """The pictures that are fitted on.

    Attributes:
        names: sha256 of each file.
        subjects: COLLECTION/SUBJECT of each.
        vectors: by space, (n, d).
    """

    names: Sequence[str]
    subjects: NDArray[np.str_]
    pictures: Sequence[RgbPicture]
    vectors: Mapping[str, NDArray[np.float32]]


def scene_views(picture: RgbPicture, rng: np.random.Generator) -> tuple[RgbPicture, RgbPicture]:
    """Two cuts of a picture that share its middle at least, the second in another light."""
    height, width = picture.shape[:2]
    cuts = []
    for _ in range(2):
        top, left, low, right = rng.uniform(0, 0.25, 4)
        rows = slice(round(top * height), round((1 - low) * height))
        cuts.append(picture[rows, round(left * width) : round((1 - right) * width)])
    gain, shade = rng.uniform(0.7, 1.3, 3), rng.uniform(-25, 25)
    other = (cuts[1] * gain + shade).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(cuts[0]), other


def make_queries(
    pictures: Sequence[RgbPicture], names: Sequence[str], each: int, seed: int
) -> Iterator[tuple[int, RgbPicture]]:
    """(source, query): each edit on `each` pictures, and scenes half as many as all edits."""
    draw = np.random.default_rng(seed)
    for kind in [*EDITS, *["scene"] * (len(EDITS) // 2)]:
        for source in draw.choice(len(pictures), each, replace=False).tolist():
            picture = pictures[source]
            if kind == "scene":
                yield source, scene_views(picture, rng_for(seed, kind, names[source]))[1]
                continue
            others = [pictures[n] for n in draw.choice(len(pictures), 8).tolist() if n != source]
            yield (
                source,
                make_copy(picture, EDITS[kind], seed=seed, picture_id=names[source], others=others),
            )


def pair_copies(given: PairPictures, setup: RankingSetup, *, each: int, seed: int) -> Copies:
    """Copies and scenes with their sources, and with pictures of the source's fold that are not."""
    described = describe_all(given.pictures, setup.cells)
    draw = np.random.default_rng(seed + 1)
    folds = np.array([_fold(name) for name in given.names])
    rows: list[Pairs] = []
    against, sources = [], []
    for source, picture in make_queries(given.pictures, given.names, each, seed):
        z = _z_scores(picture, given, setup)
        against.append(z.astype(np.float32))
        sources.append(source)
        others = np.flatnonzero(folds == folds[source])
        others = others[others != source]
        others = others[np.argsort(-z[others].sum(axis=1), kind="stable")]
        chosen = np.concatenate(
            [[source], others[:HARD], draw.choice(others[HARD:], RANDOM, replace=False)]
        )
        described_query = describe_queries([picture], setup.cells)[0]
        inliers = np.zeros((len(chosen), len(MATCHINGS)))
        for number, row in enumerate(chosen[: HARD + 1].tolist()):
            counts = inliers_of(match(described_query, described[row]))
            inliers[number] = [np.log2(1 + counts[one]) for one in MATCHINGS]
        first = np.arange(len(chosen)) == 0
        rows.append(
            Pairs(
                z[chosen],
                inliers,
                first,
                np.where(first, 1.0, 1 / (HARD + RANDOM)),
                np.full(len(chosen), len(rows)),
                np.full(len(chosen), folds[source]),
            )
        )
    return Copies(_joined(rows), np.stack(against), np.array(sources))


def pair_subjects(given: PairPictures, setup: RankingSetup, *, seed: int) -> Pairs:
    """Pictures with others of their subject, and with other subjects of their collection."""
    draw = np.random.default_rng(seed + 2)
    names, counts = np.unique(given.subjects, return_counts=True)
    large = np.isin(given.subjects, names[counts >= FEWEST_OF_SUBJECT])
    collections = np.array([subject.partition("/")[0] for subject in given.subjects])
    rows: list[Pairs] = []
    for subject in names[counts >= FEWEST_OF_SUBJECT]:
        members = np.flatnonzero(given.subjects == subject)
        strangers = np.flatnonzero(
            large & (collections == collections[members[0]]) & (given.subjects != subject)
        )
        if not len(strangers):
            continue
        for query in draw.permutation(members)[:MOST_OF_SUBJECT].tolist():
            kin = members[members != query]
            chosen = np.concatenate([kin, strangers])
            own = np.arange(len(chosen)) < len(kin)
            rows.append(
                Pairs(
                    _z_scores(given.pictures[query], given, setup)[chosen],
                    np.zeros((len(chosen), len(MATCHINGS))),
                    own,
                    np.where(own, 1 / len(kin), 1 / len(strangers)),
                    np.full(len(chosen), len(rows)),
                    np.full(len(chosen), _fold(collections[members[0]])),
                )
            )
    return _joined(rows)


def _z_scores(picture: RgbPicture, given: PairPictures, setup: RankingSetup) -> NDArray[np.float64]:
    query = Query("", None, (View(None, picture, {}, 0),))
    query_vectors = embed_query(query, setup.embedders, setup.channels)
    scores = score_images(query_vectors, given.vectors, setup.background, setup.channels)
    z = np.stack([scores.z[one.name] for one in setup.channels], axis=1)
    return np.clip(z, -Z_LIMIT, Z_LIMIT).astype(np.float64)


def _joined(pairs: Sequence[Pairs]) -> Pairs:
    return Pairs(
        *(np.concatenate([getattr(one, field.name) for one in pairs]) for field in fields(Pairs))
    )


def _fold(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % FOLDS
