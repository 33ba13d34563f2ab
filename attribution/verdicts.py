"""What may be said of a candidate, and from which evidence; the thresholds stand here alone.

A verdict is about a picture found on the web. None of them says that a model was trained on it.
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


class Verdict(StrEnum):
    """What the evidence for one candidate amounts to, the strongest first."""

    NEAR_COPY = "near copy"
    LIKENESS = "likeness only"

    @property
    def explanation(self) -> str:
        """A sentence for a person."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Verdict.NEAR_COPY: (
        "This candidate, found on the web, and the generated picture, or a tile of it, are the "
        "same picture but for small edits."
    ),
    Verdict.LIKENESS: (
        "This candidate, found on the web, stands in the order of likeness and words. That alone "
        "is no evidence that it was drawn from."
    ),
}


def near_copies(
    pdq: NDArray[np.float32], quality: NDArray[np.int16], query_quality: int
) -> NDArray[np.bool_]:
    """Which candidates are near copies, by PDQ agreement and both pictures' PDQ quality."""
    trusted = (quality >= PDQ_QUALITY) & (query_quality >= PDQ_QUALITY)
    # Half a bit of slack: in float32 a distance of exactly 31 must stay a match.
    agrees = np.nan_to_num(pdq) >= np.float32(PDQ_MATCH - 0.5 / 256)
    found: NDArray[np.bool_] = trusted & agrees
    return found
