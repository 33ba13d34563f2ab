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
from tests.support.tiny import scene

RUNGS = list(Verdict)

evidence = st.fixed_dictionaries(
    {
        "is_copy": st.booleans(),
        "has_region": st.booleans(),
        "ratio": st.floats(0, 3, allow_nan=False),
        "q": st.floats(0, 1, allow_nan=False),
    }
)


@hypothesis.given(evidence, evidence)
def test_more_evidence_never_lowers_the_rung(one, other):
    more = {
        "is_copy": one["is_copy"] or other["is_copy"],
        "has_region": one["has_region"] or other["has_region"],
        "ratio": min(one["ratio"], other["ratio"]),
        "q": min(one["q"], other["q"]),
    }
    assert RUNGS.index(judge(**more)) <= min(RUNGS.index(judge(**one)), RUNGS.index(judge(**other)))


@pytest.mark.parametrize(
    ("is_copy", "has_region", "ratio", "q", "rung"),
    [
        (True, False, 2.0, 1.0, Verdict.NEAR_COPY),
        (False, True, 0.99, 1.0, Verdict.NEAR_COPY),
        (False, True, 1.0, 1.0, Verdict.REPLICATION),
        (False, True, float("nan"), 1.0, Verdict.REPLICATION),
        (False, False, 0.1, FALSE_DISCOVERIES, Verdict.ABOVE_CHANCE),
        (False, False, 0.1, 0.0501, Verdict.NO_EVIDENCE),
        (False, False, float("nan"), float("nan"), Verdict.NO_EVIDENCE),
    ],
)
def test_each_rung_has_its_own_evidence(is_copy, has_region, ratio, q, rung):
    """Nearness alone is no copy: without a region the ratio has no part."""
    assert judge(is_copy=is_copy, has_region=has_region, ratio=ratio, q=q) is rung


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
