"""Batches: resumable, and one bad picture is a row and not the end."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from attribution.batch.jobs import BatchJob
from attribution.batch.run import Batch, check_ranked
from attribution.errors import GalleryError, JobError, QueryImageError
from attribution.ranking.gallery import load_gallery
from harvester.dataset.writer import DatasetWriter
from harvester.pictures.decode import compute_hashes, encode_jpeg
from harvester.schema import Candidate
from tests.support.tiny import TinyEmbedder, tiny_method

CHANNEL = "lab-histogram"  # results have a column for it


def scene(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random((5, 5, 3), np.float32)
    large = cv2.resize(noise, (160, 160), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return (large * 255).astype(np.uint8)


def png(seed: int) -> bytes:
    return cv2.imencode(".png", scene(seed)[:, :, ::-1])[1].tobytes()


@pytest.fixture
def gallery(tmp_path):
    with DatasetWriter(tmp_path / "candidates", Candidate) as store:
        for seed in range(12):
            hashes = compute_hashes(scene(seed))
            store.append(
                Candidate(
                    id=f"{seed:02d}",
                    url=f"https://example.org/{seed}",
                    title="=HYPERLINK(1)" if seed == 3 else f"scene {seed}",
                    creator="Ada",
                    image=encode_jpeg(scene(seed)),
                    pdq=hashes.pdq,
                    pdq_quality=hashes.pdq_quality,
                )
            )
    return load_gallery([tmp_path / "candidates"], [TinyEmbedder(CHANNEL)])


def jobs(count: int, **broken: bytes) -> list[BatchJob]:
    return [
        BatchJob(str(n), f"scene {n}", broken.get(f"job{n}", png(n)), f"{n}.png")
        for n in range(count)
    ]


def run(batch: Batch, work: list[BatchJob]) -> list[str]:
    with batch:
        return [done.outcome for done in batch.run(work)]


def test_every_job_has_its_rows_and_failures_have_theirs(tmp_path, gallery):
    out = tmp_path / "r.parquet"
    outcomes = run(
        Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=3),
        jobs(5, job2=b"<html>", job4=b""),
    )
    assert outcomes == ["ranked", "ranked", "failed", "ranked", "failed"]
    rows = pq.read_table(out).to_pylist()
    assert [row["job_id"] for row in rows] == ["0"] * 3 + ["1"] * 3 + ["2"] + ["3"] * 3 + ["4"]
    [failed] = [row for row in rows if row["job_id"] == "2"]
    assert failed["status"] == "failed"
    assert "found a web page" in failed["error"]
    assert failed["rank"] is None
    first = rows[0]
    assert (first["candidate_id"], first["rank"], first["creator"]) == ("00", 1, "Ada")
    assert first["verdict"] == "near copy"
    assert first["score_bm25"] > 0


def test_a_missing_file_is_a_row(tmp_path, gallery):
    out = tmp_path / "r.parquet"
    [outcome] = run(
        Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL))),
        [BatchJob("a", None, tmp_path / "no.png", "no.png")],
    )
    assert outcome == "failed"
    assert "No such file" in pq.read_table(out).to_pylist()[0]["error"]


def test_an_interrupted_batch_goes_on_and_does_nothing_twice(tmp_path, gallery):
    out = tmp_path / "r.parquet"
    with Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=2) as batch:
        running = batch.run(jobs(9))
        for _ in range(4):
            next(running)
        running.close()  # as Ctrl-C does
    assert not out.exists()
    again = TinyEmbedder(CHANNEL)
    outcomes = run(Batch(out, gallery, tiny_method(again), k=2), jobs(9))
    assert outcomes == ["known"] * 4 + ["ranked"] * 5
    assert again.embedded == 5
    assert sorted({row["job_id"] for row in pq.read_table(out).to_pylist()}) == list("012345678")


def test_more_jobs_are_added_and_failed_ones_tried_again(tmp_path, gallery):
    out = tmp_path / "r.parquet"
    run(Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=2), jobs(3, job1=b"broken"))
    outcomes = run(Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=2), jobs(4))
    assert outcomes == ["known", "ranked", "known", "ranked"]
    rows = pq.read_table(out).to_pylist()
    assert {row["status"] for row in rows} == {"ok"}
    assert len(rows) == 8


def test_other_settings_are_refused_and_restart_takes_them(tmp_path, gallery):
    out = tmp_path / "r.parquet"
    run(Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=2), jobs(2))
    with pytest.raises(JobError, match=r"found others for k; use --restart"):
        run(Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=5), [])
    assert (
        run(Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=5, restart=True), jobs(2))
        == ["ranked"] * 2
    )
    assert pq.read_table(out).num_rows == 10


def test_csv_and_json_lines_hold_the_same_rows(tmp_path, gallery):
    tables = {}
    for ending in ("parquet", "csv", "jsonl"):
        out = tmp_path / f"r.{ending}"
        run(Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), k=12), jobs(2))
        tables[ending] = out
    parquet = pq.read_table(tables["parquet"]).to_pylist()
    with tables["csv"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in tables["jsonl"].read_text("utf-8").splitlines()]
    assert lines == parquet
    assert [row["candidate_id"] for row in rows] == [row["candidate_id"] for row in parquet]
    # A title from the web must not run in somebody's spreadsheet.
    assert {row["title"] for row in rows if row["candidate_id"] == "03"} == {"'=HYPERLINK(1)"}


def test_an_unknown_ending_is_refused_before_any_work(tmp_path, gallery):
    with pytest.raises(JobError, match=r"ending in \.parquet, \.csv, \.jsonl, found '\.xlsx'"):
        Batch(tmp_path / "r.xlsx", gallery, tiny_method(TinyEmbedder(CHANNEL)))
    assert not list(tmp_path.glob("*.parts"))


def test_an_output_that_cannot_be_written_is_one_line(tmp_path, gallery):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JobError, match="give another --out"):
        run(
            Batch(Path(tmp_path / "file" / "r.csv"), gallery, tiny_method(TinyEmbedder(CHANNEL))),
            [],
        )


def test_a_second_run_at_the_same_time_is_refused(tmp_path, gallery):
    out = tmp_path / "r.csv"
    with (
        Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL))),
        pytest.raises(JobError, match="another process is writing"),
    ):
        run(Batch(out, gallery, tiny_method(TinyEmbedder(CHANNEL)), restart=True), [])


def test_a_folder_as_output_is_refused_before_any_work(tmp_path, gallery):
    (tmp_path / "r.csv").mkdir()
    with pytest.raises(JobError, match="expected a file to write, found a folder"):
        Batch(tmp_path / "r.csv", gallery, tiny_method(TinyEmbedder(CHANNEL)))


def test_candidates_that_vanish_meanwhile_end_the_batch(tmp_path, gallery):
    """Half of a result, kept as done for ever, would be worse."""
    for path in (tmp_path / "candidates").glob("part-*.parquet"):
        path.unlink()
    with pytest.raises(GalleryError, match="found some gone"):
        run(Batch(tmp_path / "r.csv", gallery, tiny_method(TinyEmbedder(CHANNEL))), jobs(1))


def test_a_batch_that_ranked_nothing_is_no_success():
    with pytest.raises(QueryImageError, match="found none in 3 jobs"):
        check_ranked({"ranked": 0, "failed": 3, "known": 0}, Path("r.csv"))
    check_ranked({"ranked": 1, "failed": 3, "known": 0}, Path("r.csv"))
    check_ranked({"ranked": 0, "failed": 0, "known": 0}, Path("r.csv"))
