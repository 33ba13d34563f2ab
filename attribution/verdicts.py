"""What may be said of a candidate, and from which evidence; the thresholds stand here alone.

A ladder: near copy, replication, above chance, no evidence. A verdict is about a picture found on
the web. None of them says that a model was trained on it. How often each is said wrongly is
measured by `attribute evaluate`, and stands in `benchmarks/README.md`.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

PDQ_MATCH = 1 - 31 / 256
"""PDQ's own threshold, 31 of 256 bits.

Of 1.83 million pairs of Caltech-101 pictures, eight turns each, ten come within it. Nine are
copies: the same picture recoloured, mirrored or redrawn in part. One is not: two catalogue
photographs of two motorcycles of one make, in the same place and light
(benchmarks/near_copies.py).
"""

PDQ_QUALITY = 50
"""Below this a picture has too little structure for its PDQ hash to mean anything."""

EXTRACTION_RATIO = 1.0
"""Below it a candidate is extraction-like (Carlini et al. 2023); with a matched region, a copy."""

FALSE_DISCOVERIES = 0.05
"""Expected share of false ones among the candidates that are called above chance."""

FLAT = 2.0
"""Standard deviation of the colours, of 255, below which a picture offers nothing to compare."""


class Verdict(StrEnum):
    """What the evidence for one candidate amounts to, the strongest first."""

    NEAR_COPY = "near copy"
    REPLICATION = "replication"
    ABOVE_CHANCE = "above chance"
    NO_EVIDENCE = "no evidence"

    @property
    def explanation(self) -> str:
        """A sentence for a person."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Verdict.NEAR_COPY: (
        "This candidate, found on the web, and the generated picture, or a tile of it, are the "
        "same picture but for small edits."
    ),
    Verdict.REPLICATION: (
        "A part of this candidate, found on the web, agrees with a part of the generated picture "
        "place by place; the marked regions show where."
    ),
    Verdict.ABOVE_CHANCE: (
        "This candidate, found on the web, is nearer than unrelated pictures are. A shared subject "
        "or manner can be the whole reason."
    ),
    Verdict.NO_EVIDENCE: (
        "This candidate, found on the web, is no nearer than unrelated pictures can be. It stands "
        "in the order all the same; that is no evidence that it was drawn from."
    ),
}


def trusted_hashes(quality: NDArray[np.int16], query_quality: int) -> NDArray[np.bool_]:
    """Which candidates' PDQ hashes mean something beside the query's, by both qualities."""
    trusted: NDArray[np.bool_] = (quality >= PDQ_QUALITY) & (query_quality >= PDQ_QUALITY)
    return trusted


def near_copies(
    pdq: NDArray[np.float32], quality: NDArray[np.int16], query_quality: int
) -> NDArray[np.bool_]:
    """Which candidates are near copies, by PDQ agreement and both pictures' PDQ quality."""
    trusted = trusted_hashes(quality, query_quality)
    # Half a bit of slack: in float32 a distance of exactly 31 must stay a match.
    agrees = np.nan_to_num(pdq) >= np.float32(PDQ_MATCH - 0.5 / 256)
    found: NDArray[np.bool_] = trusted & agrees
    return found


def judge(*, is_copy: bool, has_region: bool, ratio: float, q: float) -> Verdict:
    """The highest rung that the evidence for one candidate reaches.

    Args:
        is_copy: by its hash.
        has_region: a matched region was accepted.
        ratio: `calibration.memorisation_ratio`.
        q: false discovery rate.
    """
    if is_copy or (has_region and ratio < EXTRACTION_RATIO):
        return Verdict.NEAR_COPY
    if has_region:
        return Verdict.REPLICATION
    return Verdict.ABOVE_CHANCE if q <= FALSE_DISCOVERIES else Verdict.NO_EVIDENCE


def is_flat(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture (h, w, 3) is of one colour, or as good as."""
    # Not of the grey values: red and blue can have the same one.
    return float(picture.reshape(-1, 3).std(axis=0, dtype=np.float32).max()) < FLAT
