"""What is written over: whence's own files, and never what is read or what others wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attribution.batch.table import check_out, failure_row, to_rankings, write_rankings
from attribution.calibration.background import SHIPPED, is_background
from attribution.calibration.fusion import WEIGHTS, is_fusion
from attribution.report.batch_folder import check_folder
from attribution.report.html import is_report
from harvester.dataset.writer import DatasetWriter
from harvester.errors import InputError
from harvester.maintenance.compaction import compact
from harvester.paths import check_output
from harvester.progress.event_log import EventLog
from harvester.schema import Candidate

FOREIGN = "expected a new file, or one that whence wrote, found another; nothing was changed"
READ = "found one that this command reads; nothing was changed: give another --out"


def check(path: Path, *inputs: str | Path) -> None:
    check_output(path, lambda _: True, option="--out", inputs=inputs)


def spelled_otherwise(path: Path, _: Path) -> Path:
    return path.parent / "." / "folder" / ".." / path.name


def linked(path: Path, link: Path) -> Path:
    link.symlink_to(path.name)
    return link


def linked_hard(path: Path, link: Path) -> Path:
    link.hardlink_to(path)
    return link


@pytest.mark.parametrize("name", [spelled_otherwise, linked, linked_hard])
def test_an_input_is_known_by_whatever_name_it_has(tmp_path, name):
    (tmp_path / "folder").mkdir()
    listed = tmp_path / "jobs.csv"
    listed.touch()
    other = name(listed, tmp_path / "link.csv")
    for out, read in ((other, listed), (listed, other), (listed, str(listed))):
        with pytest.raises(InputError, match=READ) as caught:
            check(out, "-", "a\0b", tmp_path / "nothing", read)
        assert caught.value.exit_code == 3
        assert "\n" not in str(caught.value)


def test_what_is_not_there_or_empty_or_whence_s_may_be_written(tmp_path):
    check(tmp_path / "new")
    (tmp_path / "full").write_text("x")
    check(tmp_path / "full")
    (tmp_path / "empty").touch()
    check_output(tmp_path / "empty", lambda _: False, option="--out")


@pytest.mark.parametrize("error", [OSError, ValueError, RecursionError])
def test_what_cannot_be_read_is_another_s(tmp_path, error):
    def is_ours(_: Path) -> bool:
        raise error

    (tmp_path / "a").write_text("x")
    with pytest.raises(InputError, match=FOREIGN):
        check_output(tmp_path / "a", is_ours, option="--out")


def test_pipes_and_folders_are_left_to_whoever_opens_them(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        check_output(path, lambda _: False, option="--out")


# Rankings


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_rankings_are_known_in_every_format(tmp_path, ending):
    part, out = tmp_path / "part.parquet", tmp_path / f"r.{ending}"
    pq.write_table(to_rankings([failure_row("a", "x\n.png", None, "e")]), part)
    write_rankings(out, [part])
    check_out(out)
    with pytest.raises(InputError, match="that this command reads"):
        check_out(out, [out])


TABLES = {
    "a.csv": "image,prompt\na.png,a picture\n",
    "b.csv": "\xff",
    "c.csv": "job_id\n",
    "a.jsonl": '{"image": "a.png"}\n',
    "b.jsonl": "[" * 100_000,
    "c.jsonl": "3",
    "a.parquet": "PAR1",
}


@pytest.mark.parametrize("name", TABLES)
def test_other_tables_are_not_replaced_by_rankings(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(TABLES[name].encode("latin-1"))
    with pytest.raises(InputError, match=f"{FOREIGN}.*give another --out"):
        check_out(path)


def test_a_shard_is_no_ranking(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(Candidate(id="a", url="u"))
    [shard] = tmp_path.glob("part-*.parquet")
    with pytest.raises(InputError, match=FOREIGN):
        check_out(shard)


# Other files


def test_weights_and_backgrounds_are_known_and_others_are_not(tmp_path):
    assert is_background(SHIPPED)
    assert is_fusion(WEIGHTS)
    assert not is_background(SHIPPED.parent / "resnet50-whitening.safetensors")
    (tmp_path / "a").write_text('{"name": "a", "weights": []}')
    assert not is_fusion(tmp_path / "a")
    for body in (b"x", b"\x05" + bytes(7) + b"[1,2]", b"\xff" * 9, b"\x02" + bytes(7) + b"{}"):
        (tmp_path / "b").write_bytes(body)
        with pytest.raises(InputError, match=FOREIGN):
            check_output(tmp_path / "b", is_background, option="--out")


def test_pages_of_others_are_not_reports(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<!doctype html><title>whence: a pub</title>")
    assert not is_report(page)
    with pytest.raises(InputError, match=f"{FOREIGN}.*give another --report"):
        check_folder(tmp_path)
    assert page.read_text() == "<!doctype html><title>whence: a pub</title>"


@pytest.mark.parametrize("text", ["http://x.example/1.jpg\n", "{}", '{"event": 1}', "\0", "[1]\n"])
def test_events_are_added_to_no_other_file(tmp_path, text):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"{FOREIGN}.*give another --log-json"):
        EventLog(str(path))
    assert path.read_text() == text


def test_events_are_added_to_no_log_that_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    log = EventLog(str(path))
    log.start({})
    log.close()
    before = path.read_text()
    with pytest.raises(InputError, match="that this command reads"):
        EventLog(str(path), [path])
    assert path.read_text() == before


# Datasets


def store(folder: Path) -> None:
    with DatasetWriter(folder, Candidate) as opened:
        opened.append(Candidate(id="a", url="u"))


APPS = ['{"name": "my web app"}', "[]", "null", "// a remark\n{}", '"tables"', "\xff"]


@pytest.mark.parametrize("name", ["manifest.json", "manifest-recent.json"])
@pytest.mark.parametrize("text", APPS)
def test_a_folder_with_another_program_s_manifest_is_no_place_for_a_dataset(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="that of a dataset of whence, found another file"):
        store(tmp_path)
    assert path.read_bytes() == text.encode("latin-1")
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_manifest_that_was_put_into_a_dataset_stays(tmp_path):
    store(tmp_path)
    (tmp_path / "manifest.json").write_text(APPS[0])
    for write in (store, compact):
        with pytest.raises(InputError, match="nothing was changed: move it away"):
            write(tmp_path)
    assert (tmp_path / "manifest.json").read_text() == APPS[0]


@pytest.mark.parametrize("text", ["", "{}", " \n"])
def test_an_empty_manifest_is_nobody_s(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    store(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["tables"]


def test_another_program_s_journal_is_not_written_over(tmp_path):
    store(tmp_path)
    store(tmp_path)
    (tmp_path / "compact.json").write_text('{"rules": []}')
    with pytest.raises(InputError, match=r"compact\.json: expected none"):
        compact(tmp_path)
    assert (tmp_path / "compact.json").read_text() == '{"rules": []}'


def test_another_program_s_lock_keeps_what_it_holds(tmp_path):
    (tmp_path / ".lock").write_text("4711")
    with pytest.raises(Exception, match="that is no lock"):
        store(tmp_path)
    assert (tmp_path / ".lock").read_text() == "4711"


def test_a_foreign_parquet_file_is_not_one_of_a_dataset(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "part-1.parquet")
    before = (tmp_path / "part-1.parquet").read_bytes()
    with pytest.raises(Exception, match="expected a whence dataset"):
        store(tmp_path)
    assert (tmp_path / "part-1.parquet").read_bytes() == before
