"""The verdicts: what may be said of a candidate, from which evidence; all thresholds stand here.

A ladder: near copy, replication, above chance, no evidence. A verdict is about a picture found on
the web. None of them says that a model was trained on it. How often each is said wrongly is
measured by `attribute evaluate`, and stands in `benchmarks/README.md`.
"""

from __future__ import annotations

from enum import StrEnum

EXTRACTION_RATIO = 1.0
"""Below it a candidate is extraction-like (Carlini et al. 2023); with a matched region, a copy."""
FALSE_DISCOVERIES = 0.05
"""Expected share of false ones among the candidates that are called above chance."""


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


def judge(*, is_copy: bool, has_region: bool, ratio: float, q: float) -> Verdict:
    """The highest rung that the evidence for one candidate reaches.

    Args:
        is_copy: by its hash.
        has_region: a matched region was accepted.
        ratio: `significance.memorisation_ratio`.
        q: false discovery rate.
    """
    if is_copy or (has_region and ratio < EXTRACTION_RATIO):
        return Verdict.NEAR_COPY
    if has_region:
        return Verdict.REPLICATION
    return Verdict.ABOVE_CHANCE if q <= FALSE_DISCOVERIES else Verdict.NO_EVIDENCE
