"""A dataset in a bucket, from the commands' side: everything that a local folder can, and as clear."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from harvester.dataset import shards
from harvester.dataset.storage import list_files, location_of
from harvester.schema import Candidate, FetchStatus
from tests.support.servers.fault_server import picture
from tests.support.servers.s3_server import BUCKET

OK = FetchStatus.OK
NETWORK = ("--allow-private", "--timeout", "5", "--near-duplicates", "keep", "--json")


@pytest.fixture
def where(s3_endpoint, environment, tmp_path) -> str:
    """A dataset's address without credentials, which are in the surroundings, as they should be."""
    environment |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    options = f"endpoint_override={s3_endpoint}&scheme=http&region=us-east-1"
    return f"s3://{BUCKET}/{tmp_path.name}/c?{options}"


@pytest.fixture
def listed(fault_server, tmp_path) -> list[str]:
    """A list of two pictures that come, one that is gone, one that fails for now."""
    fault_server.serve("/a.jpg", picture(), "image/jpeg")
    fault_server.serve("/b.jpg", picture(quality=50), "image/jpeg")
    urls = [fault_server.url(path) for path in ("/a.jpg", "/b.jpg", "/404", "/500")]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    return urls


def test_harvest_retry_status_and_compact(run, where, listed, fault_server, tmp_path):
    """Each command does to a bucket what it does to a folder."""
    command = ("harvest", "urls", "list.txt", "--out", where, *NETWORK)
    ran = run(*command, "--log-json", "log.jsonl")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["statuses"] == {"ok": 2, "not_found": 1, "server_error": 1}
    assert told["dataset"] == f"s3://{BUCKET}/{tmp_path.name}/c"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.txt", "log.jsonl"]

    before = dict(fault_server.hits)
    fault_server.serve("/500", picture(quality=20), "image/jpeg")
    ran = run("harvest", "retry", where, *NETWORK)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["statuses"] == {"ok": 1}
    again = {path for path, count in fault_server.hits.items() if count > before.get(path, 0)}
    assert again - {"/robots.txt", "/.well-known/tdmrep.json"} == {"/500"}

    before = dict(fault_server.hits)
    assert json.loads(run(*command).out)["new"] == 0
    assert dict(fault_server.hits) == before  # nobody is asked anything

    ran = run("harvest", "status", where, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["statuses"] == {"ok": 3, "not_found": 1}
    assert (told["kind"], told["pictures"]) == ("candidate", 3)

    ran = run("harvest", "compact", where, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["before"], told["after"]) == (4, 2)
    place = location_of(where.replace("s3://", "s3://any:any@"))
    found = {row.url: row for row in shards.rows(place, Candidate)}
    assert [found[url].status for url in listed] == [OK, OK, FetchStatus.NOT_FOUND, OK]
    assert all(row.image for row in found.values() if row.status is OK)
    assert list_files(place / ".lock") == []


def test_candidates_in_a_bucket_are_ranked(run, where, sample, fault_server, tmp_path):
    stored = [row for row in shards.rows(sample / "candidates", Candidate) if row.image][:6]
    for number, row in enumerate(stored):
        fault_server.serve(f"/{number}.jpg", row.image, "image/jpeg")
    urls = [fault_server.url(f"/{number}.jpg") for number in range(len(stored))]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    assert run("harvest", "urls", "list.txt", "--out", where, *NETWORK).code == 0
    (tmp_path / "gen.jpg").write_bytes(stored[3].image)
    ran = run(
        *("attribute", "--image", "gen.jpg", "--candidates", where, "--offline", "--json"),
        *("--report", "report.html"),
    )
    assert ran.code == 0, ran.err
    first, *others = (json.loads(line) for line in ran.out.splitlines())
    assert (first["rank"], first["url"]) == (1, urls[3])
    assert len(others) == len(urls) - 1
    assert "data:image" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.usefixtures("listed")
def test_what_is_wrong_with_a_bucket_is_one_line(run, s3_endpoint, environment):
    environment |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    options = f"?endpoint_override={quote(s3_endpoint, safe='')}&region=us-east-1"
    for given, said in (
        (f"s3://any:s3cret@missing/c{options}", "s3://missing/c"),
        (f"s3://{BUCKET}/c{options}&acl=public", "the option acl"),
    ):
        ran = run("harvest", "urls", "list.txt", "--out", given, *NETWORK)
        assert ran.code == 5, ran.err
        assert said in " ".join(ran.err.split())
        assert ran.err.count("error: ") == 1
        assert "s3cret" not in ran.err + ran.out
