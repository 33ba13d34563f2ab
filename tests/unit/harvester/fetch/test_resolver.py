"""Name look-ups: every answer checked, each name asked for once, and a bounded memory of them."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from harvester.fetch import resolver as resolving
from harvester.fetch.guard import BlockedAddressError
from harvester.fetch.resolver import GuardedResolver


@pytest.fixture
async def resolver():
    opened = GuardedResolver()
    yield opened
    await opened.close()


def answering(monkeypatch, *hosts: str, failure: OSError | None = None) -> list[bytes]:
    """Let the system's look-up answer with these numbers; returns the names that it is asked."""
    asked: list[bytes] = []

    def look_up(name, port, *_args):
        asked.append(name)
        if failure is not None:
            raise failure
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


async def test_a_name_that_resolves_to_this_machine_is_refused(resolver):
    with pytest.raises(BlockedAddressError, match="localhost"):
        await resolver.resolve("localhost", 80)


async def test_a_name_resolves_to_numbers_where_private_addresses_are_allowed():
    resolver = GuardedResolver(allow_private=True)
    try:
        found = await resolver.resolve("localhost", 80, socket.AF_INET)
    finally:
        await resolver.close()
    assert [(result["host"], result["port"]) for result in found] == [("127.0.0.1", 80)]


async def test_one_private_address_among_public_ones_refuses_the_name(resolver, monkeypatch):
    answering(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(BlockedAddressError, match=r"10\.0\.0\.1"):
        await resolver.resolve("mixed.example", 80)


async def test_a_name_is_looked_up_once_for_all_who_wait(resolver, monkeypatch):
    asked = answering(monkeypatch, "8.8.8.8")
    found = await asyncio.gather(*(resolver.resolve("one.example", port) for port in (80, 443)))
    await resolver.resolve("one.example", 8080)
    assert asked == [b"one.example"]
    assert [answer[0]["port"] for answer in found] == [80, 443]


async def test_an_answer_is_not_taken_from_a_name_server_that_changed_its_mind(
    resolver, monkeypatch
):
    """A rebinding name: public when checked, private a moment later. The first answer holds."""
    answering(monkeypatch, "8.8.8.8")
    await resolver.resolve("rebinding.example", 80)
    answering(monkeypatch, "127.0.0.1")
    again = await resolver.resolve("rebinding.example", 80)
    assert [one["host"] for one in again] == ["8.8.8.8"]


async def test_a_remembered_answer_that_is_over_is_checked_anew(resolver, monkeypatch):
    monkeypatch.setattr(resolving, "KEEP_S", 0.0)
    answering(monkeypatch, "8.8.8.8")
    await resolver.resolve("rebinding.example", 80)
    answering(monkeypatch, "127.0.0.1")
    with pytest.raises(BlockedAddressError):
        await resolver.resolve("rebinding.example", 80)


async def test_a_name_that_is_gone_is_remembered_too(resolver, monkeypatch):
    asked = answering(monkeypatch, failure=socket.gaierror(socket.EAI_NONAME, "no such name"))
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="no such name"):
            await resolver.resolve("gone.example", 80)
    assert asked == [b"gone.example"]


async def test_only_so_many_names_are_remembered(resolver, monkeypatch):
    monkeypatch.setattr(resolving, "MOST_NAMES", 5)
    asked = answering(monkeypatch, "8.8.8.8")
    for number in range(12):
        await resolver.resolve(f"host{number}.example", 80)
    assert len(resolver) == 5
    await resolver.resolve("host0.example", 80)
    assert len(asked) == 13


async def test_a_name_server_that_hangs_is_a_fault_of_the_name(resolver, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: released.wait(10) and [])
    monkeypatch.setattr(resolving, "LOOK_UP_S", 0.05)
    try:
        with pytest.raises(socket.gaierror, match="no answer"):
            await resolver.resolve("hanging.example", 80)
    finally:
        released.set()
