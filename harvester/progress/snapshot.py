"""This is a snapshot of a harvest's progress, by stage: as lines, and as a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harvester.progress.tally import Tally
from harvester.sanitize import clean

if TYPE_CHECKING:
    from harvester.dataset.storage import Location
    from harvester.fetch.pace import HostState


SHOWN_HOSTS = 3
_LONGEST_HOST = 16  # characters of a host's name, so that three of them stand on a line
Hosts = Callable[[], "Sequence[HostState]"]
"""How the hosts are doing, the slowest first; `pace.HostPace.snapshot` is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How far a harvest is at one moment.

    Attributes:
        found: addresses that the source has named; `readers.counts`: how many it will, where known.
        done: of those, how many have ended; counted as `readers.counts` is.
        fetched: pictures that came in; `images_per_s` and `bytes_per_s` over the last half minute.
        failed: by class; each class is there.
        left_s: seconds left at the pace of the last half minute, where that can be told.
        hosts: the slowest few.
    """

    found: int
    expected: int | None
    done: int
    fetched: int
    images_per_s: float
    bytes_per_s: float
    bytes: int
    new: int
    known: int
    merged: int
    failed: Mapping[str, int]
    left_s: float | None
    hosts: tuple[HostState, ...] = ()

    def record(self) -> dict[str, Any]:
        """For `--log-json`."""
        return {
            "found": self.found,
            "expected": self.expected,
            "done": self.done,
            "fetched": self.fetched,
            "images_per_s": round(self.images_per_s, 2),
            "mb_per_s": round(self.bytes_per_s / 1e6, 3),
            "bytes": self.bytes,
            "new": self.new,
            "known": self.known,
            "merged": self.merged,
            "failed": dict(self.failed),
            "left_s": None if self.left_s is None else round(self.left_s),
            "hosts": [
                {
                    "host": clean(state.host),
                    "in_flight": state.active,
                    "waiting": state.waiting,
                    "failures": state.failures,
                    "latency_s": None if state.latency_s is None else round(state.latency_s, 3),
                    "paused_s": round(state.rest_s, 1),
                    "is_dead": state.is_dead,
                }
                for state in self.hosts
            ],
        }


def take_snapshot(
    tally: Tally,
    *,
    expected: int | None = None,
    position: int | None = None,
    per_s: float = 0.0,
    hosts: Sequence[HostState] = (),
) -> Snapshot:
    """The facts of this moment.

    Args:
        tally: as far as it is.
        expected: how much there is to do; None where nobody knows.
        position: how much of that is done; the findings that have ended, unless given.
        per_s: how fast `position` grows, for the time left.
        hosts: the slowest first.
    """
    done = tally.done if position is None else position
    images_per_s, bytes_per_s = tally.rates()
    return Snapshot(
        found=max(tally.found, tally.done),
        expected=expected,
        done=done,
        fetched=tally.fetched,
        images_per_s=images_per_s,
        bytes_per_s=bytes_per_s,
        bytes=tally.bytes,
        new=tally.new,
        known=tally.known,
        merged=tally.merged,
        failed=tally.classes,
        left_s=max(0, expected - done) / per_s if expected and per_s > 0 else None,
        hosts=tuple(hosts[:SHOWN_HOSTS]),
    )


def stage_lines(facts: Snapshot) -> tuple[tuple[str, str], ...]:
    """Each stage's name and how far it is, in the order that a picture goes through them."""
    found = f"{facts.found:,}"
    if facts.expected:
        share = min(1.0, facts.done / facts.expected)
        found = f"{facts.done:,} of {facts.expected:,} done ({share:.0%}){_left(facts)}"
    stages = [
        ("found", found),
        ("fetched", f"{facts.fetched:,} · {_speed(facts)} · {facts.bytes / 1e6:,.1f} MB"),
        ("stored", _stored(facts)),
        ("failed", _failures(facts)),
    ]
    if facts.hosts:
        stages.append(
            ("slowest", " · ".join(_describe_host(one, _LONGEST_HOST) for one in facts.hosts))
        )
    return tuple(stages)


def summary_line(facts: Snapshot) -> str:
    """The same facts in one line, for a log."""
    of = f": {facts.done:,} of {facts.expected:,}{_left(facts)}" if facts.expected else ""
    slowest = "; ".join(_describe_host(one, 3 * _LONGEST_HOST) for one in facts.hosts)
    return (
        f"{facts.found:,} found · {_stored(facts)} · "
        f"{_failures(facts, ' failed')} · {_speed(facts)} · {facts.bytes / 1e6:,.1f} MB{of}"
        + (f"; slowest: {slowest}" if slowest else "")
    )


def describe_stop(facts: Snapshot, out: Location | None = None) -> str:
    """What a harvest that was stopped leaves behind."""
    where = f" in {out}" if out is not None else ""
    left = max(0, facts.expected - facts.done) if facts.expected else 0
    rest = f", about {left:,} of {facts.expected:,} are left" if left else ""
    stored = f"{facts.new:,} new picture{'' if facts.new == 1 else 's'}{where}"
    return f"what was fetched is stored ({stored}){rest}"


def duration(seconds: float) -> str:
    """A time as a person says it: `45 s`, `12 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
    whole = round(seconds)
    for size, name, below, below_name in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size:,} {name}" + (f" {rest} {below_name}" if rest else "")
    return f"{whole} s"


def _left(facts: Snapshot) -> str:
    return "" if facts.left_s is None else f", about {duration(facts.left_s)} left"


def _stored(facts: Snapshot) -> str:
    merged = f" · {facts.merged:,} near-duplicates" if facts.merged else ""
    return f"{facts.new:,} new · {facts.known:,} known{merged}"


def _speed(facts: Snapshot) -> str:
    return f"{facts.images_per_s:,.1f} images/s · {facts.bytes_per_s / 1e6:,.1f} MB/s"


def _failures(facts: Snapshot, what: str = "") -> str:
    total = sum(facts.failed.values())
    parts = [f"{count:,} {name.replace('_', ' ')}" for name, count in facts.failed.items() if count]
    return f"{total:,}{what}" + (f" ({', '.join(parts)})" if parts else "")


def _describe_host(state: HostState, longest: int) -> str:
    name = clean(state.host)
    if len(name) > longest:
        name = "…" + name[1 - longest :]  # the end of a name tells whose it is
    if state.is_dead:
        return f"{name} dead"
    if state.rest_s >= 1:
        return f"{name} paused {duration(state.rest_s)}"
    if state.latency_s is None:
        return f"{name} silent"
    return f"{name} {state.latency_s:,.1f} s"
