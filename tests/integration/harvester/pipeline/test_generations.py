"""Posts of an export → generations, their pictures from a real server on loopback."""

from __future__ import annotations

import time

import pytest

from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.discord.export import Post
from harvester.fetch.download import FetchLimits
from harvester.fetch.fetcher import Fetcher
from harvester.pictures.pool import Decoders
from harvester.pipeline.generations import EXPIRED, harvest_generations
from harvester.schema import FetchStatus, Generation
from tests.support.servers.fault_server import picture

UUID = "0f0f0f0f-1111-4222-8333-444444444444"
QUICK = FetchLimits(deadline_s=2.0, attempts=1)


def post(url: str | None, name: str = "1", **fields) -> Post:
    return Post(Generation(id=name, prompt="a boat", raw_content="", url=url, **fields), None)


async def harvest(folder, posts, **options):
    with DatasetWriter(folder, Generation) as store:
        async with Fetcher(QUICK, allow_private=True) as fetcher, Decoders(1024) as decoders:
            return [
                outcome
                async for outcome in harvest_generations(
                    iter(posts), store, fetcher, decoders, **options
                )
            ]


def signed(server, path: str, *, expires: float) -> str:
    return server.url(f"{path}?ex={int(expires):x}&is=65000000&hm=ab")


async def test_a_picture_on_the_cdn_is_fetched_and_stored(tmp_path, fault_server):
    path = f"/attachments/1/2/ada_a_boat_{UUID}.png"
    fault_server.serve(path, picture("PNG"), "image/png")
    url = signed(fault_server, path, expires=time.time() + 3600)
    [outcome] = await harvest(tmp_path, [post(url)])
    assert (outcome.status, outcome.is_new) == (FetchStatus.OK, True)
    [row] = shards.rows(tmp_path, Generation)
    assert row.image
    assert len(row.phash) == 16
    assert UUID in row.url
    assert "ada" not in row.url  # the file's name begins with the user's


async def test_names_are_kept_in_addresses_when_asked_for(tmp_path, fault_server):
    path = f"/attachments/1/2/ada_a_boat_{UUID}.png"
    fault_server.serve(path, picture("PNG"), "image/png")
    await harvest(tmp_path, [post(fault_server.url(path))], keep_names=True)
    [row] = shards.rows(tmp_path, Generation)
    assert "ada_a_boat" in row.url


async def test_a_link_that_is_over_is_recorded_and_nobody_is_asked(tmp_path, fault_server):
    url = signed(fault_server, "/attachments/1/2/x.png", expires=time.time() - 60)
    [outcome] = await harvest(tmp_path, [post(url)])
    assert outcome.status is FetchStatus.EXPIRED
    assert outcome.error == EXPIRED
    assert "WHENCE_DISCORD_TOKEN" in EXPIRED
    assert fault_server.hits.total() == 0
    [row] = shards.rows(tmp_path, Generation)
    assert (row.status, row.image) == (FetchStatus.EXPIRED, None)


async def test_a_later_run_with_renewed_links_gets_the_picture(tmp_path, fault_server):
    """What Discord answers is `test_discord_refresh`'s; here, that it is asked and used."""
    fault_server.serve("/attachments/1/2/x.png", picture("PNG"), "image/png")
    old = signed(fault_server, "/attachments/1/2/x.png", expires=time.time() - 60)
    new = signed(fault_server, "/attachments/1/2/x.png", expires=time.time() + 3600)
    asked = []

    async def renew(links):
        asked.extend(links)
        return {old: new}

    await harvest(tmp_path, [post(old)])
    [outcome] = await harvest(tmp_path, [post(old)], renew=renew)
    assert (outcome.status, outcome.is_new) == (FetchStatus.OK, True)
    statuses = [row.status for row in shards.rows(tmp_path, Generation)]
    assert statuses == [FetchStatus.EXPIRED, FetchStatus.OK]
    assert asked == [old]
    [again] = await harvest(tmp_path, [post(old)], renew=renew)
    assert asked == [old]
    assert (again.is_new, shards.count_rows(tmp_path, Generation)) == (False, 2)


async def test_the_same_failure_is_written_once(tmp_path, fault_server):
    url = fault_server.url("/404")
    for _ in range(3):
        await harvest(tmp_path, [post(url)])
    assert shards.count_rows(tmp_path, Generation) == 1


async def test_a_post_of_two_overlapping_parts_is_stored_once(tmp_path, fault_server):
    fault_server.serve("/a.png", picture("PNG"), "image/png")
    url = fault_server.url("/a.png")
    outcomes = await harvest(tmp_path, [post(url), post(url), post(url, "2")])
    assert sorted(outcome.is_new for outcome in outcomes) == [False, True, True]
    assert sorted(row.id for row in shards.rows(tmp_path, Generation)) == ["1", "2"]


async def test_what_reading_settled_is_not_fetched(tmp_path, fault_server):
    outside = post(None, status=FetchStatus.BAD_URL, error="outside the export's folder")
    [outcome] = await harvest(tmp_path, [outside])
    assert outcome.status is FetchStatus.BAD_URL
    assert fault_server.hits.total() == 0


@pytest.mark.parametrize("body", [b"<html>an error page</html>", b"", b"\x89PNG\r\n\x1a\ncut"])
async def test_an_error_page_saved_as_a_picture_is_a_row(tmp_path, body):
    saved = tmp_path / "saved.png"
    saved.write_bytes(body)
    generation = Generation(id="1", prompt="", raw_content="")
    [outcome] = await harvest(tmp_path / "out", [Post(generation, saved)])
    assert outcome.status is not FetchStatus.OK
    assert outcome.error
