"""`--ranker aivalis2025`: the baseline, from the command line."""

from __future__ import annotations

import json

import pytest

from attribution.baselines.aivalis2025_terms import WEIGHTS

PROMPT = "a kingfisher perched on a mossy branch, loose oil painting"


@pytest.fixture
def command(sample):
    return (
        *("attribute", "--image", sample / "gen.png", "--prompt", PROMPT, "--offline"),
        *("--candidates", sample / "candidates"),
    )


def test_it_ranks_and_says_that_it_proves_nothing(run, command, tmp_path):
    """Scores rise with likeness, each of the nine terms is named, and there is no verdict."""
    ranked = run(*command, "--ranker", "aivalis2025", "--json", "--report", "report.html")
    assert ranked.code == 0, ranked.err
    matches = [json.loads(line) for line in ranked.out.splitlines()]
    assert [match["rank"] for match in matches] == list(range(1, 11))
    scores = [match["score"] for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert all(set(match["channels"]) == set(WEIGHTS) for match in matches)
    assert {match["verdict"] for match in matches} == {None}
    sums = [
        sum(abs(WEIGHTS[name]) * value for name, value in match["channels"].items())
        for match in matches
    ]
    assert sums == pytest.approx(scores, abs=1e-5)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "An order and no evidence" in page
    assert "arXiv 2504.01771" in page
    assert "80% likeness" not in page


def test_several_generations_are_averaged(run, command, sample):
    """The same picture twice changes only the size that all are compared at, and that by little."""
    options = ("--ranker", "aivalis2025", "--json", "--top", "3")
    once = run(*command, *options)
    twice = run(*command, "--image", sample / "gen.png", *options)
    first, again = ([json.loads(line) for line in ran.out.splitlines()] for ran in (once, twice))
    assert [match["candidate_id"] for match in first] == [match["candidate_id"] for match in again]
    assert again[0]["score"] == pytest.approx(first[0]["score"], abs=0.01)
    assert again[0]["image"] == "gen.png and 1 more"


def test_its_table_says_that_nothing_was_tested(run, command):
    shown = run(*command, "--ranker", "aivalis2025", "--top", "2")
    assert shown.code == 0, shown.err
    assert "An order and no evidence" in shown.out
    assert shown.out.count("not tested") == 2


def test_the_own_ranker_takes_one_picture(run, command, sample):
    refused = run(*command, "--image", sample / "gen.png")
    assert refused.code == 2
    assert "expected one picture" in refused.err
