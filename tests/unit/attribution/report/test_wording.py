"""What is said of a ranking: a sentence for each rung, numbers that never flatter, no claim."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.calibration.verdicts import Verdict
from attribution.matching.geometry import Box, Region
from attribution.ranking.query import Query, View
from attribution.ranking.rank import Match, Ranking
from attribution.report.wording import (
    conclusion,
    others_share,
    shares_line,
    short_regions,
    show_chance,
    show_ratio,
    show_region,
    show_share,
    summary,
)

COPY, ALTERED, PART, TEMPLATE, ABOVE, NONE = Verdict
PICTURE = np.zeros((8, 8, 3), np.uint8)


def ranking(found: dict[Verdict, int] | None, *, grid: bool = False, **given) -> Ranking:
    tiles = (None, 1, 2, 3, 4) if grid else (None,)
    query = Query("gen.png", None, tuple(View(tile, PICTURE, {}, 0) for tile in tiles))
    return Ranking(query, given.pop("matches", ()), given.pop("size", 1234), found, **given)


def matches(*shares: float) -> tuple[Match, ...]:
    return tuple(
        Match(str(n), n, 0.5, NONE, None, {}, share=share) for n, share in enumerate(shares, 1)
    )


@pytest.mark.parametrize(
    ("found", "said", "short"),
    [
        (
            {COPY: 1},
            "Among 1,234 candidates searched there is a near copy of the generated picture.",
            "1 near copy",
        ),
        (
            {COPY: 2, PART: 1, ABOVE: 3, NONE: 9},
            (
                "Among 1,234 candidates searched there are 2 near copies of the generated picture. "
                "Of the others, 1 agrees in a part and 3 are above chance."
            ),
            "2 near copies",
        ),
        (
            {PART: 1, ABOVE: 1},
            (
                "A part agrees: among 1,234 candidates searched one agrees place by place with a part "
                "of the generated picture. None is a near copy of the whole. "
                "Of the others, 1 is above chance."
            ),
            "1 replication",
        ),
        (
            {ABOVE: 4, NONE: 1},
            (
                "No copy: among 1,234 candidates searched 4 are nearer to the generated picture than "
                "unrelated pictures are. A shared subject can be the whole reason."
            ),
            "4 above chance",
        ),
        (
            {NONE: 1234},
            (
                "No evidence: among 1,234 candidates searched none is nearer to the generated picture "
                "than unrelated pictures can be. They are listed in order all the same. A source that "
                "was not among them is not ruled out."
            ),
            "no evidence",
        ),
        (
            None,
            (
                "An order and no evidence: 1,234 candidates searched, none of them tested for being a "
                "copy. This ranker always puts one first."
            ),
            "order only",
        ),
    ],
)
def test_each_rung_has_its_sentences(found, said, short):
    assert conclusion(ranking(found)) == said
    assert summary(ranking(found)) == short


def test_a_flat_picture_says_nothing_whatever_was_found():
    flat = ranking({NONE: 1}, is_flat=True, size=1)
    assert conclusion(flat).startswith("Nothing can be compared: the generated picture is of one")
    assert "1 candidate searched" in conclusion(flat)
    assert summary(flat) == "nothing to compare"


def test_a_grids_tiles_are_named():
    assert "or of one of its tiles" in conclusion(ranking({COPY: 1}, grid=True))


@given(
    st.none() | st.dictionaries(st.sampled_from(list(Verdict)), st.integers(0, 9)),
    st.booleans(),
    st.booleans(),
)
def test_nothing_is_claimed_of_training(found, grid, is_flat):
    made = ranking(found, grid=grid, is_flat=is_flat)
    for said in (conclusion(made), summary(made)):
        assert said
        for claim in ("train", "learn", "stole", "copied", "dataset"):
            assert claim not in said.lower()


@pytest.mark.parametrize(
    ("chance", "shown"),
    [
        (1.0, "1"),
        (0.5, ".5"),
        (0.05, ".05"),
        (0.0501, ".051"),  # above the threshold, and not shown as at it
        (0.002, ".002"),
        (0.00101, ".0011"),
        (0.00099, ".001"),
        (2.1e-5, "3e-5"),
        (3e-5, "3e-5"),
        (9.5e-6, "1e-5"),
        (1e-300, "<1e-9"),
        (0.0, "<1e-9"),
        (0.999, "1"),
        (math.nan, "-"),
    ],
)
def test_a_chance_is_short(chance, shown):
    assert show_chance(chance) == shown


@given(st.floats(1e-9, 1))
def test_a_chance_is_never_shown_smaller_than_it_is(chance):
    shown = Decimal(show_chance(chance))
    assert Decimal(repr(chance)) <= shown <= 2 * Decimal(repr(chance))


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0%"),
        (0.001, "<5%"),
        (0.05, "5%"),
        (0.414, "40%"),
        (0.884, "90%"),
        (0.887, "90%"),
        (0.999, ">95%"),
        (1.0, "100%"),
    ],
)
def test_a_share_is_a_percentage(share, shown):
    assert show_share(share) == shown


def test_shares_are_listed_with_what_nobody_has():
    made = ranking({NONE: 9}, matches=matches(0.3, 0.2, 0.1, 0.05, 0.0), unattributed=0.3)
    assert shares_line(made) == (
        "30% candidate 1, 20% candidate 2, 10% candidate 3, 10% others, 30% unattributed"
    )
    assert others_share(made, 4) == pytest.approx(0.05)
    assert shares_line(ranking({NONE: 9}, matches=matches(0.0))) == "100% unattributed"
    assert shares_line(replace(made, found=None)) is None


def test_rounding_errors_are_no_others():
    made = ranking({NONE: 3}, matches=matches(0.1, 0.2), unattributed=1 - 0.1 - 0.2)
    assert others_share(made, 3) == 0


@pytest.mark.parametrize("ratio", [1.0, 1.7, math.nan, math.inf])
def test_a_ratio_of_1_or_more_says_nothing(ratio):
    assert show_ratio(ratio) is None


def test_a_ratio_below_1_is_shown_below_1():
    assert "ratio 0.99, below 1" in show_ratio(0.9999)
    assert "ratio 0.62, below 1" in show_ratio(0.624)


@pytest.mark.parametrize(
    ("box", "place"),
    [
        (Box(0, 0, 0.5, 0.5), "upper left (25%)"),
        (Box(0.6, 0.5, 1, 1), "lower right (20%)"),
        (Box(0.3, 0.3, 0.7, 0.7), "middle (15%)"),
        (Box(0, 0, 0.5, 1), "left side (50%)"),
        (Box(0.25, 0.7, 0.75, 1), "lower middle (15%)"),
        (Box(0.05, 0.05, 0.95, 0.9), "nearly all (75%)"),
    ],
)
def test_a_box_is_told_in_words(box, place):
    region = Region(box, Box(0, 0, 1, 1), 34, "sift", mirrored=False)
    assert show_region(region) == (
        f"SIFT: 34 points agree, {place} of the generated picture ↔ nearly all (100%) of the "
        "candidate"
    )
    assert f"{place} of tile 2 ↔" in show_region(region, 2)


def test_a_mirrored_region_is_said_to_be():
    region = Region(Box(0, 0, 1, 1), Box(0, 0, 1, 1), 1041, "cells", mirrored=True)
    assert show_region(region).startswith("ResNet cells: 1,041 points agree")
    assert show_region(region).endswith("of the candidate, mirrored")
    (match,) = matches(0.1)
    assert short_regions(replace(match, regions=(region,))) == "cells 1,041 mirrored"
    assert short_regions(match) == ""
