"""Misuse and mistrust: strangers' exports, lists, datasets and names, surroundings that fail."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from attribution.report.batch_folder import page_name
from attribution.report.html import write_report
from harvester.dataset.arrow import file_schema
from harvester.dataset.shards import rows
from harvester.dataset.writer import DatasetWriter
from harvester.errors import HarvestError
from harvester.schema import Candidate, Generation, SchemaError
from tests.e2e.conftest import SCRIPTS

ESCAPE = "\x1b]0;taken over\x07"
NAME = "someone_in_particular"


def message(number: int, address: str) -> dict[str, object]:
    return {
        "id": str(number),
        "timestamp": "2024-01-01T00:00:00+00:00",
        "content": "**a red bird --v 6** - <@1> (fast)",
        "author": {"id": "936929561302675456", "name": "Midjourney Bot", "isBot": True},
        "mentions": [{"id": "1", "name": NAME, "nickname": "Someone"}],
        "attachments": [{"url": address, "fileName": f"{NAME}_a_red_bird.png"}],
    }


def write_export(path: Path, addresses: list[str]) -> Path:
    messages = [message(number, address) for number, address in enumerate(addresses, 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"channel": {"name": "c"}, "messages": messages}))
    return path


def write_rows(folder: Path, row_type: type[Candidate | Generation], **changed: object) -> Path:
    """A dataset of one row with the right schema and values that whence would not write."""
    schema = file_schema(row_type)
    record: dict[str, object] = dict.fromkeys(schema.names)
    record |= {"id": "a", "url": "http://x.example/", "status": "ok"} | changed
    replaced = {name: value for name, value in record.items() if isinstance(value, pa.Array)}
    table = pa.Table.from_pylist([record | dict.fromkeys(replaced)], schema=schema)
    for name, column in replaced.items():
        place = schema.get_field_index(name)
        table = table.set_column(place, schema.field(name), column)
    folder.mkdir()
    pq.write_table(table, folder / "part-0.parquet")
    return folder


def is_one_line(error: str) -> bool:
    return len([line for line in error.splitlines() if line.startswith("error: ")]) == 1


# What strangers' exports and lists reach


def test_no_picture_outside_the_export_is_read(run, tmp_path, sample):
    outside = tmp_path / "outside.png"
    outside.write_bytes((sample / "gen.png").read_bytes())
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "link.png").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.png")
    ways = ["../outside.png", str(outside), outside.as_uri(), "link.png", "linked/outside.png"]
    ways += ["pipe.png", "%2e%2e/outside.png", "..\\outside.png", "a\0b.png"]
    write_export(folder / "export.json", ways)
    ran = run("harvest", "midjourney", "--discord-export", folder / "export.json", "--out", "g")
    assert ran.code == 4
    made = list(rows(tmp_path / "g", Generation))
    assert len(made) == len(ways)
    assert all(row.image is None for row in made)


def test_no_private_address_is_asked_whatever_its_spelling(run, tmp_path):
    hosts = ["127.0.0.1:8080", "localhost", "127.1", "0x7f.1", "2130706433", "[::1]"]
    hosts += ["[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "[fe80::1]", "[64:ff9b::7f00:1]"]
    (tmp_path / "list.txt").write_text("".join(f"http://{host}/a.png\n" for host in hosts))
    ran = run("harvest", "urls", "list.txt", "--out", "c", "--json")
    assert ran.code == 4
    assert json.loads(ran.out)["statuses"] == {"blocked_address": len(hosts)}


def test_no_name_of_a_user_is_in_any_file_of_a_dataset(run, tmp_path):
    over = f"https://cdn.discordapp.com/attachments/1/2/{NAME}_a_red_bird.png?ex=60000000&is=5&hm=1"
    export = write_export(tmp_path / "export.json", [over, f"media/{NAME}_a_red_bird-1.png"])
    run("harvest", "midjourney", "--discord-export", export, "--out", "g")
    assert len(list(rows(tmp_path / "g", Generation))) == 2
    for path in (tmp_path / "g").rglob("*.*"):
        assert NAME.encode() not in path.read_bytes(), path
    for row in rows(tmp_path / "g", Generation):
        assert NAME not in repr(row)


def test_an_empty_key_never_stands_for_pseudonyms(run, environment, tmp_path):
    """An interrupted or full disk may leave one; names were once stored as they are for it."""
    export = write_export(tmp_path / "export.json", ["http://127.0.0.1/a.png"])
    key = Path(environment["HOME"]) / ".config" / "whence" / "author.key"
    key.parent.mkdir(parents=True)
    key.touch()
    ran = run("harvest", "midjourney", "--discord-export", export, "--out", "g")
    assert ran.code == 5
    assert is_one_line(ran.err)
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    "job",
    ["../../up", "/etc/x", "..", "index", "a/b", ESCAPE, "a" * 999, ""],
)
def test_a_job_id_names_a_page_inside_the_report_alone(job):
    name = page_name(job)
    assert Path(name).name == name
    assert not name.startswith((".", "index."))
    assert name.isascii()
    assert name.isprintable()
    assert len(name) < 100


def test_two_jobs_never_share_a_page():
    assert page_name(page_name("a b").removesuffix(".html")) != page_name("a b")


# What reaches the terminal


def test_names_of_files_cannot_act_on_the_terminal(run, tmp_path, sample):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / f"a{ESCAPE}.png").write_bytes((sample / "gen.png").read_bytes())
    (folder / f"a{ESCAPE}.json").write_text("{")
    (folder / f"b{ESCAPE}.png").symlink_to("/nowhere")
    ran = run("harvest", "folder", folder, "--out", "c")
    assert ran.code == 0
    assert "\x1b" not in ran.err + ran.out


def test_names_of_jobs_cannot_act_on_the_terminal(run, tmp_path, sample):
    (tmp_path / "jobs.json").write_text(json.dumps([{"id": ESCAPE, "image": f"a{ESCAPE}\n.png"}]))
    ran = run("attribute", "batch", "jobs.json", "--candidates", sample / "candidates")
    assert "\x1b" not in ran.err + ran.out


# Strangers' datasets

NOT_UTF8 = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
YEAR_148000 = pa.array([1 << 62], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
HOSTILE = {
    "text that is no UTF-8": (Candidate, {"title": NOT_UTF8}),
    "a date beyond the calendar": (Candidate, {"fetched_at": YEAR_148000}),
    "an unknown status": (Candidate, {"status": "weird"}),
    "no id": (Generation, {"id": None}),
    "an unknown role": (Generation, {"references": [{"url": "u", "role": "weird"}]}),
    "a parameter that is none": (Generation, {"parameters": [None]}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_values_that_whence_never_writes_are_one_error(case, tmp_path):
    row_type, changed = HOSTILE[case]
    folder = write_rows(tmp_path / "hostile", row_type, **changed)
    with pytest.raises((HarvestError, SchemaError), match="hostile"):
        list(rows(folder, row_type))


def test_links_in_a_dataset_do_not_lead_writes_out_of_it(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / ".manifest.json.tmp").symlink_to(precious)
    with DatasetWriter(folder, Candidate) as store:
        store.append(Candidate(id="a", url="u"))
    assert precious.read_text() == "mine"


def test_links_in_a_report_do_not_lead_writes_out_of_it(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".page.html.tmp").symlink_to(precious)
    write_report(tmp_path / "page.html", "<!doctype html>")
    assert precious.read_text() == "mine"


# Files that are none, and surroundings that fail


def test_a_device_is_no_picture(run):
    ran = run("attribute", "--image", os.devnull, "--offline")
    assert ran.code == 3
    assert "0 bytes" not in ran.err  # the same path reads /dev/zero for ever


def test_a_terminal_that_knows_ascii_alone_still_gets_the_summary(run, environment, sample):
    environment["PYTHONIOENCODING"] = "ascii"
    ran = run("harvest", "folder", sample / "discord", "--out", "c")
    assert ran.code == 0
    assert "dataset: c" in ran.out


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no such device here")
def test_standard_output_that_is_full_is_one_line(environment, tmp_path, sample):
    command = [SCRIPTS / "harvest", "midjourney", "--dry-run", "--discord-export"]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*command, sample / "discord"],
            cwd=tmp_path,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode not in {0, -11}
    assert "Traceback" not in ran.stderr


# A batch's own folder


def write_jobs(path: Path, prefix: str, count: int) -> Path:
    Image.new("RGB", (32, 32), "red").save(path.parent / "red.png")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "image"), *((f"{prefix}{n}", "red.png") for n in range(count))]
        )
    return path


def test_two_batches_at_once_do_not_lose_each_others_jobs(environment, tmp_path, sample):
    lists = [write_jobs(tmp_path / f"{name}.csv", name, 12) for name in ("a", "b")]
    command = ["attribute", "batch", "--candidates", str(sample / "candidates"), "--out", "r.csv"]
    running = [
        subprocess.Popen([SCRIPTS / command[0], *command[1:], jobs], cwd=tmp_path, env=environment)
        for jobs in lists
    ]
    accepted = [process.wait(120) == 0 for process in running]
    with (tmp_path / "r.csv").open(newline="") as file:
        ranked = {row["job_id"][0] for row in csv.DictReader(file)}
    assert {name for name, took in zip("ab", accepted, strict=True) if took} <= ranked


@pytest.mark.parametrize("broken", ["settings", "columns", "out"])
def test_a_batch_folder_that_was_tampered_with_is_one_line(run, tmp_path, sample, broken):
    parts = tmp_path / "r.csv.parts"
    parts.mkdir()
    more = []
    if broken == "settings":
        (parts / "settings.json").write_text("[]")
    elif broken == "columns":
        foreign = pa.table({"status": ["ok"], "job_id": ["9"]})
        pq.write_table(foreign, parts / "part-00000.parquet")
    else:
        (tmp_path / "r.csv").mkdir()
        more = ["--restart"]
    jobs = write_jobs(tmp_path / "jobs.csv", "a", 1)
    command = ["attribute", "batch", jobs, "--candidates", sample / "candidates"]
    ran = run(*command, "--out", "r.csv", *more)
    assert ran.code in {3, 5}
    assert is_one_line(ran.err)
