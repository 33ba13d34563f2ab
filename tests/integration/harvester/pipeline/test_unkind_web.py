"""Harvests of an unkind web: slow hosts first, error pages that speak, links that are over."""

from __future__ import annotations

import asyncio
import time
import zlib
from pathlib import Path

import pytest

from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import SeenIndex
from harvester.fetch.download import FetchLimits
from harvester.fetch.fetcher import Fetcher
from harvester.pipeline.candidates import flush, harvest_candidates
from harvester.pipeline.engine import LocalEngine
from harvester.schema import Candidate, FetchStatus, Finding
from tests.support.servers.fault_server import FaultServer, picture

LIMITS = FetchLimits(deadline_s=4.0, connect_s=1.0, attempts=2, pause_s=0.01)


@pytest.fixture
def web():
    with FaultServer(more_hosts=["127.0.0.2", "127.0.0.3"]) as server:
        yield server


async def harvest(folder: Path, urls: list[str], **options) -> dict[str, FetchStatus]:
    """One run; how each address ended, in the order of their ends."""

    async def found():
        for url in urls:
            yield Finding(url=url, source="test")

    known = SeenIndex(folder)
    options |= {"is_opted_out": known.is_opted_out}
    fetcher = Fetcher(LIMITS, allow_private=True, **options)
    with DatasetWriter(folder, Candidate) as store, known:
        async with LocalEngine(fetcher) as engine:
            ended = {
                outcome.url: outcome.status
                async for outcome in harvest_candidates(
                    found(), store, engine, known, merge_near=False
                )
            }
        await flush(store, known)
    return ended


async def test_a_slow_host_at_the_front_of_a_list_holds_up_no_other(tmp_path, web):
    """More of it than an engine has in work at once; it is all asked for in the end."""

    async def slow(exchange):
        await asyncio.sleep(0.02)
        await exchange.answer(b"", 404)

    slow_urls = [web.url(f"/slow/{n}", "127.0.0.2") for n in range(2500)]
    for n in range(2500):
        web.handlers[f"/slow/{n}"] = slow
    quick = web.serve("/quick.jpg", picture()).replace("127.0.0.1", "127.0.0.3")
    start = time.monotonic()
    quick_at = None
    ended = {}

    async def found():
        for url in (*slow_urls, quick):
            yield Finding(url=url, source="test")

    with DatasetWriter(tmp_path, Candidate) as store, SeenIndex(tmp_path) as known:
        async with LocalEngine(Fetcher(LIMITS, allow_private=True)) as engine:
            async for outcome in harvest_candidates(found(), store, engine, known):
                ended[outcome.url] = outcome.status
                if outcome.url == quick:
                    quick_at = time.monotonic() - start
    whole = time.monotonic() - start
    assert ended[quick] is FetchStatus.OK
    assert len(ended) == 2501
    assert quick_at < whole / 2


async def test_what_a_page_of_an_error_says_is_no_opt_out(tmp_path, web):
    async def busy_once(exchange):
        if exchange.nth == 1:
            await exchange.answer(b"down", 503, x_robots_tag="noindex", retry_after="0")
        else:
            await exchange.answer(picture(), content_type="image/jpeg")

    web.handlers["/a.jpg"] = busy_once
    url = web.url("/a.jpg")
    assert await harvest(tmp_path, [url]) == {url: FetchStatus.OK}
    assert next(iter(shards.rows(tmp_path, Candidate))).rights == ()


async def test_a_fresh_link_is_asked_though_the_old_one_is_over(tmp_path, web):
    async def signed(exchange):
        fresh = "se=2030" in exchange.query
        await exchange.answer(picture(), 200 if fresh else 403, content_type="image/jpeg")

    web.handlers["/a.jpg"] = signed
    old, new = (
        web.url(f"/a.jpg?sv=2020-01-01&sp=r&sr=b&sig={'A' * 43}%3D&se={year}-01-01T00%3A00%3A00Z")
        for year in (2020, 2030)
    )
    assert await harvest(tmp_path, [old]) == {old: FetchStatus.FORBIDDEN}
    assert await harvest(tmp_path, [new]) == {new: FetchStatus.OK}
    assert await harvest(tmp_path, [old]) == {old: FetchStatus.OK}
    assert web.hits["/a.jpg"] == 2


async def test_no_redirect_leads_to_an_opt_out_that_is_known(tmp_path, web):
    no = web.url("/noai")
    assert await harvest(tmp_path, [no]) == {no: FetchStatus.OPTED_OUT}

    async def lead(exchange):
        await exchange.answer(b"", 302, location="/noai")

    web.handlers["/elsewhere"] = lead
    url = web.url("/elsewhere")
    assert await harvest(tmp_path, [url]) == {url: FetchStatus.OPTED_OUT}
    assert web.hits["/noai"] == 1


async def test_bytes_behind_a_packed_body_are_not_gathered(tmp_path, web):
    packed = zlib.compress(picture(), wbits=31) + bytes(4 << 20)

    async def more(exchange):
        await exchange.answer(packed, content_encoding="gzip", content_type="image/jpeg")

    web.handlers["/a.jpg"] = more
    url = web.url("/a.jpg")
    assert await harvest(tmp_path, [url]) == {url: FetchStatus.OK}


async def test_a_failure_under_two_spellings_is_one_row_that_both_name(tmp_path, web):
    url = web.url("/500")
    spelled = f"{url}?utm_source=x"
    await harvest(tmp_path, [url])
    await harvest(tmp_path, [spelled])

    ids = {row.id for row in shards.rows(tmp_path, Candidate)}
    assert {row.candidate_id for row in shards.rows(tmp_path, Finding)} <= ids
