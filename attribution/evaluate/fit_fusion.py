"""Fits the weights of `fusion` on a folder of pictures, and writes them down with what they are.

Pictures stand in folders, COLLECTION/SUBJECT/picture. Three kinds of pairs are made, seeded:

- edited copies (`edits`): the source against the pictures that come nearest, and others at random;
- views of one scene, two overlapping cuts of a picture in different light, against the same;
- pictures of one subject against other subjects of the same collection, so that a collection's
  manner does not pass for likeness.

In a first step the image channels are fitted, copies and scenes weighing as much as subjects; in a
second one, on copies and scenes, the points that agree are added to their sum. A channel that does
not help gets the weight 0: one without which, in five-fold cross-validation over pictures and
collections, subjects are told apart as well, and no fewer sources of copies are among the first 20,
which are compared place by place::

    python -m attribution.evaluate.fit_fusion pictures/ --out attribution/weights/fusion.json

Run on pictures that are neither in the background nor ever evaluated.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.calibration.background import SHIPPED, read_background
from attribution.calibration.fusion import WEIGHTS, Fusion, is_fusion
from attribution.evaluate.fit_pairs import (
    FOLDS,
    MATCHINGS,
    Copies,
    Pairs,
    pair_copies,
    pair_subjects,
    read_pictures,
)
from attribution.evaluate.metrics import auc
from attribution.ranking.method import VERIFIED, default_setup
from harvester.paths import check_output

SURE = 1.64
"""Standard errors by which copies must suffer for a channel to stay for their sake."""
RIDGE = 1e-3


def fit(
    x: NDArray[np.float64], is_source: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Bias and non-negative weights by L2-regularised logistic regression on features (n, k)."""
    from scipy.optimize import minimize  # noqa: PLC0415  # for those who fit; ranking needs none

    y, share = np.where(is_source, 1.0, -1.0), weight / weight.sum()

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = y * (beta[0] + x @ beta[1:])
        pull = -y * share / (1 + np.exp(np.clip(margin, -500, 500)))
        gradient = np.concatenate([[pull.sum()], x.T @ pull + 2 * RIDGE * beta[1:]])
        value = share @ np.logaddexp(0, -margin) + RIDGE * (beta[1:] @ beta[1:])
        return float(value), gradient

    bounds = [(None, None), *[(0, None)] * x.shape[1]]
    result = minimize(loss, np.zeros(1 + x.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(result.x[0]), result.x[1:]


def fit_fusion(copies: Copies, subjects: Pairs, channels: Sequence[str]) -> Fusion:
    """Both steps, with the channels that help; `fitted_on` has what cross-validation found."""
    is_used = np.ones(len(channels), bool)
    gains: dict[str, Any] = {}
    whole = cross_validate(copies, subjects, is_used)
    for index, name in enumerate(channels):
        without = cross_validate(copies, subjects, np.arange(len(channels)) != index)
        gains[name] = {
            "subjects_auc": _difference(whole.subjects, without.subjects),
            "copies_among_first_20": _difference(whole.copies, without.copies),
        }
        gain, error = gains[name]["copies_among_first_20"]
        is_used[index] = gains[name]["subjects_auc"][0] > 0 or gain > max(SURE * error, 0)
    final = cross_validate(copies, subjects, is_used)
    image = fit_images(copies, subjects, is_used)
    bias, (scale, *regions) = fit(
        np.column_stack([copies.pairs.z @ image, copies.pairs.inliers]),
        copies.pairs.is_source,
        copies.pairs.weight,
    )
    return Fusion(
        bias=round(bias, 4),
        weights={
            name: round(float(scale * weight), 4)
            for name, weight in zip(channels, image, strict=True)
        },
        regions={
            name: round(float(weight), 4) for name, weight in zip(MATCHINGS, regions, strict=True)
        },
        fitted_on={
            "gain_of_each_channel_and_standard_error": gains,
            "subjects_auc": round(float(final.subjects.mean()), 4),
            "copies_among_first_20": round(float(final.copies.mean()), 4),
        },
    )


@dataclass(frozen=True)
class Validated:
    """What a fit on the other folds makes of each query.

    Attributes:
        subjects: by query, the AUC of its subject against others.
        copies: by query, 1 where the source is among those that are compared place by place.
    """

    subjects: NDArray[np.float64]
    copies: NDArray[np.float64]


def cross_validate(copies: Copies, subjects: Pairs, is_used: NDArray[np.bool_]) -> Validated:
    """Fit the image channels that are kept on four folds, and ask the fifth, in turn."""
    aucs = np.empty(int(subjects.query.max()) + 1)
    is_found = np.empty(len(copies.source))
    for fold in range(FOLDS):
        weights = fit_images(
            replace(copies, pairs=_chosen(copies.pairs, copies.pairs.fold != fold)),
            _chosen(subjects, subjects.fold != fold),
            is_used,
        )
        held_out = _chosen(subjects, subjects.fold == fold)
        scores = held_out.z @ weights
        for number in np.unique(held_out.query):
            own = held_out.query == number
            aucs[number] = auc(scores[own & held_out.is_source], scores[own & ~held_out.is_source])
        for number in np.unique(copies.pairs.query[copies.pairs.fold == fold]):
            all_scores = copies.z[number] @ weights
            ahead = (all_scores > all_scores[copies.source[number]]).sum()
            is_found[number] = ahead < VERIFIED
    return Validated(aucs, is_found)


def fit_images(copies: Copies, subjects: Pairs, is_used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the image channels, 0 for those that are not kept; both kinds weigh alike."""
    both = (copies.pairs, subjects)
    return fit(
        np.concatenate([pairs.z * is_used for pairs in both]),
        np.concatenate([pairs.is_source for pairs in both]),
        np.concatenate([pairs.weight / pairs.weight.sum() for pairs in both]),
    )[1]


def _chosen(pairs: Pairs, rows: NDArray[np.bool_]) -> Pairs:
    return Pairs(*(getattr(pairs, field.name)[rows] for field in fields(Pairs)))


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    """The mean of one minus other over queries, and its standard error."""
    gaps = one - other
    return round(float(gaps.mean()), 5), round(float(gaps.std() / len(gaps) ** 0.5), 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pictures, as COLLECTION/SUBJECT/picture")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="JSON to write")
    parser.add_argument("--background", type=Path, default=SHIPPED)
    parser.add_argument("--each", type=int, default=10, help="pictures for each edit")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    check_output(options.out, is_fusion, option="--out")
    nothing = Fusion(0, {}, dict.fromkeys(MATCHINGS, 0.0), {})
    setup = default_setup(read_background(options.background), nothing)
    given = read_pictures(options.folder, setup)
    copies = pair_copies(given, setup, each=options.each, seed=options.seed)
    subjects = pair_subjects(given, setup, seed=options.seed)
    fitted = fit_fusion(copies, subjects, [one.name for one in setup.channels])
    names = "".join(sorted(given.names)).encode()
    provenance = {
        "pictures": len(given.names),
        "pictures_sha256": hashlib.sha256(names).hexdigest(),
        "copies_and_scenes": len(copies.source),
        "pairs_of_a_subject": int(subjects.is_source.sum()),
        "seed": options.seed,
        "background": setup.background.digest,
        **fitted.fitted_on,
    }
    text = json.dumps(
        {
            "bias": fitted.bias,
            "weights": fitted.weights,
            "regions": fitted.regions,
            "fitted_on": provenance,
        },
        indent=2,
    )
    options.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
