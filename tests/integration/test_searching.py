"""Runs over many prompts, by the real ddgs client against an offline DuckDuckGo on 127.0.0.1."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from harvester.errors import RateLimitedError, SourceChangedError, SourceError
from harvester.schema import SearchStatus
from harvester.searching import Backoff, search_prompts
from harvester.sources.duckduckgo import DuckDuckGo

QUICK = Backoff(attempts=3, first_s=0.01, longest_s=0.05)


@pytest.fixture
def engine(duckduckgo_server):
    return DuckDuckGo(proxy=duckduckgo_server.proxy_url, verify=str(duckduckgo_server.ca_pem))


def addresses(count, name="p"):
    return [f"https://pictures.example/{name}{number}.jpg" for number in range(count)]


async def run(engine, prompts, *, per_prompt=100, done=None, backoff=QUICK, pause_s=0.0):
    """Everything a run yields and reports, and the error it ends in."""
    found, searches, error = [], [], None
    stream = search_prompts(
        prompts,
        engine,
        per_prompt=per_prompt,
        done=done or {},
        pause_s=pause_s,
        on_search=searches.append,
        backoff=backoff,
    )
    try:
        async for finding in stream:
            found.append(finding)  # noqa: PERF401 - what came before an error counts
    except SourceError as exc:
        error = exc
    return found, searches, error


async def test_every_prompt_is_searched_by_its_queries(duckduckgo_server, engine):
    duckduckgo_server.results["a boat by Ralph Steadman"] = addresses(80, "whole")
    duckduckgo_server.results["Ralph Steadman"] = addresses(80, "artist")
    found, searches, error = await run(engine, ["a boat by Ralph Steadman --ar 3:2"], per_prompt=60)
    assert error is None
    assert [(search.query, search.found, search.status) for search in searches] == [
        ("a boat by Ralph Steadman", 30, SearchStatus.OK),
        ("Ralph Steadman", 30, SearchStatus.OK),
    ]
    assert len({finding.url for finding in found}) == 60
    assert {finding.query_prompt for finding in found} == {"a boat by Ralph Steadman --ar 3:2"}


async def test_what_one_query_lacks_the_next_may_find(duckduckgo_server, engine):
    shared = addresses(10, "both")
    duckduckgo_server.results["a boat by Ralph Steadman"] = shared
    duckduckgo_server.results["Ralph Steadman"] = [*shared, *addresses(80, "artist")]
    found, searches, _ = await run(engine, ["a boat by Ralph Steadman"], per_prompt=60)
    assert [search.found for search in searches] == [10, 50]
    assert len({finding.url for finding in found}) == 60


async def test_nothing_found_is_reported_and_the_run_goes_on(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(2)
    found, searches, error = await run(engine, ["qqqq", "boat", "boat", "--ar 1:1"])
    assert error is None
    assert [(search.query, search.status, search.found) for search in searches] == [
        ("qqqq", SearchStatus.EMPTY, 0),
        ("boat", SearchStatus.OK, 2),
    ]
    assert len(found) == 2


async def test_a_block_is_waited_out(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(2)
    duckduckgo_server.faults.extend(["403", "202"])
    found, searches, error = await run(engine, ["boat"])
    assert error is None
    assert len(found) == 2
    assert [search.status for search in searches] == [SearchStatus.OK]
    assert duckduckgo_server.asked == [("boat", 1)] * 3


async def test_a_named_pause_is_kept(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(2)
    duckduckgo_server.faults.append("429 Retry-After 1")
    started = time.monotonic()
    found, _, _ = await run(engine, ["boat"], backoff=Backoff(attempts=2, first_s=0, longest_s=5))
    assert len(found) == 2
    assert time.monotonic() - started >= 1


async def test_a_pause_too_long_is_not_waited_for(duckduckgo_server, engine):
    duckduckgo_server.faults.append("429 Retry-After 900")
    _, searches, error = await run(engine, ["boat"])
    assert error.retry_after_s == 900
    assert len(duckduckgo_server.asked) == 1
    assert searches[0].status is SearchStatus.BLOCKED


async def test_a_lasting_block_stops_the_run_with_what_was_found(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(300)
    duckduckgo_server.faults.extend(["ok", "403", "403", "403"])
    found, searches, error = await run(engine, ["boat", "house"], per_prompt=250)
    assert isinstance(error, RateLimitedError)
    assert len(found) == 100
    assert [(s.query, s.status, s.found) for s in searches] == [("boat", SearchStatus.BLOCKED, 100)]
    assert "403" in searches[0].error
    assert [query for query, _ in duckduckgo_server.asked] == ["boat"] * 4


async def test_searches_done_before_are_skipped(duckduckgo_server, engine):
    duckduckgo_server.results["a boat by Ralph Steadman"] = addresses(80, "whole")
    duckduckgo_server.results["Ralph Steadman"] = addresses(80, "artist")
    prompt = "a boat by Ralph Steadman"
    found, searches, _ = await run(engine, [prompt], per_prompt=60, done={(prompt, prompt): 30})
    assert [search.query for search in searches] == ["Ralph Steadman"]
    assert len(found) == 30
    assert duckduckgo_server.asked == [("Ralph Steadman", 1)]


async def test_a_search_done_before_is_made_again_where_more_is_wanted(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(80)
    found, [search], _ = await run(engine, ["boat"], per_prompt=60, done={("boat", "boat"): 30})
    assert len(found) == 60
    assert (search.wanted, search.scope) == (60, "us-en moderate")
    assert await run(engine, ["boat"], per_prompt=60, done={("boat", "boat"): 60}) == ([], [], None)


async def test_a_search_is_reported_after_its_findings_were_taken(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(3)
    searches = []
    stream = search_prompts(
        ["boat"], engine, per_prompt=9, done={}, pause_s=0, on_search=searches.append
    )
    for _ in range(3):
        await anext(stream)
        assert searches == []
    await stream.aclose()
    assert searches == []


async def test_an_unknown_shape_stops_the_run_at_once(duckduckgo_server, engine):
    duckduckgo_server.faults.append("no-json-results")
    _, searches, error = await run(engine, ["boat", "house"])
    assert isinstance(error, SourceChangedError)
    assert [search.status for search in searches] == [SearchStatus.ERROR]
    assert len(duckduckgo_server.asked) == 1


async def test_one_failed_search_does_not_end_the_run(duckduckgo_server, engine):
    duckduckgo_server.results["house"] = addresses(2)
    duckduckgo_server.faults.extend(["500"] * 3)
    found, searches, error = await run(engine, ["boat", "house"])
    assert error is None
    assert [search.status for search in searches] == [SearchStatus.ERROR, SearchStatus.OK]
    assert len(found) == 2


async def test_a_run_without_any_answer_fails(duckduckgo_server, engine):
    duckduckgo_server.faults.extend(["500"] * 30)
    _, searches, error = await run(engine, ["boat", "house", "tree", "fox"])
    assert type(error) is SourceError
    assert [search.query for search in searches] == ["boat", "house", "tree"]
    _, searches, error = await run(engine, ["boat"])
    assert type(error) is SourceError
    assert len(searches) == 1


async def test_pauses_between_pages(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(150)
    started = time.monotonic()
    await run(engine, ["boat", "house"], per_prompt=150, pause_s=0.2)
    assert len(duckduckgo_server.asked) == 3
    assert time.monotonic() - started >= 0.4


class SlowEngine:
    """Answers when it is told to."""

    source = "slow"
    scope = ""

    def __init__(self):
        self.started = threading.Event()
        self.release = threading.Event()

    def search_page(self, query, page):
        self.started.set()
        self.release.wait(5)
        raise SourceError(f"nobody waits for page {page} of {query}")


async def test_cancelling_does_not_wait_for_the_answer():
    engine = SlowEngine()
    task = asyncio.create_task(run(engine, ["boat"]))
    await asyncio.to_thread(engine.started.wait, 5)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 1
    engine.release.set()
