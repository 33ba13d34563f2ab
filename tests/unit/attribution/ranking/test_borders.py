"""Canvases of one colour: what stands on them is cut out, and nothing else is."""

from __future__ import annotations

import cv2
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from attribution.matching.geometry import Box
from attribution.ranking.borders import MIN_SIDE, content_box, cut_out
from attribution.ranking.query import WHOLE, query_from_bytes
from tests.support.tiny import scene
from tests.unit.attribution.ranking.test_ranking import png

INSIDE = scene(3)


def on_canvas(height, width, top, left, colour=(255, 255, 255)):
    canvas = np.full((height, width, 3), colour, np.uint8)
    canvas[top : top + INSIDE.shape[0], left : left + INSIDE.shape[1]] = INSIDE
    return canvas


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (180, 40, 90)])
@pytest.mark.parametrize("quality", [None, 85])
def test_what_stands_on_a_canvas_is_cut_out(colour, quality):
    height, width = INSIDE.shape[:2]
    canvas = on_canvas(3 * height, width + 40, height, 24, colour)
    if quality is not None:
        canvas = cv2.imdecode(
            cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1
        )
    cut = cut_out(canvas, content_box(canvas))
    assert abs(cut.shape[0] - height) <= 8
    assert abs(cut.shape[1] - width) <= 8


@pytest.mark.parametrize(
    "picture",
    [
        INSIDE,
        on_canvas(INSIDE.shape[0] + 8, INSIDE.shape[1] + 8, 4, 4),  # hardly a border
        np.full((300, 300, 3), 200, np.uint8),
        np.pad(INSIDE[: MIN_SIDE - 8, :200], ((300, 300), (0, 0), (0, 0))),  # a strip is left
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((1, 900, 3), np.uint8),
    ],
)
def test_nothing_else_is_cut(picture):
    assert content_box(picture) is None


@hypothesis.given(
    st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 60])
)
def test_any_picture_is_looked_at(height, width, seed, levels):
    picture = np.random.default_rng(seed).integers(0, levels, (height, width, 3), np.uint8)
    box = content_box(picture)
    assert box is None or min(cut_out(picture, box).shape[:2]) >= MIN_SIDE


def test_the_query_is_looked_at_whole_and_without_its_borders():
    height, width = INSIDE.shape[:2]
    query = query_from_bytes(png(on_canvas(3 * height, width, height, 0)), "q.png", None)
    assert [view.tile for view in query.views] == [None, None]
    assert not query.is_grid
    assert query.views[0].window == WHOLE
    third = Box(0, 1 / 3, 1, 2 / 3)
    for edge in ("left", "top", "right", "bottom"):
        assert getattr(query.content, edge) == pytest.approx(getattr(third, edge), abs=0.02)
    assert query_from_bytes(png(INSIDE), "q.png", None).content == WHOLE
