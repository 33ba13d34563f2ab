"""Which row of an address holds: one rule, and everybody who reads rows keeps to it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.dataset import shards
from harvester.dataset.precedence import RULE, rank_of
from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import SeenIndex
from harvester.maintenance.compaction import compact
from harvester.maintenance.latest_status import LatestStatuses
from harvester.pipeline.generations import _known_statuses
from harvester.schema import Candidate, FetchStatus, Generation, failed_id
from tests.support.checkout import ROOT

OK, OPTED_OUT = FetchStatus.OK, FetchStatus.OPTED_OUT
ADDRESSES = [f"https://example.org/{number}.jpg" for number in range(3)]
rows = st.lists(
    st.tuples(st.sampled_from(ADDRESSES), st.sampled_from([OK, OPTED_OUT, *FetchStatus])),
    max_size=9,
)
sizes = st.integers(1, 4)


def holding(ended: list[tuple[str, FetchStatus]]) -> dict[str, FetchStatus]:
    """The rule as its sentence has it: opt-outs for ever, pictures over failures, else the last."""
    held: dict[str, FetchStatus] = {}
    for url, status in ended:
        before = held.get(url)
        if before is OPTED_OUT or (before is OK and status is not OPTED_OUT):
            continue
        held[url] = status
    return held


def candidate(url: str, status: FetchStatus) -> Candidate:
    name = f"{ADDRESSES.index(url):064x}" if status is OK else failed_id(url)
    return Candidate(id=name, url=url, status=status)


def write(folder: Path, made: list[Candidate] | list[Generation], size: int, kind: type) -> None:
    with DatasetWriter(folder, kind) as store:
        for number, row in enumerate(made, 1):
            store.append(row)
            if number % size == 0:
                store.flush()


def indexed(folder: Path, state: Path) -> dict[str, FetchStatus]:
    with SeenIndex(folder, state) as index:
        ends = {url: index.latest(url) for url in ADDRESSES}
    return {url: end[1] for url, end in ends.items() if end is not None}


def counted(folder: Path, kind: type) -> dict[str, FetchStatus]:
    """By address, or by the id that stands for it."""
    with LatestStatuses(folder, kind) as latest:
        by_key = dict(latest.query("SELECT key, status FROM ended"))
    return {url: FetchStatus(by_key[hash(url)]) for url in ADDRESSES if hash(url) in by_key}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows, sizes)
def test_the_index_the_status_and_compaction_agree(ended, size):
    expected = holding(ended)
    with tempfile.TemporaryDirectory() as name:
        folder, scratch = Path(name) / "dataset", Path(name)
        write(folder, [candidate(*end) for end in ended], size, Candidate)
        assert indexed(folder, scratch / "before") == expected
        assert counted(folder, Candidate) == expected
        with SeenIndex(scratch / "nowhere") as learned:
            for end in ended:
                learned.add(candidate(*end))
            ends = {url: learned.latest(url) for url in expected}
            assert {url: end[1] for url, end in ends.items() if end} == expected
        if not ended:
            return
        compact(folder)
        assert indexed(folder, scratch / "after") == expected
        assert counted(folder, Candidate) == expected
        left = {(row.url, row.status) for row in shards.rows(folder, Candidate)}
        assert expected.items() <= left
        assert left - expected.items() <= {(url, OK) for url in ADDRESSES}  # a picture stays


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows, sizes)
def test_so_do_those_who_read_generations(ended, size):
    expected = holding(ended)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [Generation(id=url, prompt="", raw_content="", status=end) for url, end in ended]
        write(folder, made, size, Generation)
        with DatasetWriter(folder, Generation) as store:
            assert _known_statuses(store) == expected
        assert counted(folder, Generation) == expected
        if ended:
            compact(folder)
            left = [(row.id, row.status) for row in shards.rows(folder, Generation)]
            assert sorted(left) == sorted(expected.items())


def test_failures_are_of_one_rank():
    assert {status for status in FetchStatus if rank_of(status)} == {OK, OPTED_OUT}


def test_the_documentation_tells_the_rule():
    assert RULE in (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
