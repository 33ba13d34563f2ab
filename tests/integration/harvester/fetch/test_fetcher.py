"""Downloads against a real server with every fault: each ends in its status, in time, politely."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from dataclasses import replace

import pytest

from harvester.fetch import guard
from harvester.fetch.download import FetchLimits
from harvester.fetch.fetcher import Fetcher
from harvester.fetch.transport import name_agent, shared_ssl_context
from harvester.pictures.decode import PictureError, open_picture
from harvester.schema import FetchStatus
from tests.support.patience import patient

LIMITS = FetchLimits(max_bytes=1 << 20, deadline_s=patient(10), connect_s=patient(5), pause_s=0.02)
BRIEF = replace(LIMITS, deadline_s=1.0, connect_s=0.5)
"""For what uses up all of its time."""


@pytest.fixture
async def fetcher():
    async with Fetcher(LIMITS, allow_private=True) as opened:
        yield opened


def judge(fetched) -> FetchStatus:
    """The status that the row gets: the download's, else the picture's."""
    if fetched.status is not FetchStatus.OK:
        return fetched.status
    try:
        open_picture(fetched.body)
    except PictureError as exc:
        return exc.status
    return FetchStatus.OK


# path → status, requests made: a permanent failure is asked for once, a passing one three times.
OUTCOMES = {
    "/ok.jpg": (FetchStatus.OK, 1),
    "/png-as-jpg": (FetchStatus.OK, 1),
    "/animated.gif": (FetchStatus.OK, 1),
    "/cmyk.jpg": (FetchStatus.OK, 1),
    "/exif.jpg": (FetchStatus.OK, 1),
    "/gzip": (FetchStatus.OK, 1),
    "/redirect-ok": (FetchStatus.OK, 1),
    "/noindex": (FetchStatus.OPTED_OUT, 1),
    "/noai-others": (FetchStatus.OK, 1),
    "/429-date": (FetchStatus.OK, 2),
    "/503-then-ok": (FetchStatus.OK, 2),
    "/html-as-jpg": (FetchStatus.HTML, 1),
    "/svg": (FetchStatus.NOT_AN_IMAGE, 1),
    "/empty": (FetchStatus.EMPTY, 1),
    "/no-content": (FetchStatus.EMPTY, 1),
    "/bomb.png": (FetchStatus.TOO_MANY_PIXELS, 1),
    "/cut.jpg": (FetchStatus.TRUNCATED, 1),
    "/slow": (FetchStatus.TIMEOUT, 2),  # two deadlines are the whole budget
    "/drip": (FetchStatus.TIMEOUT, 2),
    "/truncated": (FetchStatus.TRUNCATED, 3),
    "/truncated-chunks": (FetchStatus.TRUNCATED, 3),
    "/truncated-gzip": (FetchStatus.TRUNCATED, 3),
    "/oversized": (FetchStatus.TOO_LARGE, 1),
    "/content-length-huge": (FetchStatus.TOO_LARGE, 1),
    "/gzip-bomb": (FetchStatus.TOO_LARGE, 1),
    "/gzip-broken": (FetchStatus.UNDECODABLE, 1),
    "/brotli": (FetchStatus.UNDECODABLE, 1),
    "/no-http": (FetchStatus.CONNECTION, 3),
    "/bad-chunk": (FetchStatus.CONNECTION, 3),
    "/429-long": (FetchStatus.THROTTLED, 1),
    "/400": (FetchStatus.REFUSED, 1),
    "/401": (FetchStatus.FORBIDDEN, 1),
    "/403": (FetchStatus.FORBIDDEN, 1),
    "/404": (FetchStatus.NOT_FOUND, 1),
    "/410": (FetchStatus.NOT_FOUND, 1),
    "/418": (FetchStatus.REFUSED, 1),
    "/451": (FetchStatus.FORBIDDEN, 1),
    "/500": (FetchStatus.SERVER_ERROR, 3),
    "/503": (FetchStatus.THROTTLED, 2),
    "/discord-expired": (FetchStatus.EXPIRED, 1),
    "/redirect-loop": (FetchStatus.TOO_MANY_REDIRECTS, 6),
    "/redirect-to-file": (FetchStatus.BAD_URL, 1),
    "/redirect-to-nonsense": (FetchStatus.BAD_URL, 1),
    "/redirect-without-location": (FetchStatus.REFUSED, 1),
    "/redirect-noai": (FetchStatus.OPTED_OUT, 1),
    "/noai": (FetchStatus.OPTED_OUT, 1),
    "/tdm": (FetchStatus.OPTED_OUT, 1),
}
OUT_OF_TIME = {"/slow", "/drip", "/503"}


@pytest.mark.parametrize("path", OUTCOMES)
async def test_every_fault_ends_in_its_status_in_time(fault_server, path):
    status, requests = OUTCOMES[path]
    limits = BRIEF if path in OUT_OF_TIME else LIMITS
    start = time.perf_counter()
    async with Fetcher(limits, allow_private=True) as fetcher:
        fetched = await fetcher.fetch(fault_server.url(path))
    assert time.perf_counter() - start < patient(25)  # a server that hangs does so for 60 s
    assert judge(fetched) is status, fetched.error
    assert fault_server.hits[path] == requests
    assert fetched.url == fault_server.url(path)
    assert (fetched.error is None) == (fetched.status is FetchStatus.OK)
    assert bool(fetched.body) == (fetched.status is FetchStatus.OK)
    assert "\n" not in (fetched.error or "")


async def test_a_good_answer_is_told_in_full(fault_server, fetcher):
    url = fault_server.url("/redirect-ok")
    fetched = await fetcher.fetch(url)
    assert (fetched.url, fetched.final_url) == (url, fault_server.url("/ok.jpg"))
    assert (fetched.mime, fetched.etag) == ("image/jpeg", '"abc"')
    assert open_picture(fetched.body).width == 120


async def test_we_say_who_we_are(fault_server):
    agent = name_agent("mailto:someone@example.org")
    async with Fetcher(LIMITS, allow_private=True, user_agent=agent) as fetcher:
        await fetcher.fetch(fault_server.url("/ok.jpg"))
    headers = fault_server.requests[0][1]
    assert headers["user-agent"].startswith("whence/")
    assert "mailto:someone@example.org" in headers["user-agent"]
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers


@pytest.mark.parametrize(
    "query", ["a%20b?sig=x%2By%26z", "a%21%7e%2F?e=%c3%bc&x=1+2", "a?x=[1]&y='%zz", "a//b;c,d"]
)
async def test_addresses_are_asked_for_byte_for_byte(fault_server, fetcher, query):
    """A signed link whose escapes are rewritten is refused by its host; only `/./` is resolved."""
    await fetcher.fetch(fault_server.url("/" + query))
    assert [target for target, _ in fault_server.requests] == ["/" + query]


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/noai", "X-Robots-Tag: noai, noimageai"),
        ("/redirect-noai", "X-Robots-Tag: noai"),
        ("/noindex", "X-Robots-Tag: noindex"),
        ("/noai-others", "X-Robots-Tag: otherbot: noai"),
        ("/tdm", "TDM-Reservation: 1"),
    ],
)
async def test_signals_are_recorded_as_written(fault_server, fetcher, path, right):
    assert (await fetcher.fetch(fault_server.url(path))).rights == (right,)


@pytest.mark.parametrize("path", ["/429-then-ok", "/429-date"])
async def test_the_pause_a_host_asks_for_is_kept(fault_server, path):
    limits = FetchLimits(deadline_s=patient(50), pause_s=0.01)
    async with Fetcher(limits, allow_private=True) as fetcher:
        start = time.perf_counter()
        fetched = await fetcher.fetch(fault_server.url(path))
    # The date has whole seconds, so that its pause may be a fraction shorter than one.
    assert time.perf_counter() - start > (0.9 if path == "/429-then-ok" else 0.0)
    assert fetched.status is FetchStatus.OK
    assert fault_server.hits[path] == 2


async def test_a_pause_that_one_download_is_told_of_holds_for_the_host(fault_server):
    limits = FetchLimits(deadline_s=patient(50), attempts=1)
    async with Fetcher(limits, allow_private=True) as fetcher:
        await fetcher.fetch(fault_server.url("/429"))
        start = time.perf_counter()
        fetched = await fetcher.fetch(fault_server.url("/ok.jpg"))
    assert fetched.status is FetchStatus.OK
    assert time.perf_counter() - start > 0.9


async def test_a_pause_longer_than_a_download_may_take_is_told_and_not_waited_for(fault_server):
    async with Fetcher(FetchLimits(deadline_s=2), allow_private=True) as fetcher:
        await fetcher.fetch(fault_server.url("/429-long"))
        fetched = await fetcher.fetch(fault_server.url("/b.png"))
    assert fetched.status is FetchStatus.THROTTLED
    assert "3,600 s of rest" in fetched.error
    assert fault_server.hits["/b.png"] == 0


async def test_a_host_that_goes_on_throttling_is_left_alone(fault_server):
    async with Fetcher(FetchLimits(deadline_s=1, pause_s=0.01), allow_private=True) as fetcher:
        fetched = await fetcher.fetch(fault_server.url("/429"))
    assert fetched.status is FetchStatus.THROTTLED
    assert fault_server.hits["/429"] == 2


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("file:///etc/passwd", FetchStatus.BAD_URL),
        ("data:image/png;base64,AAAA", FetchStatus.BAD_URL),
        ("", FetchStatus.BAD_URL),
        ("http://user:secret@example.org/", FetchStatus.BAD_URL),
        ("http://169.254.169.254/", FetchStatus.BLOCKED_ADDRESS),
        ("http://2130706433/", FetchStatus.BLOCKED_ADDRESS),
    ],
)
async def test_what_may_not_be_asked_is_not_asked(url, status):
    async with Fetcher(LIMITS) as fetcher:
        fetched = await fetcher.fetch(url)
    assert (fetched.status, fetched.final_url) == (status, None)


async def test_loopback_is_refused_unless_allowed(fault_server):
    async with Fetcher(LIMITS) as fetcher:
        for host in ("127.0.0.1", "localhost", "0x7f.1"):
            fetched = await fetcher.fetch(fault_server.url("/ok.jpg", host))
            assert fetched.status is FetchStatus.BLOCKED_ADDRESS
    assert not fault_server.hits


async def test_a_redirect_into_a_private_network_is_not_followed(fault_server, monkeypatch):
    """127.0.0.1 plays the open web here, since no other server can be had."""
    real = guard.is_public
    monkeypatch.setattr(guard, "is_public", lambda ip: str(ip) == "127.0.0.1" or real(ip))
    async with Fetcher(LIMITS) as fetcher:
        fetched = await fetcher.fetch(fault_server.url("/redirect-to-private"))
    assert fetched.status is FetchStatus.BLOCKED_ADDRESS
    assert fault_server.hits.total() == 1


async def test_a_name_is_judged_by_what_it_resolves_to(fault_server, monkeypatch):
    """The name passes the first check, as any name of the open web would."""
    monkeypatch.setattr(guard, "_check_host", lambda *_args, **_options: None)
    async with Fetcher(LIMITS) as fetcher:
        fetched = await fetcher.fetch(fault_server.url("/ok.jpg", "localhost"))
    assert fetched.status is FetchStatus.BLOCKED_ADDRESS
    assert "localhost" in fetched.error
    assert not fault_server.hits


async def test_a_port_where_nobody_listens_is_a_connection_fault(fetcher):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        fetched = await fetcher.fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert fetched.status is FetchStatus.CONNECTION
    assert "refused" in fetched.error


async def test_a_name_that_cannot_be_looked_up_is_a_dns_fault(fetcher):
    """A label over 63 letters fails on this machine: no name server is asked."""
    fetched = await fetcher.fetch(f"http://{'a' * 70}.invalid/")
    assert fetched.status is FetchStatus.DNS


async def test_tls_with_a_trusted_authority_works(tls_server):
    async with Fetcher(LIMITS, allow_private=True, ssl_context=tls_server.ssl_context) as fetcher:
        for host in ("127.0.0.1", "localhost"):
            fetched = await fetcher.fetch(tls_server.url("/ok.jpg", host))
            assert fetched.status is FetchStatus.OK, fetched.error


async def test_an_authority_of_ones_own_is_named_by_the_environment(tls_server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_server.ca_pem))
    shared_ssl_context.cache_clear()
    try:
        async with Fetcher(LIMITS, allow_private=True) as fetcher:
            fetched = await fetcher.fetch(tls_server.url("/ok.jpg"))
    finally:
        shared_ssl_context.cache_clear()
    assert fetched.status is FetchStatus.OK, fetched.error


async def test_proxies_of_the_environment_are_not_used(fault_server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Fetcher(LIMITS, allow_private=True) as fetcher:
        assert (await fetcher.fetch(fault_server.url("/ok.jpg"))).status is FetchStatus.OK


async def test_tls_with_an_unknown_authority_is_a_tls_fault_and_not_repeated(tls_server, fetcher):
    fetched = await fetcher.fetch(tls_server.url("/ok.jpg"))
    assert fetched.status is FetchStatus.TLS
    assert "certificate" in fetched.error
    assert not tls_server.hits


async def test_tls_for_another_host_is_a_tls_fault(misnamed_tls_server):
    async with Fetcher(
        LIMITS, allow_private=True, ssl_context=misnamed_tls_server.ssl_context
    ) as fetcher:
        fetched = await fetcher.fetch(misnamed_tls_server.url("/ok.jpg"))
    assert fetched.status is FetchStatus.TLS


async def test_https_asked_of_a_plain_server_is_a_tls_fault(fault_server, fetcher):
    url = fault_server.url("/ok.jpg").replace("http:", "https:")
    assert (await fetcher.fetch(url)).status is FetchStatus.TLS


async def test_connections_are_kept_and_counted(fault_server):
    """Two hundred downloads, eight at a time: all come, and no more than eight connections."""
    async with Fetcher(LIMITS, allow_private=True, concurrency=8) as fetcher:
        urls = [fault_server.url(f"/ok.jpg?{n}") for n in range(200)]
        results = await asyncio.gather(*map(fetcher.fetch, urls))
        assert 1 <= fault_server.connections <= 8
    assert {result.status for result in results} == {FetchStatus.OK}


async def test_waiting_for_a_slot_does_not_count_against_the_deadline(fault_server):
    limits = FetchLimits(deadline_s=0.3, attempts=1, pause_s=0.01)
    async with Fetcher(limits, allow_private=True, concurrency=1) as fetcher:
        paths = ["/slow", "/slow", "/ok.jpg"]
        results = await asyncio.gather(*(fetcher.fetch(fault_server.url(p)) for p in paths))
    assert [result.status for result in results] == [
        FetchStatus.TIMEOUT,
        FetchStatus.TIMEOUT,
        FetchStatus.OK,
    ]


async def test_a_cancelled_download_leaves_nothing_open(tls_server):
    async with Fetcher(
        FetchLimits(), allow_private=True, ssl_context=tls_server.ssl_context
    ) as fetcher:
        await fetcher.fetch(tls_server.url("/ok.jpg"))
        for path in ("/drip", "/slow"):
            task = asyncio.create_task(fetcher.fetch(tls_server.url(path)))
            while not tls_server.hits[path]:  # a thread's
                assert not task.done()
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.05)
            assert tls_server.hits[path] == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    gc.collect()  # a transport left open would warn here, and warnings are errors
    deadline = time.monotonic() + patient(30)
    while tls_server.connections and time.monotonic() < deadline:  # noqa: ASYNC110  # a thread's
        await asyncio.sleep(0.02)
    assert tls_server.connections == 0


async def test_a_closed_fetcher_says_so(fault_server):
    with pytest.raises(RuntimeError, match="async with"):
        await Fetcher().fetch(fault_server.url("/ok.jpg"))
