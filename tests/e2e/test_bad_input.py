"""Bad input gets one line: what was expected, what was found, where, and what to do next."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harvester.dataset.writer import DatasetWriter
from harvester.schema import Candidate


def bomb() -> bytes:
    """A PNG of 200 megapixels in a few hundred bytes; only its header is ever looked at."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )


@pytest.fixture
def place(tmp_path: Path, sample: Path) -> Path:
    """A folder with everything that is wrong."""
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "not.json").write_text("once upon a time")
    (tmp_path / "other.json").write_text('{"shopping": ["milk"]}')
    package = tmp_path / "package" / "messages" / "c123"
    package.mkdir(parents=True)
    (package / "messages.json").write_text(
        json.dumps([{"ID": 1, "Timestamp": "2026-01-01", "Contents": "hi", "Attachments": ""}])
    )
    (package / "channel.json").write_text('{"id": "123", "type": "DM"}')
    (package.parent / "index.json").write_text('{"123": "Direct Message"}')
    (tmp_path / "page.png").write_text("<!doctype html><title>Reddit</title>")
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "bomb.png").write_bytes(bomb())
    (tmp_path / "cut.png").write_bytes((sample / "gen.png").read_bytes()[:5000])
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "empty-folder").mkdir()
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(picture, "JPEG")
    with DatasetWriter(tmp_path / "old", Candidate) as store:
        store.append(Candidate(id="a", url="u", image=picture.getvalue()))
    [shard] = (tmp_path / "old").glob("part-*.parquet")
    stamp = {b"whence": b'{"schema_version": 0, "row": "candidate"}'}
    pq.write_table(pq.read_table(shard).replace_schema_metadata(stamp), shard)
    (tmp_path / "foreign").mkdir()
    pq.write_table(pa.table({"URL": ["u"]}), tmp_path / "foreign" / "part-0.parquet")
    (tmp_path / "file").write_text("in the way of a folder")
    return tmp_path


CASES = [
    # what is wrong, the command, exit code, words that must be in the line
    ("missing export", "harvest midjourney --discord-export none.json", 3, ["none.json"]),
    ("empty export", "harvest midjourney --discord-export empty.json", 3, ["empty.json", "empty"]),
    ("no JSON", "harvest midjourney --discord-export not.json", 3, ["not.json", "expected"]),
    ("other JSON", "harvest midjourney --discord-export other.json", 3, ["other.json"]),
    (
        "data package",
        "harvest midjourney --discord-export package",
        3,
        ["no bot generations", "DiscordChatExporter"],
    ),
    ("picture as export", "harvest midjourney --discord-export {sample}/gen.png", 3, ["gen.png"]),
    ("missing prompts", "harvest ddg --prompts none.txt", 3, ["none.txt"]),
    ("empty prompts", "harvest ddg --prompts empty.txt", 3, ["empty.txt", "expected"]),
    ("no prompts at all", "harvest ddg --prompt ,", 3, ["expected prompts"]),
    ("missing list", "harvest urls none.csv", 3, ["none.csv"]),
    ("list without addresses", "harvest urls foreign/part-0.txt", 3, ["part-0.txt"]),
    ("missing folder", "harvest folder none", 3, ["none", "expected a folder"]),
    ("empty folder", "harvest folder empty-folder", 3, ["empty-folder"]),
    ("unwritable place", "harvest folder {sample} --out file/x", 5, ["file/x", "--out"]),
    ("generations as candidates", "harvest folder {sample} --out old", 3, ["schema version"]),
    ("missing picture", "attribute --image none.png --offline", 3, ["none.png", "No such file"]),
    ("page as picture", "attribute --image page.png --offline", 3, ["page.png", "web page"]),
    ("zero bytes", "attribute --image zero.png --offline", 3, ["zero.png", "0 bytes"]),
    ("pixel bomb", "attribute --image bomb.png --offline", 3, ["bomb.png", "200"]),
    ("cut picture", "attribute --image cut.png --offline", 3, ["cut.png"]),
    ("folder as picture", "attribute --image old --offline", 3, ["old", "expected a picture"]),
    ("no candidates", "attribute --image {sample}/gen.png --offline", 5, ["harvest"]),
    (
        "another schema version",
        "attribute --image {sample}/gen.png --candidates old --offline",
        3,
        ["expected schema version 1, found 0"],
    ),
    (
        "other people's Parquet",
        "attribute --image {sample}/gen.png --candidates foreign --offline",
        3,
        ["expected a whence dataset", "harvest urls"],
    ),
    ("missing jobs", "attribute batch none.csv", 3, ["none.csv"]),
    ("jobs without pictures", "attribute batch {sample}/prompts.txt", 3, ["image"]),
    (
        "unknown ending",
        "attribute batch {sample}/jobs.csv --candidates {sample}/candidates --out r.xlsx",
        3,
        [".parquet", "r.xlsx"],
    ),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("command", "code", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_bad_input_is_one_line_and_an_exit_code(run, sample, command, code, words):
    arguments = [part.replace("{sample}", str(sample)) for part in command.split(" ")]
    ran = run(*arguments)
    assert ran.code == code, ran.err
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ran.err
    for word in words:
        assert word in errors[0]
    assert ran.out == ""


def test_nothing_half_written_is_left_by_any_of_them(run, place):
    run("harvest", "midjourney", "--discord-export", "not.json", "--out", "new")
    run("harvest", "urls", "none.csv", "--out", "new")
    assert not list((place / "new").rglob("*.parquet"))
    assert not list(place.rglob("*.tmp"))


def test_a_truncated_export_keeps_what_was_read_before_the_break(run, place, sample):
    whole = (sample / "discord" / "midjourney-sample.json").read_bytes()
    (place / "cut.json").write_bytes(whole[: len(whole) * 2 // 3])
    ran = run("harvest", "midjourney", "--discord-export", "cut.json", "--dry-run", "--json")
    assert ran.code == 0
    counts = json.loads(ran.out)
    assert 0 < counts["kinds"]["finished"] < 13
    assert len(counts["truncated"]) == 1
    assert "cut.json" in ran.err


def test_a_place_where_nobody_may_write_is_one_line(run, sample):
    """Not even root: /proc takes no folders."""
    ran = run("harvest", "folder", sample, "--out", "/proc/whence")
    assert ran.code == 5
    assert "error: /proc/whence: expected a folder that can be written" in ran.err


@pytest.mark.parametrize(
    "command",
    ["harvest ddg", "attribute", "attribute --grid maybe --image x.png", "harvest nonsense"],
)
def test_wrong_usage_is_exit_code_2_with_a_hint(run, command):
    ran = run(*command.split())
    assert ran.code == 2
    assert "Usage" in ran.err
