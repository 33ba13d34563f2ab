"""Datasets read from code: typed records, Arrow batches, and errors of the project's own."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester import (
    Candidate,
    Finding,
    Generation,
    HarvestError,
    InputError,
    SchemaError,
    open_dataset,
)
from harvester.dataset.writer import DatasetWriter
from tests.support.checkout import SAMPLE


@pytest.fixture(scope="module")
def sample():
    return open_dataset(SAMPLE / "candidates")


def test_rows_are_records_of_their_kind(sample):
    rows = list(sample.rows())
    assert (sample.kind, len(sample), len(rows)) == ("candidates", 79, 79)
    assert all(isinstance(row, Candidate) and row.image for row in rows)
    findings = list(sample.rows(Finding))
    assert {row.candidate_id for row in findings} <= {row.id for row in rows}


def test_batches_have_the_columns_that_were_asked_for(sample):
    batches = list(sample.batches(["title", "id"]))
    assert batches[0].schema.names == ["title", "id"]
    assert sum(batch.num_rows for batch in batches) == len(sample)
    assert next(sample.batches(row_type=Finding)).schema.names[0] == "url"
    with pytest.raises(InputError, match="columns of a candidate, found 'size'"):
        sample.batches(["id", "size"])


def test_rows_are_picked_by_their_ids(sample):
    first = next(sample.rows())
    assert sample.pick([first.id, "unknown"]) == {first.id: first}


def test_the_status_is_the_commands(sample):
    assert sample.status().pictures == 79


def test_generations_are_a_kind_of_dataset(tmp_path):
    with DatasetWriter(tmp_path, Generation) as store:
        store.append(Generation(id="1", prompt="a boat", raw_content="a boat"))
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, [row.prompt for row in dataset.rows(Generation)]) == (
        "generations",
        ["a boat"],
    )


def test_what_is_no_dataset_is_refused_in_the_projects_own_way(tmp_path):
    with pytest.raises(InputError):
        open_dataset(tmp_path / "nothing")
    with pytest.raises(HarvestError):
        open_dataset("nothing://there")
    foreign = pa.table({"id": ["a"]})
    pq.write_table(foreign, tmp_path / "part-x-0.parquet")
    with pytest.raises(SchemaError):
        open_dataset(tmp_path)


def test_an_address_names_a_dataset_too():
    assert len(open_dataset(Path(SAMPLE, "candidates").resolve().as_uri())) == 79
