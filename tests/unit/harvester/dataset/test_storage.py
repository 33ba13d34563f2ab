"""Addresses of datasets, and what holds wherever they are: fsspec's memory, a local disk."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from harvester.dataset import shards
from harvester.dataset import storage as places
from harvester.dataset.storage import RemoteLocation, list_files, location_of
from harvester.dataset.writer import DatasetWriter
from harvester.errors import ShardError
from harvester.maintenance.compaction import compact
from harvester.schema import Candidate


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("data/candidates", "data/candidates"),
        ("C:/data", "C:/data"),
        ("file:///a/b%20c", "/a/b c"),
        ("file://localhost/a", "/a"),
    ],
)
def test_what_is_on_a_disk_is_a_path(text, path):
    assert location_of(text) == Path(path)


def test_a_path_stays_the_path_that_it_is():
    path = Path("s3:/odd")
    assert location_of(path) == path


def test_an_address_is_joined_and_shown_without_what_is_secret():
    place = location_of("s3://key:secret@bucket/a%20b/?region=eu-west-1&endpoint_override=h:1")
    assert str(place / "findings" / "part-1.parquet") == "s3://bucket/a b/findings/part-1.parquet"
    assert (place / "" == place, (place / "x").parent == place, place.name) == (True, True, "a b")
    assert "secret" not in repr(place)
    assert pickle.loads(pickle.dumps(place)) == place  # noqa: S301  # this test's own


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s3://", "no bucket"),
        ("s3://bucket/x?colour=red", "the option colour"),
        ("nowhere://bucket/x", "nowhere"),
        ("https://example.org/x", "a web address"),
        ("file://host/x", "a file of the host host"),
        ("gs://[", ""),
        ("s3://key:secret@/x", "no bucket"),
    ],
)
def test_what_is_no_address_is_one_line(text, found):
    with pytest.raises(ShardError, match=rf"expected a folder, or an address .*{found}") as told:
        location_of(text)
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)


def test_a_dataset_in_any_file_system_of_fsspec(tmp_path):
    folder = location_of(f"memory://{tmp_path.name}/dataset")
    assert isinstance(folder, RemoteLocation)
    assert shards.shard_paths(folder, Candidate) == []
    rows = [Candidate(id=f"{n}", url=f"u{n}", image=b"x" * 1000) for n in range(7)]
    with DatasetWriter(folder, Candidate) as store:
        for row in rows:
            store.append(row)
            store.flush()
        with pytest.raises(ShardError, match="another process is writing"):
            DatasetWriter(folder, Candidate).__enter__()
    assert compact(folder).after == 1
    assert list(shards.rows(folder, Candidate)) == rows


def test_where_half_written_files_can_be_seen_they_are_written_elsewhere(tmp_path):
    """As on HDFS or SFTP: fsspec's local file system stands for them."""
    folder = location_of(f"local://{tmp_path}")
    seen = []

    class Watched(RemoteLocation):
        @property
        def parent(self):
            seen.append(sorted(path.name for path in tmp_path.iterdir()))
            return RemoteLocation.parent.fget(self)

    with shards.writing(Watched(folder.files, f"{folder.path}/a", folder.root)) as file:
        file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert seen == [[], []]
    token = "0123456789abcdef"
    (tmp_path / f".part-1.parquet.{token}.tmp").touch()
    shards.sweep(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_files_of_a_folder_are_listed_by_name_with_their_sizes(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "b").write_bytes(b"12")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "c").symlink_to("nowhere")
    found = [(entry.name, entry.size) for entry in list_files(tmp_path)]
    assert [found[0], found[1], found[2]] == [("a", 1), ("b", 2), ("c", -1)]
    assert list_files(tmp_path / "missing") == list_files(tmp_path / "a") == []


def test_what_is_no_text_reads_as_none(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe")
    assert [places.read_text(tmp_path / name) for name in ("a", "pipe", "x", "")] == [None] * 4


def test_only_places_are_taken():
    with pytest.raises(TypeError, match="found str"):
        list_files("data")
