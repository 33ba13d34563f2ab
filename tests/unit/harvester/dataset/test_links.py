"""Links in a dataset that lead out of it are refused by whoever writes, and nothing is removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from attribution.descriptors.store import descriptor_folder, write_vectors
from harvester.dataset import shards
from harvester.dataset.arrow import KINDS
from harvester.dataset.writer import DatasetWriter
from harvester.errors import ShardError
from harvester.maintenance.compaction import compact
from harvester.schema import Candidate, Finding, Search, SearchStatus

REFUSED = "expected a part of the dataset, found a link that leads out of it"


def searched(prompt: str) -> Search:
    return Search(query_prompt=prompt, query="q", source="t", status=SearchStatus.OK, found=1)


def dataset(folder: Path) -> Path:
    """Two shards of each kind."""
    with DatasetWriter(folder, Candidate) as store:
        for number in range(2):
            store.append(Candidate(id=f"{number}", url=f"https://e.org/{number}", image=b"x"))
            store.append(
                Finding(url=f"https://e.org/{number}", source="t", candidate_id=f"{number}")
            )
            store.append(searched(f"{number}"))
            store.flush()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def removing(kind: str, names: list[str]) -> str:
    """The journal of a compaction that has shards left to remove."""
    return json.dumps({"phase": "removing", "run": "aaaaaaaa", "old": {kind: names}})


def add(folder: Path) -> None:
    with DatasetWriter(folder, Candidate) as store:
        store.append(Candidate(id="9", url="https://e.org/9"))


@pytest.mark.parametrize("write", [compact, add])
@pytest.mark.parametrize("kind", [Finding, Search])
@pytest.mark.parametrize("is_told", [True, False])
def test_a_linked_folder_does_not_cost_the_other_dataset_its_shards(tmp_path, write, kind, is_told):
    theirs, mine = dataset(tmp_path / "theirs"), dataset(tmp_path / "mine")
    where, name = KINDS[kind].folder, KINDS[kind].name
    shutil.rmtree(theirs / where)
    (theirs / where).symlink_to(Path("..") / "mine" / where)
    if is_told:
        names = [path.name for path in shards.shard_paths(mine, kind)]
        (theirs / "compact.json").write_text(removing(name, names))
    before, other = content(mine), content(theirs)
    with pytest.raises(ShardError, match=REFUSED) as caught:
        write(theirs)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5
    assert content(mine) == before
    assert content(theirs) == other


@pytest.mark.parametrize("write", [compact, add])
@pytest.mark.parametrize("where", ["", "findings"])
def test_a_linked_shard_is_refused(tmp_path, write, where):
    theirs, mine = dataset(tmp_path / "theirs"), dataset(tmp_path / "mine")
    old = next((theirs / where).glob("part-*.parquet"))
    old.unlink()
    old.symlink_to(next((mine / where).glob("part-*.parquet")))
    before = content(mine)
    with pytest.raises(ShardError, match=REFUSED):
        write(theirs)
    assert content(mine) == before


@pytest.mark.parametrize("target", [".", "..", "/", "../nothing"])
def test_a_folder_that_is_a_link_to_a_place_above_it_is_refused(tmp_path, target):
    folder = dataset(tmp_path / "dataset")
    shutil.rmtree(folder / "findings")
    (folder / "findings").symlink_to(target)
    before = content(folder)
    with pytest.raises(ShardError, match=REFUSED):
        compact(folder)
    assert content(folder) == before


def test_links_in_a_circle_are_one_line(tmp_path):
    folder = dataset(tmp_path / "dataset")
    shutil.rmtree(folder / "searches")
    (folder / "searches").symlink_to("searches")
    with pytest.raises(ShardError, match=r"searches: expected a part of the dataset, found a link"):
        compact(folder)


def test_a_dataset_that_is_itself_reached_by_a_link_is_written(tmp_path):
    dataset(tmp_path / "dataset")
    (tmp_path / "link").symlink_to("dataset")
    add(tmp_path / "link")
    assert compact(tmp_path / "link").after == 3
    assert shards.count_rows(tmp_path / "dataset", Candidate) == 3


def test_a_link_that_stays_inside_is_followed(tmp_path):
    folder = dataset(tmp_path / "dataset")
    (folder / "findings").rename(folder / "found")
    (folder / "findings").symlink_to("found")
    assert compact(folder).rows["finding"] == 2


def test_reading_through_links_is_left_alone(tmp_path):
    folder = dataset(tmp_path / "dataset")
    (folder / "findings").rename(tmp_path / "elsewhere")
    (folder / "findings").symlink_to("../elsewhere")
    assert shards.count_rows(folder, Finding) == 2


def test_descriptors_are_not_written_out_of_the_dataset(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "dataset" / "descriptors").symlink_to("../mine")
    where = descriptor_folder(tmp_path / "dataset", "tiny", "1")
    with pytest.raises(ShardError, match=REFUSED):
        write_vectors(where / "part-0.parquet", ["a"], np.ones((1, 2), np.float32))
    assert not list((tmp_path / "mine").iterdir())
