"""The verdicts: what may be said of a candidate, from which evidence; all thresholds stand here.

A ladder: near copy, altered version, replication, same template, above chance, no evidence. A
verdict is about a picture found on the web. None of them says that a model was trained on it. How
often each is said wrongly is measured by `attribute evaluate`, and stands in
`benchmarks/README.md`.

Points that agree say that something is the same, and not what: a frame and a typeface have points
too. So the candidate is laid over the query (`matching.alignment`), and what agrees there decides.
Blocks count that agree at their place and nowhere around: text, patterns and straight edges agree
everywhere.
"""

from __future__ import annotations

from enum import StrEnum

from attribution.matching.alignment import Alignment

FALSE_DISCOVERIES = 0.05
"""Expected share of false ones among the candidates that are called above chance."""
EXTRACTION_RATIO = 1.0
"""Below it a candidate is extraction-like (Carlini et al. 2023). It is shown and decides nothing:
any cluster of some ten look-alikes is below, and what was memorised is not always."""
TELLING = 0.4
"""Share of the agreeing blocks that must tell. Nine tenths of edited photographs had .45 and more,
heavily blurred ones .1; text cards, pages, bricks and chessboards of one template .3 at most.
Charts and playing cards have as much as photographs: see `DRAWN`."""
FEWEST_TELLING = 6
"""Blocks that tell, without which nothing is content."""
AGREEING = 0.5
"""Share of the blocks that show something which must agree where a picture lies whole."""
MOST = 0.6
"""Share of the query or of the candidate that must agree to be most of it."""
PART, PART_TELLING, PART_SHARE = 0.1, 12, 0.5
"""Share of the query, blocks that tell, and their share of those that agree, which a part must have
to be more than a logo."""
DRAWN = 0.55
"""Share of the agreeing blocks that have few tones from which on a picture is letters or flat
colours: shapes as simple are everybody's, so that it must be the same in every respect."""
EQUAL_AGREEING, EQUAL_TONES = 0.85, 0.97
"""What makes two photographs the same where hardly a block tells, since both are blurred."""
NO_LETTERS = 0.15
"""Share of blocks with few tones up to which these are photographs, and no text or pattern."""
EXACT_LIKENESS, EXACT_AGREEING, EXACT_TONES = 0.96, 0.95, 0.98
"""What makes two pictures the same whatever they show. Nine tenths of the drawn pictures that were
compressed, shrunk, blurred a little or made lighter had .978, 1 and .995 and more; where other
words, bars or pieces stand in the same places, one of the three is below."""
COLOUR_GAP = 72.0
"""RGB distance up to which colours are alike: black and navy are, red and orange are not."""


class Verdict(StrEnum):
    """What the evidence for one candidate amounts to, the strongest first."""

    NEAR_COPY = "near copy"
    ALTERED = "altered version"
    REPLICATION = "replication"
    TEMPLATE = "same template"
    ABOVE_CHANCE = "above chance"
    NO_EVIDENCE = "no evidence"

    @property
    def explanation(self) -> str:
        """A sentence for a person."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Verdict.NEAR_COPY: (
        "This candidate, found on the web, and the generated picture, a tile of it or what stands "
        "on its blank canvas, are the same picture but for small edits."
    ),
    Verdict.ALTERED: (
        "This candidate, found on the web, agrees place by place with the generated picture over "
        "most of the one or of the other, as after cropping, pasting, mirroring or redrawing; the "
        "marked regions show where."
    ),
    Verdict.REPLICATION: (
        "A part of this candidate, found on the web, agrees with a part of the generated picture "
        "place by place; the marked regions show where."
    ),
    Verdict.TEMPLATE: (
        "This candidate, found on the web, and the generated picture are built alike: a layout, a "
        "frame, a pattern, a typeface or a logo can be all that is the same. What they show was "
        "not found to agree; a picture redrawn from the other can look so, too."
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


def judge(*, alignment: Alignment | None, is_alike: bool, q: float) -> Verdict:
    """The highest rung that the evidence for one candidate reaches.

    Args:
        alignment: the candidate laid over the query; None where nothing said how.
        is_alike: more points agree than chance gives, or the hashes do.
        q: false discovery rate.
    """
    if alignment is not None:
        if alignment.is_whole and (is_equal(alignment) or holds_content(alignment)):
            return Verdict.NEAR_COPY
        if holds_content(alignment):
            return Verdict.ALTERED if _is_most(alignment) else Verdict.REPLICATION
        if shares_part(alignment):
            return Verdict.REPLICATION
    if is_alike:
        return Verdict.TEMPLATE
    return Verdict.ABOVE_CHANCE if q <= FALSE_DISCOVERIES else Verdict.NO_EVIDENCE


def holds_content(alignment: Alignment) -> bool:
    """Whether most of what lies over the query agrees there, and is content."""
    if alignment.agreeing < AGREEING or not _tells(alignment, TELLING, FEWEST_TELLING):
        return False
    return alignment.drawn < DRAWN or _is_exact(alignment)


def shares_part(alignment: Alignment) -> bool:
    """Whether a part agrees that is content, and more than a logo."""
    is_large = float(alignment.explained.mean()) >= PART
    is_content = alignment.drawn < DRAWN and _tells(alignment, PART_SHARE, PART_TELLING)
    return is_large and is_content


def _is_most(alignment: Alignment) -> bool:
    """Whether what agrees is most of the query, or of the candidate."""
    of_query = float(alignment.explained.mean())
    of_candidate = of_query / max(alignment.covered, of_query, 1e-9) * alignment.inside
    return max(of_query, of_candidate) >= MOST


def is_equal(alignment: Alignment) -> bool:
    """Whether two pictures are the same although hardly a block tells."""
    is_blurred = (
        alignment.drawn <= NO_LETTERS
        and alignment.agreeing >= EQUAL_AGREEING
        and alignment.tones >= EQUAL_TONES
        and alignment.colour_gap <= COLOUR_GAP
    )
    return is_blurred or _is_exact(alignment)


def _is_exact(alignment: Alignment) -> bool:
    """Whether drawing, tones and colours are the same nearly everywhere."""
    return (
        alignment.likeness >= EXACT_LIKENESS
        and alignment.agreeing >= EXACT_AGREEING
        and alignment.tones >= EXACT_TONES
        and alignment.colour_gap <= COLOUR_GAP
    )


def _tells(alignment: Alignment, share: float, fewest: int) -> bool:
    """Whether blocks agree that agree nowhere else: text, patterns and edges do so everywhere."""
    shown = alignment.covered * alignment.structured * alignment.explained.size
    return alignment.telling >= share * alignment.agreeing and alignment.telling * shown >= fewest
