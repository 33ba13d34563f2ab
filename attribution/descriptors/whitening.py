"""PCA-whitening of the embedding: directions in which all pictures vary count for less.

Jégou & Chum, "Negative Evidences and Co-occurrences in Image Retrieval" (2012). Fitted once on the
reference half of the shipped background (`data.make_weights`), never on the few candidates at hand;
the fit is part of the package, and its hash part of what a report says of its method.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from attribution.errors import WeightsMissingError
from attribution.packaged import packaged
from harvester.errors import reason_of

WEIGHTS = packaged("resnet50-whitening.safetensors")
BASE = "resnet50-gem"
CHANNEL = "resnet50-whitened"
DERIVED = (CHANNEL,)
"""Spaces that follow from others and are not stored."""
DIMENSION = 512
_RIDGE = 0.1
"""Share of the mean variance added to each direction's own, so that weak ones are not blown up."""


@dataclass(frozen=True)
class Whitening:
    """A fitted projection.

    Attributes:
        mean: (d,) float32.
        projection: (d, k) float32.
        digest: sha256 of both.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    digest: str

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit rows (n, d) as unit rows (n, k)."""
        rows = (vectors - self.mean) @ self.projection
        rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-6)
        return rows.astype(np.float32)


def fit_whitening(vectors: NDArray[np.float32], dimension: int = DIMENSION) -> Whitening:
    """Whitening by the principal components of vectors (n, d); n at least twice the dimension."""
    mean = vectors.mean(axis=0)
    centred = (vectors - mean).astype(np.float64)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    variances = singular[:dimension] ** 2 / len(vectors)
    scale = 1 / np.sqrt(variances + _RIDGE * variances.mean())
    projection = (directions[:dimension] * scale[:, None]).T
    return _whitening(mean.astype(np.float16), projection.astype(np.float16))


def write_whitening(path: Path, whitening: Whitening) -> None:
    """Write a fit as safetensors, in float16."""
    arrays = {"mean": whitening.mean, "projection": whitening.projection}
    # In rows: safetensors writes the memory as it lies, and reads it as rows.
    path.write_bytes(
        save({name: array.astype(np.float16, order="C") for name, array in arrays.items()})
    )


@cache
def load_whitening(path: Path = WEIGHTS) -> Whitening:
    """The fit that is part of the package.

    Raises:
        WeightsMissingError: if the file is missing or no such fit.
    """
    try:
        arrays = load(path.read_bytes())
        return _whitening(arrays["mean"], arrays["projection"])
    except (OSError, SafetensorError, KeyError) as exc:
        found = reason_of(exc) if isinstance(exc, OSError) else f"another file ({exc})"
        raise WeightsMissingError(
            f"{path}: expected the fitted whitening, found {found}; install whence again"
        ) from exc


def _whitening(mean: NDArray[np.float16], projection: NDArray[np.float16]) -> Whitening:
    digest = hashlib.sha256(mean.tobytes() + projection.tobytes()).hexdigest()
    return Whitening(mean.astype(np.float32), projection.astype(np.float32), digest)


def derived_from(channel: str) -> tuple[str, ...]:
    """Which spaces follow from the vectors of a channel."""
    return (CHANNEL,) if channel == BASE else ()


def with_derived(vectors: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Vectors by space, with those that follow from them."""
    derived = {CHANNEL: load_whitening()(vectors[BASE])} if BASE in vectors else {}
    return {**vectors, **derived}
