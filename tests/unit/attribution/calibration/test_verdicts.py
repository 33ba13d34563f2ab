"""The ladder: more evidence never lowers the rung, and a flat picture has none."""

from __future__ import annotations

import itertools

import cv2
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from attribution.calibration.verdicts import FALSE_DISCOVERIES, Verdict, judge
from attribution.descriptors.hashes import PDQ_QUALITY, is_flat, near_copies
from attribution.matching.alignment import Alignment
from tests.support.tiny import scene

RUNGS = list(Verdict)

BLOCKS = (12, 16)
HALF = np.repeat([[True], [False]], BLOCKS[0] // 2, 0) & np.ones(BLOCKS, np.bool_)
SHARES = st.floats(0, 1)


def laid(**given) -> Alignment:
    """A candidate laid over the query; a whole copy unless told otherwise."""
    values = {
        "covered": 1.0,
        "inside": 1.0,
        "structured": 0.8,
        "agreeing": 1.0,
        "telling": 0.8,
        "drawn": 0.0,
        "likeness": 1.0,
        "tones": 1.0,
        "colour_gap": 0.0,
        "explained": np.ones(BLOCKS, np.bool_),
    }
    return Alignment(**values | given)


@pytest.mark.parametrize(
    ("alignment", "is_alike", "q", "rung"),
    [
        (laid(), False, 1.0, Verdict.NEAR_COPY),
        (laid(colour_gap=200.0), False, 1.0, Verdict.NEAR_COPY),  # sepia, another hue
        (laid(agreeing=0.55, telling=0.4, tones=0.6), True, 1.0, Verdict.NEAR_COPY),  # a slogan
        (laid(telling=0.08, likeness=0.8), True, 1.0, Verdict.NEAR_COPY),  # blurred
        (laid(telling=0.0, drawn=0.9), True, 1.0, Verdict.NEAR_COPY),  # a pattern, the same one
        (laid(telling=0.1, drawn=0.4, likeness=0.9), True, 1.0, Verdict.TEMPLATE),  # a table
        (laid(telling=0.08, colour_gap=90.0), True, 1.0, Verdict.TEMPLATE),  # in other colours
        (laid(telling=0.02, tones=0.2), True, 1.0, Verdict.TEMPLATE),  # bricks of other tones
        (laid(agreeing=0.75, telling=0.15, tones=0.8), True, 1.0, Verdict.TEMPLATE),  # a card
        (laid(drawn=1.0, colour_gap=200.0), True, 1.0, Verdict.TEMPLATE),  # a heart, blue for red
        (laid(drawn=1.0), True, 1.0, Verdict.NEAR_COPY),
        (laid(inside=0.5), True, 1.0, Verdict.ALTERED),  # a crop
        (laid(covered=0.1), True, 1.0, Verdict.ALTERED),  # in a collage
        (laid(covered=0.5, inside=0.6, explained=HALF), True, 1.0, Verdict.ALTERED),
        (laid(covered=0.9, inside=0.6, explained=HALF), True, 1.0, Verdict.REPLICATION),
        (laid(agreeing=0.3, telling=0.25), True, 1.0, Verdict.REPLICATION),  # a part was pasted
        (
            laid(agreeing=0.2, telling=0.15, explained=np.eye(*BLOCKS, dtype=np.bool_)),
            True,
            1.0,
            Verdict.TEMPLATE,  # a logo
        ),
        (None, True, 1.0, Verdict.TEMPLATE),
        (None, False, FALSE_DISCOVERIES, Verdict.ABOVE_CHANCE),
        (laid(agreeing=0.2, telling=0.02), False, 0.0501, Verdict.NO_EVIDENCE),
        (None, False, float("nan"), Verdict.NO_EVIDENCE),
    ],
)
def test_each_rung_has_its_own_evidence(alignment, is_alike, q, rung):
    assert judge(alignment=alignment, is_alike=is_alike, q=q) is rung


@hypothesis.given(
    st.fixed_dictionaries(
        {
            "covered": SHARES,
            "inside": SHARES,
            "structured": SHARES,
            "agreeing": SHARES,
            "telling": SHARES,
            "drawn": SHARES,
            "likeness": SHARES,
            "tones": SHARES,
            "colour_gap": st.floats(0, 441),
        }
    ),
    st.booleans(),
    SHARES,
)
def test_more_evidence_never_lowers_the_rung(values, is_alike, q):
    values["telling"] = min(values["telling"], values["agreeing"])
    rung = RUNGS.index(judge(alignment=laid(**values), is_alike=is_alike, q=q))
    for more in (
        {"covered": 1.0, "inside": 1.0},
        {"agreeing": 1.0, "telling": 1.0},
        {"tones": 1.0, "colour_gap": 0.0, "likeness": 1.0},
        {"drawn": 0.0},
    ):
        assert RUNGS.index(judge(alignment=laid(**values | more), is_alike=is_alike, q=q)) <= rung
    assert RUNGS.index(judge(alignment=laid(**values), is_alike=True, q=q)) <= rung
    assert RUNGS.index(judge(alignment=laid(**values), is_alike=is_alike, q=0.0)) <= rung


def test_a_hash_decides_at_31_bits_and_only_with_structure():
    agreements = (1 - np.array([0, 31, 32, 128, np.nan]) / 256).astype(np.float32)
    quality = np.full(5, PDQ_QUALITY, np.int16)
    assert near_copies(agreements, quality, 100).tolist() == [True, True, False, False, False]
    assert not near_copies(agreements, quality - 1, 100).any()
    assert not near_copies(agreements, quality, PDQ_QUALITY - 1).any()


def test_no_verdict_speaks_of_training():
    for rung in Verdict:
        words = rung.explanation.lower()
        assert "found on the web" in words
        assert not any(word in words for word in ("train", "member", "learned", "dataset"))


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 90)])
def test_one_colour_is_flat_with_the_noise_of_jpeg_too(colour):
    flat = np.full((120, 160, 3), colour, np.uint8)
    noisy = np.clip(flat + np.random.default_rng(1).integers(-2, 3, flat.shape), 0, 255)
    stored = cv2.imdecode(cv2.imencode(".jpg", noisy.astype(np.uint8))[1], 1)
    assert is_flat(flat)
    assert is_flat(stored)
    assert is_flat(flat[:1, :1])


def test_a_picture_with_structure_is_not_flat():
    line = np.full((200, 200, 3), 255, np.uint8)
    line[98:102] = 0
    assert not is_flat(line)
    assert not any(is_flat(scene(seed)) for seed in range(20))


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.combinations([(240, 0, 0), (0, 240, 0), (0, 0, 240)], 2))
)
def test_colours_of_one_grey_value_are_structure_too(one, other):
    """A poster in pure red and blue has one grey value all over."""
    poster = np.full((200, 200, 3), one, np.uint8)
    poster[50:150, 50:150] = other
    assert not is_flat(poster)
