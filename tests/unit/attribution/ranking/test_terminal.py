"""A ranking on a terminal and as JSON Lines: readable, complete, and deaf to what titles say."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from attribution.calibration.verdicts import Verdict
from attribution.matching.geometry import Box, Region
from attribution.ranking.query import Query, View
from attribution.ranking.rank import Match, Ranking
from attribution.report.records import json_lines
from attribution.report.terminal import WIDE, ranking_table
from harvester.pipeline.references import DeclaredReference
from harvester.schema import Candidate, ReferenceRole

KEYS = {
    *(
        "image",
        "prompt",
        "origin",
        "gallery_size",
        "rank",
        "candidate_id",
        "score",
        "verdict",
        "tile",
    ),
    *("channels", "title", "creator", "license", "license_url", "rights", "page_url", "url"),
    *("source", "query", "fetched_at", "width", "height"),
    *("declared", "found", "ranking_verdict", "conclusion", "unattributed", "is_flat"),
    *("z", "p", "q", "share", "ratio", "inliers", "regions"),
}
REGIONS = (
    Region(Box(0.1, 0.2, 0.5, 0.61), Box(0, 0, 1, 1), 34, "sift", mirrored=False),
    Region(Box(0.1, 0.2, 1 / 3, 0.6), Box(0, 0, 0.5, 1), 41, "cells", mirrored=True),
)
PICTURE = np.zeros((8, 8, 3), np.uint8)

FULL = Candidate(
    id="a",
    title="Boats at low tide",
    creator="Ana Lima",
    license="CC BY 4.0",
    license_url="https://creativecommons.org/licenses/by/4.0/",
    page_url="https://www.example.org/boats",
    url="https://img.example.org/boats.jpg",
    source="duckduckgo",
    query="fishing boats",
    rights=("noai",),
    width=640,
    height=480,
    fetched_at=datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC),
)


def view(tile: int | None = None) -> View:
    return View(tile, PICTURE, {}, 0)


def match(name: str = "a", rank: int = 1, **given) -> Match:
    channels = {"pdq": 0.5234, "phash": 0.61, "dhash": 0.5, "resnet50-gem": 0.8312, "bm25": 4.21}
    default = {"score": 0.7, "verdict": Verdict.NO_EVIDENCE, "tile": None, "channels": channels}
    return Match(name, rank, **(default | given))


def ranking(*matches: Match, grid: bool = False, prompt: str | None = "boats") -> Ranking:
    views = (view(), *(view(tile) for tile in range(1, 5))) if grid else (view(),)
    return Ranking(
        Query("gen.png", prompt, views),
        matches,
        1234,
        Counter(m.verdict for m in matches),
        unattributed=1 - sum(m.share for m in matches),
    )


def printed(shown: Ranking, candidates: dict[str, Candidate], width: int = 80, **given) -> str:
    console = Console(file=io.StringIO(), width=width, **given)
    console.print(ranking_table(shown, candidates))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, WIDE + 30])
def test_the_table_says_what_is_known(width):
    evidence = {"p": 3e-5, "q": 0.0021, "share": 0.41, "regions": REGIONS}
    copy = match(score=1.93, verdict=Verdict.NEAR_COPY, tile=3, **evidence)
    text = printed(ranking(copy, grid=True), {"a": FULL}, width)
    assert text.startswith("Among 1,234 candidates searched there is a near copy of")
    for told in (
        *("near copy", "1.93", ".0021", "40%", "sift 34", "cells 41", "mirrored", "3"),
        "Shares: 40% candidate 1, 60% unattributed",
        *("Boats at low tide", "Ana Lima", "CC BY 4.0", "example.org/boats"),
    ):
        assert told in text
    assert "dhash" not in text


@pytest.mark.parametrize("width", [80, WIDE + 30])
def test_each_verdict_is_named_and_its_evidence_too(width):
    rungs = [match(str(n), n, verdict=rung, q=0.5) for n, rung in enumerate(Verdict, 1)]
    text = printed(ranking(*rungs), {}, width)
    assert text.count(".5") == len(Verdict)
    assert all(rung.value in text for rung in Verdict)
    assert printed(ranking(*rungs), {}, force_terminal=True).count("\x1b[1;31mnear copy") == 1


@pytest.mark.parametrize("width", [80, WIDE + 30])
def test_a_ranker_without_verdicts_claims_none(width):
    shown = replace(ranking(match(verdict=None)), found=None)
    text = printed(shown, {}, width)
    assert text.startswith("An order and no evidence: 1,234 candidates searched")
    assert "not tested" in text
    for told in ("Shares:", "%", "nan"):
        assert told not in text


def test_the_tile_is_named_for_grids_alone():
    assert "tile 2" in printed(ranking(match(tile=2), grid=True), {"a": FULL})
    assert "whole" in printed(ranking(match(), grid=True), {"a": FULL})
    assert "whole" not in printed(ranking(match()), {"a": FULL})


@pytest.mark.parametrize("width", [40, 80, 100, WIDE, 200])
@pytest.mark.parametrize("grid", [False, True])
def test_no_line_is_longer_than_the_terminal(width, grid):
    """Long, wide and unbroken titles, names and addresses wrap or are cut."""
    long = Candidate(
        id="a",
        title="x" * 10_000,
        creator="写真家" * 500,
        license="👩\u200d🎨" * 99,
        page_url="https://example.org/" + "a" * 3000,
    )
    regions = tuple(replace(one, inliers=400, mirrored=True) for one in REGIONS)
    given = {"score": 1.99, "tile": 4, "verdict": Verdict.ABOVE_CHANCE, "q": 1e-7}
    matches = [match(rank=rank, **given, regions=regions) for rank in (1, 10, 100)]
    lines = printed(ranking(*matches, grid=grid), {"a": long}, width).splitlines()
    assert len(lines) > 6
    assert max(cell_len(line) for line in lines) <= width


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_title_cannot_act_on_the_terminal(width, terminal):
    """Neither escape sequences (7- and 8-bit), nor rich's markup, nor turned text get through."""
    attack = "\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\x1b]0;owned\x07\r\x08[bold red]T\u202eitle[/]\x00"
    hostile = Candidate(
        id="a", title=attack, creator=attack, license=attack, page_url="https://a.org/" + attack
    )
    text = printed(ranking(match()), {"a": hostile}, width, force_terminal=terminal)
    assert "[bold red]Title[/]" in text
    for part in ("52;c", "[2J", "owned", "\x9b", "\x07", "\x08", "\r", "\x00", "\u202e"):
        assert part not in text
    assert terminal or "\x1b" not in text


def test_a_terminal_link_leads_only_to_the_web():
    bad = Candidate(id="a", page_url="javascript:alert(1)")
    assert "]8;" not in printed(ranking(match()), {"a": bad}, force_terminal=True)
    linked = printed(ranking(match()), {"a": FULL}, force_terminal=True)
    assert "https://www.example.org/boats\x1b\\" in linked


def test_a_terminal_that_knows_no_unicode_gets_question_marks():
    body = io.BytesIO()
    stream = io.TextIOWrapper(body, encoding="ascii")
    odd = Candidate(id="a", title="Küste 海 " * 40)
    Console(file=stream, width=80).print(ranking_table(ranking(match()), {"a": odd}))
    stream.flush()
    assert b"K?ste ?" in body.getvalue()


def test_nothing_known_is_said_to_be_unknown():
    nan = match("gone", score=math.nan, channels={"pdq": math.nan, "resnet50-gem": math.nan})
    text = printed(ranking(nan), {})
    assert "q -" in text
    assert text.count("unknown") == 4
    assert "nan" not in text


def test_no_match_is_said_in_words():
    text = printed(ranking(), {})
    assert "No evidence: among 1,234 candidates searched" in text
    assert "There is no candidate to show." in text


def test_a_json_line_has_every_key_and_its_value():
    (line,) = json_lines(ranking(match(tile=2)), {"a": FULL})
    record = json.loads(line)
    assert record.keys() == KEYS
    assert record["channels"] == pytest.approx(dict(match().channels))
    assert record["fetched_at"] == "2025-03-04T05:06:07+00:00"
    assert (record["image"], record["prompt"], record["tile"]) == ("gen.png", "boats", 2)
    assert (record["rank"], record["score"], record["verdict"]) == (1, 0.7, "no evidence")
    assert (record["title"], record["rights"], record["width"]) == (FULL.title, ["noai"], 640)


def test_json_holds_the_evidence_and_where_it_lies():
    evidence = {"p": 3.1e-9, "q": 0.0021, "share": 0.41, "ratio": 0.62, "z": {"lbp": 2.5}}
    first = match(
        verdict=Verdict.REPLICATION, **evidence, regions=REGIONS, inliers={"sift": 34, "cells": 41}
    )
    reference = DeclaredReference("https://a.org/1.png", ReferenceRole.STYLE)
    shown = ranking(first, match("b", 2))
    shown = replace(shown, query=replace(shown.query, fetched_references=(reference,)))
    record, other = map(json.loads, json_lines(shown, {}))
    assert record["z"] == {"lbp": 2.5}
    assert (record["p"], record["q"]) == (3.1e-9, 0.0021)
    assert (record["share"], record["ratio"], record["unattributed"]) == (0.41, 0.62, 0.59)
    assert record["inliers"] == {"sift": 34, "cells": 41}
    assert record["regions"][1] == {
        "method": "cells",
        "inliers": 41,
        "mirrored": True,
        "query": {"left": 0.1, "top": 0.2, "right": 0.3333, "bottom": 0.6},
        "candidate": {"left": 0, "top": 0, "right": 0.5, "bottom": 1},
    }
    assert record["declared"] == [
        {"url": "https://a.org/1.png", "role": "style", "status": None, "error": None}
    ]
    counts = {rung.value: 0 for rung in Verdict} | {"replication": 1, "no evidence": 1}
    for one in (record, other):
        assert (one["found"], one["ranking_verdict"]) == (counts, "replication")
        assert one["conclusion"].startswith("A part agrees: among 1,234 candidates")


def test_json_of_a_ranker_without_verdicts_has_none():
    (line,) = json_lines(replace(ranking(match(verdict=None)), found=None), {})
    record = json.loads(line)
    keys = ("verdict", "ranking_verdict", "found", "share", "unattributed", "p", "q", "ratio")
    assert {record[key] for key in keys} == {None}
    assert record["conclusion"].startswith("An order and no evidence")


def test_json_says_null_where_nothing_is_known():
    """NaN and infinity are no JSON; a candidate that is gone still has its line."""
    odd = match("gone", score=math.inf, channels={"pdq": math.nan, "bm25": 1.0})
    (line,) = json_lines(ranking(odd, prompt=None), {})
    record = json.loads(line, parse_constant=pytest.fail)
    assert record.keys() == KEYS
    assert record["channels"] == {"pdq": None, "bm25": 1.0}
    assert record["candidate_id"] == "gone"
    unknown = {key for key, value in record.items() if value is None}
    known = {
        *("image", "origin", "gallery_size", "rank", "candidate_id", "verdict", "channels"),
        *("rights", "declared", "found", "ranking_verdict", "conclusion", "unattributed"),
        *("is_flat", "z", "share", "inliers", "regions"),
    }
    assert unknown == KEYS - known


def test_json_keeps_hostile_text_whole_and_harmless():
    """All of the title is there, in ASCII on one line; a lone surrogate is replaced."""
    title = 'a\x1b[31m"\n\u2028\x9b\u202e日😀'
    (line,) = json_lines(ranking(match()), {"a": Candidate(id="a", title=title + "\ud800")})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["title"] == title + "\ufffd"


def test_json_lines_stand_in_the_order_of_ranks():
    lines = list(json_lines(ranking(match("b", 1), match("a", 2)), {"a": FULL}))
    assert [json.loads(line)["candidate_id"] for line in lines] == ["b", "a"]
    assert list(json_lines(ranking(), {})) == []
