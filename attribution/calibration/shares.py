"""Shares of the influence: how much of the generated picture each candidate explains. Pure.

A candidate explains what agrees with it place by place, and nothing else: a share is an area of the
picture. A place that several explain is theirs in equal parts, so that equal sources have equal
shares, and what nobody explains stays unattributed. What is no more than a template (a layout, a
frame, a logo) has at most 5 %, all templates together. A candidate that explains no place has no
share, whatever its score: a shared subject is no evidence of a source.

But: of what was redrawn, nothing agrees block by block, so that it has no more than a template.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIDE = 32
"""Places of a whole picture across and down."""
TEMPLATES_MOST = 0.05
"""Share that all templates have together at most."""


def shares_of(
    explained: Sequence[NDArray[np.float32]], is_template: Sequence[bool]
) -> tuple[NDArray[np.float64], float]:
    """Each candidate's share (n,) of an influence of 1, and the share left unattributed.

    Args:
        explained: by candidate, (rows, columns) float32, how far it explains each place, 0 to 1.
        is_template: by candidate, whether it is no more than that.
    """
    if not explained:
        return np.zeros(0), 1.0
    areas, weak = np.stack(explained).astype(np.float64), np.array(is_template, np.bool_)
    # What has a source besides is not a template's.
    left = 1 - np.minimum(areas[~weak].sum(axis=0), 1.0)
    for some, room in ((~weak, np.ones_like(left)), (weak, left)):
        areas[some] *= room / np.maximum(areas[some].sum(axis=0), 1.0)
    shares = areas.mean(axis=(1, 2))
    shares[weak] *= min(1.0, TEMPLATES_MOST / max(float(shares[weak].sum()), 1e-9))
    return shares, float(1 - shares.sum())
