"""What a second node brings: `harvest urls --engine ray` on a cluster of one node and of two.

Every node is a real one of Ray on this machine, with one core that its processes are bound to; the
head has none to work with. Large JPEG files, made here, come from a server on loopback and are
reduced to 256 pixels, so that decoding is most of the work. Both clusters take the same list, in
turn, each started anew; counted is one harvest, from the connection to the cluster on, and
besides the rate from the first picture asked for, which leaves out how long workers take to start::

    python benchmarks/harvest_ray.py --count 2400 --rounds 3

But: the server and the one writer need a processor as well. On fewer than four cores they share
those of the nodes, which costs two nodes more than one; `cores_apart` tells, and `writer_cpu_ms`
and `server_cpu_ms` are what a picture takes beside the nodes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import ray
from loopback import Web, serving
from machine import describe_machine, print_figures, summarise
from pictures import make_pictures
from ray.cluster_utils import Cluster

from harvester.api.harvest import harvest_found
from harvester.cli.console import run_loop
from harvester.consent.signals import ConsentPolicy
from harvester.fetch.settings import Network
from harvester.pictures.decode import encode_jpeg
from harvester.pipeline.run import EngineName, Plan
from harvester.schema import FetchStatus, Finding

HOSTS = 32
NODES = (1, 2)
FILES = 16
"""Different pictures; an address serves one of them, in bytes of its own."""

_HEIGHT, _WIDTH, _QUALITY = 1800, 2400, 82
_MAX_SIDE = 256
_SETTLE_S = 5.0
"""After a node is there its agents still start, on its core."""


@dataclass(frozen=True, slots=True)
class Round:
    """One harvest; seconds.

    Attributes:
        start_s: of the cluster, before the harvest.
        whole_s: of the harvest, with connecting and the start of workers.
        serving_s: from the first picture asked for to the end.
        writer_cpu_s, server_cpu_s: used beside the nodes.
    """

    start_s: float
    whole_s: float
    serving_s: float
    writer_cpu_s: float
    server_cpu_s: float


def write_pictures(folder: Path, count: int, seed: int) -> list[str]:
    """Write so many JPEG files of 2,400 by 1,800 pixels; returns their names."""
    names = []
    made = make_pictures(count, seed, height=_HEIGHT // 2, width=_WIDTH // 2)
    for number, picture in enumerate(made):
        large = cv2.resize(picture, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
        names.append(f"{number}.jpg")
        (folder / names[-1]).write_bytes(encode_jpeg(np.asarray(large, np.uint8), quality=_QUALITY))
    return names


@contextmanager
def bound_to(cores: Sequence[int]) -> Iterator[None]:
    """What this thread starts within the block stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def cluster_of(nodes: int, cores: Sequence[int]) -> Iterator[str]:
    """A cluster of so many nodes, each on one of the cores; gives its address."""
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for core in cores[:nodes]:
            with bound_to([core]):
                cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def harvest(web: Web, urls: Sequence[str], nodes: int, cores: Sequence[int]) -> Round:
    """One harvest on a cluster of so many nodes, into a dataset that is thrown away."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, cluster_of(nodes, cores) as address:
        started = time.monotonic()
        time.sleep(_SETTLE_S)
        plan = Plan(
            network=Network(allow_private=True, policy=ConsentPolicy.STRICT),
            max_side=_MAX_SIDE,
            merge_near=False,
            engine=EngineName.RAY,
            address=address,
        )
        found = (Finding(url=url, source="urls", rank=rank) for rank, url in enumerate(urls, 1))
        web.reset()
        begun, writer_cpu_s = time.monotonic(), time.process_time()
        tally = run_loop(harvest_found(found, Path(folder), plan).run())
        end, writer_cpu_s = time.monotonic(), time.process_time() - writer_cpu_s
        counts = web.counts()
    if tally.statuses != {FetchStatus.OK: len(urls)}:
        raise SystemExit(f"expected {len(urls)} pictures stored, found {dict(tally.statuses)}")
    serving_s = end - counts["first_picture"]
    return Round(started - start, end - begun, serving_s, writer_cpu_s, counts["cpu_s"])


def describe(rounds: Sequence[Round], count: int) -> dict[str, Any]:
    """The figures of one cluster."""
    return {
        "pictures_per_s": summarise([count / one.serving_s for one in rounds]),
        "pictures_per_s_with_start": summarise([count / one.whole_s for one in rounds]),
        "cluster_start_s": summarise([one.start_s for one in rounds]),
        "writer_cpu_ms": summarise([1000 * one.writer_cpu_s / count for one in rounds], 2),
        "server_cpu_ms": summarise([1000 * one.server_cpu_s / count for one in rounds], 2),
    }


def ratio_of(rounds: Mapping[int, Sequence[Round]], name: str) -> float:
    """How much faster two nodes are than one, by the medians."""
    one, two = (statistics.median(getattr(each, name) for each in rounds[n]) for n in NODES)
    return float(round(one / two, 2))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(NODES):
        raise SystemExit(f"expected {len(NODES)} cores, found {len(cores)}")
    cores_apart = len(cores) >= 2 * len(NODES)
    others = cores[len(NODES) :] if cores_apart else cores
    rounds: dict[int, list[Round]] = {nodes: [] for nodes in NODES}
    with bound_to(others), tempfile.TemporaryDirectory() as folder:
        served = Path(folder)
        names = write_pictures(served, min(FILES, options.count), options.seed)
        sizes = [(served / name).stat().st_size for name in names]
        numbered = [f"{number}/{names[number % len(names)]}" for number in range(options.count)]
        with serving(served, f"good={HOSTS}") as web:
            urls = [url for url, _ in web.spread("http", numbered, options.seed)]
            for number in range(options.rounds):
                for nodes in NODES if number % 2 == 0 else reversed(NODES):
                    rounds[nodes].append(harvest(web, urls, nodes, cores))
    return {
        "benchmark": "harvest_ray",
        "one_node": describe(rounds[1], options.count),
        "two_nodes": describe(rounds[2], options.count),
        "ratio": ratio_of(rounds, "serving_s"),
        "ratio_with_start": ratio_of(rounds, "whole_s"),
        "cores_apart": cores_apart,
        "count": options.count,
        "rounds": options.rounds,
        "seed": options.seed,
        "picture": f"{_WIDTH}x{_HEIGHT}",
        "mean_kb": round(statistics.mean(sizes) / 1000),
        "ray": ray.__version__,
        "machine": machine,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--count", type=int, default=2400, help="addresses; a multiple of 800 keeps all busy (2400)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="harvests of each cluster (3)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the pictures (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="100 addresses, one round")
    options = parser.parse_args()
    if options.quick:
        options.count, options.rounds = 100, 1
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
