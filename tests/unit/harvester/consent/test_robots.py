"""robots.txt is asked for once a site, obeyed, and never allowed to hold anything up."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.consent.robots import read_robots
from harvester.consent.signals import Signal, SignalKind, SiteVerdict
from harvester.fetch.faults import FetchError
from harvester.fetch.site_rules import ROBOTS, TDMREP, SiteFiles
from harvester.schema import FetchStatus
from tests.support.patience import cpu_seconds
from tests.support.servers.fault_server import FaultServer, fixed

SITE = "https://example.org"


class Web:
    """Answers by address; what is not listed is not there. Says what it was asked."""

    def __init__(self, answers, wait_s=0.0):
        self.answers = answers
        self.asked = []
        self.wait_s = wait_s

    async def get(self, url):
        self.asked.append(url)
        await asyncio.sleep(self.wait_s)
        answer = self.answers.get(url, (404, {}, b""))
        if isinstance(answer, FetchError):
            raise answer
        return answer


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def site(body: bytes, status: int = 200, **headers: str) -> Web:
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Web({f"{SITE}/robots.txt": (status, named, body)})


async def allows(body: bytes, path: str) -> bool:
    return (await SiteFiles(ROBOTS, site(body).get).check(SITE + path)).signal is None


@pytest.mark.parametrize(
    ("body", "allowed", "disallowed"),
    [
        (b"", ["/", "/a.jpg"], []),
        (b"User-agent: *\nDisallow: /", [], ["/", "/a.jpg?b"]),
        (b"User-agent: *\nDisallow:", ["/a"], []),
        (b"User-agent: whence\nDisallow: /a\nUser-agent: *\nDisallow: /b", ["/b"], ["/a"]),
        (b"user-agent:WHENCE/1.0 # us\r\ndisallow:/a#b", ["/b"], ["/a", "/ab"]),
        (b"User-agent: when\nUser-agent: whence2bot\nDisallow: /", [], ["/"]),
        (b"User-agent: when\nUser-agent: whence-images\nDisallow: /", ["/"], []),
        (b"User-agent: x\nUser-agent: whence\nDisallow: /a", ["/b"], ["/a"]),
        (b"User-agent: whence\nSitemap: /s\nUser-agent: x\nDisallow: /a", ["/b"], ["/a"]),
        (b"User-agent: whence\nDisallow: /a\nUser-agent: x\nDisallow: /b", ["/b"], ["/a"]),
        (b"User-agent: whence\nDisallow: /a\nUser-agent: x\nDisallow: /\nUser-agent: whence\nDisallow: /c", ["/b"], ["/a", "/c"]),
        (b"User-agent: *\nDisallow: /a\nAllow: /a/b", ["/a/b.jpg"], ["/a", "/a/c"]),
        (b"User-agent: *\nAllow: /a\nDisallow: /a", ["/a"], []),
        (b"User-agent: *\nDisallow: /*.gif$\nDisallow: /*?q=", ["/a.gifs", "/a"], ["/a.gif", "/b?q=1"]),
        (b"User-agent: *\nDisallow: /%7Ea/\nDisallow: /\xc3\xa4", [], ["/~a/b", "/%C3%A4.jpg"]),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /a", ["/b"], ["/a"]),
        ("User-agent: *\nDisallow: /a".encode("utf-16"), ["/b"], ["/a"]),
        (b"Disallow: /a\nUser-agent: *\nDisallow: /b", ["/a"], ["/b"]),
        (b"\0\0\xff\xfe" * 99 + b"\nUser-agent: *\n\0\nDisallow: /b\n\xff", ["/a"], ["/b"]),
        (b"<!DOCTYPE html><html><body>Not here</body></html>", ["/", "/a"], []),
    ],
)  # fmt: skip
async def test_rules_are_read_as_the_standard_has_it(body, allowed, disallowed):
    assert [path for path in allowed if not await allows(body, path)] == []
    assert [path for path in disallowed if await allows(body, path)] == []


async def test_a_refusal_is_a_signal_that_names_the_address():
    verdict = await SiteFiles(ROBOTS, site(b"User-agent: *\nDisallow: /a").get).check(
        f"{SITE}/a?b=1"
    )
    assert verdict.signal == Signal("robots.txt: disallows /a?b=1", SignalKind.ROBOTS)


async def test_a_crawl_delay_is_passed_on():
    web = site(b"User-agent: *\nCrawl-delay: 2.5\nDisallow: /a")
    robots = SiteFiles(ROBOTS, web.get)
    assert [(await robots.check(SITE + path)).crawl_delay_s for path in ("/a", "/b")] == [2.5, 2.5]
    for junk in (b"nan", b"-1", b"soon", b"inf"):
        robots = SiteFiles(ROBOTS, site(b"User-agent: *\nCrawl-delay: " + junk).get)
        assert (await robots.check(SITE)).crawl_delay_s is None


async def test_a_site_is_asked_once_however_many_want_to_know():
    web = site(b"User-agent: *\nDisallow: /a")
    web.wait_s = 0.01
    robots = SiteFiles(ROBOTS, web.get)
    given_up = asyncio.create_task(robots.check(f"{SITE}/x"))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(robots.check(f"{SITE}/a{n}")) for n in range(50)]
    await asyncio.sleep(0)
    given_up.cancel()
    verdicts = await asyncio.gather(*waiting)
    assert all(verdict.signal is not None for verdict in verdicts)
    assert web.asked == [f"{SITE}/robots.txt"]
    assert (await robots.check("http://example.org/a")).signal is None
    assert (await robots.check("https://example.org:8443/a")).signal is None
    assert len(web.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451])
async def test_no_file_allows_all(status):
    verdict = await SiteFiles(ROBOTS, site(b"User-agent: *\nDisallow: /", status).get).check(SITE)
    assert verdict.signal is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((500, {}, b""), FetchStatus.SERVER_ERROR),
        ((503, {"Retry-After": "7"}, b""), FetchStatus.THROTTLED),
        ((429, {"retry-after": "7"}, b""), FetchStatus.THROTTLED),
        (FetchError(FetchStatus.DNS, "no such name"), FetchStatus.DNS),
        (FetchError(FetchStatus.TIMEOUT, "too slow"), FetchStatus.TIMEOUT),
        (FetchError(FetchStatus.BLOCKED_ADDRESS, "private"), FetchStatus.BLOCKED_ADDRESS),
    ],
)
async def test_a_site_that_cannot_be_asked_is_a_fault_and_asked_again_later(answer, status):
    web = Web({f"{SITE}/robots.txt": answer})
    clock = Clock()
    robots = SiteFiles(ROBOTS, web.get, clock=clock)
    faults = []
    for n in range(3):
        with pytest.raises(FetchError) as raised:
            await robots.check(f"{SITE}/{n}")
        faults.append(raised.value)
    assert len(web.asked) == 1
    assert [fault.status for fault in faults] == [status] * 3
    assert not faults[0].worth_another_try
    assert faults[0] is not faults[1]
    if status is FetchStatus.THROTTLED:
        assert faults[0].retry_after_s == 7
    clock.now += 301
    web.answers = {}
    assert (await robots.check(SITE)).signal is None


async def test_rules_hold_on_while_their_site_is_down():
    web, clock = site(b"User-agent: *\nDisallow: /a"), Clock()
    robots = SiteFiles(ROBOTS, web.get, clock=clock)
    assert (await robots.check(f"{SITE}/a")).signal is not None
    web.answers = {f"{SITE}/robots.txt": FetchError(FetchStatus.CONNECTION, "refused")}
    clock.now += 24 * 3600 + 1
    assert (await robots.check(f"{SITE}/a")).signal is not None
    assert (await robots.check(f"{SITE}/b")).signal is None
    assert len(web.asked) == 2
    web.answers = {}
    clock.now += 301
    assert (await robots.check(f"{SITE}/a")).signal is None


@pytest.mark.parametrize(
    ("cache_control", "life_s"),
    [
        ("", 86_400),
        ("public, max-age=3600", 3600),
        ("max-age=99999999", 86_400),
        ("no-store, max-age=0", 600),
        ("max-age=junk", 86_400),
    ],
)
async def test_a_file_is_kept_for_a_day_or_as_long_as_it_says(cache_control, life_s):
    web, clock = site(b"", cache_control=cache_control), Clock()
    robots = SiteFiles(ROBOTS, web.get, clock=clock)
    await robots.check(SITE)
    clock.now += life_s - 1
    await robots.check(SITE)
    assert len(web.asked) == 1
    clock.now += 2
    await robots.check(SITE)
    assert len(web.asked) == 2


async def test_redirects_are_followed_for_five_hops():
    def chain(hops):
        moved = {
            f"{SITE}/{n}" if n else f"{SITE}/robots.txt": (301, {"location": f"/{n + 1}"}, b"")
            for n in range(hops)
        }
        return Web(moved | {f"{SITE}/{hops}": (200, {}, b"User-agent: *\nDisallow: /")})

    assert (await SiteFiles(ROBOTS, chain(5).get).check(f"{SITE}/a")).signal is not None
    too_long = chain(6)
    assert (await SiteFiles(ROBOTS, too_long.get).check(f"{SITE}/a")).signal is None
    assert len(too_long.asked) == 6


@pytest.mark.parametrize(
    "location",
    ["", "https://[", "http://10.0.0.1/"],
)
async def test_redirects_to_nowhere_allow_all(location):
    web = site(b"", 302, location=location)
    web.answers["http://10.0.0.1/"] = FetchError(FetchStatus.BLOCKED_ADDRESS, "private")
    assert (await SiteFiles(ROBOTS, web.get).check(f"{SITE}/a")).signal is None


async def test_a_redirect_to_a_host_that_is_down_is_a_fault():
    web = site(b"", 302, location="https://down.example/")
    web.answers["https://down.example/"] = FetchError(FetchStatus.CONNECTION, "refused")
    with pytest.raises(FetchError, match="refused"):
        await SiteFiles(ROBOTS, web.get).check(f"{SITE}/a")


async def test_the_least_used_sites_are_forgotten():
    web = Web({})
    robots = SiteFiles(ROBOTS, web.get, max_origins=10)
    for n in range(30):
        await robots.check(f"https://{n}.example/")
        await robots.check("https://0.example/")
    assert len(robots) == 10
    assert web.asked.count("https://0.example/robots.txt") == 1
    body = b"User-agent: *\n" + b"".join(b"Disallow: /%d\n" % n for n in range(500))
    web = Web({f"https://{n}.example/robots.txt": (200, {}, body) for n in range(30)})
    robots = SiteFiles(ROBOTS, web.get, max_cached=1 << 20)
    for n in range(30):
        await robots.check(f"https://{n}.example/")
    assert 2 <= len(robots) <= 6


def _rules(line: bytes) -> bytes:
    return b"User-agent: *\n" + line * (1 + (600 << 10) // len(line))


HOSTILE = {
    "rules": b"User-agent: *\n" + b"".join(b"Disallow: /p%d\n" % n for n in range(100_000)),
    "wildcards": _rules(b"Disallow: /*a*a*a*a*a*a*a*b\n"),
    "one endless wildcard": b"User-agent: *\nDisallow: /" + b"*a" * 300_000,
    "ends": _rules(b"Disallow: /a$\n"),
    "just not too wild": b"User-agent: *\nDisallow: /" + (b"a" * 7900 + b"b*") * 2,
    "agents": b"".join(b"User-agent: a%d\n" % n for n in range(15_000))
    + b"".join(b"Disallow: /p%d\n" % n for n in range(15_000)),
    "groups": b"".join(b"User-agent: a%d\nDisallow: /p\n" % n for n in range(15_000)),
    "zeros": bytes(512 << 10),
    "blank lines": b"\n" * (512 << 10),
    "blanks": b"user" + b" " * (512 << 10),
    "one line": b"User-agent: *\nDisallow: /" + b"a" * (512 << 10),
    "escapes": _rules(b"Disallow: /%ff%zz%\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_files_hold_nothing_up(name):
    robots = SiteFiles(ROBOTS, site(HOSTILE[name]).get)
    with cpu_seconds(1.5):
        await robots.check(f"{SITE}/{'a' * 16_000}/x.jpg")
        await robots.check(f"{SITE}/a.jpg")


async def test_too_many_wildcards_close_their_site():
    verdict = await SiteFiles(ROBOTS, site(HOSTILE["wildcards"]).get).check(f"{SITE}/x")
    assert verdict.signal is not None
    assert "wildcards" in verdict.signal.text


async def test_an_address_that_no_rule_can_be_held_against_is_left_alone():
    robots = SiteFiles(ROBOTS, site(b"User-agent: *\nDisallow: /a").get)
    verdict = await robots.check(f"{SITE}/\ud800")
    assert verdict.signal is not None
    assert verdict.signal.text.isprintable()


async def test_what_is_under_way_can_be_given_up():
    web = Web({}, wait_s=60)
    robots = SiteFiles(ROBOTS, web.get)
    waiting = asyncio.create_task(robots.check(SITE))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await robots.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(body):
    rules, cost = read_robots(b"User-agent: *\n" + body)
    assert cost >= 0
    assert isinstance(rules.judge(f"{SITE}/a"), SiteVerdict)


async def test_both_files_of_a_real_server_are_fetched_at_once_and_once():
    with FaultServer() as server:
        server.handlers["/robots.txt"] = fixed(b"", 301, location="/moved.txt")
        server.handlers["/moved.txt"] = fixed(b"User-agent: whence\nDisallow: /a")
        server.handlers["/.well-known/tdmrep.json"] = fixed(
            b'[{"location": "/b", "tdm-reservation": 1}]'
        )
        site_url = server.url("/").rstrip("/")
        async with httpx.AsyncClient(trust_env=False) as client:

            async def get(url):
                response = await client.get(url)
                return response.status_code, response.headers, response.content

            robots, tdmrep = SiteFiles(ROBOTS, get), SiteFiles(TDMREP, get)
            for _ in range(3):
                robots_verdict, reserved = await asyncio.gather(
                    robots.check(f"{site_url}/a"), tdmrep.check(f"{site_url}/b")
                )
                assert robots_verdict.signal.kind is SignalKind.ROBOTS
                assert reserved.signal.kind is SignalKind.TDM
                assert (await robots.check(f"{site_url}/b")).signal is None
        asked = ("/robots.txt", "/moved.txt", "/.well-known/tdmrep.json")
        assert [server.hits[path] for path in asked] == [1, 1, 1]
