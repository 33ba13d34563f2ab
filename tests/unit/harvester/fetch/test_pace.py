"""The pace of a host: its limit follows its answers, its wishes hold, dead hosts cost nothing."""

from __future__ import annotations

import asyncio
import gc
import itertools

import pytest

from harvester.fetch.faults import FetchError
from harvester.fetch.host import Host, PaceLimits
from harvester.fetch.pace import HostPace, PaceRefusal, TurnOutcome
from harvester.schema import FetchStatus
from tests.support.patience import patient


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pace(clock):
    return HostPace(clock=clock)


async def ask(pace, verdict, *, host="a", latency_s=0.1, patience_s=1.0, **told):
    async with pace.turn(host, patience_s=patience_s) as turn:
        turn.start()
        if isinstance(pace._clock, Clock):
            pace._clock.now += latency_s
        turn.report(verdict, **told)


def state_of(pace, host="a"):
    return {**pace._used, **pace._idle}[host].host


async def most_at_once(pace, host, asked):
    under_way = most = 0

    async def use():
        nonlocal under_way, most
        async with pace.turn(host, patience_s=5):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    await asyncio.gather(*(use() for _ in range(asked)))
    return most


async def test_a_host_has_few_turns_and_others_do_not_wait_for_it(pace):
    assert await most_at_once(pace, "a", 20) == 4
    held = [pace.turn("a", patience_s=1) for _ in range(4)]
    for turn in held:
        await turn.__aenter__()
    async with asyncio.timeout(1), pace.turn("b", patience_s=1):
        assert len(pace._used) == 2
    for turn in held:
        await turn.__aexit__(None, None, None)
    assert not pace._used


async def test_turns_come_in_the_order_of_asking():
    pace = HostPace(PaceLimits(start=1))
    order = []

    async def use(n):
        async with pace.turn("a", patience_s=5):
            order.append(n)
            await asyncio.sleep(0)

    await asyncio.gather(*(use(n) for n in range(20)))
    assert order == list(range(20))


def test_good_answers_raise_the_limit_one_by_one_up_to_the_cap():
    host = Host(PaceLimits(), 4)
    limits = []
    for _ in range(4 + 5 + 6):
        host.active = host.limit - 1
        host.answer(0.1)
        limits.append(host.limit)
    assert limits == [4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7]
    for _ in range(500):
        host.active = host.limit - 1
        host.answer(0.1)
    assert host.limit == 16


def test_answers_that_are_not_near_the_best_lower_the_limit():
    host = Host(PaceLimits(), 8)
    host.active = 8
    host.answer(0.05)
    for _ in range(9):
        host.answer(1.0)
    assert host.limit == 7
    # But a host that has become slow for good is not held against what it once was.
    for _ in range(500):
        host.active = host.limit - 1
        host.answer(1.0)
    assert host.limit > 7


def test_a_limit_that_is_not_used_is_not_raised():
    host = Host(PaceLimits(), 4)
    for _ in range(100):
        host.answer(0.1)
    assert host.limit == 4


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (TurnOutcome.THROTTLED, {"retry_after_s": 0.01}),
        (TurnOutcome.FAILED, {"status": FetchStatus.TIMEOUT}),
    ],
)
async def test_throttling_and_time_outs_halve_the_limit_once_for_all_side_by_side(
    pace, clock, verdict, told
):
    async def use():
        async with pace.turn("a", patience_s=1) as turn:
            await asyncio.sleep(0)
            clock.now += 0.1
            turn.report(verdict, **told)

    await asyncio.gather(*(use() for _ in range(4)))
    assert state_of(pace).limit == 2
    clock.now += 1
    await ask(pace, verdict, **told)
    assert state_of(pace).limit == 1


async def test_the_pause_that_a_host_names_is_of_all_its_downloads(pace, clock):
    await ask(pace, TurnOutcome.THROTTLED, retry_after_s=60)
    with pytest.raises(PaceRefusal, match="wants 60 s of rest") as refused:
        await ask(pace, TurnOutcome.OK, patience_s=59)
    assert refused.value.status is FetchStatus.THROTTLED
    assert refused.value.retry_after_s == pytest.approx(60)
    assert isinstance(refused.value, FetchError)
    assert not refused.value.worth_another_try
    await ask(pace, TurnOutcome.OK, host="b")
    clock.now += 60
    await ask(pace, TurnOutcome.OK)


async def test_a_pause_that_the_caller_can_wait_is_waited_out():
    pace = HostPace()
    loop = asyncio.get_running_loop()
    await ask(pace, TurnOutcome.THROTTLED, retry_after_s=0.05)
    start = loop.time()
    await ask(pace, TurnOutcome.OK, patience_s=1)
    assert 0.04 <= loop.time() - start < 0.5


async def test_those_who_wait_are_told_at_once_of_a_pause_too_long_for_them():
    pace = HostPace(PaceLimits(start=1))
    async with pace.turn("a", patience_s=1) as turn:
        waiting = [asyncio.create_task(ask(pace, TurnOutcome.OK, patience_s=30)) for _ in range(3)]
        await asyncio.sleep(0)
        turn.report(TurnOutcome.THROTTLED, 3600)
    async with asyncio.timeout(1):
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [end.status for end in ends] == [FetchStatus.THROTTLED] * 3


async def test_without_a_named_pause_our_own_doubles_and_ends_with_a_good_answer(pace, clock):
    pauses = []
    for _ in range(12):
        await ask(pace, TurnOutcome.THROTTLED)
        pauses.append(round(state_of(pace).ready_at - clock.now))
        clock.now = state_of(pace).ready_at + 1
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    await ask(pace, TurnOutcome.OK)
    await ask(pace, TurnOutcome.THROTTLED)
    assert round(state_of(pace).ready_at - clock.now) == 1


async def test_an_endless_pause_is_of_a_day(pace, clock):
    await ask(pace, TurnOutcome.THROTTLED, retry_after_s=1e60)
    assert state_of(pace).ready_at - clock.now == 24 * 3600


async def test_an_interval_holds_requests_apart():
    pace = HostPace()
    loop = asyncio.get_running_loop()
    pace.space_out("a", 0.03)
    starts = []

    async def use():
        async with pace.turn("a", patience_s=patient(50)) as turn:
            starts.append(loop.time())
            turn.report(TurnOutcome.OK)

    await asyncio.gather(*(use() for _ in range(4)))
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert all(0.025 < gap < patient(3) for gap in gaps)


async def test_an_interval_is_capped_and_its_queue_is_no_longer_than_patience(pace):
    pace.space_out("a", 1e9)
    assert state_of(pace).interval_s == 30
    async with pace.turn("a", patience_s=1):
        pass
    with pytest.raises(PaceRefusal, match="30 s of rest"):
        await ask(pace, TurnOutcome.OK, patience_s=29)
    waiting = [asyncio.create_task(ask(pace, TurnOutcome.OK, patience_s=100)) for _ in range(5)]
    done, pending = await asyncio.wait(waiting, timeout=0.01)
    assert [task.exception().status for task in done] == [FetchStatus.THROTTLED] * 2
    for task in pending:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not pace._used


async def _kill(pace, status=FetchStatus.CONNECTION, times=5):
    for _ in range(times):
        await ask(pace, TurnOutcome.FAILED, status=status)


async def test_a_dead_host_is_left_alone_and_probed_by_one(pace, clock):
    await _kill(pace, FetchStatus.DNS)
    for _ in range(3):
        with pytest.raises(PaceRefusal, match="5 failures in a row of a") as refused:
            await ask(pace, TurnOutcome.OK, patience_s=1e9)
        assert refused.value.status is FetchStatus.DNS
    clock.now += 60
    async with pace.turn("a", patience_s=9) as probe:
        with pytest.raises(PaceRefusal):
            await ask(pace, TurnOutcome.OK, patience_s=1e9)
        probe.report(TurnOutcome.FAILED, status=FetchStatus.TIMEOUT)
    with pytest.raises(PaceRefusal) as refused:
        await ask(pace, TurnOutcome.OK)
    assert refused.value.status is FetchStatus.TIMEOUT
    clock.now += 60
    async with pace.turn("a", patience_s=9):
        pass  # given up: says nothing
    await ask(pace, TurnOutcome.REFUSED)
    await ask(pace, TurnOutcome.FAILED)
    await ask(pace, TurnOutcome.OK)


@pytest.mark.parametrize("good", [TurnOutcome.OK, TurnOutcome.REFUSED, TurnOutcome.THROTTLED])
async def test_any_answer_between_the_failures_keeps_a_host_alive(pace, clock, good):
    for _ in range(3):
        await _kill(pace, times=4)
        await ask(pace, good)
        clock.now += 1000
    await ask(pace, TurnOutcome.OK)


async def test_those_who_wait_for_a_host_that_dies_are_let_go():
    pace = HostPace(PaceLimits(start=1, failures=1))
    async with pace.turn("a", patience_s=1) as turn:
        waiting = [asyncio.create_task(ask(pace, TurnOutcome.OK, patience_s=60)) for _ in range(3)]
        await asyncio.sleep(0)
        turn.report(TurnOutcome.FAILED, status=FetchStatus.TLS)
    async with asyncio.timeout(1):
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [end.status for end in ends] == [FetchStatus.TLS] * 3
    assert not pace._used


async def test_standing_behind_others_is_no_rest_and_outlasts_patience():
    pace = HostPace(PaceLimits(start=1))
    async with pace.turn("a", patience_s=1):
        waiting = asyncio.create_task(ask(pace, TurnOutcome.OK, patience_s=0.01))
        await asyncio.sleep(0.03)
        assert not waiting.done()
    await waiting
    assert not pace._used


async def test_cancelled_waits_leak_nothing():
    pace = HostPace(PaceLimits(start=2))
    for round_ in range(50):
        holders = [pace.turn("a", patience_s=9) for _ in range(2)]
        for holder in holders:
            await holder.__aenter__()
        waiting = [asyncio.create_task(ask(pace, TurnOutcome.OK, patience_s=9)) for _ in range(6)]
        await asyncio.sleep(0)
        waiting[3].cancel()
        for holder in holders:
            await holder.__aexit__(None, None, None)
        # Two were granted in this moment and have not run yet.
        for task in waiting[round_ % 6 :]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not pace._used
        assert state_of(pace).active == 0
    gc.collect()


async def test_the_first_report_counts_and_an_error_inside_gives_the_turn_back(pace):
    with pytest.raises(ZeroDivisionError):
        async with pace.turn("a", patience_s=1) as turn:
            turn.report(TurnOutcome.OK)
            turn.report(TurnOutcome.THROTTLED, 60)
            raise ZeroDivisionError
    await ask(pace, TurnOutcome.OK)
    assert not pace._used


async def test_the_time_to_the_answer_is_measured_not_the_body(pace, clock):
    async with pace.turn("a", patience_s=1) as turn:
        clock.now += 7
        turn.start()
        clock.now += 0.25
        turn.answered()
        clock.now += 60
        turn.report(TurnOutcome.OK)
    assert turn.latency_s == pytest.approx(0.25)
    assert state_of(pace).mean_s == pytest.approx(0.25)


async def test_idle_hosts_are_forgotten_those_with_a_wish_last(clock):
    pace = HostPace(PaceLimits(max_hosts=10), clock=clock)
    await ask(pace, TurnOutcome.THROTTLED, host="wish", retry_after_s=9999)
    for n in range(100):
        await ask(pace, TurnOutcome.OK, host=str(n))
    assert len(pace) == 10
    with pytest.raises(PaceRefusal):
        await ask(pace, TurnOutcome.OK, host="wish")
    for n in range(100):
        await ask(pace, TurnOutcome.THROTTLED, host=f"t{n}", retry_after_s=9999)
    assert len(pace) <= 10


async def test_a_snapshot_shows_the_worst_first(pace):
    await ask(pace, TurnOutcome.OK, host="fine")
    await _kill(pace)
    await ask(pace, TurnOutcome.THROTTLED, host="wants rest", retry_after_s=60)
    async with (
        pace.turn("slow", patience_s=1) as slow,
        pace.turn("quick", patience_s=1) as quick,
    ):
        slow.report(TurnOutcome.OK)
        quick.report(TurnOutcome.OK)
        states = pace.snapshot()
    assert [state.host for state in states[:2]] == ["a", "wants rest"]
    assert {state.host for state in states[2:]} == {"slow", "quick"}
    assert states[0].is_dead
    assert states[0].failures == 5
    assert states[1].rest_s == pytest.approx(60)
    assert states[2].active == 1
    assert len(pace.snapshot(1)) == 1
