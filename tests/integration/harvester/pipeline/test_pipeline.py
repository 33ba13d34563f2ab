"""Source → fetch → picture → shards, against a real server on loopback."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import SeenIndex
from harvester.errors import RateLimitedError
from harvester.fetch.download import FetchLimits
from harvester.fetch.fetcher import Fetcher
from harvester.pictures.decode import encode_jpeg, open_picture
from harvester.pipeline.candidates import SearchLedger, flush, harvest_candidates
from harvester.pipeline.engine import LocalEngine
from harvester.schema import Candidate, FetchStatus, Finding, Search, SearchStatus
from harvester.sources.folder import read_folder
from tests.support.checkout import SAMPLE
from tests.support.servers.fault_server import picture

QUICK = FetchLimits(deadline_s=2.0, connect_s=1.0, attempts=2, pause_s=0.01)


async def findings(*urls: str, **fields):
    for rank, url in enumerate(urls, 1):
        yield Finding(url=url, source="test", rank=rank, **fields)


async def harvest(folder: Path, found, *, ledger=None, is_retry=False) -> list:
    """Run one harvest to its end; the outcomes in no fixed order."""
    with DatasetWriter(folder, Candidate) as store, SeenIndex(folder) as known:
        searches = ledger(store) if ledger else None
        async with LocalEngine(Fetcher(QUICK, allow_private=True), window=8) as engine:
            outcomes = [
                outcome
                async for outcome in harvest_candidates(
                    found, store, engine, known, searches=searches, is_retry=is_retry
                )
            ]
        await flush(store, known)
        return outcomes


def rows(folder: Path) -> dict[str, Candidate]:
    return {row.url: row for row in shards.rows(folder, Candidate)}


async def test_a_picture_is_stored_with_all_that_is_known_of_it(tmp_path, fault_server):
    body = picture()
    fault_server.serve("/a.jpg", body, "image/jpeg")
    url = fault_server.url("/a.jpg")
    found = findings(
        url, title="A boat", page_url="https://p.example/", query="boat", creator="Ada"
    )
    [outcome] = await harvest(tmp_path, found)
    assert (outcome.status, outcome.is_new, outcome.bytes) == (FetchStatus.OK, True, len(body))
    row = rows(tmp_path)[url]
    assert row.id == row.sha256 == hashlib.sha256(body).hexdigest()
    assert (row.title, row.creator, row.query, row.rank) == ("A boat", "Ada", "boat", 1)
    assert (row.mime, row.bytes) == ("image/jpeg", len(body))
    assert row.image.startswith(b"\xff\xd8")
    assert [len(row.phash), len(row.dhash), len(row.pdq)] == [16, 16, 64]
    assert row.fetched_at.utcoffset().total_seconds() == 0


async def test_every_failure_is_a_row_with_its_reason(tmp_path, fault_server):
    paths = ["/404", "/html-as-jpg", "/empty", "/noai", "/bomb.png", "/truncated", "/500"]
    await harvest(tmp_path, findings(*map(fault_server.url, paths)))
    stored = {url.removeprefix(fault_server.url("")): r for url, r in rows(tmp_path).items()}
    assert {path: stored[path].status for path in paths} == {
        "/404": FetchStatus.NOT_FOUND,
        "/html-as-jpg": FetchStatus.HTML,
        "/empty": FetchStatus.EMPTY,
        "/noai": FetchStatus.OPTED_OUT,
        "/bomb.png": FetchStatus.TOO_MANY_PIXELS,
        "/truncated": FetchStatus.TRUNCATED,
        "/500": FetchStatus.SERVER_ERROR,
    }
    assert all(row.error and not row.image and row.id[:7] == "failed-" for row in stored.values())
    assert stored["/noai"].rights


async def test_the_same_bytes_at_two_addresses_are_one_picture_and_two_findings(
    tmp_path, fault_server
):
    for path in ("/a.jpg", "/b.jpg"):
        fault_server.serve(path, picture(), "image/jpeg")
    urls = [fault_server.url("/a.jpg"), fault_server.url("/b.jpg")]
    outcomes = await harvest(tmp_path, findings(*urls))
    assert sorted(outcome.is_new for outcome in outcomes) == [False, True]
    assert shards.count_rows(tmp_path, Candidate) == 1
    found = list(shards.rows(tmp_path, Finding))
    assert {row.url for row in found} == set(urls)
    assert len({row.candidate_id for row in found}) == 1
    # Neither address is asked again by a later run, though one of them has no row of its own.
    hits = fault_server.hits.total()
    await harvest(tmp_path, findings(*urls, query="another"))
    assert fault_server.hits.total() == hits
    assert len(list(shards.rows(tmp_path, Finding))) == 4


async def test_an_address_found_twice_at_once_is_fetched_once(tmp_path, fault_server):
    fault_server.serve("/a.jpg", picture(), "image/jpeg")
    url = fault_server.url("/a.jpg")

    async def twice():
        for prompt in ("one", "two", "three"):
            yield Finding(url=url, source="test", query_prompt=prompt)

    await harvest(tmp_path, twice())
    assert fault_server.hits["/a.jpg"] == 1
    prompts = {row.query_prompt for row in shards.rows(tmp_path, Finding)}
    assert prompts == {"one", "two", "three"}


async def test_a_later_run_asks_again_for_what_may_pass_and_for_nothing_else(
    tmp_path, fault_server
):
    """Opt-outs and other permanent failures are never asked again."""
    paths = ["/404", "/noai", "/html-as-jpg", "/500"]
    urls = [fault_server.url(path) for path in paths]
    await harvest(tmp_path, findings(*urls))
    before = dict(fault_server.hits)
    await harvest(tmp_path, findings(*urls))
    assert {path: fault_server.hits[path] - before[path] for path in paths} == {
        "/404": 0,
        "/noai": 0,
        "/html-as-jpg": 0,
        "/500": QUICK.attempts,
    }
    assert shards.count_rows(tmp_path, Candidate) == 4  # the same failure is not written twice
    fault_server.serve("/500", picture(), "image/jpeg")
    [*_, last] = await harvest(tmp_path, findings(fault_server.url("/500")))
    assert last.is_new


async def test_a_broken_source_loses_nothing_that_it_gave(tmp_path, fault_server):
    fault_server.serve("/a.jpg", picture(), "image/jpeg")

    async def breaks():
        yield Finding(url=fault_server.url("/a.jpg"), source="test")
        raise RateLimitedError("blocked", retry_after_s=60)

    with pytest.raises(RateLimitedError):
        await harvest(tmp_path, breaks())
    assert shards.count_rows(tmp_path, Candidate) == 1


async def test_a_search_is_written_only_when_all_it_found_is_recorded(tmp_path, fault_server):
    """A run that dies in between searches again, instead of skipping what it had not fetched."""
    fault_server.serve("/a.jpg", picture(), "image/jpeg")
    with DatasetWriter(tmp_path, Candidate) as store:
        ledger = SearchLedger(store)
        ledger.expect(
            Search(query_prompt="p", query="q", source="t", status=SearchStatus.OK, found=2)
        )
        ledger.settle(Finding(url="u", source="t", query_prompt="p", query="q"))
        store.flush()
        assert shards.count_rows(tmp_path, Search) == 0
        ledger.settle(Finding(url="v", source="t", query_prompt="p", query="q"))
        ledger.expect(
            Search(query_prompt="p", query="none", source="t", status=SearchStatus.EMPTY, found=0)
        )
    assert [row.query for row in shards.rows(tmp_path, Search)] == ["q", "none"]


async def test_local_pictures_pass_the_same_door(tmp_path, fault_server):
    art = tmp_path / "art"
    art.mkdir()
    (art / "a.jpg").write_bytes(picture())
    (art / "b.jpg").write_text("<html>saved from Reddit</html>")
    (art / "c.png").write_bytes(b"")

    async def local():
        for one in read_folder(art):
            yield one

    await harvest(tmp_path / "out", local())
    assert {url: row.status for url, row in rows(tmp_path / "out").items()} == {
        "file:art/a.jpg": FetchStatus.OK,
        "file:art/b.jpg": FetchStatus.HTML,
        "file:art/c.png": FetchStatus.EMPTY,
    }
    assert fault_server.hits.total() == 0


async def test_findings_are_flushed_as_they_come(tmp_path, fault_server):
    """Shards appear during the run, so that a crash costs at most what was in memory."""
    for number in range(30):
        fault_server.serve(f"/{number}.png", picture("PNG"), "image/png")
    urls = [fault_server.url(f"/{number}.png") for number in range(30)]
    with (
        DatasetWriter(tmp_path, Candidate, rows_per_shard=10) as store,
        SeenIndex(tmp_path) as known,
    ):
        async with LocalEngine(Fetcher(QUICK, allow_private=True)) as engine:
            async for _ in harvest_candidates(findings(*urls), store, engine, known):
                pass
        assert len(shards.shard_paths(tmp_path, Finding)) >= 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["tables"]["finding"]["rows"] == 30


async def test_passwords_in_addresses_are_neither_asked_with_nor_stored(tmp_path, fault_server):
    fault_server.serve("/a.jpg", picture(), "image/jpeg")
    plain = fault_server.url("/a.jpg")
    secret = plain.replace("://", "://ada:s3cret@")
    page = "https://ada:s3cret@p.example/"
    statuses = [one.status for one in await harvest(tmp_path, findings(secret, page_url=page))]
    statuses += [one.status for one in await harvest(tmp_path, findings(secret, plain))]
    assert sorted(statuses) == [FetchStatus.BAD_URL, FetchStatus.BAD_URL, FetchStatus.OK]
    assert fault_server.hits == {"/a.jpg": 1}
    assert rows(tmp_path)[plain].status is FetchStatus.OK
    for path in tmp_path.rglob("*.parquet"):
        assert "s3cret" not in str(pq.read_table(path).to_pylist())


async def test_an_address_in_another_spelling_is_not_fetched_again(tmp_path, fault_server):
    fault_server.serve("/a.jpg", picture(), "image/jpeg")
    url = fault_server.url("/a.jpg")
    spelled = [url, f"{url}?utm_source=x", f"{url}#top", url.replace("/a.jpg", "/./%61.jpg")]
    outcomes = await harvest(tmp_path, findings(*spelled))
    assert {outcome.status for outcome in outcomes} == {FetchStatus.OK}
    await harvest(tmp_path, findings(*spelled))
    assert fault_server.hits.total() == 1
    assert shards.count_rows(tmp_path, Candidate) == 1
    assert shards.count_rows(tmp_path, Finding) == len(spelled)


async def test_a_near_duplicate_is_one_picture_with_two_findings(tmp_path, fault_server):
    sample = SAMPLE / "candidates"
    body = next(iter(shards.rows(sample, Candidate))).image
    again = encode_jpeg(open_picture(body).rgb, quality=80)
    urls = [
        fault_server.serve("/a.jpg", body, "image/jpeg"),
        fault_server.serve("/b.jpg", again, "image/jpeg"),
    ]
    for url in urls:
        outcomes = await harvest(tmp_path, findings(url, query="boat"))
    assert [outcome.is_merged for outcome in outcomes] == [True]
    [row] = shards.rows(tmp_path, Candidate)
    assert row.url == urls[0]
    found = {finding.url: finding.candidate_id for finding in shards.rows(tmp_path, Finding)}
    assert found == dict.fromkeys(urls, row.id)
    before = fault_server.hits.total()
    await harvest(tmp_path, findings(*urls, query="boat"))
    assert fault_server.hits.total() == before


async def test_what_the_file_says_is_obeyed_and_told(tmp_path, fault_server):
    said = b"http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"
    packet = (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
        b"xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
        b"xmlns:plus='http://ns.useplus.org/ldf/xmp/1.0/' plus:DataMining='" + said + b"'/>"
        b"</rdf:RDF></x:xmpmeta>"
    )
    url = fault_server.serve("/a.jpg", picture(xmp=packet), "image/jpeg")
    [outcome] = await harvest(tmp_path, findings(url))
    assert outcome.status is FetchStatus.OPTED_OUT
    row = rows(tmp_path)[url]
    assert row.image is None
    assert row.rights == ("DataMining: DMI-PROHIBITED-AIMLTRAINING",)


async def test_a_retry_asks_for_what_failed_for_good_but_never_for_an_opt_out(
    tmp_path, fault_server
):
    gone, no = fault_server.url("/gone.jpg"), fault_server.url("/noai")
    await harvest(tmp_path, findings(gone, no))
    fault_server.serve("/gone.jpg", picture(), "image/jpeg")
    outcomes = await harvest(tmp_path, findings(gone, no), is_retry=True)
    assert {one.url: one.status for one in outcomes} == {
        gone: FetchStatus.OK,
        no: FetchStatus.OPTED_OUT,
    }
    assert fault_server.hits["/noai"] == 1
    [row] = [row for row in shards.rows(tmp_path, Candidate) if row.status is FetchStatus.OK]
    led = [one.candidate_id for one in shards.rows(tmp_path, Finding) if one.url == gone]
    assert led[-1] == row.id
