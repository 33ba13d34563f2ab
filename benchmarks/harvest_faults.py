"""How much of its rate a harvest keeps when a fifth of the hosts is dead and others misbehave.

A hundred hosts, first all good; then 10 refuse connections, 10 take them and never answer, 10 drip
a byte a second, 5 answer 429 without and 5 with `Retry-After: 2`, and 60 are good. The lists have
the same length and drawn order; img2dataset gets the same with the same time limit::

    python benchmarks/harvest_faults.py --images photos --count 8000

Two rates, both of good pictures: until the last of them was sent (from the first request), and over
the whole command, whose end waits for the last time limits to run out. The longer the list, the
less that tail weighs; it is told in seconds.

But: img2dataset's limit holds for a single read, so a dripping host keeps a thread as long as it
drips. Its run is stopped when no good picture was asked for in five time limits, and it is run once
more with the dripping hosts left out of its list. Over HTTP, without names to look up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harvest import add_options, harvest, write_pictures
from img2dataset_peer import Peer
from loopback import Manner, Web, serving
from machine import Cost, describe_machine, print_figures

HEALTHY = "good=100"
FAULTY = "good=60,refuse=10,silent=10,drip=10,busy=5,busy-until=5"

_LATE = 5  # time limits without a good picture, until a program counts as stuck


@dataclass(frozen=True, slots=True)
class Run:
    """What one run made of a list with so many good pictures.

    Attributes:
        stored: good pictures, by its own account.
        sent: good pictures that the server sent.
        last_s: from the first request to the last good picture sent.
        whole_s: of the whole command.
        tail_s: from the last good picture sent to the end.
        was_stopped: because no good picture was asked for any more.
    """

    good: int
    stored: int
    sent: int
    last_s: float
    whole_s: float
    tail_s: float
    was_stopped: bool
    asked: dict[str, int]

    @property
    def rate_until_last(self) -> float:
        """Good pictures a second, until the last."""
        return self.sent / self.last_s

    @property
    def rate_of_whole(self) -> float:
        """Good pictures a second of the whole command."""
        return self.sent / self.whole_s


class Stuck:
    """Whether a program has stopped to get good pictures: a `stop_when` for `run_measured`."""

    def __init__(self, web: Web, patience_s: float) -> None:
        self._web = web
        self._patience_s = patience_s

    def __call__(self) -> bool:
        last: float | None = self._web.counts()["last_picture"]
        return last is not None and time.monotonic() - last > self._patience_s


def run_once(web: Web, good: int, run: Callable[[], tuple[Cost, int]]) -> Run:
    """Run a program once and ask the server what it saw of that."""
    web.reset()
    cost, stored = run()
    counts = web.counts()
    first, last = counts["first_request"], counts["last_picture"]
    if last is None:
        raise SystemExit("expected good pictures to be asked for, found that none was")
    return Run(
        good=good,
        stored=stored,
        sent=counts["asked"]["picture"],
        last_s=last - first,
        whole_s=cost.wall_s,
        tail_s=cost.started + cost.wall_s - last,
        was_stopped=cost.stopped_s is not None,
        asked=counts["asked"],
    )


def measure_side(
    options: argparse.Namespace, work: Path, served: Path, names: list[str], hosts: str
) -> dict[str, list[Run]]:
    """All programs, in turn, on one web."""
    runs: dict[str, list[Run]] = {}
    with serving(served, hosts) as web:
        listed = web.spread("http", names, options.seed)
        lists = {"": [url for url, _ in listed]}
        if Manner.DRIP in web.hosts["http"]:
            lists["_without_drip"] = [url for url, manner in listed if manner != Manner.DRIP]
        good = sum(manner == Manner.GOOD for _, manner in listed)
        ours = f"--timeout {options.timeout:g} {options.options}" if options.options else ""
        programs = {"whence": partial(harvest, work, lists[""], None, ours)}
        if options.peer_venv:
            peer = Peer(options.peer_venv, work)
            stuck = Stuck(web, _LATE * options.timeout)
            for name, addresses in lists.items():
                programs["img2dataset" + name] = partial(
                    peer.harvest, addresses, timeout_s=options.timeout, stop_when=stuck
                )
        for _ in range(options.rounds):
            for name, run in programs.items():
                runs.setdefault(name, []).append(run_once(web, good, run))
    return runs


def summarise_runs(runs: Sequence[Run]) -> dict[str, Any]:
    """The figures of one program on one web: those of its round in the middle."""
    run = sorted(runs, key=lambda run: run.rate_until_last)[len(runs) // 2]
    return {
        "good_pictures": run.good,
        "good_sent": run.sent,
        "good_stored": run.stored,
        "was_stopped": run.was_stopped,
        "good_per_s_until_last": round(run.rate_until_last, 1),
        "good_per_s_of_whole": round(run.rate_of_whole, 1),
        "last_good_s": round(run.last_s, 1),
        "whole_s": round(run.whole_s, 1),
        "tail_s": round(run.tail_s, 1),
        "asked": run.asked,
    }


def shares(healthy: Sequence[Run], faulty: Sequence[Run]) -> dict[str, float]:
    """Which share of the healthy rate is left, of medians."""
    rates: dict[str, Callable[[Run], float]] = {
        "until_last": lambda run: run.rate_until_last,
        "of_whole": lambda run: run.rate_of_whole,
    }
    return {
        name: round(statistics.median(map(of, faulty)) / statistics.median(map(of, healthy)), 3)
        for name, of in rates.items()
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        served = work / "served"
        served.mkdir()
        wanted = argparse.Namespace(**{**vars(options), "count": min(options.count, 3000)})
        pictures = write_pictures(served, wanted)
        # More addresses than pictures: the same again, in bytes of their own.
        names = [f"{i}/{pictures[i % len(pictures)]}" for i in range(options.count)]
        sides = {
            "healthy": measure_side(options, work, served, names, HEALTHY),
            "faulty": measure_side(options, work, served, names, FAULTY),
        }
    healthy, faulty = sides["healthy"], sides["faulty"]
    figures: dict[str, Any] = {"benchmark": "harvest_faults"}
    for side, runs in sides.items():
        figures[side] = {name: summarise_runs(found) for name, found in runs.items()}
    return figures | {
        "share_of_healthy_rate": {
            name: shares(healthy[name.partition("_")[0]], found) for name, found in faulty.items()
        },
        "addresses": options.count,
        "pictures": len(pictures),
        "hosts": {"healthy": HEALTHY, "faulty": FAULTY},
        "timeout_s": options.timeout,
        "options": options.options,
        "rounds": options.rounds,
        "seed": options.seed,
        "machine": machine,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_options(parser, count=8000, rounds=1)
    parser.add_argument(
        "--timeout", type=float, default=5.0, help="seconds that one download may take (5)"
    )
    options = parser.parse_args()
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
