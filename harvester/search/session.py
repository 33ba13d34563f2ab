"""This is a search session: prompts put to one engine, paced, patient, able to go on later.

One engine here; several in one run are in `federated`.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import logging
import math
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import stamina

from harvester.errors import RateLimitedError, SourceChangedError, SourceError
from harvester.readers.tables import as_text
from harvester.schema import MAX_TEXT, Finding, Search, SearchStatus
from harvester.search.queries import plan_queries
from harvester.urls import is_web_address

_LOG = logging.getLogger(__name__)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BOLD = re.compile(r"</?b>", re.IGNORECASE)
_FAILURES_IN_A_ROW = 3
_BARREN_PAGES = 3


@dataclass(frozen=True, slots=True)
class Page:
    """One page of results.

    Attributes:
        rows: as the engine sent them, or under the same names: image, url (of the page), title;
            further caption, creator, license, license_url, and rank where the place is not it.
        is_last: whether the engine offers no further page.
        dropped: rows left out because they are no pictures, or not of a license that is wanted.
    """

    rows: list[dict[str, Any]]
    is_last: bool
    dropped: int = 0


class ImageSearch(Protocol):
    """An engine that `search_prompts` can drive; `page` is 1-based.

    Attributes:
        pause_s: seconds between two pages that the engine's owners can be expected to bear.
    """

    source: str
    scope: str
    pause_s: float

    def search_page(self, query: str, page: int) -> Page: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How a block is waited out: `attempts` in all, `first_s` seconds doubling to `longest_s`."""

    attempts: int = 4
    first_s: float = 5.0
    longest_s: float = 90.0


@dataclass(slots=True)
class QueryProgress:
    """What one query has found so far.

    Attributes:
        limit: findings wanted.
        seen: addresses not to be found again; shared by the queries of one prompt.
    """

    query: str
    query_prompt: str
    limit: int
    source: str
    scope: str = ""
    seen: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    pages: int = 0
    rows: int = 0
    barren: int = 0
    is_over: bool = False

    def add(self, page: Page) -> list[Finding]:
        """Take a page's rows; returns those that are new, at most as many as are still wanted."""
        found_at = datetime.now(UTC)
        new: list[Finding] = []
        for position, row in enumerate(page.rows, start=self.rows + 1):
            url = _address(row.get("image"))
            if url is None or url in self.seen or len(self.findings) + len(new) >= self.limit:
                continue
            self.seen.add(url)
            new.append(
                Finding(
                    url=url,
                    source=self.source,
                    query_prompt=self.query_prompt,
                    query=self.query,
                    rank=row.get("rank", position),
                    page_url=_address(row.get("url")),
                    title=_clean_text(row.get("title")),
                    caption=_clean_text(row.get("caption")),
                    creator=_clean_text(row.get("creator")),
                    license=_clean_text(row.get("license")),
                    license_url=_address(row.get("license_url")),
                    found_at=found_at,
                )
            )
        self.findings += new
        self.rows += len(page.rows)
        self.pages += 1
        self.barren = 0 if new else self.barren + 1
        # Engines that have no more repeat themselves; a page of films is no such sign.
        is_barren = self.barren >= (_BARREN_PAGES if page.dropped else 1)
        self.is_over = page.is_last or is_barren or len(self.findings) >= self.limit
        return new


async def search_prompts(
    prompts: Iterable[str],
    engine: ImageSearch,
    *,
    per_prompt: int,
    done: Mapping[tuple[str, str], int],
    pause_s: float,
    on_search: Callable[[Search], None],
    backoff: Backoff | None = None,
) -> AsyncGenerator[Finding, None]:
    """Search for every prompt, by its planned queries, and yield what is found as it comes.

    A search is reported once all its findings have been taken, so that an interrupted run does
    it again and never skips it. Cancelling ends at once, but for the request in flight, whose
    thread ends by its own time limit.

    Args:
        prompts: as generated; those seen before in this run are passed over.
        engine: asked in a thread, one page at a time.
        per_prompt: findings wanted in all for each prompt, each address once; what one query
            does not find is left to the next.
        done: by prompt and query, how many findings were wanted of a search that ended `OK` or
            `EMPTY` before; it is made again only where more are wanted now.
        pause_s: seconds between two pages.
        on_search: told how each search ended.
        backoff: how blocks are waited out.

    Raises:
        RateLimitedError: if a block outlasts the waiting; reported as `BLOCKED` before.
        SourceChangedError: at the first answer of an unknown shape; reported as `ERROR`.
        SourceError: if three searches in a row, or all of them, had no answer.
    """
    pacer = _Pacer(engine, pause_s, backoff or Backoff())
    faults = _FailurePolicy()
    for prompt in _once(prompts):
        seen: set[str] = set()
        wanted = per_prompt
        queries = plan_queries(prompt)
        for number, query in enumerate(queries):
            share = math.ceil(wanted / (len(queries) - number))
            if done.get((prompt, query), -1) >= share:
                wanted -= share
                continue
            if share <= 0:
                break
            progress = QueryProgress(query, prompt, share, engine.source, engine.scope, seen)
            try:
                while not progress.is_over:
                    for finding in progress.add(await pacer.ask(progress)):
                        yield finding
            except SourceError as exc:
                on_search(_report(progress, exc))
                faults.note(exc)
            else:
                on_search(_report(progress))
                faults.forget()
            wanted -= len(progress.findings)
    faults.close()


class _FailurePolicy:
    """Decides whether a failed search ends the run."""

    def __init__(self) -> None:
        self._in_a_row: list[SourceError] = []
        self._any_answer = False

    def note(self, exc: SourceError) -> None:
        """Raises what was noted where going on makes no sense."""
        self._warn_of_last()
        self._in_a_row.append(exc)
        is_final = isinstance(exc, RateLimitedError | SourceChangedError)
        if is_final or len(self._in_a_row) >= _FAILURES_IN_A_ROW:
            raise exc

    def forget(self) -> None:
        self._warn_of_last()
        self._in_a_row.clear()
        self._any_answer = True

    def close(self) -> None:
        if self._in_a_row and not self._any_answer:
            raise self._in_a_row[-1]
        self._warn_of_last()

    def _warn_of_last(self) -> None:
        """Told only once the run does go on: what ends it is told by the error itself."""
        if self._in_a_row:
            _LOG.warning("one search failed, going on with the next: %s", self._in_a_row[-1])


class _Pacer:
    """Asks an engine in a thread, never faster than the pause, and again after a block."""

    def __init__(self, engine: ImageSearch, pause_s: float, backoff: Backoff) -> None:
        self._engine = engine
        self._pause_s = pause_s
        self._backoff = backoff
        self._is_first = True

    async def ask(self, progress: QueryProgress) -> Page:
        if not self._is_first:
            await asyncio.sleep(self._pause_s)
        self._is_first = False
        patience = self._backoff
        attempts = stamina.retry_context(
            on=self._wait_for,
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.first_s,
            wait_max=patience.longest_s,
            wait_jitter=patience.first_s / 2,
        )
        async for attempt in attempts:
            with attempt:
                search_page = self._engine.search_page
                return await asyncio.to_thread(search_page, progress.query, progress.pages + 1)
        raise AssertionError("stamina makes at least one attempt")

    def _wait_for(self, exc: Exception) -> bool | float:
        if isinstance(exc, RateLimitedError):
            # A pause of nothing, or a date gone by, is no leave to ask again at once.
            pause = exc.retry_after_s
            return pause <= self._backoff.longest_s and pause if pause else True
        if isinstance(exc, SourceError) and not isinstance(exc, SourceChangedError):
            return min(1.0, self._backoff.first_s)  # a fault of the network passes or it does not
        return False


def _once(prompts: Iterable[str]) -> Iterator[str]:
    seen: set[bytes] = set()  # digests, because prompts are long and lists are longer
    for prompt in prompts:
        digest = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest not in seen:
            seen.add(digest)
            yield prompt


def _report(progress: QueryProgress, exc: SourceError | None = None) -> Search:
    if exc is not None:
        blocked = isinstance(exc, RateLimitedError)
        status = SearchStatus.BLOCKED if blocked else SearchStatus.ERROR
    else:
        status = SearchStatus.OK if progress.rows else SearchStatus.EMPTY
    return Search(
        query_prompt=progress.query_prompt,
        query=progress.query,
        source=progress.source,
        status=status,
        found=len(progress.findings),
        wanted=progress.limit,
        scope=progress.scope,
        error=str(exc) if exc is not None else None,
        searched_at=datetime.now(UTC),
    )


def _address(value: Any) -> str | None:
    if not isinstance(value, str) or not is_web_address(value):
        return None
    return value if value.isascii() or as_text(value) == value else None


def _clean_text(value: Any) -> str | None:
    text = as_text(value)
    if text is None:
        return None
    plain = html.unescape(_TAG.sub("", text[: 4 * MAX_TEXT]))
    return as_text(" ".join(_BOLD.sub("", plain).split())[:MAX_TEXT])
