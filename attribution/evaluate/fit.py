"""Fits the weights of `fusion` on a folder of pictures, and writes them down with what they are.

Two kinds of queries are made of the pictures, seeded: edited copies (`edits`), and views of the
same scene: two overlapping cuts of one picture, in another light. For each, its source is a
positive; the pictures that the whitened embedding finds nearest, and some drawn at random, are
negatives. The pictures are split in half, none on both sides: weights are fitted on one half, and
a channel that does not tell sources from others on the other half gets the weight 0::

    python -m attribution.evaluate.fit pictures/ --out attribution/weights/fusion.json

Run on pictures that are neither in the background nor ever evaluated. Needs SciPy.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.background import SHIPPED, read_background
from attribution.evaluate.edits import EDITS, make_copy, rng_for
from attribution.evaluate.metrics import auc
from attribution.fusion import WEIGHTS, Z_LIMIT, Fusion
from attribution.method import Method, default_method
from attribution.query import Query, View
from attribution.regions import match
from attribution.scoring import look_at, score_images
from attribution.verification import describe_all, describe_queries, inliers_of
from attribution.whitening import with_derived
from harvester.images import open_picture

HARD, RANDOM = 20, 20
"""Negatives of a query: the nearest pictures, and some of the others."""

WORST_AUC = 0.55
"""A channel that separates held-out pairs no better has no part."""

RIDGE = 1e-3

MATCHINGS = ("sift", "cells")

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Pairs:
    """Pairs of a query and a picture.

    Attributes:
        features: (n, channels + methods) z-scores, cut at `Z_LIMIT`, and doublings of inliers.
        is_source: (n,).
        weight: (n,) such that sources, hard and random pictures of a query weigh alike.
        kind: (n,) which edit made the query.
        held_out: (n,) whether the query's source is of the half that is not fitted on.
    """

    features: NDArray[np.float64]
    is_source: NDArray[np.bool_]
    weight: NDArray[np.float64]
    kind: NDArray[np.str_]
    held_out: NDArray[np.bool_]


def scene_views(picture: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
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
    pictures: Sequence[Picture], names: Sequence[str], each: int, seed: int
) -> Iterator[tuple[str, int, Picture]]:
    """(kind, source, query): each edit on `each` pictures, and as many scenes as a third of all."""
    draw = np.random.default_rng(seed)
    kinds = [*EDITS, *["scene"] * (len(EDITS) // 2)]
    for kind in kinds:
        for source in draw.choice(len(pictures), each, replace=False).tolist():
            picture = pictures[source]
            if kind == "scene":
                yield kind, source, scene_views(picture, rng_for(seed, kind, names[source]))[1]
                continue
            others = [pictures[n] for n in draw.choice(len(pictures), 8).tolist() if n != source]
            yield (
                kind,
                source,
                make_copy(picture, EDITS[kind], seed=seed, picture_id=names[source], others=others),
            )


def collect(
    pictures: Sequence[Picture], names: Sequence[str], method: Method, *, each: int, seed: int
) -> Pairs:
    """Compare seeded queries with their sources and with others."""
    vectors = with_derived({one.channel: one.embed(pictures) for one in method.embedders})
    described = describe_all(pictures, method.cells)
    draw = np.random.default_rng(seed + 1)
    space = method.neighbourhood.name
    rows: list[NDArray[np.float64]] = []
    labels, weights, kinds, held = [], [], [], []
    for kind, source, picture in make_queries(pictures, names, each, seed):
        query = Query("", None, (View(None, picture, {}, 0),))
        looked = look_at(query, method.embedders, method.channels)
        scores = score_images(looked, vectors, method.background, method.channels)
        order = np.argsort(-scores.z[space], kind="stable")
        hard = [row for row in order[: HARD + 1].tolist() if row != source][:HARD]
        rest = [row for row in order[HARD + 1 :].tolist() if row != source]
        chosen = [source, *hard, *draw.choice(rest, RANDOM, replace=False).tolist()]
        places = describe_queries([picture], method.cells)[0]
        inliers = np.zeros((len(chosen), len(MATCHINGS)))
        for number, row in enumerate(chosen[: HARD + 1]):
            found = inliers_of(match(places, described[row]))
            inliers[number] = [np.log2(1 + found[one]) for one in MATCHINGS]
        z = np.stack([scores.z[one.name][chosen] for one in method.channels], axis=1)
        rows.append(np.hstack([np.clip(z, -Z_LIMIT, Z_LIMIT), inliers]))
        labels += [True, *[False] * (len(chosen) - 1)]
        weights += [1.0, *[0.5 / HARD] * len(hard), *[0.5 / RANDOM] * RANDOM]
        kinds += [kind] * len(chosen)
        held += [names[source] > sorted(names)[len(names) // 2]] * len(chosen)
    return Pairs(
        np.vstack(rows), np.array(labels), np.array(weights), np.array(kinds), np.array(held)
    )


def fit(pairs: Pairs, columns: Sequence[str]) -> tuple[float, NDArray[np.float64]]:
    """Bias and non-negative weights by L2-regularised logistic regression on the fitted half."""
    from scipy.optimize import minimize  # noqa: PLC0415  # for those who fit; ranking needs none

    keep = ~pairs.held_out
    x, y = pairs.features[keep], np.where(pairs.is_source[keep], 1.0, -1.0)
    weight = pairs.weight[keep] / pairs.weight[keep].sum()

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = y * (beta[0] + x @ beta[1:])
        pull = -y * weight / (1 + np.exp(margin))
        gradient = np.concatenate([[pull.sum()], x.T @ pull + 2 * RIDGE * beta[1:]])
        value = weight @ np.logaddexp(0, -margin) + RIDGE * (beta[1:] @ beta[1:])
        return float(value), gradient

    bounds = [(None, None), *[(0, None)] * len(columns)]
    found = minimize(loss, np.zeros(1 + len(columns)), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(found.x[0]), found.x[1:]


def separations(pairs: Pairs, columns: Sequence[str]) -> dict[str, float]:
    """Each column's AUC on the half that is held out, sources against the nearest others."""
    keep = pairs.held_out & (pairs.is_source | (pairs.weight == pairs.weight[1]))
    source = pairs.is_source[keep]
    return {
        name: auc(pairs.features[keep, place][source], pairs.features[keep, place][~source])
        for place, name in enumerate(columns)
    }


def fitted(pairs: Pairs, channels: Sequence[str], told: Mapping[str, Any]) -> Fusion:
    """Fit, drop the channels that do not help, and fit again."""
    columns = [*channels, *MATCHINGS]
    aucs = separations(pairs, columns)
    useless = [place for place, name in enumerate(columns) if aucs[name] < WORST_AUC]
    features = pairs.features.copy()
    features[:, useless] = 0
    kept = Pairs(features, pairs.is_source, pairs.weight, pairs.kind, pairs.held_out)
    bias, weights = fit(kept, columns)
    rounded = {name: round(float(weight), 4) for name, weight in zip(columns, weights, strict=True)}
    scores = features @ weights + bias
    held = pairs.held_out
    return Fusion(
        bias=round(bias, 4),
        weights={name: rounded[name] for name in channels},
        regions={name: rounded[name] for name in MATCHINGS},
        fitted_on={
            **told,
            "held_out_auc": {name: round(value, 4) for name, value in aucs.items()},
            "held_out_auc_fused": round(
                auc(scores[held & pairs.is_source], scores[held & ~pairs.is_source]), 5
            ),
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pictures, in folders as you like")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="JSON to write")
    parser.add_argument("--background", type=Path, default=SHIPPED)
    parser.add_argument("--each", type=int, default=12, help="pictures for each edit")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    bodies = [path.read_bytes() for path in paths]
    names = [hashlib.sha256(body).hexdigest() for body in bodies]
    pictures = [open_picture(body).rgb for body in bodies]
    method = default_method(
        read_background(options.background), Fusion(0, {}, dict.fromkeys(MATCHINGS, 0.0), {})
    )
    pairs = collect(pictures, names, method, each=options.each, seed=options.seed)
    told = {
        "pictures": len(pictures),
        "pictures_sha256": hashlib.sha256("".join(sorted(names)).encode()).hexdigest(),
        "queries": int(pairs.is_source.sum()),
        "seed": options.seed,
        "background": method.background.digest,
    }
    made = fitted(pairs, [one.name for one in method.channels], told)
    text = {
        "bias": made.bias,
        "weights": made.weights,
        "regions": made.regions,
        "fitted_on": made.fitted_on,
    }
    options.out.write_text(json.dumps(text, indent=2) + "\n", "utf-8")
    print(json.dumps(text, indent=2))


if __name__ == "__main__":
    main()
