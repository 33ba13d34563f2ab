"""The datasets open in the tools that their users have, without whence."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
from PIL import Image

from harvester.dataset.writer import DatasetWriter
from harvester.schema import (
    Candidate,
    Finding,
    Generation,
    Parameter,
    Reference,
    ReferenceRole,
    Search,
    SearchStatus,
    WeightedText,
)

os.environ["HF_HUB_OFFLINE"] = "1"  # before `datasets` is imported: nothing is asked of a hub


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 16), (200, 30, 10)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def candidates(tmp_path):
    with DatasetWriter(tmp_path / "candidates", Candidate) as store:
        for number in range(150):
            store.append(
                Candidate(
                    id=f"{number:03d}",
                    url=f"https://example.org/{number}",
                    title="Fischerdörfchen",
                    rights=("noindex",),
                    fetched_at=datetime(2026, 1, 2, tzinfo=UTC),
                    image=jpeg(),
                )
            )
        store.append(Finding(url="https://example.org/1", source="ddg", candidate_id="001"))
        store.append(
            Search(query_prompt="p", query="q", source="ddg", status=SearchStatus.OK, found=1)
        )
    return tmp_path / "candidates"


@pytest.fixture
def generations(tmp_path):
    with DatasetWriter(tmp_path / "generations", Generation) as store:
        store.append(
            Generation(
                id="1",
                prompt="cat",
                raw_content="**cat --ar 1:1**",
                parameters=(Parameter("ar", "1:1"), Parameter("no", "dogs")),
                weights=(WeightedText("cat", 2.0),),
                references=(Reference("https://s.mj.run/x", ReferenceRole.STYLE),),
                negatives=("dogs",),
                image=jpeg(),
            )
        )
    return tmp_path / "generations"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hugging_face_datasets_decodes_the_pictures(candidates, generations, tmp_path):
    import datasets  # noqa: PLC0415  # slow, and only this test's need

    files = str(candidates / "part-*.parquet")
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded[3]["image"].size == (32, 16)
    assert loaded[3]["title"] == "Fischerdörfchen"
    for name, rows in (("default", 150), ("findings", 1), ("searches", 1)):
        table = datasets.load_dataset(
            str(candidates), name, split="train", cache_dir=str(tmp_path / "cache")
        )
        assert len(table) == rows
    made = datasets.load_dataset(str(generations), split="train", cache_dir=str(tmp_path / "cache"))
    assert made[0]["parameters"] == [
        {"name": "ar", "value": "1:1"},
        {"name": "no", "value": "dogs"},
    ]


def test_polars_reads_it(candidates, generations):
    table = pl.read_parquet(candidates / "part-*.parquet")
    assert table.shape[0] == 150
    assert table["image"].struct.field("bytes")[0] == jpeg()
    assert table["fetched_at"][0] == datetime(2026, 1, 2, tzinfo=UTC)
    made = pl.read_parquet(generations / "part-*.parquet")
    assert made["weights"][0].to_list() == [{"text": "cat", "weight": 2.0}]


def test_duckdb_reads_it(candidates, generations):
    counted = duckdb.sql(
        f"select count(*), max(octet_length(image.bytes)), any_value(rights) "
        f"from '{candidates}/part-*.parquet'"
    ).fetchall()
    assert counted == [(150, len(jpeg()), ["noindex"])]
    found = duckdb.sql(f"select parameters[2].value from '{generations}/part-*.parquet'").fetchall()
    assert found == [("dogs",)]
