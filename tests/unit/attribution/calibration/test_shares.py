"""Shares are areas: they add up, equals have equal ones, and who explains nothing has none."""

from __future__ import annotations

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from attribution.calibration.shares import SIDE, TEMPLATES_MOST, shares_of

AREAS = hnp.arrays(np.float32, (SIDE, SIDE), elements=st.sampled_from([0.0, 0.25, 1.0]))


def box(top, left, bottom, right, weight=1.0):
    area = np.zeros((SIDE, SIDE), np.float32)
    area[top:bottom, left:right] = weight
    return area


HALF = SIDE // 2
TILES = [box(y, x, y + HALF, x + HALF) for y in (0, HALF) for x in (0, HALF)]
ALL = box(0, 0, SIDE, SIDE)


@pytest.mark.parametrize(
    ("areas", "expected", "rest"),
    [
        ([], [], 1.0),
        ([ALL], [1.0], 0.0),
        ([ALL, ALL], [0.5, 0.5], 0.0),
        (TILES, [0.25] * 4, 0.0),
        ([TILES[0]], [0.25], 0.75),
        ([ALL, TILES[0]], [0.875, 0.125], 0.0),
        ([box(0, 0, SIDE, SIDE, 0.5)], [0.5], 0.5),
        ([box(0, 0, 0, 0)], [0.0], 1.0),
    ],
)
def test_a_place_is_shared_equally_by_those_who_explain_it(areas, expected, rest):
    shares, left = shares_of(areas, [False] * len(areas))
    assert shares.tolist() == pytest.approx(expected)
    assert left == pytest.approx(rest)


def test_templates_have_little_all_together_and_nothing_of_what_has_a_source():
    shares, rest = shares_of([ALL] * 9, [True] * 9)
    assert shares.tolist() == pytest.approx([TEMPLATES_MOST / 9] * 9)
    assert rest == pytest.approx(1 - TEMPLATES_MOST)
    shares, rest = shares_of([ALL, ALL], [False, True])
    assert shares.tolist() == pytest.approx([1.0, 0.0])
    assert rest == pytest.approx(0.0)


@hypothesis.given(st.lists(st.tuples(AREAS, st.booleans()), max_size=5))
def test_shares_add_up_and_equals_have_equal_ones(given):
    areas, weak = [area for area, _ in given], [flag for _, flag in given]
    shares, rest = shares_of(areas, weak)
    assert shares.sum() + rest == pytest.approx(1)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert rest >= -1e-9
    assert all(share == 0 for share, area in zip(shares, areas, strict=True) if not area.any())
    twice, _ = shares_of([*areas, *areas[:1]], [*weak, *weak[:1]])
    assert not areas or twice[0] == pytest.approx(twice[-1])


@hypothesis.given(st.lists(AREAS, min_size=1, max_size=4), AREAS)
def test_one_more_candidate_lifts_nobody(areas, another):
    before, _ = shares_of(areas, [False] * len(areas))
    after, _ = shares_of([*areas, another], [False] * (len(areas) + 1))
    assert (after[:-1] <= before + 1e-9).all()
