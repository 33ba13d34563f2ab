"""The engine on a real Ray cluster of two nodes, one of which is killed in mid-run."""

from __future__ import annotations

import asyncio
import io
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harvester.consent.signals import ConsentPolicy
from harvester.dataset import shards
from harvester.errors import SourceError
from harvester.fetch.download import FetchLimits
from harvester.fetch.settings import Network
from harvester.pipeline import run
from harvester.progress.tally import Tally
from harvester.schema import Candidate, FetchStatus, Finding

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")

PICTURES = 2000
NETWORK = Network(
    allow_private=True,
    policy=ConsentPolicy.STRICT,
    limits=FetchLimits(deadline_s=20.0, attempts=2, pause_s=0.01),
)


def noise(number: int) -> bytes:
    """A small picture like no other."""
    pixels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((96, 96)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@pytest.fixture
def addresses(fault_server) -> list[str]:
    """Pictures, among them a few that are missing, refused or no pictures at all."""
    found = []
    for number in range(PICTURES):
        path = f"/ray/{number}.jpg"
        found.append(fault_server.url(path))
        if number % 50:
            fault_server.serve(path, noise(number))
    found += [fault_server.url(path) for path in ("/noai", "/html-as-jpg", "/403")]
    return found


@pytest.fixture
def cluster():
    """Two nodes of one core each."""
    # A node of Ray's takes SIGTERM for itself, and leaves it so.
    before = signal.getsignal(signal.SIGTERM)
    started = cluster_utils.Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    started.add_node(num_cpus=1)
    started.wait_for_nodes()
    yield started
    ray.shutdown()
    started.shutdown()
    signal.signal(signal.SIGTERM, before)


def harvest(folder: Path, addresses: list[str], on_outcome=lambda *_: None, **plan) -> Tally:
    found = (Finding(url=url, source="test", rank=n) for n, url in enumerate(addresses, 1))
    plan = run.Plan(network=NETWORK, merge_near=False, max_side=64, **plan)

    async def follow() -> Tally:
        tally = Tally()
        async for outcome in run.run_found(found, folder, plan, tally):
            on_outcome(tally, outcome)
        return tally

    return asyncio.run(follow())


def told(folder: Path) -> list[tuple]:
    """Every row, but for when it was fetched."""
    return sorted(
        (row.url, row.id, str(row.status), row.phash or "", row.image or b"", row.rights, row.rank)
        for row in shards.rows(folder, Candidate)
    )


def test_two_nodes_give_what_one_machine_gives_though_one_is_killed(tmp_path, addresses, cluster):
    local = harvest(tmp_path / "local", addresses)
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    killed: list[int] = []

    def kill_one(tally: Tally, _) -> None:
        if not killed and tally.done >= PICTURES // 4:
            killed.append(tally.done)
            cluster.remove_node(node, allow_graceful=False)

    spread = harvest(
        tmp_path / "ray",
        addresses,
        kill_one,
        engine=run.EngineName.RAY,
        address=cluster.address,
    )
    assert killed
    assert spread.statuses == local.statuses
    assert spread.statuses[FetchStatus.OK] == PICTURES - PICTURES // 50
    assert told(tmp_path / "ray") == told(tmp_path / "local")


def test_a_cluster_that_is_not_there_is_said_in_one_line(tmp_path, fault_server):
    with pytest.raises(SourceError, match=r"expected a cluster at 127\.0\.0\.1:1"):
        harvest(
            tmp_path,
            [fault_server.url("/ok.jpg")],
            engine=run.EngineName.RAY,
            address="127.0.0.1:1",
        )
