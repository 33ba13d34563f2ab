"""This is the DNS resolver: it refuses names with private addresses, and remembers answers.

The connection is made to the very addresses that were checked, those remembered included, so a
name server that changes its answer between check and use (DNS rebinding) gains nothing. Names that
do not resolve are remembered too: a list has thousands of addresses on a host that is gone.
But: answers are kept for a fixed time, since `getaddrinfo` does not tell how long they hold.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from harvester.fetch import guard
from harvester.fetch.guard import BlockedAddressError

MOST_NAMES = 20_000
"""Names that are remembered at a time; the one that was asked for longest ago is forgotten."""
KEEP_S = 300.0
KEEP_FAILURE_S = 60.0
LOOK_UP_S = 10.0
"""Seconds for one look-up; the system's own patience is half a minute a name server."""


@dataclass(frozen=True, slots=True)
class _Answer:
    result: list[ResolveResult] | OSError | BlockedAddressError
    until: float


class GuardedResolver(AbstractResolver):
    """Looks names up, and refuses those with any address that is not public.

    One bad address among good ones refuses the name: a mixed answer is how a name is made to slip
    through. Look-ups have threads of their own, so that slow name servers hold up nothing else; one
    name is looked up once, however many downloads wait for it.

    Args:
        allow_private: let names resolve to private and loopback addresses.
        threads: look-ups at a time.
    """

    def __init__(self, *, allow_private: bool = False, threads: int = 256) -> None:
        self._allow_private = allow_private
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="whence-dns")
        self._answers: OrderedDict[tuple[str, int], _Answer] = OrderedDict()
        self._asked: dict[tuple[str, int], asyncio.Future[_Answer]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of `host`, all of them checked.

        Raises:
            BlockedAddressError: if one of them is not public.
            OSError: if the name does not resolve, or not in time.
        """
        key = (host, int(family))
        answer = self._answers.get(key)
        if answer is None or answer.until <= time.monotonic():
            answer = await self._ask(key, host, family)
        else:
            self._answers.move_to_end(key)
        if isinstance(answer.result, Exception):
            # Without the traces of those who asked before, which would grow from raise to raise.
            raise answer.result.with_traceback(None)
        return [ResolveResult(**{**one, "port": port}) for one in answer.result]

    async def _ask(self, key: tuple[str, int], host: str, family: socket.AddressFamily) -> _Answer:
        waiting = self._asked.get(key)
        if waiting is None:
            waiting = asyncio.ensure_future(self._look_up(key, host, family))
            self._asked[key] = waiting
        # Shielded: whoever gives up leaves the answer to the others who wait for it.
        return await asyncio.shield(waiting)

    async def _look_up(
        self, key: tuple[str, int], host: str, family: socket.AddressFamily
    ) -> _Answer:
        result: list[ResolveResult] | OSError | BlockedAddressError
        keep_s = KEEP_FAILURE_S
        began = threading.Event()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                result = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _begin, began, host, family
                )
            self._check(host, result)
            keep_s = KEEP_S
        except TimeoutError:
            result = socket.gaierror(socket.EAI_AGAIN, f"no answer within {LOOK_UP_S:.0f} s")
            if not began.is_set():  # all threads wait for silent name servers: not this one's fault
                keep_s = 0.0
        except (OSError, BlockedAddressError) as exc:
            result = exc
        finally:
            self._asked.pop(key, None)
        answer = _Answer(result, time.monotonic() + keep_s)
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > MOST_NAMES:
            self._answers.popitem(last=False)
        return answer

    def _check(self, host: str, addresses: list[ResolveResult]) -> None:
        for address in addresses:
            if not self._allow_private and not guard.is_public(
                ipaddress.ip_address(address["host"])
            ):
                raise BlockedAddressError(
                    f"expected {host} to have public addresses, found {address['host']}"
                )

    async def close(self) -> None:
        """Let go of the threads; look-ups under way end by themselves."""
        for waiting in self._asked.values():
            waiting.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _begin(began: threading.Event, host: str, family: socket.AddressFamily) -> list[ResolveResult]:
    began.set()
    return _look_up(host, family)


def _look_up(host: str, family: socket.AddressFamily) -> list[ResolveResult]:
    # As bytes: of text, Python makes an IDNA name, and raises where a label is too long.
    name = host.encode("ascii")
    answers = socket.getaddrinfo(name, 0, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return [
        ResolveResult(
            hostname=host, host=str(address[0]), port=0, family=kind, proto=proto, flags=numeric
        )
        for kind, _, proto, _, address in answers
    ]
