"""A list of jobs that changes between two runs: each picture is ranked once, whatever its row."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from attribution.cli.inputs import read_jobs

Ranked = Callable[..., tuple[list[str], str]]


@pytest.fixture
def ranked(run, tmp_path, sample) -> Ranked:
    """Rank pictures 0 to 9 with a prompt; gives the pictures of the result, and what was said."""
    shutil.copytree(sample / "candidates", tmp_path / "ds")
    for number in range(5):
        Image.effect_noise((64, 64), 10 * number + 5).convert("RGB").save(
            tmp_path / f"{number}.png"
        )

    def rank(*rows: str) -> tuple[list[str], str]:
        lines = ["image,prompt,id", *rows]
        (tmp_path / "jobs.csv").write_text("\n".join(lines))
        ran = run(*"attribute batch jobs.csv --candidates ds --out r.csv --top 1".split())
        assert ran.code == 0, ran.err
        with (tmp_path / "r.csv").open(newline="") as file:
            return [row["image"] for row in csv.DictReader(file)], ran.out + ran.err

    return rank


def test_rows_that_are_put_before_others_or_moved_are_the_same_jobs(ranked):
    assert ranked("1.png,a,", "2.png,b,")[0] == ["1.png", "2.png"]
    images, said = ranked("3.png,a,", "2.png,b,", "1.png,a,")
    assert sorted(images) == ["1.png", "2.png", "3.png"]
    assert "1 ranked" in said
    assert "2 known" in said
    images, said = ranked("2.png,b,", "4.png,,own", "3.png,a,", "1.png,a,", "1.png,a,")
    assert sorted(images) == ["1.png", "1.png", "2.png", "3.png", "4.png"]
    assert "2 ranked" in said


def by_number(parts: Path, ids: list[str]) -> None:
    """Make a batch's folder that of a version which knew jobs by the numbers of their rows."""
    [path] = parts.glob("part-*.parquet")
    table = pq.read_table(path)
    at = table.schema.get_field_index("job_id")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(ids)), path)
    settings = json.loads((parts / "settings.json").read_text())
    del settings["ids"]
    (parts / "settings.json").write_text(json.dumps(settings))


def test_a_batch_that_was_begun_by_row_numbers_mixes_nothing_up(ranked, tmp_path):
    ranked("1.png,a,", "2.png,b,", "4.png,,7")
    by_number(tmp_path / "r.csv.parts", ["1", "2", "7"])
    images, said = ranked("3.png,a,", "1.png,a,", "2.png,b,", "4.png,,7")
    assert sorted(images) == ["1.png", "2.png", "3.png", "4.png"]
    assert "2 jobs of an earlier version were known by the numbers of their rows" in said
    assert "3 ranked" in said
    assert "1 known" in said
    _, said = ranked("3.png,a,", "1.png,a,", "2.png,b,", "4.png,,7")
    assert "4 known" in said
    assert "earlier version" not in said


def test_ids_are_taken_for_numbers_of_rows_only_where_some_have_none(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text("image,id\na.png,1\nb.png,x\n")
    assert not any(map(read_jobs(str(path)).was_number, ["1", "2", "x"]))
    path.write_text("image,id\na.png,1\nb.png,\n")
    assert list(map(read_jobs(str(path)).was_number, ["1", "2", "x"])) == [False, True, False]
