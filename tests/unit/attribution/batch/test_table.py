"""Rankings as a table: every column filled from the ranking, and null where there is nothing."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from attribution.batch.table import (
    SCHEMA,
    failure_row,
    match_rows,
    read_part,
    to_rankings,
    write_rankings,
)
from attribution.calibration.verdicts import Verdict
from attribution.descriptors.channels import CHANNELS
from attribution.errors import JobError
from attribution.matching.geometry import Box, Region
from attribution.ranking.query import Query, View
from attribution.ranking.rank import Match, Ranking
from harvester.schema import Candidate

REGION = Region(Box(0.1, 0.2, 1 / 3, 0.6), Box(0, 0, 0.5, 1), 41, "cells", mirrored=True)
FULL = Match(
    "a",
    1,
    1.5,
    Verdict.NEAR_COPY,
    2,
    dict.fromkeys(CHANNELS, 0.25) | {"openclip-vit-b-32": 0.5, "sscd": math.nan},
    p=3e-9,
    q=0.002,
    share=0.5,
    ratio=0.75,
    regions=(REGION,),
    inliers={"sift": 4, "cells": 41},
)
BARE = Match("b", 2, 0.25, Verdict.NO_EVIDENCE, None, {"pdq": math.nan})


def ranking(*matches: Match) -> Ranking:
    query = Query("gen.png", "boats", (View(None, np.zeros((8, 8, 3), np.uint8), {}, 0),))
    found = {Verdict.NEAR_COPY: 1, Verdict.NO_EVIDENCE: 11}
    return Ranking(query, matches, 12, found, unattributed=0.25)


def table(*matches: Match) -> list[dict[str, object]]:
    rows = match_rows("job", "gen.png", ranking(*matches), {"a": Candidate(id="a", title="T")})
    return to_rankings(rows).to_pylist()


def test_a_row_holds_all_of_the_evidence():
    (row,) = table(FULL)
    assert row["job_id"] == "job"
    assert (row["ranking_verdict"], row["unattributed"]) == ("near copy", 0.25)
    assert (row["verdict"], row["tile"], row["title"]) == ("near copy", 2, "T")
    assert (row["p"], row["q"], row["share"], row["ratio"]) == (3e-9, 0.002, 0.5, 0.75)
    assert (row["sift_inliers"], row["cells_inliers"]) == (4, 41)
    assert {row["score_" + name.replace("-", "_")] for name in CHANNELS} == {0.25}
    assert json.loads(row["other_scores"]) == {"openclip-vit-b-32": 0.5, "sscd": None}
    (region,) = json.loads(row["regions"])
    assert (region["method"], region["inliers"], region["mirrored"]) == ("cells", 41, True)
    assert region["query"] == {"left": 0.1, "top": 0.2, "right": 0.3333, "bottom": 0.6}


def test_what_is_not_there_is_null_and_never_nan():
    (row,) = table(BARE)
    for name in ("p", "q", "ratio", "sift_inliers", "regions", "score_pdq", "score_lbp", "title"):
        assert row[name] is None
    assert row["other_scores"] is None
    assert row["share"] == 0


def test_a_ranker_without_verdicts_has_none():
    made = replace(ranking(replace(BARE, verdict=None)), found=None)
    (row,) = to_rankings(match_rows("job", "gen.png", made, {})).to_pylist()
    for name in ("verdict", "ranking_verdict", "share", "unattributed"):
        assert row[name] is None


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_every_format_keeps_regions_and_further_scores(tmp_path, ending):
    rows = match_rows("job", "gen.png", ranking(FULL, BARE), {})
    rows.append(failure_row("bad", "x.png", None, "no picture"))
    pq.write_table(to_rankings(rows), tmp_path / "part.parquet")
    out = tmp_path / f"rankings.{ending}"
    write_rankings(out, [tmp_path / "part.parquet"])
    text = out.read_text("utf-8") if ending != "parquet" else ""
    read = {
        "csv": lambda: list(csv.DictReader(text.splitlines())),
        "parquet": lambda: pq.read_table(out).to_pylist(),
        "jsonl": lambda: [json.loads(line) for line in text.splitlines()],
    }[ending]()
    assert [row["job_id"] for row in read] == ["job", "job", "bad"]
    assert list(read[0]) == SCHEMA.names
    assert json.loads(read[0]["regions"])[0]["mirrored"] is True
    assert json.loads(read[0]["other_scores"])["openclip-vit-b-32"] == 0.5
    assert not read[1]["regions"]


def test_rows_of_an_earlier_version_are_refused(tmp_path):
    old = to_rankings([failure_row("a", "x", None, "e")]).drop_columns(["p", "regions"])
    pq.write_table(old, tmp_path / "part.parquet")
    with pytest.raises(JobError, match="found others; use --restart"):
        read_part(tmp_path / "part.parquet")
