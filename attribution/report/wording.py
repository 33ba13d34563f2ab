"""The wording of a ranking: sentences and short numbers, the same on a page and a terminal.

Pure. None of the words says that a picture was in a training set, nor that it was not.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal

from attribution.calibration.verdicts import EXTRACTION_RATIO, Verdict
from attribution.matching.geometry import Box, Region
from attribution.ranking.rank import Match, Ranking

UNTESTED = "not tested"
"""What stands in a verdict's place where the ranker gives none."""
SMALLEST = 1e-9
"""Chances below are shown as below it: a fitted tail cannot tell them apart."""
_METHODS = {"sift": "SIFT", "cells": "ResNet cells"}
_CONCLUSIONS = {
    Verdict.NEAR_COPY: (
        "Among {searched} searched there is a near copy of {either}.",
        "Among {searched} searched there are {count} near copies of {either}.",
    ),
    Verdict.ALTERED: (
        (
            "An altered version: among {searched} searched one agrees place by place with "
            "{subject} over most of the one or of the other, as after cropping, pasting or "
            "redrawing. None is a near copy of the whole."
        ),
        (
            "Altered versions: among {searched} searched {count} agree place by place with "
            "{subject} over most of the one or of the other, as after cropping, pasting or "
            "redrawing. None is a near copy of the whole."
        ),
    ),
    Verdict.REPLICATION: (
        (
            "A part agrees: among {searched} searched one agrees place by place with a part of "
            "{subject}. None is a near copy of the whole."
        ),
        (
            "A part agrees: among {searched} searched {count} agree place by place with a part of "
            "{subject}. None is a near copy of the whole."
        ),
    ),
    Verdict.TEMPLATE: (
        (
            "The same template: among {searched} searched one is built as {subject} is. A layout, "
            "a frame, a pattern, a typeface or a logo can be all that is the same; what it shows "
            "was not found to agree."
        ),
        (
            "The same template: among {searched} searched {count} are built as {subject} is. A "
            "layout, a frame, a pattern, a typeface or a logo can be all that is the same; what "
            "they show was not found to agree."
        ),
    ),
    Verdict.ABOVE_CHANCE: (
        (
            "No copy: among {searched} searched one is nearer to {subject} than unrelated pictures "
            "are. A shared subject can be the whole reason."
        ),
        (
            "No copy: among {searched} searched {count} are nearer to {subject} than unrelated "
            "pictures are. A shared subject can be the whole reason."
        ),
    ),
    Verdict.NO_EVIDENCE: (
        (
            "No evidence: among {searched} searched none is nearer to {subject} than unrelated "
            "pictures can be. They are listed in order all the same. A source that was not among "
            "them is not ruled out."
        ),
    )
    * 2,
}
"""By the highest rung that is reached, what the ranking amounts to: by one, by several."""
_BADGES = {
    Verdict.NEAR_COPY: ("near copy", "near copies"),
    Verdict.ALTERED: ("altered version", "altered versions"),
    Verdict.REPLICATION: ("replication", "replications"),
    Verdict.TEMPLATE: ("of one template", "of one template"),
    Verdict.ABOVE_CHANCE: ("above chance", "above chance"),
}
_BESIDES = {
    Verdict.ALTERED: ("is an altered version", "are altered versions"),
    Verdict.REPLICATION: ("agrees in a part", "agree in a part"),
    Verdict.TEMPLATE: ("is built on the same template", "are built on the same template"),
    Verdict.ABOVE_CHANCE: ("is above chance", "are above chance"),
}
"""By rung, what one candidate that reaches it does, and what several do."""
_PLACES = {
    ("upper", "middle"): "upper middle",
    ("lower", "middle"): "lower middle",
    ("middle", "left"): "left side",
    ("middle", "right"): "right side",
    ("middle", "middle"): "middle",
}


def conclusion(ranking: Ranking) -> str:
    """What the whole ranking amounts to, in one to three sentences.

    What was searched, the highest rung of the ladder that any candidate reaches, and how many.
    """
    searched = f"{ranking.gallery_size:,} candidate{'' if ranking.gallery_size == 1 else 's'}"
    subject = "the generated picture"
    either = subject + (" or of one of its tiles" if ranking.query.is_grid else "")
    found = ranking.found
    if found is None:
        return (
            f"An order and no evidence: {searched} searched, none of them tested for being a copy. "
            "This ranker always puts one first."
        )
    if ranking.is_flat:
        return (
            f"Nothing can be compared: {subject} is of one flat colour. {searched} searched; "
            "their order means nothing."
        )
    verdict = ranking.verdict or Verdict.NO_EVIDENCE
    count = found.get(verdict, 0)
    sentence = _CONCLUSIONS[verdict][count != 1]
    said = sentence.format(searched=searched, count=f"{count:,}", subject=subject, either=either)
    return said + _besides(ranking)


def summary(ranking: Ranking) -> str:
    """The same in two or three words, for a badge."""
    if ranking.found is None:
        return "order only"
    if ranking.is_flat:
        return "nothing to compare"
    verdict = ranking.verdict or Verdict.NO_EVIDENCE
    if verdict is Verdict.NO_EVIDENCE:
        return verdict.value
    many = ranking.found.get(verdict, 0)
    return f"{many:,} {_BADGES[verdict][many != 1]}"


def shares_line(ranking: Ranking, most: int = 3) -> str | None:
    """The shares of the first few matches that have one, the others' together, and what is left.

    None where the ranker gives no shares.
    """
    if ranking.found is None:
        return None
    shares_said = [
        f"{show_share(match.share)} candidate {match.rank}" for match in shared(ranking, most)
    ]
    rest = others_share(ranking, most)
    if rest > 0:
        shares_said.append(f"{show_share(rest)} others")
    return ", ".join([*shares_said, f"{show_share(ranking.unattributed)} unattributed"])


def shared(ranking: Ranking, most: int) -> list[Match]:
    """The first `most` matches that have a share of the influence."""
    return [match for match in ranking.matches if match.share > 0][:most]


def others_share(ranking: Ranking, most: int) -> float:
    """The share of all candidates beyond `shared`, shown or not; 0 but for rounding errors."""
    rest = 1 - ranking.unattributed - sum(match.share for match in shared(ranking, most))
    return rest if rest > 1e-6 else 0.0


def show_share(share: float) -> str:
    """`40%`, in steps of 5; `<5%` for what is little, yet not nothing, `>95%` for what is not all.

    No measurement stands behind the size of a share, and its last digits are the arithmetic of the
    processor that it was computed on.
    """
    if 0 < share < 0.05:
        return "<5%"
    return ">95%" if 0.95 < share < 1 else f"{5 * round(20 * share)}%"


def show_chance(chance: float) -> str:
    """A p- or q-value: `.043`, `.002`, `3e-5`; a dash where there is none.

    Rounded up, so that none is shown smaller than it is, nor one above a threshold as at it.
    """
    if not math.isfinite(chance):
        return "-"
    if chance < SMALLEST:
        return f"<{SMALLEST:.0e}".replace("e-0", "e-")
    exact = Decimal(repr(float(chance)))
    digits = 2 if chance >= 0.001 else 1
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    rounded = exact.quantize(step, ROUND_CEILING)
    if rounded >= Decimal("0.001"):
        return f"{rounded.normalize():f}".removeprefix("0")
    return f"{float(rounded):.0e}".replace("e-0", "e-")


def show_ratio(ratio: float) -> str | None:
    """What a memorisation ratio says, where it says something: below 1."""
    if not ratio < EXTRACTION_RATIO:
        return None
    shown = math.floor(100 * ratio) / 100  # 1.00 would not be below 1
    return (
        f"Memorisation ratio {shown:.2f}, below 1: far nearer than the generated picture's other "
        "neighbours are (after Carlini et al. 2023)."
    )


def show_region(region: Region, tile: int | None = None) -> str:
    """Where two pictures agree, for one who cannot see the boxes; `tile` where one was compared."""
    subject = "the generated picture" if tile is None else f"tile {tile}"
    text = (
        f"{_METHODS[region.method]}: {region.inliers:,} points agree, {_place(region.query)} of "
        f"{subject} \N{LEFT RIGHT ARROW} {_place(region.candidate)} of the candidate"
    )
    return f"{text}, mirrored" if region.mirrored else text


def short_regions(match: Match) -> str:
    """The same for a terminal: `sift 34, cells 41 mirrored`."""
    return ", ".join(
        f"{one.method} {one.inliers:,}{' mirrored' if one.mirrored else ''}"
        for one in match.regions
    )


def _besides(ranking: Ranking) -> str:
    """How many candidates reach the rungs below the highest."""
    counts = ranking.found or {}
    rungs = tuple(Verdict)
    below = rungs[rungs.index(ranking.verdict or Verdict.NO_EVIDENCE) + 1 :]
    others = [
        f"{counts[rung]:,} {_BESIDES[rung][counts[rung] != 1]}"
        for rung in below
        if rung in _BESIDES and counts.get(rung)
    ]
    *first, last = others or [""]
    said = f"{', '.join(first)} and {last}" if first else last
    return f" Of the others, {said}." if said else ""


def _place(box: Box) -> str:
    """A box in words: `upper left (24%)`, the share being of the picture's area."""
    width, height = box.right - box.left, box.bottom - box.top
    share = f"({show_share(width * height)})"
    if min(width, height) > 0.8:
        return f"nearly all {share}"
    across = _third((box.left + box.right) / 2, "left", "right")
    down = _third((box.top + box.bottom) / 2, "upper", "lower")
    return f"{_PLACES.get((down, across), f'{down} {across}')} {share}"


def _third(centre: float, low: str, high: str) -> str:
    if centre < 0.4:
        return low
    return high if centre > 0.6 else "middle"
