"""All faults in one run, among good pictures: each in its status and time, and no picture lost."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import SeenIndex
from harvester.fetch import guard
from harvester.fetch.fetcher import Fetcher
from harvester.pipeline.candidates import harvest_candidates
from harvester.pipeline.engine import LocalEngine
from harvester.progress.tally import Outcome
from harvester.schema import Candidate, FetchStatus, Finding
from tests.integration.conftest import serving_context
from tests.support.patience import patient
from tests.support.servers.fault_bodies import good_picture
from tests.support.servers.fault_server import FaultServer
from tests.support.servers.fault_table import FAULTS, LIMITS, fault_hosts, handlers
from tests.support.servers.tls_server import expired_context, self_signed_context

GOOD_PICTURES = 200
GOOD_HOSTS = [f"127.1.200.{n}" for n in range(1, 9)]
PRIVATE = "127.9.0.1"
"""Where a name leads that has changed its mind; everything in 127.1.0.0/16 plays the open web."""

WHOLE_RUN_S = patient(55)


@dataclass
class Web:
    """The servers of one run.

    Attributes:
        addresses: fault → its address. good: addresses of good pictures.
        trap: listens where nobody may ask.
    """

    addresses: dict[str, str]
    good: list[str]
    trap: FaultServer
    ssl_context: ssl.SSLContext


@pytest.fixture
def web(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    hosts = fault_hosts()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with ExitStack() as stack:

        def serve(*more: str, tls: ssl.SSLContext | None = None) -> FaultServer:
            """A server at the first of these addresses, and at the others."""
            first, *rest = more
            server = FaultServer(tls=tls, host=first, more_hosts=rest, handlers=handlers())
            return stack.enter_context(server)

        plain = serve("127.1.100.1", *hosts.values(), *GOOD_HOSTS)
        secure = serve("127.1.100.2", tls=serving_context(authority, "127.1.100.2"))
        expired = serve("127.1.100.3", tls=expired_context(authority, "127.1.100.3"))
        misnamed = serve("127.1.100.4", tls=serving_context(authority, "other.example"))
        self_signed = serve("127.1.100.5", tls=self_signed_context())
        # At the port of the web that is played here, or it could not be come upon by chance.
        trap = serve(PRIVATE)
        unused = stack.enter_context(socket.socket())
        unused.bind(("127.1.100.7", 0))
        origins = {
            "secure": secure.url(""),
            "expired": expired.url(""),
            "misnamed": misnamed.url(""),
            "self_signed": self_signed.url(""),
            "plain_https": plain.url("").replace("http:", "https:"),
            "secure_http": secure.url("").replace("https:", "http:"),
            "nobody": f"http://127.1.100.7:{unused.getsockname()[1]}",
            "rebinding": f"http://rebinding.example:{plain.port}",
        }
        play_the_open_web(monkeypatch, rebinding=["127.1.100.1", PRIVATE])
        yield Web(
            addresses={
                name: fault.address.format(
                    web=plain.url("", hosts[name]), path=f"/{name}", **origins
                )
                for name, fault in FAULTS.items()
            },
            good=[
                plain.url(serve_good(plain, n), GOOD_HOSTS[n % len(GOOD_HOSTS)])
                for n in range(GOOD_PICTURES)
            ],
            trap=trap,
            ssl_context=trusting,
        )


def serve_good(server: FaultServer, number: int) -> str:
    path = f"/good/{number}.png"
    server.serve(path, good_picture(number), "image/png")
    return path


def play_the_open_web(monkeypatch: pytest.MonkeyPatch, rebinding: list[str]) -> None:
    """Names without a name server, one of which gives another address each time it is asked."""
    is_public, look_up = guard.is_public, socket.getaddrinfo
    answers = {
        "no-address.example": [],
        "private.example": ["10.0.0.1"],
        "mixed.example": ["127.1.100.1", "10.0.0.1"],
    }

    def answer(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not str(name).endswith(".example"):
            return look_up(host, *arguments, **options)
        found = answers.get(name)
        if name == "rebinding.example":
            found = [rebinding.pop(0) if len(rebinding) > 1 else rebinding[0]]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 0))
            for address in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(
        guard, "is_public", lambda ip: str(ip).startswith("127.1.") or is_public(ip)
    )


async def harvest(folder: Path, urls: list[str], web: Web) -> tuple[dict[str, float], float]:
    """One run, as the command makes it; gives when each address was settled, and the whole time."""
    settled: dict[str, float] = {}

    async def found():
        for url in urls:
            yield Finding(url=url, source="test")

    fetcher = Fetcher(LIMITS, concurrency=256, ssl_context=web.ssl_context)
    with DatasetWriter(folder, Candidate) as store, SeenIndex(folder) as known:
        async with LocalEngine(fetcher, window=256) as engine:
            start = time.perf_counter()
            outcome: Outcome
            async for outcome in harvest_candidates(
                found(), store, engine, known, merge_near=False
            ):
                settled[outcome.url] = time.perf_counter() - start
    return settled, time.perf_counter() - start


async def test_every_fault_ends_in_its_status_and_time_and_no_good_picture_is_lost(tmp_path, web):
    good, urls = iter(web.good), []
    for address in web.addresses.values():
        urls += [address, next(good)]
    urls += good
    assert len(FAULTS) >= 40
    settled, took_s = await harvest(tmp_path, urls, web)

    rows = {row.url: row for row in shards.rows(tmp_path, Candidate)}
    # Some faults serve the same picture: those are one row, which their findings name.
    ids = {finding.url: finding.candidate_id for finding in shards.rows(tmp_path, Finding)}
    by_id = {row.id: row for row in rows.values()}
    ended = {name: by_id[ids[url]] for name, url in web.addresses.items()}
    wrong = {
        name[:40]: (row.status.value, FAULTS[name].status.value, row.error)
        for name, row in ended.items()
        if row.status is not FAULTS[name].status
    }
    assert not wrong
    late = {
        name[:40]: settled[url]
        for name, url in web.addresses.items()
        if settled[url] > FAULTS[name].within_s
    }
    assert not late

    assert all(rows[url].status is FetchStatus.OK for url in web.good)
    assert len({rows[url].sha256 for url in web.good}) == GOOD_PICTURES
    assert not web.trap.hits
    assert all(row.error is None or row.error.isprintable() for row in rows.values())
    for name in ("gif-and-script", "jpeg-and-zip"):  # what is stored is the picture alone
        assert b"alert(" not in (ended[name].image or b"")
    assert took_s < WHOLE_RUN_S
