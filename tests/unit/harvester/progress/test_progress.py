"""What a person, and a program, sees of a harvest while it runs."""

from __future__ import annotations

import io
import json
import threading
import time

import pytest
from rich.console import Console

from harvester.errors import InputError
from harvester.fetch.pace import HostPace
from harvester.progress.display import HarvestProgress, summarise
from harvester.progress.event_log import EventLog
from harvester.progress.snapshot import (
    describe_stop,
    duration,
    stage_lines,
    summary_line,
    take_snapshot,
)
from harvester.progress.tally import MAX_HOSTS, Outcome, Tally, Window
from harvester.schema import CLASSES, FetchStatus, class_of
from harvester.urls import host_of
from tests.support.patience import patient

ESCAPE = "\x1b]0;taken over\x07"


def outcome(status=FetchStatus.OK, *, url="https://a.example/1.jpg", new=True, **fields):
    is_ok = status is FetchStatus.OK
    fields = {"bytes": 1_000_000 if is_ok else 0, **fields}
    return Outcome(url, status, "id", is_new=new and is_ok, **fields)


def tally(*statuses: FetchStatus) -> Tally:
    counted = Tally()
    for status in statuses:
        counted.count(outcome(status))
    return counted


MIXED = (
    *[FetchStatus.OK] * 4,
    FetchStatus.DNS,
    FetchStatus.NOT_FOUND,
    FetchStatus.THROTTLED,
    FetchStatus.OPTED_OUT,
    FetchStatus.OPTED_OUT,
)


class Host:
    """As `pace.HostState` has them."""

    def __init__(self, host, latency_s=1.25, rest_s=0.0, *, is_dead=False):
        self.host, self.latency_s, self.rest_s, self.is_dead = host, latency_s, rest_s, is_dead
        self.active, self.waiting, self.failures = 2, 7, 0


# Counting


def test_every_failure_has_one_class_and_an_opt_out_one_of_its_own():
    assert set(CLASSES) == {"permanent", "transient", "throttled", "opted_out"}
    assert class_of(FetchStatus.OK) is None
    assert all(
        class_of(status) in CLASSES for status in FetchStatus if status is not FetchStatus.OK
    )
    counted = tally(*MIXED)
    assert counted.classes == {"permanent": 1, "transient": 1, "throttled": 1, "opted_out": 2}
    assert sum(counted.classes.values()) == counted.failed == 5


def test_new_known_and_merged_pictures_are_three_things():
    counted = Tally()
    counted.count(outcome())
    counted.count(outcome(new=False))
    counted.count(outcome(new=False, bytes=0))  # settled before: nothing was fetched
    counted.count(outcome(new=False, is_merged=True))
    assert (counted.new, counted.known, counted.merged, counted.fetched) == (1, 2, 1, 3)
    assert counted.record()["bytes"] == 3_000_000


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://A.Example:8443/x?y=z://w", "a.example"),
        ("http://user:pass@b.example/x@y", "b.example"),
        ("https://c.example?x", "c.example"),
        ("http://[::1]:80/x", "[::1]"),
        ("http://d.example\\@e.example/", "d.example"),
        ("file:folder/a.jpg", ""),
        ("no address", ""),
        ("https://" + "x" * 20_000, "x" * 253),
    ],
)
def test_hosts_are_told_from_addresses(url, host):
    assert host_of(url) == host


def test_the_worst_hosts_are_kept_whatever_the_number_of_hosts():
    counted = Tally()
    for number in range(10 * MAX_HOSTS):
        counted.count(outcome(FetchStatus.DNS, url=f"https://h{number}.example/"))
        if number % 10 == 0:
            counted.count(outcome(FetchStatus.TIMEOUT, url="https://worst.example/a"))
    assert len(counted.hosts) <= 2 * MAX_HOSTS
    assert counted.hosts.most_common(1) == [("worst.example", MAX_HOSTS)]
    assert counted.failed == 11 * MAX_HOSTS


def test_counting_an_outcome_costs_microseconds():
    outcomes = [
        outcome(MIXED[n % 9], url=f"https://h{n % 5000}.example/{n}") for n in range(20_000)
    ]
    counted = Tally()
    start = time.process_time()
    for one in outcomes:
        counted.count(one)
    assert (time.process_time() - start) / len(outcomes) < 20e-6  # 1.4 µs where nothing else runs


def test_a_rate_is_that_of_the_last_half_minute():
    """Ten a second for a minute, then nothing."""
    window = Window(0.0)
    for second in range(1, 61):
        window.note(float(second), 10 * second)
    assert window.rates(60.0, 600) == (pytest.approx(10),)
    [stalled] = window.rates(75.0, 600)
    assert stalled == pytest.approx(5, rel=0.1)
    assert window.rates(120.0, 600) == (0.0,)


def test_a_rate_before_the_window_is_full_counts_from_the_start():
    assert Window(100.0).rates(104.0, 20, 8) == (5, 2)


# Lines


def test_each_stage_has_its_line():
    facts = take_snapshot(tally(*MIXED), expected=90, per_s=2.0, hosts=[Host("slow.example")])
    stages = dict(stage_lines(facts))
    assert list(stages) == ["found", "fetched", "stored", "failed", "slowest"]
    assert stages["found"] == "9 of 90 done (10%), about 40 s left"
    assert "images/s" in stages["fetched"]
    assert "MB/s" in stages["fetched"]
    assert stages["stored"] == "4 new · 0 known"
    assert stages["failed"] == "5 (1 permanent, 2 opted out, 1 transient, 1 throttled)"
    assert stages["slowest"] == "slow.example 1.2 s"


def test_slow_hosts_are_three_and_cannot_act():
    hosts = [
        Host(f"evil{ESCAPE}\x1b[2J.example", None),
        Host("x" * 200 + ".paused.example", rest_s=61),
        Host("dead.example", is_dead=True),
        Host("fourth.example"),
    ]
    facts = take_snapshot(tally(*MIXED), hosts=hosts)
    slowest = dict(stage_lines(facts))["slowest"]
    assert slowest == (
        "evil.example silent · ….paused.example paused 1 min 1 s · dead.example dead"
    )
    assert "fourth" not in slowest
    assert "\x1b" not in summary_line(facts) + json.dumps(facts.record(), ensure_ascii=False)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (725, "12 min 5 s"),
        (12_000, "3 h 20 min"),
        (188_000, "2 d 4 h"),
    ],
)
def test_times_are_said_as_a_person_says_them(seconds, said):
    assert duration(seconds) == said


def test_what_a_stopped_harvest_leaves_is_told():
    facts = take_snapshot(tally(*MIXED), expected=1000)
    said = describe_stop(facts, "data/c")
    assert said == (
        "what was fetched is stored (4 new pictures in data/c), about 991 of 1,000 are left"
    )


# On a terminal, and elsewhere


@pytest.mark.parametrize("width", [40, 80])
def test_on_a_terminal_no_line_is_wider_than_it(width):
    out = io.StringIO()
    console = Console(file=out, width=width, height=24, force_terminal=True, color_system=None)
    hosts = [Host(f"{'x' * 60}{n}.example") for n in range(5)]
    with HarvestProgress(console, 90, hosts=lambda: hosts) as progress:
        progress.update(tally(*MIXED))
        shown = console.render_lines(progress._draw())
    assert len(shown) == 5
    for line in shown:
        assert sum(segment.cell_length for segment in line) <= width
    assert "found     9 of 90 done (10%)" in out.getvalue()


def test_elsewhere_there_is_a_line_now_and_then_even_when_nothing_ends(monkeypatch):
    monkeypatch.setattr("harvester.progress.display.PLAIN_EVERY_S", 0.05)
    monkeypatch.setattr("harvester.progress.display._LOOKED_EVERY_S", 0.02)
    out = io.StringIO()
    with HarvestProgress(Console(file=out, width=40), 90) as progress:
        progress.update(tally(*MIXED))
        deadline = time.monotonic() + patient(100)
        while out.getvalue().count("\n") < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    lines = out.getvalue().splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("9 found · 4 new · 0 known · 5 failed (") for line in lines[1:])
    assert "\x1b" not in out.getvalue()
    assert threading.active_count() == 1 or not any(
        thread.name == "progress" for thread in threading.enumerate()
    )


def test_the_real_pace_of_hosts_is_shown():
    with HarvestProgress(None, 9, hosts=HostPace().snapshot) as progress:
        progress.update(tally(*MIXED))
        assert progress.facts().hosts == ()


def test_hosts_that_change_while_they_are_looked_at_do_no_harm():
    def changing():
        raise RuntimeError("dictionary changed size during iteration")

    with HarvestProgress(None, 9, hosts=changing) as progress:
        assert progress.facts().hosts == ()


def test_the_end_names_the_worst_hosts():
    counted = tally(*MIXED)
    counted.count(outcome(FetchStatus.TLS, url=f"https://b{ESCAPE}.example/"))
    said = "\n".join(summarise(counted))
    assert "most failures: a.example 5, b.example 1" in said


# Events


def events(path):
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_events_tell_the_start_each_failure_the_progress_and_the_end(monkeypatch, tmp_path):
    monkeypatch.setattr("harvester.progress.display.PLAIN_EVERY_S", 0)
    path = tmp_path / "log.jsonl"
    log = EventLog(str(path))
    log.start({"out": tmp_path, "proxy": "http://user:secret@proxy.example:1", "max_side": 256})
    with HarvestProgress(None, 30, log=log) as progress:
        counted = Tally()
        for status in MIXED:
            one = outcome(
                status, error=f"bad{ESCAPE}\n\u202eworse \udcff", url="https://a.example/ü"
            )
            counted.count(one)
            progress.update(counted, one)
    start, *between, end = events(path)
    assert start["event"] == "start"
    assert start["settings"]["max_side"] == 256
    assert "secret" not in path.read_text()
    assert set(start["versions"]) >= {"whence", "python"}
    failed = [event for event in between if event["event"] == "failed"]
    assert [event["status"] for event in failed] == [str(s) for s in MIXED[4:]]
    assert failed[0] | {"at": ""} == {
        "event": "failed",
        "at": "",
        "url": "https://a.example/ü",
        "status": "dns",
        "failure": "transient",
        "error": "bad worse \ufffd",
    }
    told = [event for event in between if event["event"] == "progress"]
    assert told[-1]["failed"]["opted_out"] == 2
    assert (end["event"], end["how"], end["new"]) == ("end", "done", 4)


@pytest.mark.parametrize(
    ("error", "stopping", "how"),
    [
        (ValueError("a bug"), False, "failed"),
        (KeyboardInterrupt(), False, "stopped"),
        (None, True, "stopped"),
    ],
)
def test_the_last_event_says_how_it_ended(tmp_path, error, stopping, how):
    path = tmp_path / "log.jsonl"

    def run():
        log = EventLog(str(path))
        with HarvestProgress(None, log=log, is_stopping=lambda: stopping):
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(type(error)):
            run()
    [end] = events(path)
    assert end["how"] == how
    assert end["error"] == ("ValueError: a bug" if how == "failed" else None)


def test_a_later_run_adds_to_the_events_of_an_earlier_one(tmp_path):
    path = tmp_path / "log.jsonl"
    for _ in range(2):
        log = EventLog(str(path))
        log.start({})
        log.close()
    assert [event["event"] for event in events(path)] == ["start", "start"]


def test_events_go_to_standard_error_where_that_is_asked_for(capsys):
    log = EventLog("-")
    log.start({})
    log.close()
    assert json.loads(capsys.readouterr().err)["event"] == "start"


@pytest.mark.parametrize("target", [".", "no/such/folder/log", "a\0b"])
def test_a_log_that_cannot_be_opened_is_refused_at_once(target):
    with pytest.raises(InputError, match="give another --log-json"):
        EventLog(target)


def test_a_full_disk_ends_the_log_and_not_the_harvest(caplog):
    log = EventLog("/dev/full")
    log.start({})
    log.failed(outcome(FetchStatus.DNS))
    log.close()
    [record] = caplog.records
    assert "No space left" in record.getMessage()
