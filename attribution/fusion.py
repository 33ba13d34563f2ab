"""Several channels' scores → one score per candidate.

A convex combination (Bruch, Gai & Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval",
2023), each channel first brought to 0 … 1 between its theoretical minimum and a maximum. For the
embedding these are fixed, so a candidate's score does not depend on its company; for BM25, which
has no upper bound, the maximum is the best candidate's.

But: the weights are a prior, not fitted, and no hash takes part: hashes decide copies.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

WEIGHTS: Mapping[str, float] = {"image": 0.8, "text": 0.2}

UNRELATED_COSINE = 0.45
"""Mean ResNet-50 cosine of unrelated photographs (151 of Caltech-101's, SD .07): likeness 0.

The same figure is the channel's `chance` in `descriptors.CHANNELS`.
"""


def likeness(cosine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines as 0 (no nearer than unrelated photographs are) to 1 (the same picture)."""
    scaled: NDArray[np.float32] = (cosine - UNRELATED_COSINE) / (1 - UNRELATED_COSINE)
    return np.clip(scaled, 0, 1)


def relevance(bm25: NDArray[np.float32], best: float) -> NDArray[np.float32]:
    """BM25 scores as 0 (no word in common) to 1 (the best candidate of the gallery)."""
    return (bm25 / best).astype(np.float32) if best > 0 else np.zeros_like(bm25)


def blend(image: NDArray[np.float32], text: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """One score (n,) in 0 … 1 from likeness and relevance (n,); without text, likeness alone."""
    if text is None:
        return image
    return (WEIGHTS["image"] * image + WEIGHTS["text"] * text).astype(np.float32)
