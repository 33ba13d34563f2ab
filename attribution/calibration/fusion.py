"""The fusion: several channels' scores → the log-odds that a candidate is a source.

A non-negative logistic regression over z-scores: each channel's corrected similarity in standard
deviations of what unrelated pictures have (`significance`). The weights were fitted on edited
copies, views of one scene and pictures of one subject (`python -m attribution.evaluate.fit`), never
on pictures that are evaluated; a channel that did not help has the weight 0. The file says from
what it was fitted, and a person can read it.

Three summands stand beside: the points in which a candidate agrees place by place (`regions`), in a
second step of the fit; a PDQ hash that is nearer than unrelated pictures' are; and the words, whose
weight is a prior, since no public pairs with texts were at hand.

But: log-odds are those of the pictures fitted on. They order, and are shown from 0 to 1; they are
no probability that a picture was drawn from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attribution.errors import WeightsMissingError
from attribution.packaged import packaged
from harvester.errors import reason_of
from harvester.paths import beginning_of

WEIGHTS = packaged("fusion.json")
_LONGEST = 1 << 20  # bytes of such a file
Z_LIMIT = 12.0
"""z-scores are cut here: beyond, a channel is sure, and more of it must not outvote others."""
PRIOR_WEIGHT = 1.0
"""Log-odds a standard deviation of a calibrated channel that was not there when weights were
fitted: a backbone that a user brings."""
TEXT_WEIGHT = 2.0
"""Log-odds that the gallery's best text adds."""
HASH_CHANCE = 116.0
"""Bits of 256 in which unrelated pictures' PDQ hashes differ in the nearest of eight turns: 127.9
without turns, on 93,224 pairs, less 1.42 SD of 8.3 (the mean of the least of eight)."""
HASH_SD = 8.3
"""Of those pairs without turns; the least of eight has less, so that this errs towards chance."""
HASH_MOST = 20.0
"""Log-odds that a hash adds at most: with them it outweighs everything else."""
NAMES_WEIGHT = 1.0
"""Log-odds that a candidate gains which names all the artists and titles that the prompt names."""


@dataclass(frozen=True)
class Fusion:
    """Fitted weights.

    Attributes:
        bias: log-odds where every channel is at its null's mean and no point agrees.
        weights: by channel, log-odds a standard deviation; 0 or more.
        regions: by method, log-odds for each doubling of the agreeing points.
        fitted_on: what a person may want to know of the fit; its data's hash.
        texts: log-odds by text channel, as `TEXT_WEIGHT` and `NAMES_WEIGHT`, which hold where it
            has none.
    """

    bias: float
    weights: Mapping[str, float]
    regions: Mapping[str, float]
    fitted_on: Mapping[str, Any]
    texts: Mapping[str, float] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 of what orders candidates, whatever the file says beside."""
        parts = [self.bias, dict(self.weights), dict(self.regions)]
        text = json.dumps([*parts, dict(self.texts)] if self.texts else parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def log_odds(self, z: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """(n,) from z-scores (n,) by channel."""
        first = next(iter(z.values()))
        total = np.full(len(first), self.bias, np.float32)
        for channel, scores in z.items():
            weight = self.weights.get(channel, PRIOR_WEIGHT)
            total += np.float32(weight) * np.clip(scores, -Z_LIMIT, Z_LIMIT)
        return total

    def from_regions(self, inliers: Mapping[str, int]) -> float:
        """Log-odds that agreeing points add."""
        return float(
            sum(
                self.regions.get(method, 0.0) * np.log2(1 + count)
                for method, count in inliers.items()
            )
        )


def from_hashes(pdq: NDArray[np.float32], trusted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Log-odds (n,) that PDQ agreement adds, 0 to 1: none within 3 SD of chance.

    Half the squared SD beyond chance is what the density of unrelated pairs falls by. None of
    93,224 unrelated pairs was within 94 bits; from 91 on there is something to add, at 31, where
    a near copy begins, as much as there can be. Pictures of one subject have hashes like any
    others, so that this says nothing of a subject and much of an edited copy.

    Args:
        pdq: agreement, the best of the query's turns; NaN where there is none.
        trusted: whose PDQ quality, and the query's, is good enough.
    """
    distance = 256 * (1 - np.nan_to_num(pdq))
    z = np.maximum((HASH_CHANCE - distance) / HASH_SD, 0)
    found = np.clip((z**2 - 9) / 2, 0, HASH_MOST).astype(np.float32)
    return np.where(trusted, found, np.float32(0))


def from_texts(
    texts: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float] = MappingProxyType({})
) -> NDArray[np.float32]:
    """Log-odds (n,) that words add, from the scores of the whole gallery by text channel.

    TF-IDF has no part: it sees the words that BM25 sees.

    Args:
        texts: by channel.
        weights: fitted ones, as `Fusion.texts`.
    """
    total = np.zeros(len(next(iter(texts.values()))), np.float32)
    for name, (prior, scaled) in TEXTS.items():
        if name in texts:
            total += weights.get(name, prior) * scaled(texts[name])
    return total


def relevance(bm25: NDArray[np.float32]) -> NDArray[np.float32]:
    """BM25 (n,) from -1 (what the prompt excludes) over 0 (no word in common) to 1 (the best)."""
    best = max(float(bm25.max(initial=0)), 1e-9)
    relative: NDArray[np.float32] = np.clip(bm25 / best, -1, 1).astype(np.float32)
    return relative


TEXTS: Mapping[str, tuple[float, Callable[[NDArray[np.float32]], NDArray[np.float32]]]] = {
    "bm25": (TEXT_WEIGHT, relevance),
    "names": (NAMES_WEIGHT, np.nan_to_num),
}
"""By text channel that has a part: its weight where none is fitted, and its scores made -1 to 1."""


def probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds as numbers from 0 to 1."""
    likely: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(log_odds, -60, 60)))
    return likely


def is_fusion(path: Path) -> bool:
    """Whether a file holds weights; raises OSError or ValueError."""
    record = json.loads(beginning_of(path, _LONGEST))
    return isinstance(record, dict) and record.keys() >= {"bias", "weights", "fitted_on"}


def load_fusion(path: Path = WEIGHTS) -> Fusion:
    """Fitted weights from a file.

    Raises:
        WeightsMissingError: if it is missing or holds something else.
    """
    try:
        record = json.loads(path.read_text("utf-8"))
        fitted = Fusion(
            bias=float(record["bias"]),
            weights={str(name): float(weight) for name, weight in record["weights"].items()},
            regions={str(name): float(weight) for name, weight in record["regions"].items()},
            fitted_on=dict(record["fitted_on"]),
            texts={str(name): float(one) for name, one in record.get("texts", {}).items()},
        )
        numbers = np.array(
            [*fitted.weights.values(), *fitted.regions.values(), *fitted.texts.values()]
        )
        if (numbers < 0).any() or not np.isfinite([fitted.bias, *numbers]).all():
            raise ValueError("a weight that is negative or no number")  # noqa: TRY301  # one place says what is wrong
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        found = reason_of(exc) if isinstance(exc, OSError) else f"another file ({exc})"
        raise WeightsMissingError(
            f"{path}: expected fitted weights, found {found}; install whence again"
        ) from exc
    return fitted
