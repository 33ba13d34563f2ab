"""From a prompt, or a Discord export, to a ranked and explained answer."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from harvester.dataset import shards
from harvester.schema import Candidate, FetchStatus, Finding, Generation, Search, SearchStatus
from harvester.search.queries import plan_queries
from tests.e2e.conftest import SCRIPTS
from tests.support.patience import patient

PROMPT = "a fairytale castle on a hill, storybook illustration --ar 3:2 --v 6"


@pytest.fixture
def web(sample, duckduckgo_server, tls_server, tmp_path):
    """A small web: a search engine, and an image server with pictures and with faults.

    Returns:
        The options that lead the commands there, and the planted source's bytes.
    """
    stored = [row for row in shards.rows(sample / "candidates", Candidate) if row.image][:24]
    addresses = []
    for number, row in enumerate(stored):
        tls_server.serve(f"/pictures/{number}.jpg", row.image, "image/jpeg")
        addresses.append(
            {
                "image": tls_server.url(f"/pictures/{number}.jpg"),
                "title": f"picture {number}",
                "url": tls_server.url(f"/pages/{number}"),
            }
        )
    addresses.insert(3, {"image": tls_server.url("/html-as-jpg"), "title": "a web page"})
    addresses.insert(5, {"image": tls_server.url("/404"), "title": "gone"})
    queries = plan_queries(PROMPT)
    for place, query in enumerate(queries):
        duckduckgo_server.results[query] = addresses[place :: len(queries)]
    trusted = tmp_path / "authorities.pem"
    trusted.write_bytes(
        Path(duckduckgo_server.ca_pem).read_bytes() + Path(tls_server.ca_pem).read_bytes()
    )
    options = ["--search-proxy", duckduckgo_server.proxy_url, "--ca-file", trusted]
    return [*options, "--allow-private"], stored[11].image


def painted(body: bytes) -> bytes:
    """A picture drawn from a source: cropped, smeared, tinted, in other proportions."""
    picture = Image.open(io.BytesIO(body)).convert("RGB")
    width, height = picture.size
    picture = picture.crop((width // 12, height // 12, width * 11 // 12, height * 11 // 12))
    picture = picture.resize((512, 512)).filter(ImageFilter.ModeFilter(7))
    tinted = np.asarray(picture, np.float32) * [1.08, 1.0, 0.86]
    out = io.BytesIO()
    Image.fromarray(tinted.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_harvest_then_attribute_finds_the_planted_source(run, web, tmp_path):
    """The real search client, real TLS, real weights: the planted source stands at rank 1."""
    options, source = web
    (tmp_path / "gen.png").write_bytes(painted(source))
    ran = run("harvest", "ddg", "--prompt", PROMPT, "--pause", "0", "--json", *options)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["new"] == 24
    ran = run(
        *("attribute", "--image", "gen.png", "--prompt", PROMPT, "--offline", "--json"),
        *("--report", "report.html"),
    )
    assert ran.code == 0, ran.err
    matches = [json.loads(line) for line in ran.out.splitlines()]
    assert matches[0]["rank"] == 1
    assert matches[0]["candidate_id"] == hashlib.sha256(source).hexdigest()
    assert matches[0]["title"] == "picture 11"
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "picture 11" in report
    assert "<script" not in report


def test_the_harvest_tells_pictures_from_failures_and_keeps_both(run, web, tmp_path):
    options, _ = web
    run("harvest", "ddg", "--prompt", PROMPT, "--pause", "0", *options)
    dataset = tmp_path / "data/candidates"
    rows = list(shards.rows(dataset, Candidate))
    by_status = {status: [r for r in rows if r.status == status] for status in FetchStatus}
    assert len(by_status[FetchStatus.OK]) == 24
    assert [row.title for row in by_status[FetchStatus.HTML]] == ["a web page"]
    assert [row.title for row in by_status[FetchStatus.NOT_FOUND]] == ["gone"]
    assert all(row.pdq and row.phash and row.dhash and row.image for row in rows if not row.error)
    assert len(list(shards.rows(dataset, Finding))) == 26
    searches = list(shards.rows(dataset, Search))
    assert {search.status for search in searches} == {SearchStatus.OK}
    assert sorted(search.query for search in searches) == sorted(plan_queries(PROMPT))


def test_a_second_harvest_asks_nobody_anything(run, web, duckduckgo_server, tls_server):
    options, _ = web
    command = ("harvest", "ddg", "--prompt", PROMPT, "--pause", "0", "--json", *options)
    run(*command)
    asked, fetched = len(duckduckgo_server.asked), tls_server.hits.total()
    ran = run(*command)
    assert ran.code == 0
    assert (len(duckduckgo_server.asked), tls_server.hits.total()) == (asked, fetched)


def test_attribute_harvests_by_itself_when_nothing_is_there(run, web, duckduckgo_server, tmp_path):
    options, source = web
    (tmp_path / "gen.png").write_bytes(painted(source))
    command = ("attribute", "--image", "gen.png", "--prompt", PROMPT, "--json", *options)
    first = run(*command)
    assert first.code == 0, first.err
    assert "searching the web" in first.err
    best = json.loads(first.out.splitlines()[0])
    assert best["candidate_id"] == hashlib.sha256(source).hexdigest()
    asked = len(duckduckgo_server.asked)
    second = run(*command)
    assert second.out == first.out
    assert len(duckduckgo_server.asked) == asked


def test_the_prompts_of_generations_are_searched_for(run, sample, duckduckgo_server, tmp_path):
    """From a Discord export to the searches, with nothing found: empty, and no failure."""
    export = sample / "discord" / "midjourney-sample.json"
    run("harvest", "midjourney", "--discord-export", export)
    ran = run(
        *("harvest", "ddg", "--generations", "data/midjourney", "--pause", "0", "--json"),
        *("--search-proxy", duckduckgo_server.proxy_url, "--ca-file", duckduckgo_server.ca_pem),
    )
    assert ran.code == 0, ran.err
    searches = list(shards.rows(tmp_path / "data/candidates", Search))
    assert {search.status for search in searches} == {SearchStatus.EMPTY}
    assert json.loads(ran.out)["searches"] == {"empty": len(searches)}
    made = {row.prompt for row in shards.rows(tmp_path / "data/midjourney", Generation)}
    assert {search.query_prompt for search in searches} == made
    assert not [search for search in searches if "--" in search.query]


def test_prompts_may_come_from_standard_input(run, duckduckgo_server):
    ran = run(
        *("harvest", "ddg", "--prompts", "-", "--pause", "0", "--json"),
        *("--search-proxy", duckduckgo_server.proxy_url, "--ca-file", duckduckgo_server.ca_pem),
        stdin="a red boat\n\na blue boat\n",
    )
    assert ran.code == 0, ran.err
    assert {query for query, _ in duckduckgo_server.asked} == {"a red boat", "a blue boat"}


def test_a_blocked_search_is_no_empty_one(run, web, duckduckgo_server):
    options, _ = web
    duckduckgo_server.faults.extend(["429 Retry-After 9999"] * 9)
    ran = run("harvest", "ddg", "--prompt", PROMPT, "--pause", "0", *options)
    assert ran.code == 4
    assert "blocked" in ran.err or "429" in ran.err


def test_no_network_is_one_line_and_exit_code_4(run):
    ran = run("harvest", "ddg", "--prompt", "a castle", "--search-proxy", "http://127.0.0.1:9")
    assert ran.code == 4
    [line] = ran.err.strip().splitlines()
    assert line.startswith("error: duckduckgo.com: expected an answer")


def test_a_discord_export_becomes_generations(run, sample, tmp_path):
    """Pictures come from the export's media folder; a second run adds nothing."""
    export = sample / "discord" / "midjourney-sample.json"
    ran = run("harvest", "midjourney", "--discord-export", export, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["new"] == 13
    rows = {row.message_id: row for row in shards.rows(tmp_path / "data/midjourney", Generation)}
    assert {row.status for row in rows.values()} == {FetchStatus.OK}
    assert all(row.image and row.prompt for row in rows.values())
    authors = [row.author for row in rows.values()]
    assert authors.count(None) == 2  # a job and its upscale: the export itself says @Unknown
    assert all(author.startswith("user-") for author in authors if author)
    upscales = [row for row in rows.values() if row.action == "upscale"]
    assert upscales
    assert all(rows[row.grid_id].action == "imagine" for row in upscales)
    again = run("harvest", "midjourney", "--discord-export", export, "--json")
    assert (json.loads(again.out)["new"], json.loads(again.out)["known"]) == (0, 13)
    assert shards.count_rows(tmp_path / "data/midjourney", Generation) == 13


def test_names_are_nowhere_in_the_dataset_unless_asked_for(run, sample, tmp_path):
    export = sample / "discord" / "midjourney-sample.json"
    run("harvest", "midjourney", "--discord-export", export)
    stored = shards.read(tmp_path / "data/midjourney", Generation).drop_columns("image").to_pylist()
    for name in ("Sample User", "sample_user", "former_member"):
        assert name not in json.dumps(stored, default=str)
    ran = run("harvest", "midjourney", "--discord-export", export, "--keep-authors", "--out", "n")
    assert ran.code == 0
    authors = {row.author for row in shards.rows(tmp_path / "n", Generation)}
    assert authors == {"sample_user_a", "sample_user_b", "sample_user_c", None}


def test_a_dry_run_counts_and_writes_nothing(run, sample, tmp_path):
    export = sample / "discord" / "midjourney-sample.json"
    ran = run("harvest", "midjourney", "--discord-export", export, "--dry-run", "--json")
    counts = json.loads(ran.out)
    assert counts["messages"] == 19
    assert counts["kinds"]["finished"] == 13
    assert sum(counts["kinds"].values()) == 19
    assert not (tmp_path / "data").exists()


def test_a_batch_ranks_every_sample_picture_and_reports(run, sample, tmp_path):
    """One broken picture among the jobs is a row with its error."""
    (tmp_path / "broken.png").write_text("<html>not here</html>")
    with (sample / "jobs.csv").open(encoding="utf-8", newline="") as file:
        jobs = list(csv.DictReader(file))[:3]
    with (tmp_path / "jobs.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "image"])
        writer.writerows([job["prompt"], sample / job["image"]] for job in jobs)
        writer.writerow(["a broken one", "broken.png"])
    command = (
        *("attribute", "batch", "jobs.csv", "--candidates", sample / "candidates"),
        *("--out", "rankings.parquet", "--report", "report", "--top", "3", "--json"),
    )
    ran = run(*command)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == {
        "ranked": 3,
        "failed": 1,
        "known": 0,
        "rankings": "rankings.parquet",
        "report": "report/index.html",
    }
    rows = pq.read_table(tmp_path / "rankings.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 9 + ["failed"]
    assert "found a web page" in rows[-1]["error"]
    index = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert index.count('href="') >= 3
    assert json.loads(run(*command).out)["known"] == 3


def test_a_generations_dataset_is_a_batch(run, sample, tmp_path):
    export = sample / "discord" / "midjourney-sample.json"
    run("harvest", "midjourney", "--discord-export", export)
    ran = run(
        *("attribute", "batch", "data/midjourney", "--candidates", sample / "candidates"),
        *("--out", "rankings.jsonl", "--json"),
    )
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["ranked"] == 13
    rows = [json.loads(line) for line in (tmp_path / "rankings.jsonl").read_text().splitlines()]
    assert len({row["job_id"] for row in rows}) == 13


def test_folder_and_urls_bring_pictures_in(run, fault_server, tmp_path, sample):
    row = next(shards.rows(sample / "candidates", Candidate))
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "one.jpg").write_bytes(row.image)
    (tmp_path / "art" / "one.txt").write_text("A caption of mine")
    ran = run("harvest", "folder", "art", "--creator", "Ada Example")
    assert ran.code == 0, ran.err
    [stored] = shards.rows(tmp_path / "data/candidates", Candidate)
    assert (stored.caption, stored.creator) == ("A caption of mine", "Ada Example")
    assert stored.url == "file:art/one.jpg"
    fault_server.serve("/two.jpg", row.image, "image/jpeg")
    (tmp_path / "list.csv").write_text(f"URL,TEXT\n{fault_server.url('/two.jpg')},the same\n")
    ran = run("harvest", "urls", "list.csv", "--allow-private", "--json")
    # The same bytes at another address: no second picture, one more finding.
    assert (json.loads(ran.out)["new"], json.loads(ran.out)["known"]) == (0, 1)
    assert len(list(shards.rows(tmp_path / "data/candidates", Finding))) == 2


def test_without_allow_private_nothing_on_loopback_is_asked(run, fault_server, tmp_path):
    (tmp_path / "list.txt").write_text(fault_server.url("/ok.jpg") + "\n")
    ran = run("harvest", "urls", "list.txt")
    assert ran.code == 4
    assert "blocked_address" in ran.err
    assert fault_server.hits.total() == 0


def test_ctrl_c_keeps_what_was_fetched_and_the_next_run_goes_on(
    run, fault_server, tmp_path, environment, sample
):
    pictures = [row.image for row in shards.rows(sample / "candidates", Candidate)][:20]
    for number, body in enumerate(pictures):
        fault_server.serve(f"/{number}.jpg", body, "image/jpeg")
    addresses = [fault_server.url(f"/{number}.jpg") for number in range(20)]
    addresses.append(fault_server.url("/drip"))  # holds the first run open
    (tmp_path / "list.txt").write_text("\n".join(addresses))
    command = [SCRIPTS / "harvest", "urls", "list.txt", "--allow-private", "--concurrency", "4"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + patient(200)
        while fault_server.hits["/drip"] == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        message = process.stderr.read()
    assert process.returncode == 130, message
    assert "run the same command again" in message
    assert "Traceback" not in message
    stored = [row.status for row in shards.rows(tmp_path / "data/candidates", Candidate)]
    assert stored.count(FetchStatus.OK) == 20
    fault_server.serve("/drip", pictures[0], "image/jpeg")
    before = fault_server.hits.copy()
    ran = run("harvest", "urls", "list.txt", "--allow-private", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["statuses"] == {"ok": 21}
    asked = fault_server.hits - before
    assert {path for path in asked if path.endswith((".jpg", "drip"))} == {"/drip"}
