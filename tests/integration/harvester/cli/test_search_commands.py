"""`harvest search`, `openverse` and `commons`, from the command line to the rows of a dataset."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from harvester.cli.app import harvest_app
from harvester.cli.search import read_sources
from harvester.dataset import shards
from harvester.errors import InputError, RateLimitedError
from harvester.schema import Candidate, Finding, Search, SearchStatus
from harvester.search import commons, openverse
from harvester.search.registry import SOURCES, EngineOptions, open_budget, open_engines
from tests.support.servers.fault_server import picture
from tests.support.servers.offline_commons import OfflineCommons, file
from tests.support.servers.offline_openverse import OfflineOpenverse

PROMPT = "boat"


@pytest.fixture
def openverse_server(monkeypatch):
    with OfflineOpenverse() as server:
        monkeypatch.setattr(openverse, "BASE_URL", server.base_url)
        monkeypatch.setattr(openverse, "_PAUSE_S", 0.0)
        yield server


@pytest.fixture
def commons_server(monkeypatch):
    with OfflineCommons() as server:
        monkeypatch.setattr(commons, "BASE_URL", server.base_url)
        yield server


@pytest.fixture
def boats(openverse_server, commons_server, fault_server):
    """Two pictures at Openverse, two at Commons, one of them known to both."""
    urls = [fault_server.serve(f"/{n}.png", picture("PNG", compress_level=n)) for n in (1, 2, 3)]
    openverse_server.results[PROMPT] = [{"url": urls[0]}, {"url": urls[1]}]
    commons_server.files[PROMPT] = [file("B.jpg", url=urls[1]), file("C.jpg", url=urls[2])]
    return urls


@pytest.fixture
def run(tmp_path):
    def run(*words):
        options = ["--out", str(tmp_path / "c"), "--allow-private", "--json"]
        return CliRunner().invoke(harvest_app, [*words, *options], catch_exceptions=True)

    return run


def test_two_sources_in_one_run(run, boats, tmp_path):
    words = ("--sources", "openverse,commons", "--near-duplicates", "keep")
    ran = run("search", "--prompt", PROMPT, *words)
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["searches"] == {"ok": 2}
    candidates = list(shards.rows(tmp_path / "c", Candidate))
    assert sorted(candidate.url for candidate in candidates) == sorted(boats)
    assert {candidate.license for candidate in candidates} <= {"CC0 1.0", "CC BY-SA 4.0"}
    assert all(candidate.creator for candidate in candidates)
    findings = list(shards.rows(tmp_path / "c", Finding))
    assert sorted(finding.source for finding in findings) == ["commons"] * 2 + ["openverse"] * 2
    searches = list(shards.rows(tmp_path / "c", Search))
    assert sorted((search.source, search.found) for search in searches) == [
        ("commons", 2),
        ("openverse", 2),
    ]


@pytest.mark.usefixtures("boats")
def test_what_is_done_is_not_asked_again(run, openverse_server, commons_server):
    words = ("search", "--prompt", PROMPT, "--sources", "openverse,commons")
    run(*words)
    again = run(*words)
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["searches"] == {}
    assert len(openverse_server.asked) == len(commons_server.asked) == 1


@pytest.mark.usefixtures("boats")
def test_a_spent_budget_is_told_and_the_next_run_goes_on(run, openverse_server, tmp_path):
    words = ("search", "--prompt", PROMPT, "--sources", "openverse,commons")
    ran = run(*words, "--budget", "openverse=0")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["searches"] == {"blocked": 1, "ok": 1}
    assert "--budget openverse=N" in told["stopped"]["openverse"]
    assert openverse_server.asked == []
    assert json.loads(run(*words).stdout)["searches"] == {"ok": 1}
    statuses = {s.status for s in shards.rows(tmp_path / "c", Search) if s.source == "openverse"}
    assert statuses == {SearchStatus.BLOCKED, SearchStatus.OK}


@pytest.mark.usefixtures("boats")
def test_a_run_whose_every_source_is_blocked_fails(run):
    budgets = ("--budget", "openverse=0", "--budget", "commons=0")
    ran = run("search", "--prompt", PROMPT, "--sources", "openverse,commons", *budgets)
    assert isinstance(ran.exception, RateLimitedError)
    assert ran.exception.exit_code == 4


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize("source", ["openverse", "commons"])
def test_one_source_has_a_command_of_its_own(run, source, tmp_path):
    ran = run(source, "--prompt", PROMPT, "--license", "cc0,by-sa", "--contact", "a@b.example")
    assert ran.exit_code == 0, ran.output
    [search] = shards.rows(tmp_path / "c", Search)
    assert (search.source, search.found, search.scope) == (source, 2, "license by-sa,cc0")


def test_without_a_prompt_nothing_is_searched_for(run):
    assert run("search").exit_code == 2
    assert run("commons", "--prompt", PROMPT, "--budget", "bing=3").exception.exit_code == 3


def test_sources_are_read_in_order_each_once():
    assert read_sources("Commons, ddg,commons") == ("commons", "ddg")


@pytest.mark.parametrize(
    ("text", "licenses", "told"),
    [
        ("bing", (), "found 'bing'"),
        (" , ", (), "found none"),
        ("openverse,ddg", ("by",), "give --sources openverse,commons"),
    ],
)
def test_sources_that_cannot_be_asked_are_refused(text, licenses, told):
    with pytest.raises(typer.BadParameter, match=told):
        read_sources(text, licenses=licenses)


def test_engines_have_their_pace_and_their_token(monkeypatch, tmp_path):
    with open_engines(SOURCES, EngineOptions(), app_folder=tmp_path) as engines:
        assert [(engine.source, engine.pause_s) for engine in engines] == [
            ("ddg", 1.0),
            ("openverse", 3.0),
            ("commons", 1.0),
        ]
    monkeypatch.setenv("WHENCE_OPENVERSE_TOKEN", "a-token")
    with open_engines(["openverse"], EngineOptions(), app_folder=tmp_path) as [engine]:
        assert engine.pause_s == 1.0


def test_a_token_allows_more_requests_a_day(tmp_path):
    assert open_budget([], tmp_path, has_token=False).left("openverse") == 100
    assert open_budget([], tmp_path, has_token=True).left("openverse") == 10_000
    given = open_budget(["openverse=7"], tmp_path, has_token=True)
    assert given.left("openverse") == 7


def test_options_that_cannot_be_used_are_refused(tmp_path):
    unknown = EngineOptions(licenses=["gpl"])
    with pytest.raises(InputError), open_engines(["commons"], unknown, app_folder=tmp_path):
        pass
