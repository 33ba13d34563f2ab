"""The pictures that a prompt links to, from a real server on loopback."""

from __future__ import annotations

import time

import pytest
from PIL import Image

from harvester.fetch.download import FetchLimits
from harvester.fetch.fetcher import Fetcher
from harvester.midjourney.prompt import parse_prompt
from harvester.pictures.decode import open_picture
from harvester.pipeline.references import MOST_REFERENCES, OVER, TOO_MANY, fetch_references
from harvester.schema import FetchStatus, Reference, ReferenceRole
from tests.support.patience import patient
from tests.support.servers.fault_server import picture

QUICK = FetchLimits(max_bytes=1 << 20, deadline_s=2.0, attempts=1)


async def fetch(server, references, *, allow_private=True, **options):
    async with Fetcher(
        QUICK, allow_private=allow_private, ssl_context=server.ssl_context
    ) as fetcher:
        return await fetch_references(references, fetcher, **options)


async def test_the_links_of_a_prompt_are_fetched_over_tls_and_codes_are_not(tls_server):
    large = tls_server.serve("/style.png", picture("PNG"), "image/png")
    prompt = f"{tls_server.url('/ok.jpg')} a barn --sref {large} 1234567 --cref {large} --v 6"
    image, style, code, character = await fetch(tls_server, parse_prompt(prompt).references)
    assert [one.role for one in (image, style, code, character)] == [
        ReferenceRole.IMAGE,
        ReferenceRole.STYLE,
        ReferenceRole.STYLE,
        ReferenceRole.CHARACTER,
    ]
    for one in (image, style, character):
        assert (one.status, one.error) == (FetchStatus.OK, None)
        assert open_picture(one.picture).width == 120
    assert (code.url, code.status, code.picture) == ("1234567", None, None)
    assert code.error == "style code 1234567: no picture to fetch"
    assert tls_server.hits == {"/ok.jpg": 1, "/style.png": 1}


async def test_a_server_that_is_not_trusted_is_a_status(tls_server):
    async with Fetcher(QUICK, allow_private=True) as fetcher:
        [one] = await fetch_references(
            [Reference(tls_server.url("/ok.jpg"), ReferenceRole.STYLE)], fetcher
        )
    assert (one.status, one.picture) == (FetchStatus.TLS, None)
    assert one.error


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/404", FetchStatus.NOT_FOUND),
        ("/noai", FetchStatus.OPTED_OUT),
        ("/redirect-noai", FetchStatus.OPTED_OUT),
        ("/html-as-jpg", FetchStatus.HTML),
        ("/svg", FetchStatus.NOT_AN_IMAGE),
        ("/bomb.png", FetchStatus.TOO_MANY_PIXELS),
        ("/oversized", FetchStatus.TOO_LARGE),
        ("/cut.jpg", FetchStatus.TRUNCATED),
        ("/redirect-to-file", FetchStatus.BAD_URL),
    ],
)
async def test_what_cannot_be_had_is_a_reference_with_its_reason(fault_server, path, status):
    [one] = await fetch(fault_server, [Reference(fault_server.url(path), ReferenceRole.IMAGE)])
    assert (one.status, one.picture) == (status, None)
    assert one.error
    assert "\n" not in one.error


async def test_a_prompt_reaches_into_no_private_network(fault_server):
    links = [fault_server.url("/ok.jpg"), "http://169.254.169.254/latest/", "http://[::1]/x.png"]
    found = await fetch(
        fault_server,
        [Reference(link, ReferenceRole.IMAGE) for link in links],
        allow_private=False,
    )
    assert {one.status for one in found} == {FetchStatus.BLOCKED_ADDRESS}
    assert not fault_server.hits


async def test_a_discord_link_that_is_over_is_not_asked_for(fault_server):
    link = fault_server.url(f"/ok.jpg?ex={int(time.time()) - 60:x}&is=65000000&hm=ab")
    [one] = await fetch(fault_server, [Reference(link, ReferenceRole.IMAGE)])
    assert (one.status, one.error) == (FetchStatus.EXPIRED, OVER)
    assert not fault_server.hits


async def test_only_the_first_links_are_fetched_and_each_once(fault_server):
    links = [
        fault_server.serve(f"/{number}.jpg", picture()) for number in range(MOST_REFERENCES + 3)
    ]
    twice = [Reference(link, ReferenceRole.IMAGE) for link in [links[0], *links]]
    found = await fetch(fault_server, twice)
    assert [one.status for one in found] == [FetchStatus.OK] * (MOST_REFERENCES + 1) + [None] * 3
    assert {one.error for one in found[-3:]} == {TOO_MANY}
    assert fault_server.hits.total() == MOST_REFERENCES


async def test_all_together_meet_one_deadline(fault_server):
    paths = ["/slow", "/drip", "/ok.jpg"]
    start = time.perf_counter()
    slow, drip, ok = await fetch(
        fault_server,
        [Reference(fault_server.url(path), ReferenceRole.STYLE) for path in paths],
        deadline_s=0.5,
    )
    assert time.perf_counter() - start < patient(15)  # and not the 60 s that they hang
    assert (slow.status, drip.status, ok.status) == (
        FetchStatus.TIMEOUT,
        FetchStatus.TIMEOUT,
        FetchStatus.OK,
    )
    assert "0.5 s" in slow.error


async def test_without_references_nobody_is_asked(fault_server):
    assert await fetch(fault_server, ()) == ()
    assert not fault_server.hits


async def test_a_large_picture_is_kept_small(fault_server, tmp_path):
    path = tmp_path / "large.png"
    Image.linear_gradient("L").resize((1600, 800)).save(path)
    link = fault_server.serve("/large.png", path.read_bytes(), "image/png")
    [one] = await fetch(fault_server, [Reference(link, ReferenceRole.OBJECT)])
    assert open_picture(one.picture, max_side=None).rgb.shape == (256, 512, 3)
