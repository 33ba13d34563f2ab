"""Runs over many prompts, by the real ddgs client against an offline DuckDuckGo on 127.0.0.1."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

import pytest

from harvester.errors import InputError, RateLimitedError, SourceChangedError, SourceError
from harvester.schema import Finding, SearchStatus
from harvester.search.budget import Budget
from harvester.search.commons import Commons
from harvester.search.duckduckgo import DuckDuckGo
from harvester.search.federated import EngineRun, search_sources
from harvester.search.json_api import open_api_client
from harvester.search.openverse import Openverse
from harvester.search.session import Backoff, Page, search_prompts
from tests.support.patience import patient
from tests.support.servers.offline_commons import OfflineCommons, file
from tests.support.servers.offline_openverse import OfflineOpenverse

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
        self.answered = False

    def search_page(self, query, page):
        self.started.set()
        self.answered = self.release.wait(patient(60))
        raise SourceError(f"nobody waits for page {page} of {query}")


async def test_cancelling_does_not_wait_for_the_answer():
    engine = SlowEngine()
    task = asyncio.create_task(run(engine, ["boat"]))
    await asyncio.to_thread(engine.started.wait, patient(60))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not engine.answered
    engine.release.set()


@pytest.fixture
def openverse_server():
    with OfflineOpenverse() as server:
        yield server


@pytest.fixture
def commons_server():
    with OfflineCommons() as server:
        yield server


@pytest.fixture
def client():
    with open_api_client(timeout_s=2) as client:
        yield client


@pytest.fixture
def openverse(openverse_server, client):
    return Openverse(client, base_url=openverse_server.base_url)


@pytest.fixture
def commons(commons_server, client):
    return Commons(client, base_url=commons_server.base_url)


@pytest.fixture
def all_have_boats(duckduckgo_server, openverse_server, commons_server):
    duckduckgo_server.results["boat"] = addresses(120, "ddg")
    openverse_server.results["boat"] = [{"url": url} for url in addresses(120, "openverse")]
    commons_server.files["boat"] = [file(f"Boat {number}.jpg") for number in range(120)]


async def run_all(engines, prompts, *, per_prompt=30, done=None, pauses=None):
    """What a run of several engines finds and reports, what it tells, and the error it ends in."""
    events, stopped, error = [], {}, None
    stream = search_sources(
        prompts,
        [
            EngineRun(
                engine=engine,
                done=(done or {}).get(engine.source, {}),
                pause_s=(pauses or {}).get(engine.source, 0.0),
            )
            for engine in engines
        ],
        per_prompt=per_prompt,
        on_search=events.append,
        on_stop=stopped.__setitem__,
        backoff=QUICK,
    )
    try:
        async for finding in stream:
            events.append(finding)  # noqa: PERF401 - what came before an error counts
    except SourceError as exc:
        error = exc
    found = [event for event in events if isinstance(event, Finding)]
    searches = [event for event in events if not isinstance(event, Finding)]
    return found, {search.source: search for search in searches}, stopped, error, events


@pytest.mark.usefixtures("all_have_boats")
async def test_several_engines_search_in_one_run(engine, openverse, commons):
    found, searches, stopped, error, _ = await run_all([engine, openverse, commons], ["boat"])
    assert (stopped, error) == ({}, None)
    assert {name: search.found for name, search in searches.items()} == {
        "ddg": 30,
        "openverse": 30,
        "commons": 30,
    }
    assert {search.status for search in searches.values()} == {SearchStatus.OK}
    for source in searches:
        ranks = [finding.rank for finding in found if finding.source == source]
        assert ranks == list(range(1, 31))


class Meeting:
    """An engine whose every page waits until another engine is asked for one, too."""

    scope, pause_s = "", 0.0

    def __init__(self, source: str, both: threading.Barrier) -> None:
        self.source, self._both = source, both

    def search_page(self, query: str, page: int) -> Page:
        del query
        self._both.wait(10)
        names = [f"https://{self.source}.example/{page}-{n}.jpg" for n in range(3)]
        return Page([{"image": name} for name in names], is_last=page == 4)


async def test_several_engines_are_asked_side_by_side():
    """However many an engine has at once, another is not kept waiting behind them."""
    both = threading.Barrier(2)
    found, *_ = await run_all([Meeting("a", both), Meeting("b", both)], ["boat"], per_prompt=12)
    assert Counter(finding.source for finding in found) == {"a": 12, "b": 12}


@pytest.mark.usefixtures("all_have_boats")
async def test_a_search_of_several_is_reported_after_its_own_findings(openverse, commons):
    *_, events = await run_all([openverse, commons], ["boat"])
    for source in ("openverse", "commons"):
        own = [isinstance(event, Finding) for event in events if event.source == source]
        assert own == [True] * 30 + [False]


@pytest.mark.usefixtures("all_have_boats")
async def test_one_blocked_engine_does_not_stop_the_others(
    engine, openverse, commons, openverse_server
):
    openverse_server.faults.append("429 84923")
    found, searches, stopped, error, _ = await run_all([engine, openverse, commons], ["boat", "x"])
    assert error is None
    assert searches["openverse"].status is SearchStatus.BLOCKED
    assert list(stopped) == ["openverse"]
    assert "Request was throttled" in str(stopped["openverse"])
    assert {finding.source for finding in found} == {"ddg", "commons"}
    assert len(found) == 60
    assert len(openverse_server.asked) == 1


@pytest.fixture
def all_are_blocked(duckduckgo_server, openverse_server, commons_server):
    duckduckgo_server.faults.extend(["403"] * 9)
    openverse_server.faults.append("429 84923")
    commons_server.faults.append("429 200")


@pytest.mark.usefixtures("all_are_blocked")
async def test_a_run_fails_where_every_engine_does(engine, openverse, commons):
    _, searches, stopped, error, _ = await run_all([engine, openverse, commons], ["boat"])
    assert type(error) is RateLimitedError
    assert error.retry_after_s == 200
    assert all(name in str(error) for name in ("duckduckgo.com:", "openverse:", "commons:"))
    assert len(stopped) == 3
    assert {search.status for search in searches.values()} == {SearchStatus.BLOCKED}


async def test_a_run_whose_engines_fail_otherwise_fails_as_a_source(
    openverse, commons, openverse_server, commons_server
):
    openverse_server.faults.append("list")
    commons_server.faults.append("429 200")
    *_, error, _ = await run_all([openverse, commons], ["boat"])
    assert type(error) is SourceError


async def test_the_error_of_one_engine_alone_is_the_run_s(openverse, openverse_server):
    openverse_server.faults.append("list")
    _, _, stopped, error, _ = await run_all([openverse], ["boat"])
    assert isinstance(error, SourceChangedError)
    assert stopped == {"openverse": error}


@pytest.mark.usefixtures("all_have_boats")
async def test_each_engine_keeps_its_own_pace(openverse, commons, openverse_server, commons_server):
    started = time.monotonic()
    await run_all([openverse, commons], ["boat"], per_prompt=60, pauses={"openverse": 0.3})
    assert len(openverse_server.asked) == 3
    assert len(commons_server.asked) == 2
    # At the pace that others are given unless told, it would be far longer.
    assert 0.6 <= time.monotonic() - started < patient(50)


@pytest.mark.usefixtures("all_have_boats")
async def test_what_one_engine_has_done_is_done_for_it_alone(openverse, commons, openverse_server):
    done = {"openverse": {("boat", "boat"): 30}}
    found, searches, *_ = await run_all([openverse, commons], ["boat"], done=done)
    assert list(searches) == ["commons"]
    assert len(found) == 30
    assert openverse_server.asked == []


async def test_a_spent_budget_leaves_its_searches_open(
    openverse_server, commons_server, client, tmp_path
):
    names = ["boat", "house", "tree"]
    openverse_server.results.update(
        {name: [{"url": f"https://a.example/{name}"}] for name in names}
    )
    commons_server.files.update({name: [file(f"{name}.jpg")] for name in names})
    budget = Budget(tmp_path / "budget.json", {"openverse": 2})
    engines = [
        Openverse(
            client,
            base_url=openverse_server.base_url,
            before_request=lambda: budget.spend("openverse"),
        ),
        Commons(client, base_url=commons_server.base_url),
    ]
    found, searches, stopped, error, _ = await run_all(engines, names)
    assert error is None
    assert "--budget openverse=N" in str(stopped["openverse"])
    assert searches["openverse"].query == "tree"
    assert searches["openverse"].status is SearchStatus.BLOCKED
    assert len(openverse_server.asked) == 2
    assert len(found) == 5


async def test_no_place_to_count_requests_in_ends_the_run_at_once(openverse, commons, tmp_path):
    (tmp_path / "file").write_text("")
    budget = Budget(tmp_path / "file" / "budget.json", {"openverse": 2})
    openverse._before_request = lambda: budget.spend("openverse")
    with pytest.raises(InputError, match="WHENCE_BUDGET_FILE"):
        await run_all([openverse, commons], ["boat"])


async def test_duckduckgo_counts_the_requests_of_its_token_too(duckduckgo_server):
    duckduckgo_server.results["boat"] = addresses(2)
    told = []
    engine = DuckDuckGo(
        proxy=duckduckgo_server.proxy_url,
        verify=str(duckduckgo_server.ca_pem),
        before_request=lambda: told.append(1),
    )
    await run(engine, ["boat"])
    assert len(told) == sum(duckduckgo_server.hits.values()) == 2


class EndlessEngine:
    """Has always more, and says how often it was asked."""

    scope = ""

    def __init__(self, source):
        self.source = source
        self.pages = 0

    def search_page(self, _, page):
        self.pages += 1
        urls = addresses(10, f"{self.source}{page}-")
        return Page(rows=[{"image": url} for url in urls], is_last=False)


async def test_engines_wait_for_those_who_take_what_they_find():
    engines = [EndlessEngine("one"), EndlessEngine("two")]
    stream = search_sources(
        ["boat"],
        [EngineRun(engine=engine, done={}, pause_s=0.0) for engine in engines],
        per_prompt=1000,
        on_search=lambda _: None,
        on_stop=lambda *_: None,
    )
    taken = {(await anext(stream)).source for _ in range(40)}
    await asyncio.sleep(0.1)
    assert taken == {"one", "two"}
    assert all(engine.pages <= 8 for engine in engines)
    await stream.aclose()


async def test_cancelling_several_does_not_wait_for_their_answers(openverse):
    slow = SlowEngine()
    task = asyncio.create_task(run_all([slow, openverse], ["boat"]))
    await asyncio.to_thread(slow.started.wait, patient(60))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not slow.answered
    slow.release.set()
