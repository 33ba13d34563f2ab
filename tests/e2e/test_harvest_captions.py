"""`harvest captions` as people start it: packages of emoji and lists of captions into a dataset."""

from __future__ import annotations

import io
import json
import tarfile

import pyarrow.parquet as pq
import pytest
from PIL import Image

NAMES = {"1f34e": ("RED APPLE", "Food & Drink"), "1f34c": ("BANANA", "Food & Drink")}
NAMES["1f1e6"] = ("ANGUILLA FLAG", "Flags")


def png(shade):
    """A disc on nothing: the ground is transparent."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((shade, 40, 40, 255), (16, 16, 48, 48))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def package(tmp_path):
    records = [
        {"name": name, "category": category, "image": f"{code}.png", "has_img_twitter": True}
        for code, (name, category) in NAMES.items()
    ]
    files = {
        "package.json": b'{"name": "emoji-datasource-twitter", "version": "16.0.0"}',
        "emoji.json": json.dumps(records).encode(),
    }
    for number, code in enumerate(NAMES):
        files[f"img/twitter/64/{code}.png"] = png(80 * number)
    path = tmp_path / "emoji-datasource-twitter-16.0.0.tgz"
    with tarfile.open(path, "w:gz") as stream:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            stream.addfile(member, io.BytesIO(content))
    return path


def rows(dataset):
    return [
        row for part in sorted(dataset.glob("*.parquet")) for row in pq.read_table(part).to_pylist()
    ]


def test_a_package_becomes_a_dataset_with_captions(run, package, tmp_path):
    done = run("harvest", "captions", package, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["new"], said["failed"]) == (3, 0)
    assert said["captions"] == {"taken": 3, "without_caption": 0, "left_out": 0, "lost": 0}
    found = {row["caption"]: row for row in rows(tmp_path / "data" / "captions")}
    assert set(found) == {"red apple", "banana", "anguilla flag"}
    apple = found["red apple"]
    assert apple["url"] == "file:emoji-datasource-twitter/Food & Drink/1f34e.png"
    assert (apple["creator"], apple["license"]) == ("Twitter", "CC BY 4.0")
    with Image.open(io.BytesIO(apple["image"]["bytes"])) as stored:
        assert (stored.mode, stored.size) == ("RGB", (64, 64))
        assert min(stored.getpixel((2, 2))) >= 250, "what was transparent is white"
    again = json.loads(run("harvest", "captions", package, "--json").out)
    assert (again["new"], again["known"]) == (0, 3)


def test_categories_and_a_limit_choose(run, package, tmp_path):
    done = run("harvest", "captions", package, "--without-category", "flags", "--limit", 1)
    assert done.code == 0, done.err
    assert [row["caption"] for row in rows(tmp_path / "data" / "captions")] == ["red apple"]


def test_a_folder_with_a_list_counts_what_has_no_caption(run, tmp_path):
    (tmp_path / "art").mkdir()
    for number in range(3):
        (tmp_path / "art" / f"{number}.png").write_bytes(png(80 * number))
    (tmp_path / "list.csv").write_text(
        "file_name,caption,artist\n0.png,a disc,Ada\n1.png,,Ben\n9.png,,\n"
    )
    done = run("harvest", "captions", "art", "--captions", "list.csv", "--out", "set", "--json")
    assert done.code == 0, done.err
    assert "without a caption: 2 of 3" in done.err
    assert "named by the set, but missing or not drawable: 1" in done.err
    said = json.loads(done.out)["captions"]
    assert said == {"taken": 3, "without_caption": 2, "left_out": 0, "lost": 1}
    found = {row["url"]: (row["caption"], row["creator"]) for row in rows(tmp_path / "set")}
    assert found == {
        "file:art/0.png": ("a disc", "Ada"),
        "file:art/1.png": (None, "Ben"),
        "file:art/2.png": (None, None),
    }


def test_what_cannot_be_taken_in_leaves_no_dataset(run, package, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("file_name,caption\n0.png,a disc\n")
    for arguments, code, message in (
        (("gone",), 3, "expected a package of emoji, found nothing"),
        (("empty",), 3, "expected an npm package, found no package.json"),
        (("list.csv",), 3, "expected an npm package (.tgz)"),
        (("empty", "--captions", "list.csv"), 3, "none of 1 named"),
        ((package, "--category", "Flag"), 3, "found 'Flag'"),
        (("empty", "--captions", "list.csv", "--variants"), 2, "--variants"),
        ((package, "--limit", "0"), 2, "--limit"),
    ):
        done = run("harvest", "captions", *arguments)
        assert done.code == code, done.err
        assert message in " ".join(done.err.split()), done.err
        assert not (tmp_path / "data").exists()
