"""Figures against what a person counts, and tables that fit a terminal."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from attribution.calibration.verdicts import Verdict
from attribution.evaluate.figures import (
    figures_of_found,
    figures_of_prompts,
    most_per_million,
    share_of_groups,
)
from attribution.evaluate.lookalike_figures import KindFigures, LookalikeFigures
from attribution.evaluate.metrics import Interval, Uniformity
from attribution.evaluate.null import NullFigures
from attribution.evaluate.suites import Case, Suite
from attribution.evaluate.systems import FUSED_IMAGES, FUSION, PUBLISHED, RUNGS, Answers
from attribution.evaluate.tables import (
    found_text,
    lookalikes_text,
    null_text,
    number,
    prompts_text,
    record,
    shown,
    table,
)
from tests.golden.attribution.evaluate.oracles import micro_average_precision

NEAR, ALTERED, REPLICATION, TEMPLATE, ABOVE, NONE = range(len(RUNGS))


class Candidates:
    """A gallery of which only the number of candidates matters."""

    def __init__(self, count: int):
        self.ids = tuple(map(str, range(count)))


def case(kind: str, group: int, source: int, *passed_over: int) -> Case:
    return Case(kind, kind, group, None, np.array([source]), np.array(passed_over, np.int64))


@pytest.fixture
def suite():
    """Four copies among five candidates: two mild, two strong; one picture was edited twice."""
    cases = [case("mirror", 0, 0), case("jpeg-70", 1, 1, 4), case("crop-25", 0, 0)]
    return Suite(Candidates(5), (*cases, case("paste", 2, 3)), seed=1)


@pytest.fixture
def answers():
    good = np.eye(5, dtype=np.float32)[[0, 1, 0, 3]]
    poor = good.copy()
    poor[2] = [0.5, 0.6, 0, 0, 0]  # its source is second
    poor[1, 4] = 9  # passed over
    some = np.full((4, 5), np.nan, np.float32)
    some[3] = [1, 1, 1, 0, 1]  # its source is last
    verdicts = np.full((4, 5), NONE, np.int8)
    verdicts[0, 0], verdicts[1, 1], verdicts[2, 0] = NEAR, NEAR, REPLICATION
    verdicts[1, 4] = NEAR  # a twin
    verdicts[3, 2], verdicts[3, 4] = ABOVE, REPLICATION  # wrong
    scores = {FUSION: good, "poor": poor, "worse": -poor, PUBLISHED: some}
    return Answers(scores, verdicts, {"whence": 12.3})


def test_recalls_and_precision_are_those_that_a_person_counts(suite, answers):
    figures = figures_of_found(suite, answers)
    fusion, poor, _, published = figures.ways
    assert (fusion.recall_1.value, fusion.micro_ap.value) == (1.0, 1.0)
    assert (poor.recall_1.value, poor.recall_10.value) == (0.75, 1.0)
    kept = answers.scores["poor"].copy()
    kept[1, 4] = np.nan
    expected = micro_average_precision(kept, suite.is_source, 4)
    assert poor.micro_ap.value == pytest.approx(expected)
    assert (published.queries, published.recall_1.value, published.recall_10.value) == (1, 0, 1)
    assert figures.best_single == "poor"
    assert figures.error_ratio == 0
    assert (figures.pairs, figures.passed_over) == (4 * 5 - 4 - 1, 1)
    assert figures.by_family == {
        "flip": (1, 1.0, 1.0),
        "jpeg": (1, 1.0, 1.0),
        "crop": (1, 1.0, 0.0),
        "paste": (1, 1.0, 1.0),
    }


def test_verdicts_are_counted_by_severity_and_twins_are_no_false_alarms(suite, answers):
    near, altered, replication, template, above = figures_of_found(suite, answers).verdicts
    assert {kind: found.value for kind, found in near.recall.items()} == {"mild": 1, "strong": 0}
    assert replication.recall["strong"].value == 0.5
    assert above.recall["strong"].value == 0.5
    assert [(one.right, one.wrong) for one in (near, altered, replication, template, above)] == [
        (2, 0),
        (0, 0),
        (1, 1),
        (0, 0),
        (0, 1),
    ]
    assert (near.precision, replication.precision, above.precision) == (1.0, 0.5, 0.0)
    assert replication.false_alarms == pytest.approx(1e6 / 15)
    assert near.false_alarms == 0
    assert figures_of_found(suite, answers).worst == ((Verdict.REPLICATION, "paste", "4"),)


@pytest.mark.parametrize(("wrong", "pairs"), [(0, 1000), (3, 5000), (1, 3_000_000)])
def test_the_most_false_alarms_that_fit_what_was_counted(wrong, pairs):
    """With the rate at its upper bound, as few as were counted come up one time in twenty."""
    rate = most_per_million(wrong, pairs) / 1e6
    assert binom.cdf(wrong, pairs, rate) == pytest.approx(0.05, rel=1e-6)
    assert most_per_million(5, 5) == 1e6


def test_queries_of_one_picture_are_drawn_together():
    """Twenty edits of one found picture and one of a lost one: half of the draws are unlike."""
    hits, groups = np.array([True] * 20 + [False]), np.array([0] * 20 + [7])
    share = share_of_groups(hits, groups, seed=1)
    assert share.value == pytest.approx(20 / 21)
    assert (share.low, share.high) == (0.0, 1.0)
    alone = share_of_groups(hits, np.arange(21), seed=1)
    assert alone.low > 0.8


def test_a_prompt_s_own_are_told_from_others(suite):
    scores = {
        FUSION: np.array([[5, 1, 1, 1, 1], [0, 5, 1, 1, -9]], np.float32),
        FUSED_IMAGES: np.array([[1, 1, 1, 1, 1], [9, 5, 9, 9, -9]], np.float32),
        "names": np.array([[np.nan] * 5, [0, 1, 0, 0, 9]], np.float32),
        "silent": np.full((2, 5), np.nan, np.float32),
    }
    two = Suite(suite.gallery, suite.cases[:2], seed=1)
    figures = figures_of_prompts(two, Answers(scores, np.zeros((2, 5), np.int8), {}))
    assert {way.name: (way.queries, way.auc.value) for way in figures.ways} == {
        FUSION: (2, 1.0),
        FUSED_IMAGES: (2, 0.25),
        "names": (1, 1.0),
    }


@pytest.fixture
def null_figures():
    return NullFigures(
        background="a very long name of a background that somebody gave it",
        queries=100,
        pairs=299_000,
        uniformity=Uniformity(0.08, 0.5),
        discovered=Interval(0.03, 0.0, 0.07),
        below={0.05: Interval(0.051, 0.04, 0.06), 0.001: Interval(0.0012, 0.0008, 0.0016)},
        verdicts=dict.fromkeys(Verdict, 7),
        worst=((Verdict.NEAR_COPY, "a", "b"),),
        channels={"resnet50-whitened": (Uniformity(0.1, 0.2), Interval(0.04, 0.01, 0.09))},
    )


@pytest.fixture
def lookalike_figures():
    whole = Interval(1.0, 1.0, 1.0)
    kind = KindFigures("a-very-long-name-of-a-kind", 6, whole, whole, Interval(0.4, 0.2, 0.6))
    return LookalikeFigures(
        queries=6,
        candidates=621,
        families=3,
        pooled=KindFigures("all", 6, whole, whole, Interval(0.4, 0.2, 0.6)),
        kinds=(kind,),
        verdicts=dict.fromkeys(Verdict, 1_234),
        of_other_families=12,
        of_other_kinds=0,
        worst=((Verdict.NEAR_COPY, "recoloured-icon-2/03.png", "recoloured-icon-2/09.png"),),
    )


def test_look_alikes_are_told_by_kind_and_together(lookalike_figures):
    text = lookalikes_text(lookalike_figures)
    assert "6 queries against 621 candidates, of 3 templates" in text
    assert re.search(r"^a-very-long-name-of-a-k… +6 +1\.000 \[1\.000, 1\.000\]", text, re.MULTILINE)
    assert re.search(r"^all +6 .* \.400 \[\.200, \.600\]$", text, re.MULTILINE)
    assert re.search(r"^near copy +1,234$", text, re.MULTILINE)
    assert "12 pairs with a picture of the same kind" in text
    assert "recoloured-icon-2/03.png  recoloured-icon-2/09.png" in text
    none = replace(lookalike_figures, worst=())
    assert "to be looked at" not in lookalikes_text(none)


def test_tables_fit_a_hundred_columns(suite, answers, null_figures, lookalike_figures):
    longest = "resnet50-whitened-and-more z"
    wide = Answers(
        {**answers.scores, longest: -answers.scores["worse"]}, answers.verdicts, answers.seconds
    )
    texts = [
        found_text(figures_of_found(suite, wide)),
        prompts_text(figures_of_prompts(suite, wide)),
        null_text([null_figures, null_figures]),
        lookalikes_text(lookalike_figures),
    ]
    for text in texts:
        assert max(map(len, text.splitlines())) <= 100, text
    assert f"{longest[:23]}…" in texts[0]
    assert ".0012 [.0008, .0016]" in texts[2]


def test_pairs_without_edits_have_no_families(answers):
    cases = tuple(case("pair", number, source) for number, source in enumerate([0, 1, 0, 3]))
    figures = figures_of_found(Suite(Candidates(5), cases, seed=1), answers)
    assert not figures.by_family
    assert set(figures.verdicts[0].recall) == {"pair"}
    assert "by family" not in found_text(figures)


def test_a_record_is_what_json_can_hold(suite, answers, null_figures, lookalike_figures):
    told = json.loads(json.dumps(record(figures_of_found(suite, answers)), allow_nan=False))
    assert told["ways"][0]["micro_ap"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert [one["verdict"] for one in told["verdicts"]] == [rung.value for rung in Verdict][:-1]
    told = json.loads(json.dumps(record(null_figures), allow_nan=False))
    assert told["worst"] == [["near copy", "a", "b"]]
    assert told["below"]["0.001"]["value"] == 0.0012
    told = json.loads(json.dumps(record(lookalike_figures), allow_nan=False))
    assert told["pooled"]["largest_share"] == {"value": 0.4, "low": 0.2, "high": 0.6}
    assert record(math.nan) is None


def test_numbers_are_short():
    assert [number(value) for value in (0.91234, 1.0, 0.0, -0.5, math.nan, 12.3456)] == [
        ".912",
        "1.000",
        ".000",
        "-.500",
        "-",
        "12.346",
    ]
    assert shown(Interval(0.5, 0.25, 1.0), 2) == ".50 [.25, 1.00]"


def test_a_table_aligns_names_left_and_numbers_right():
    assert table(["way", "n"], [["a", "1,000"], ["longer", "2"]]) == (
        "way         n\na       1,000\nlonger      2"
    )
