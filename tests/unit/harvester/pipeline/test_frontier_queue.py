"""Findings set aside: by host, in order, none lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvester.pipeline.frontier import SpillQueue
from harvester.schema import Finding


def finding(host: str, number: int) -> Finding:
    return Finding(url=f"https://{host}/{number}", source="test", rank=number, title="Ω")


def test_findings_come_back_by_host_and_in_order():
    with SpillQueue() as aside:
        for number in range(5):
            aside.put("a", finding("a", number))
            aside.put("b", finding("b", number))
        assert len(aside) == 10
        assert aside.take("a", 2) == [finding("a", 0), finding("a", 1)]
        assert aside.take("a", 9) == [finding("a", number) for number in (2, 3, 4)]
        assert aside.take("a", 9) == aside.take("c", 9) == []
        assert (len(aside), aside.hosts, aside.holds("a")) == (5, ["b"], False)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=60))
def test_whatever_is_put_is_taken_once(steps):
    """Each step puts one finding of a host and takes some of them."""
    put, taken = [], []
    with SpillQueue() as aside:
        for number, (host, most) in enumerate(steps):
            aside.put(host, finding(host, number))
            put.append(finding(host, number))
            taken += aside.take(host, most)
        for host in aside.hosts:
            taken += aside.take(host, 1000)
        assert len(aside) == 0
    assert sorted(taken, key=lambda one: one.rank) == put
