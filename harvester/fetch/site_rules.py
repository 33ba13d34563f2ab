"""This is the cache of robots.txt and tdmrep.json: what each site says of all its addresses.

`SITE_FILES` has a row for each; another place where a site may say it is a parser in `consent` and
a row there. Each is a small file at a known place, asked for once a site and remembered. An answer
of 2xx is read, 3xx is followed for five hops, any 4xx says that there is no such file, and a site
that cannot be reached, fails (5xx) or is overrun (429) is asked again after some minutes; what was
read before holds meanwhile.

Source: RFC 9309, sections 2.3 and 2.4. But: `Cache-Control` counts for `max-age` alone, and a file
is kept for ten minutes at least, so that nothing is asked for before every single picture.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin

from harvester.consent.robots import RobotsRules, read_robots
from harvester.consent.signals import Signal, SiteVerdict
from harvester.consent.tdmrep import PATH, judge_tdm, read_tdmrep
from harvester.fetch.faults import REDIRECTS, FetchError, read_retry_after
from harvester.schema import FailureClass, FetchStatus
from harvester.urls import origin_of

Get = Callable[[str], Awaitable[tuple[int, Mapping[str, str], bytes]]]
"""One request, redirects not followed: status, headers and body, cut at `MAX_BYTES`.

Raises FetchError where there is no answer; no bytes are an answer. It has to end in time.
"""
MAX_BYTES = 512 << 10
"""Of a site's file that are read; what is behind them is not."""
MAX_ORIGINS = 50_000
MAX_CACHED = 32 << 20
"""Bytes that the rules of all sites together may take, by estimate."""
_LONG = 64 << 10
_MAX_REDIRECTS = 5
_LIFE_S = 24 * 3600.0
_SHORTEST_LIFE_S = 600.0
_FAULT_LIFE_S = 300.0
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
Rules = TypeVar("Rules")


@dataclass(frozen=True, slots=True)
class SiteFileKind(Generic[Rules]):
    """One file that sites may have.

    Attributes:
        path: where it is.
        read: makes rules of a body, and says how many bytes they take; raises nothing.
        judge: what the rules say of an address, as `guard.check_url` gives it back.
        is_needed: whether a file that cannot be read now means no for now (RFC 9309, 2.3.1.4).
    """

    path: str
    read: Callable[[bytes], tuple[Rules, int]]
    judge: Callable[[Rules, str], SiteVerdict]
    is_needed: bool = False


ROBOTS = SiteFileKind("/robots.txt", read_robots, RobotsRules.judge, is_needed=True)
TDMREP = SiteFileKind(PATH, read_tdmrep, lambda rules, url: SiteVerdict(judge_tdm(rules, url)))
SITE_FILES: tuple[SiteFileKind[Any], ...] = (ROBOTS, TDMREP)
_SILENT = SiteVerdict()


@dataclass(frozen=True, slots=True)
class SiteFile(Generic[Rules]):
    """What is known of one file of a site.

    Attributes:
        rules: None where there is no such file, and where it cannot be read.
        fault: status, reason and pause in seconds, where it cannot be read now.
    """

    rules: Rules | None
    fault: tuple[FetchStatus, str, float | None] | None = None


@dataclass(slots=True)
class _Kept(Generic[Rules]):
    file: SiteFile[Rules]
    until: float
    cost: int


class SiteFiles(Generic[Rules]):
    """One file of every site, asked for when it is first needed, and remembered for a day.

    Least recently used sites are forgotten first. One event loop; `close` ends what is under way.

    Args:
        kind: of the file.
        get: makes one request.
        max_origins, max_cached: sites, and bytes of their rules, that are remembered.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        kind: SiteFileKind[Rules],
        get: Get,
        *,
        max_origins: int = MAX_ORIGINS,
        max_cached: int = MAX_CACHED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._get = get
        self._kind = kind
        self._max_origins = max_origins
        self._max_cached = max_cached
        self._clock = clock
        self._kept: OrderedDict[str, _Kept[Rules]] = OrderedDict()
        self._cost = 0
        self._asking: dict[str, asyncio.Task[SiteFile[Rules]]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def check(self, url: str) -> SiteVerdict:
        """What the site of an address says of it.

        Args:
            url: as `guard.check_url` gives it back.

        Raises:
            FetchError: if the file is needed and cannot be read now, a new one each time: the
                picture then fails as its site's file did.
        """
        file = await self._of(origin_of(url))
        if file.fault is not None and self._kind.is_needed:
            status, reason, pause_s = file.fault
            raise FetchError(status, reason, retry_after_s=pause_s, mendable=False)
        return _SILENT if file.rules is None else self._kind.judge(file.rules, url)

    async def _of(self, origin: str) -> SiteFile[Rules]:
        """What the file of a site says; whoever asks while it is being fetched waits for it.

        Args:
            origin: scheme, host and port: `https://example.org`.
        """
        cached = self._kept.get(origin)
        if cached is not None and cached.until > self._clock():
            self._kept.move_to_end(origin)
            return cached.file
        task = self._asking.get(origin)
        if task is None:
            task = asyncio.create_task(self._ask(origin))
            self._asking[origin] = task
            task.add_done_callback(lambda _: self._asking.pop(origin, None))
        # Shielded: one download that is given up takes nothing from the others that wait.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up the requests that are under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, origin: str) -> SiteFile[Rules]:
        file, life_s, cost = await self._fetch(origin)
        old = self._kept.pop(origin, None)
        if old is not None:
            self._cost -= old.cost
            if file.fault is not None and old.file.fault is None:
                file, cost = old.file, old.cost
        cost += 500 + 2 * len(origin)
        self._kept[origin] = _Kept(file, self._clock() + life_s, cost)
        self._cost += cost
        while len(self._kept) > self._max_origins or (
            self._cost > self._max_cached and len(self._kept) > 1
        ):
            self._cost -= self._kept.popitem(last=False)[1].cost
        return file

    async def _fetch(self, origin: str) -> tuple[SiteFile[Rules], float, int]:
        """What the file says now, for how many seconds that holds, and the bytes it takes."""
        url = origin + self._kind.path
        for hop in range(_MAX_REDIRECTS + 1):
            try:
                status, headers, body = await self._get(url)
            except FetchError as exc:
                return self._weigh(exc, is_own=not hop), _FAULT_LIFE_S, 0
            named = {name.lower(): value for name, value in headers.items()}
            if 200 <= status < 300:
                # A long file takes its time, and that is taken from nobody else.
                cut = body[:MAX_BYTES]
                is_long = len(cut) > _LONG
                read = self._kind.read
                rules, cost = await asyncio.to_thread(read, cut) if is_long else read(cut)
                return SiteFile(rules), _life_of(named.get("cache-control", "")), cost
            if status == 429 or status >= 500:
                kind = FetchStatus.THROTTLED if status in {429, 503} else FetchStatus.SERVER_ERROR
                pause_s = read_retry_after(named.get("retry-after"))
                fault = (kind, f"expected {self._kind.path}, found HTTP {status}", pause_s)
                return SiteFile(None, fault), _FAULT_LIFE_S, 0
            if status not in REDIRECTS or not named.get("location"):
                break
            try:
                url = urljoin(url, named["location"].strip())
            except ValueError:
                break
        return SiteFile(None), _LIFE_S, 0

    def _weigh(self, exc: FetchError, *, is_own: bool) -> SiteFile[Rules]:
        """No answer: a fault, unless the site itself led us to where nobody can be asked."""
        passing = exc.status.failure_class is not FailureClass.PERMANENT
        if passing or (is_own and exc.status in {FetchStatus.BAD_URL, FetchStatus.BLOCKED_ADDRESS}):
            reason = f"expected {self._kind.path}, but: {exc}"
            return SiteFile(None, (exc.status, reason, exc.retry_after_s))
        return SiteFile(None)


def _life_of(cache_control: str) -> float:
    """Seconds; a site that wants nothing kept is still not asked before each of its pictures."""
    named = _MAX_AGE.search(cache_control)
    return min(_LIFE_S, max(_SHORTEST_LIFE_S, float(named[1]))) if named else _LIFE_S


@dataclass(frozen=True, slots=True)
class SiteRulesVerdict:
    """What a site says of one address.

    Attributes:
        signals: of all files.
        fault: why robots.txt could not be read, which means no for now (RFC 9309, 2.3.1.4).
        crawl_delay_s: seconds that the site wants between two requests.
    """

    signals: tuple[Signal, ...] = ()
    fault: FetchError | None = None
    crawl_delay_s: float | None = None


class SiteRules:
    """All files of every site, remembered.

    Args:
        get: makes one request.
    """

    def __init__(self, get: Get) -> None:
        self._files = [SiteFiles(kind, get) for kind in SITE_FILES]

    async def check(self, url: str) -> SiteRulesVerdict:
        """What the site of this address says; a request a file for the first address of a site.

        One after the other: a site that cannot be reached, or wants no programs, is not asked for
        the second.

        Args:
            url: as `guard.check_url` gives it back.
        """
        verdicts: list[SiteVerdict] = []
        for files in self._files:
            try:
                verdicts.append(await files.check(url))
            except FetchError as exc:
                return SiteRulesVerdict(fault=exc)
        return SiteRulesVerdict(
            tuple(verdict.signal for verdict in verdicts if verdict.signal is not None),
            crawl_delay_s=max(verdict.crawl_delay_s or 0 for verdict in verdicts) or None,
        )

    async def close(self) -> None:
        """Give up the requests that are under way."""
        for files in self._files:
            await files.close()
