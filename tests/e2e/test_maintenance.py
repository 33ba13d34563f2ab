"""Looking after a dataset, as people do it: what it holds, what failed, shards that are small."""

from __future__ import annotations

import json

import pytest

from harvester.dataset import shards
from harvester.schema import Candidate, FetchStatus, Finding
from tests.support.servers.fault_server import picture

NETWORK = ("--allow-private", "--timeout", "5")


@pytest.fixture
def harvested(run, fault_server, tmp_path):
    """Two pictures that come, one that is gone, one that fails for now."""
    fault_server.serve("/a.jpg", picture(), "image/jpeg")
    fault_server.serve("/b.jpg", picture(quality=50), "image/jpeg")
    paths = ("/a.jpg", "/b.jpg", "/404", "/500")
    (tmp_path / "list.txt").write_text("\n".join(map(fault_server.url, paths)))
    ran = run(*("harvest", "urls", "list.txt", "--out", "c", *NETWORK), *KEPT)
    assert ran.code == 0, ran.err
    return tmp_path / "c"


KEPT = ("--near-duplicates", "keep")


@pytest.mark.usefixtures("harvested")
def test_status_tells_what_is_there_and_what_to_do(run):
    ran = run("harvest", "status", "c")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert "2 pictures" in ran.out
    assert "left to retry: 1 (1 transient): harvest retry" in lines
    assert any(line.split() == ["not_found", "permanent", "1"] for line in lines)
    assert any(line.split()[:2] == ["127.0.0.1", "2"] for line in lines)
    told = json.loads(run("harvest", "status", "c", "--json").out)
    assert (told["kind"], told["pictures"], told["addresses"]) == ("candidate", 2, 4)
    assert told["statuses"] == {"ok": 2, "not_found": 1, "server_error": 1}
    assert told["runs"][0]["settings"]["source"] == "urls"


def test_status_of_a_generations_dataset_and_of_none(run, sample):
    export = sample / "discord" / "midjourney-sample.json"
    assert run("harvest", "midjourney", "--discord-export", export).code == 0
    ran = run("harvest", "status", "data/midjourney")
    assert ran.code == 0, ran.err
    assert "generations" in ran.out
    ran = run("harvest", "retry", "data/midjourney")
    assert ran.code == 3
    assert "tries again by itself" in ran.err
    ran = run("harvest", "status", "nowhere")
    assert ran.code == 3
    assert "found no shards" in ran.err


def test_retry_asks_again_for_what_failed_for_now_and_for_nothing_else(
    run, harvested, fault_server
):
    before = dict(fault_server.hits)
    fault_server.serve("/500", picture(quality=20), "image/jpeg")
    ran = run("harvest", "retry", "c", *NETWORK, *KEPT, "--json")
    assert ran.code == 0, ran.err
    assert "1 addresses to ask for again" in ran.err
    assert json.loads(ran.out)["new"] == 1
    again = {path for path, count in fault_server.hits.items() if count > before.get(path, 0)}
    assert again - {"/robots.txt", "/.well-known/tdmrep.json"} == {"/500"}
    made = {row.url: row for row in shards.rows(harvested, Candidate)}
    url = fault_server.url("/500")
    assert made[url].status is FetchStatus.OK
    named = [one.candidate_id for one in shards.rows(harvested, Finding) if one.url == url]
    assert named[-1] == made[url].id
    ran = run("harvest", "retry", "c", *NETWORK)
    assert ran.code == 0
    assert "nothing to retry; --class all asks for what failed for good, too" in ran.err


@pytest.mark.usefixtures("harvested")
def test_retry_all_asks_again_for_what_failed_for_good(run, fault_server):
    fault_server.serve("/404", picture(quality=30), "image/jpeg")
    ran = run("harvest", "retry", "c", "--class", "all", *NETWORK, *KEPT, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["statuses"] == {"ok": 1, "server_error": 1}


def test_compact_keeps_what_there_is(run, harvested):
    run("harvest", "retry", "c", *NETWORK)
    before = {row.id for row in shards.rows(harvested, Candidate)}
    ran = run("harvest", "compact", "c")
    assert ran.code == 0, ran.err
    assert "shards of" in ran.out
    assert {row.id for row in shards.rows(harvested, Candidate)} == before
    told = json.loads(run("harvest", "compact", "c", "--json").out)
    assert told["before"] == told["after"]


@pytest.mark.usefixtures("harvested")
def test_events_are_written_where_they_are_asked_for(run, fault_server, tmp_path):
    ran = run("harvest", "retry", "c", *NETWORK, "--log-json", "log.jsonl")
    assert ran.code == 4, ran.err  # the only address failed again
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [one["event"] for one in events] == ["start", "failed", "end"]
    assert events[0]["settings"]["consent"] == "strict"
    assert events[1]["url"] == fault_server.url("/500")
    assert events[1]["status"] == "server_error"
    assert events[2]["failed"]["transient"] == 1
