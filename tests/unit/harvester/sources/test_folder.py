"""Folders of pictures: which files count, in which order, and what their sidecars say."""

from __future__ import annotations

import json
import logging
import os

import pytest

from harvester.errors import InputError
from harvester.schema import Finding
from harvester.sources.folder import read_folder


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "portfolio"
    made.mkdir()
    return made


def put(folder, *names, content="x"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def names_in(folder, **options):
    prefix = f"file:{folder.name}/"
    return [picture.finding.url.removeprefix(prefix) for picture in read_folder(folder, **options)]


def only(folder, **options) -> Finding:
    (picture,) = read_folder(folder, **options)
    return picture.finding


def test_pictures_come_in_natural_order_folders_included(folder):
    put(folder, "p10.png", "p9.JPG", "P1.webp", "b/2.jpeg", "b/10.jpeg", "a/x/y.gif")
    assert names_in(folder) == [
        "P1.webp",
        "p9.JPG",
        "p10.png",
        "a/x/y.gif",
        "b/2.jpeg",
        "b/10.jpeg",
    ]


def test_odd_names_are_left_to_the_picture_door(folder):
    odd = ["21_*pan.jpg", "7_.jpeg", "fish.jpg!d", "Grün.Jpg", "none", "a.jpg_large", "pic.2023"]
    put(folder, *odd)
    assert sorted(names_in(folder)) == sorted(odd)


def test_other_kinds_hidden_files_and_litter_are_left_out(folder):
    put(folder, "a.png", "a.pdf", "film.mp4", "s.sqlite", ".b.png", ".git/c.png", "Thumbs.db")
    put(folder, "__MACOSX/a.png", "notes.txt", "a.json", "readme.md", content="{}")
    assert names_in(folder) == ["a.png"]


def test_addresses_name_no_path_of_the_machine(folder, tmp_path):
    put(folder, "a b/ü.png")
    (picture,) = read_folder(folder)
    assert picture.finding.url == "file:portfolio/a b/ü.png"
    assert str(tmp_path) not in repr(picture.finding)
    assert picture.path.read_text() == "x"
    assert (picture.finding.source, picture.finding.rank) == ("folder", 1)


def test_links_that_lead_out_are_skipped(folder, tmp_path, caplog):
    put(tmp_path, "secret.png", "outside/b.png")
    put(folder, "a.png")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "inside.png").symlink_to(folder / "a.png")
    (folder / "below").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    with caplog.at_level(logging.WARNING):
        assert names_in(folder) == ["a.png", "inside.png"]
    assert caplog.text.count("leads out of the folder") == 3


def test_a_linked_sidecar_is_not_read_from_outside(folder, tmp_path):
    put(tmp_path, "secret.txt", content="the secret")
    put(folder, "a.png")
    (folder / "a.txt").symlink_to(tmp_path / "secret.txt")
    assert only(folder).caption is None


@pytest.mark.parametrize("name", ["a.txt", "a.caption", "a.png.txt"])
def test_a_caption_beside_the_picture(folder, name):
    put(folder, "a.png")
    put(folder, name, content="\ufeffa boat\n  at sea\n")
    assert only(folder).caption == "a boat at sea"


def test_gallery_dl_s_json(folder):
    put(folder, "123_boat.jpg")
    record = {
        "title": "Boat",
        "description": "A boat at sea",
        "author": {"id": 5, "name": "A. Painter"},
        "license": "CC BY 4.0",
        "url": "https://pictures.example/boat",
        "tags": ["boat", "sea"],
    }
    put(folder, "123_boat.jpg.json", content=record)
    finding = only(folder)
    assert (finding.title, finding.caption, finding.creator) == (
        "Boat",
        "A boat at sea",
        "A. Painter",
    )
    assert (finding.license, finding.page_url) == ("CC BY 4.0", "https://pictures.example/boat")


def test_img2dataset_s_json_and_txt(folder):
    put(folder, "000001.jpg")
    put(folder, "000001.txt", content="from the text")
    record = {"caption": "from the JSON", "url": "file:///etc/passwd", "width": 5, "license": "?"}
    put(folder, "000001.json", content=record)
    finding = only(folder)
    assert finding.caption == "from the JSON"
    assert finding.page_url is None


def test_several_artists_are_joined(folder):
    put(folder, "a.png")
    put(folder, "a.json", content={"artist": ["A. Painter", "B. Drawer"], "uploader": "someone"})
    assert only(folder).creator == "A. Painter, B. Drawer"


def test_hugging_face_metadata(folder):
    put(folder, "a.png", "sub/b.png", "sub/c.png", "d.png")
    put(folder, "metadata.csv", content="file_name,text\na.png,first\nsub/b.png,second\n")
    put(folder, "sub/metadata.jsonl", content={"file_name": "./c.png", "caption": "third"})
    put(folder, "a.txt", content="nearer")
    captions = {
        picture.path.name: picture.finding.caption for picture in read_folder(folder)
    }  # fmt: skip
    assert captions == {"a.png": "nearer", "b.png": "second", "c.png": "third", "d.png": None}


def test_metadata_cannot_speak_of_files_outside(folder):
    put(folder, "a.png")
    put(folder, "metadata.jsonl", content={"file_name": "../../a.png", "text": "elsewhere"})
    assert only(folder).caption is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"{broken"),
        ("a.json", b"[]"),
        ("a.json", b"[" * 100_000),
        ("a.json", b'{"title": ' + b"[" * 900 + b"]" * 900 + b"}"),
        ("a.txt", b"caf\xe9"),
        ("a.txt", b"x" * (5 << 20)),
        ("metadata.csv", b"name,words\na.png,b\n"),
        ("metadata.jsonl", b'{"file_name": "a\\u0000.png"}\n{'),
        ("metadata.parquet", b"PAR1"),
    ],
)
def test_broken_sidecars_are_told_and_passed_over(folder, caplog, name, content):
    put(folder, "a.png")
    (folder / name).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        finding = only(folder)
    assert finding.caption is None
    # Deep nesting is read or refused, by the depth that Python has left.
    assert name in caplog.text or b'"title"' in content


def test_a_creator_for_all_yields_to_the_sidecar(folder):
    put(folder, "a.png", "b.png")
    put(folder, "b.json", content={"artist": "B. Drawer"})
    creators = [picture.finding.creator for picture in read_folder(folder, creator="A. Painter")]
    assert creators == ["A. Painter", "B. Drawer"]


def test_names_that_are_not_utf8_can_be_stored(folder):
    with open(os.fsencode(folder) + b"/caf\xe9.png", "wb") as stream:  # noqa: PTH123 - bytes
        stream.write(b"x")
    finding = only(folder)
    assert finding.url == "file:portfolio/caf\\xe9.png"
    finding.url.encode()


def test_a_missing_folder_a_file_and_an_empty_folder_are_one_line(folder, tmp_path):
    put(tmp_path, "a.png")
    for path, message in [
        (tmp_path / "nowhere", "found nothing"),
        (tmp_path / "a.png", "found a file"),
        (folder, "expected pictures, found none"),
    ]:
        with pytest.raises(InputError, match=message):
            list(read_folder(path))
