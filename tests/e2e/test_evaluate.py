"""`attribute evaluate`: each suite from the command line, and what each refuses."""

from __future__ import annotations

import csv
import json
import re
import shutil

import pyarrow.parquet as pq
import pytest

QUICK = ("--no-peers", "--published", "0")


@pytest.fixture
def dataset(sample, tmp_path):
    """The sample's candidates, in a copy: descriptors are written beside them."""
    shutil.copytree(sample / "candidates", tmp_path / "candidates")
    return tmp_path / "candidates"


@pytest.fixture
def folder(sample, tmp_path):
    """Twenty-four pictures in four folders."""
    table = pq.read_table(sample / "candidates" / "part-sample-00000.parquet", columns=["image"])
    for number, row in enumerate(table.column("image").slice(0, 24).to_pylist()):
        path = tmp_path / "pictures" / f"subject {number % 4}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["bytes"])
    return tmp_path / "pictures"


def told(ran):
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_copies_of_a_dataset_are_found_by_every_way(run, dataset):
    edits = ("--edit", "mirror", "--edit", "resize-50")
    options = ("--queries", 3, "--published", 1, *edits, "--json")
    figures = told(run("attribute", "evaluate", "copies", dataset, *options))
    ways = {way["name"]: way for way in figures["ways"]}
    assert {"fusion", "pdq", "phash", "dhash", "resnet50-gem", "lab-histogram"} <= set(ways)
    assert {"aivalis2025", "resnet50-cosine", "imagededup-cnn", "imagededup-phash"} <= set(ways)
    assert ways["aivalis2025"]["queries"] == 1
    assert all(way["queries"] == 6 for way in ways.values() if way["name"] != "aivalis2025")
    assert ways["fusion"]["recall_1"]["value"] == 1.0
    assert set(figures["by_family"]) == {"flip", "resize"}
    near_copy = figures["verdicts"][0]
    assert near_copy["verdict"] == "near copy"
    assert near_copy["recall"]["mild"]["value"] == 1.0
    assert figures["pairs"] + 6 + figures["passed_over"] == 6 * figures["candidates"]


def test_copies_of_a_folder_make_a_table_and_leave_nothing_behind(run, folder, tmp_path):
    before = sorted(folder.parent.rglob("*"))
    ran = run("attribute", "evaluate", "copies", folder, "--queries", 1, "--edit", "grey", *QUICK)
    assert ran.code == 0, ran.err
    assert re.search(r"^fusion +1 +\S+ \[\S+, \S+\]", ran.out, re.MULTILINE)
    assert max(map(len, ran.out.splitlines())) <= 100
    assert sorted(p for p in tmp_path.rglob("*") if "home" not in p.parts) == before


def test_a_work_folder_keeps_what_was_described(run, folder, tmp_path):
    command = ("attribute", "evaluate", "null", folder, "--queries", 2, "--json")
    first = told(run(*command, "--work", "work"))
    described = list((tmp_path / "work" / "descriptors").rglob("*.parquet"))
    assert described
    assert told(run(*command, "--work", "work")) == first
    assert list((tmp_path / "work" / "descriptors").rglob("*.parquet")) == described
    [figures] = first["backgrounds"]
    assert figures["queries"] == 2
    assert 2 * 16 <= figures["pairs"] <= 2 * 18  # four folders, one of them the query's own


def test_prompts_by_jobs_and_by_folders(run, dataset, folder, sample, tmp_path):
    """The sample's texts are made for its prompts, so that words tell them from others."""
    with (sample / "jobs.csv").open(newline="") as stream:
        jobs = list(csv.DictReader(stream))
    lines = [json.dumps(job | {"image": str(sample / job["image"])}) for job in jobs[::6]]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines))
    by_jobs = told(run("attribute", "evaluate", "prompts", dataset, "jobs.jsonl", *QUICK, "--json"))
    areas = {way["name"]: way["auc"]["value"] for way in by_jobs["ways"]}
    assert {"fusion", "fused images", "resnet50-gem", "resnet50-gem z", "bm25"} <= set(areas)
    assert areas["fusion"] > 0.7
    by_folders = run("attribute", "evaluate", "prompts", folder, *QUICK)
    assert by_folders.code == 0, by_folders.err
    assert "4 queries against 24 candidates" in by_folders.out
    assert "bm25" not in by_folders.out  # nothing is written about these


def test_pairs_by_the_sample_s_own_truth(run, dataset, sample, tmp_path):
    with (sample / "truth.csv").open(newline="") as stream:
        known = [row for row in csv.DictReader(stream) if not row["tile"]][:3]
    lines = [f"{sample / row['image']},{row['candidate_id']}" for row in known]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,source", *lines]))
    figures = told(run("attribute", "evaluate", "pairs", "pairs.csv", dataset, *QUICK, "--json"))
    fusion = next(way for way in figures["ways"] if way["name"] == "fusion")
    assert fusion["queries"] == len({row["image"] for row in known})
    assert fusion["recall_1"]["value"] == 1.0
    assert set(figures["verdicts"][0]["recall"]) == {"pair"}


def test_the_same_seed_gives_the_same_figures(run, dataset):
    command = ("attribute", "evaluate", "copies", dataset, "--queries", 1, "--edit", "paste")
    first, again = (told(run(*command, *QUICK, "--json", "--seed", 7)) for _ in range(2))
    assert first | {"seconds": None} == again | {"seconds": None}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("copies", "nowhere"), "expected a folder of pictures, found nothing"),
        (("copies", "empty"), "expected pictures, found none"),
        (("copies", "pictures", "--edit", "melt"), "found melt; there are crop-98"),
        (("prompts", "pictures/subject 0", *QUICK), "two or more sub-folders of pictures, found 0"),
        (("pairs", "pairs.csv", "pictures", *QUICK), "columns image and source, found a, b"),
        (("null", "pictures", "--split"), "at least 400 pictures beside a query"),
        (("lookalikes", "--keep", "pictures"), "an empty folder or none for the pictures, found a"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_a_line(run, folder, tmp_path, arguments, found):
    (tmp_path / "empty").mkdir()
    (tmp_path / "pairs.csv").write_text("a,b\n1,2\n")
    for path in list(folder.rglob("*.jpg"))[12:]:
        path.unlink()
    refused = run("attribute", "evaluate", *arguments)
    assert refused.code == 3, refused.err
    assert found in " ".join(refused.err.split())
    assert refused.out == ""
