"""The Parquet contract: what is written is what is read, whatever the rows hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.dataset.arrow import KINDS, check_file_schema, file_schema, from_table, to_table
from harvester.schema import (
    Candidate,
    FailureClass,
    FetchStatus,
    Finding,
    Generation,
    Parameter,
    Reference,
    ReferenceRole,
    Search,
    SearchStatus,
    WeightedText,
    failed_id,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
maybe = st.none() | texts
instants = st.none() | st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)
)
small = st.none() | st.integers(0, 2**31 - 1)
pictures = st.none() | st.binary(max_size=64)

generations = st.builds(
    Generation,
    id=texts,
    prompt=texts,
    raw_content=texts,
    parameters=st.lists(st.builds(Parameter, texts, texts), max_size=3).map(tuple),
    weights=st.lists(
        st.builds(WeightedText, texts, st.floats(-9, 9, allow_nan=False)), max_size=3
    ).map(tuple),
    negatives=st.lists(texts, max_size=3).map(tuple),
    references=st.lists(
        st.builds(Reference, texts, st.sampled_from(ReferenceRole)), max_size=3
    ).map(tuple),
    tile=st.none() | st.integers(1, 4),
    author=maybe,
    created_at=instants,
    width=small,
    image=pictures,
    status=st.sampled_from(FetchStatus),
    error=maybe,
)
candidates = st.builds(
    Candidate,
    id=texts,
    url=texts,
    title=maybe,
    rights=st.lists(texts, max_size=3).map(tuple),
    bytes=small,
    rank=small,
    pdq_quality=st.none() | st.integers(0, 100),
    fetched_at=instants,
    image=pictures,
    status=st.sampled_from(FetchStatus),
)
findings = st.builds(Finding, url=texts, source=texts, title=maybe, rank=small, found_at=instants)
searches = st.builds(
    Search,
    query_prompt=texts,
    query=texts,
    source=texts,
    status=st.sampled_from(SearchStatus),
    found=st.integers(0, 2**31 - 1),
    searched_at=instants,
)


@given(st.lists(generations | candidates | findings | searches, max_size=5))
def test_rows_survive_arrow_unchanged(rows):
    """Every field of every kind of row comes back equal, and of the same type."""
    for row_type in KINDS:
        mine = [row for row in rows if isinstance(row, row_type)]
        assert from_table(to_table(mine, row_type), row_type) == mine


def test_rows_survive_a_parquet_file_unchanged(tmp_path: Path):
    row = Candidate(
        id="a", url="https://example.org/é", title="雪", image=b"\xff\xd8", rights=("noai",)
    )
    path = tmp_path / "x.parquet"
    pq.write_table(to_table([row], Candidate), path)
    assert from_table(pq.read_table(path), Candidate) == [row]


def test_lone_surrogates_are_replaced_and_not_fatal():
    """Discord exports and web pages hold half emoji; Arrow's strings must be UTF-8."""
    row = Generation(
        id="1",
        prompt="half \ud83d",
        raw_content="",
        negatives=("\udc00",),
        parameters=(Parameter("no", "\ud800"),),
    )
    [back] = from_table(to_table([row], Generation), Generation)
    assert back.prompt == "half ?"
    assert back.negatives == ("?",)
    assert back.parameters == (Parameter("no", "?"),)


@pytest.mark.parametrize("row_type", list(KINDS))
def test_every_field_of_a_row_is_a_column(row_type):
    """A field that is added to a row and forgotten in its schema would vanish silently."""
    assert set(row_type.__dataclass_fields__) == set(KINDS[row_type].schema.names)


def test_only_transient_and_throttled_failures_are_tried_again():
    again = {status for status in FetchStatus if status.failure_class not in {None, "permanent"}}
    assert again == {
        FetchStatus.TRUNCATED,
        FetchStatus.TIMEOUT,
        FetchStatus.DNS,
        FetchStatus.TLS,
        FetchStatus.CONNECTION,
        FetchStatus.SERVER_ERROR,
        FetchStatus.THROTTLED,
    }
    assert FetchStatus.OK.failure_class is None
    assert FetchStatus.OPTED_OUT.failure_class is FailureClass.PERMANENT


def test_a_files_own_schema_passes_the_check():
    for row_type in KINDS:
        check_file_schema(file_schema(row_type), row_type, "here")


def test_failed_ids_differ_by_address_and_take_any_text():
    assert failed_id("https://a.example/") != failed_id("https://b.example/")
    assert failed_id("\ud800").startswith("failed-")
