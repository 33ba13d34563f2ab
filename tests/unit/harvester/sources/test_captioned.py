"""Captioned sets: which row of a list is for which picture, and what a package of emoji may hold."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from PIL import Image

from harvester.errors import InputError
from harvester.schema import category_of
from harvester.sources import emoji
from harvester.sources.captioned import CaptionFilter, CaptionTally, as_category, read_captioned
from harvester.sources.emoji import open_package, plain_words
from harvester.sources.svg import draw_svg

SVG = (
    '<svg id="emoji" viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">'
    '<g id="color"><rect x="0" y="0" width="72" height="36" fill="#ea5a47"/></g></svg>'
)
APPLE = {
    "name": "RED APPLE",
    "unified": "1F34E",
    "image": "1f34e.png",
    "short_name": "apple",
    "category": "Food & Drink",
    "sort_order": 750,
    "has_img_google": True,
    "has_img_twitter": True,
}
SANTA = APPLE | {
    "name": "FATHER CHRISTMAS",
    "image": "1f385.png",
    "category": "People & Body",
    "has_img_google": False,
    "skin_variations": {
        "1F3FB": {"image": "1f385-1f3fb.png", "has_img_twitter": True, "has_img_google": True},
        "1F3FC-1F3FF": {"image": "1f385-1f3fc-1f3ff.png", "has_img_twitter": True},
    },
}
FACE = {
    "hexcode": "1F600",
    "group": "smileys-emotion",
    "annotation": "grinning face",
    "skintone": "",
}
WAVE = {
    "hexcode": "1F44B-1F3FB",
    "group": "people-body",
    "annotation": "waving hand: light skin tone",
    "skintone": 1,
}
LOGO = {"hexcode": "E045", "group": "extras-openmoji", "annotation": "Gitter", "skintone": ""}


def png(colour="red"):
    stream = io.BytesIO()
    Image.new("RGBA", (64, 64), colour).save(stream, "PNG")
    return stream.getvalue()


def files_of(vendor, records=(APPLE, SANTA)):
    files = {
        "package.json": json.dumps({"name": f"emoji-datasource-{vendor}"}).encode(),
        "emoji.json": json.dumps(records).encode(),
    }
    for record in records:
        if isinstance(record, dict):
            varied = [one["image"] for one in record.get("skin_variations", {}).values()]
            for name in (record["image"], *varied):
                files[f"img/{vendor}/64/{name}"] = png()
    return files


def openmoji_files(*records):
    files = {f"color/svg/{one['hexcode']}.svg": SVG.encode() for one in records}
    files["package.json"] = b'{"name": "openmoji"}'
    files["data/openmoji.json"] = json.dumps(records).encode()
    return files


def as_folder(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def as_archive(path, files, *members):
    with tarfile.open(path, "w:gz") as stream:
        for member in members:
            stream.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            stream.addfile(member, io.BytesIO(content))
    return path


def read(source, scratch, tally=None, choice=None, **options):
    scratch.mkdir(exist_ok=True)
    (scratch / "drawn").mkdir(exist_ok=True)
    package = open_package(source, scratch, **options)
    return list(package.pictures(scratch / "drawn", choice=choice, tally=tally or CaptionTally()))


def urls(pictures):
    return [picture.finding.url for picture in pictures]


def test_a_vendors_emoji_carry_name_maker_and_license(tmp_path):
    source = as_folder(tmp_path / "any name", files_of("twitter"))
    apple, santa = read(source, tmp_path / "scratch")
    found = apple.finding
    assert found.url == "file:emoji-datasource-twitter/Food & Drink/1f34e.png"
    assert (found.title, found.caption, found.creator) == ("red apple", "red apple", "Twitter")
    assert (found.license, found.license_url) == (
        "CC BY 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
    )
    assert (found.source, found.rank, santa.finding.rank) == ("captions", 1, 2)
    assert apple.path.read_bytes() == png()


def test_a_picture_that_the_vendor_does_not_have_is_no_picture(tmp_path):
    source = as_folder(tmp_path / "package", files_of("google"))
    assert urls(read(source, tmp_path / "scratch")) == [
        "file:emoji-datasource-google/Food & Drink/1f34e.png"
    ]


def test_skin_tones_come_only_when_asked_for_and_are_named(tmp_path):
    source = as_folder(tmp_path / "package", files_of("twitter"))
    captions = [one.finding.caption for one in read(source, tmp_path / "s", variants=True)]
    assert captions == [
        "red apple",
        "father christmas",
        "father christmas light skin tone",
        "father christmas medium-light skin tone dark skin tone",
    ]


def test_an_archive_gives_what_its_folder_gives(tmp_path):
    files = files_of("twitter")
    packed = read(as_archive(tmp_path / "p.tgz", files), tmp_path / "a")
    as_folder(tmp_path / "above" / "package", files)
    unpacked = read(tmp_path / "above", tmp_path / "b")
    assert urls(packed) == urls(unpacked)
    assert [one.path.read_bytes() for one in packed] == [one.path.read_bytes() for one in unpacked]


def test_openmoji_is_drawn_and_its_groups_go_by_the_others_names(tmp_path):
    source = as_folder(tmp_path / "package", openmoji_files(FACE, WAVE, LOGO))
    face, logo = read(source, tmp_path / "scratch")
    assert face.finding.url == "file:openmoji/Smileys & Emotion/1F600.svg"
    assert logo.finding.url == "file:openmoji/Extras Openmoji/E045.svg"
    assert face.finding.license == "CC BY-SA 4.0"
    with Image.open(face.path) as drawn:
        assert (drawn.size, drawn.mode) == ((256, 256), "RGBA")
        assert drawn.getpixel((128, 64)) == (0xEA, 0x5A, 0x47, 255)
        assert drawn.getpixel((128, 192))[3] == 0
    everything = read(source, tmp_path / "scratch", variants=True)
    assert everything[1].finding.caption == "waving hand light skin tone"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RED APPLE", "red apple"),
        ("FAMILY: MAN, BOY", "family man boy"),
        ("KEYCAP: *", "keycap *"),
        ("U.S. Outlying Islands Flag", "us outlying islands flag"),
        ("Japanese “secret” button", "japanese secret button"),
        ("RESCUE WORKER’S HELMET", "rescue worker’s helmet"),
        ("flag: Curaçao", "flag curaçao"),
        ("\x1b[31mred\u202e _apple_", "red apple"),
        (":,.", None),
    ],
)
def test_names_become_plain_words(name, words):
    assert plain_words(name) == words


def test_categories_are_taken_and_left_out_without_regard_to_case(tmp_path):
    source = as_folder(tmp_path / "package", files_of("twitter"))
    tally = CaptionTally()
    (apple,) = read(source, tmp_path / "s", tally, CaptionFilter(without=("people & body",)))
    assert category_of(apple.finding.url) == "Food & Drink"
    assert tally.record() == {"taken": 1, "without_caption": 0, "left_out": 1, "lost": 0}
    (santa,) = read(source, tmp_path / "s", choice=CaptionFilter(only=("PEOPLE & BODY",)))
    assert santa.finding.caption == "father christmas"
    with pytest.raises(InputError, match=r"Food & Drink, People & Body\), found 'Flgas'"):
        read(source, tmp_path / "s", choice=CaptionFilter(without=("Flgas",)))


def test_proprietary_emoji_are_refused_with_the_reason(tmp_path):
    for vendor in ("apple", "facebook"):
        source = as_folder(tmp_path / vendor, files_of(vendor))
        with pytest.raises(InputError, match=f"datasource-{vendor}: .* proprietary"):
            open_package(source, tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no package.json"),
        ({"package.json": b"{"}, "expected JSON in package.json"),
        ({"package.json": b"[" * 100_000}, "expected JSON in package.json"),
        ({"package.json": b'{"name": "left-pad"}'}, "found left-pad"),
        ({"package.json": b'["\xff"]'}, "expected JSON in package.json"),
        ({"package.json": b'{"name": ["openmoji"]}'}, "found none"),
        ({"package.json": b'{"name": "openmoji"}'}, "no openmoji.json"),
        (openmoji_files(), "expected emoji in data/openmoji.json, found none"),
        (openmoji_files(FACE) | {"data/openmoji.json": b"{}"}, "found a dict"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path, files, message):
    (tmp_path / "package").mkdir()
    with pytest.raises(InputError, match=message):
        open_package(as_folder(tmp_path / "package", files), tmp_path)
    with pytest.raises(InputError, match=message):
        open_package(as_archive(tmp_path / "p.tgz", files), tmp_path / "scratch")


def test_a_file_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji, "_LONGEST_JSON", 10)
    source = as_folder(tmp_path / "package", files_of("twitter"))
    with pytest.raises(InputError, match=r"JSON in package\.json, found more than 10 bytes; get"):
        open_package(source, tmp_path)


@pytest.mark.parametrize("cut", [0, 40, 300])
def test_a_broken_archive_is_refused(tmp_path, cut):
    whole = as_archive(tmp_path / "p.tgz", files_of("twitter")).read_bytes()
    (tmp_path / "p.tgz").write_bytes(whole[:cut] if cut else b"file_name,caption\n")
    with pytest.raises(InputError, match=r"expected an npm package \(\.tgz\)"):
        open_package(tmp_path / "p.tgz", tmp_path / "scratch")


def test_an_archive_writes_nothing_but_what_is_read_of_it(tmp_path):
    link = tarfile.TarInfo("package/img/twitter/64")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    hard = tarfile.TarInfo("package/img/twitter/64/1f600.png")
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/hostname"
    strange = {
        "../../img/twitter/64/1f601.png": b"x",
        "img/twitter/64/../../../1f602.png": b"x",
        "img/twitter/64/.bashrc": b"x",
        "README.md": b"x",
    }
    archive = as_archive(tmp_path / "p.tgz", strange | files_of("twitter", [APPLE]), link, hard)
    read(archive, tmp_path / "scratch")
    written = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert {str(path) for path in written} == {
        "p.tgz",
        "scratch/package.json",
        "scratch/emoji.json",
        "scratch/img/twitter/64/1f34e.png",
    }


def test_an_archive_that_swells_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji, "_LARGEST_PACKAGE", 1 << 20)
    archive = as_archive(tmp_path / "p.tgz", {"zeros": bytes(8 << 20)} | files_of("twitter"))
    assert archive.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="more than 1 MiB in it"):
        open_package(archive, tmp_path / "scratch")


def test_records_cannot_lead_out_of_the_package(tmp_path):
    (tmp_path / "secret.png").write_bytes(png("blue"))
    leading = [
        APPLE | {"image": "../../../../secret.png"},
        APPLE | {"image": str(tmp_path / "secret.png")},
        APPLE | {"image": None},
        APPLE | {"image": "1f601.png", "category": "../..//a\x1b[2J\n"},
        "no record",
        APPLE,
    ]
    files = files_of("twitter", [APPLE]) | {"emoji.json": json.dumps(leading).encode()}
    source = as_folder(tmp_path / "package", files)
    (source / "img/twitter/64/1f601.png").symlink_to(tmp_path / "secret.png")
    tally = CaptionTally()
    assert urls(read(source, tmp_path / "s", tally)) == [
        "file:emoji-datasource-twitter/Food & Drink/1f34e.png"
    ]
    assert tally.lost == 1
    assert as_category("../..//a\x1b[2J\n") == "a"


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ('<image href="/etc/hostname.png"/>', "element 'image'"),
        ("<style>@import url(http://x)</style>", "element 'style'"),
        ('<use href="#a"/>', "element 'use'"),
        ("<text>a</text>", "element 'text'"),
        ('<rect style="filter:blur(9px)"/>', "attribute 'style'"),
        ('<rect filter="blur(9px)"/>', "attribute 'filter'"),
        ("<g>" * 40 + "</g>" * 40, "32 deep"),
        ("<rect/>" * 1001, "at most 1,000 shapes"),
        ('<path stroke-dasharray="1" d="M0 0"/>' * 9, "8 of them dashed"),
        ("<g>", "expected an SVG drawing"),
        (" " * (200 << 10), "bytes of SVG"),
    ],
)
def test_svg_of_more_than_plain_shapes_is_not_drawn(inside, message):
    with pytest.raises(ValueError, match=message):
        draw_svg(SVG.replace("</svg>", inside + "</svg>").encode())


def test_svg_with_entities_is_not_drawn():
    with pytest.raises(ValueError, match="document type"):
        draw_svg(b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + SVG.encode())


def test_a_drawing_that_is_refused_costs_one_picture(tmp_path):
    files = openmoji_files(FACE, LOGO) | {"color/svg/E045.svg": b"<html/>"}
    tally = CaptionTally()
    (face,) = read(as_folder(tmp_path / "package", files), tmp_path / "s", tally)
    assert (face.finding.caption, tally.lost) == ("grinning face", 1)


@pytest.fixture
def folder(tmp_path):
    return as_folder(
        tmp_path / "set", {"a.png": png(), "cats/b.png": png("blue"), "cats/c.png": png("green")}
    )


def write_list(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def captioned(folder, path, tally=None, **options):
    found = read_captioned(folder, path, tally=tally or CaptionTally(), **options)
    return {one.path.name: one.finding for one in found}


def test_a_list_elsewhere_names_pictures_by_their_path_below_the_folder(folder, tmp_path):
    (tmp_path / "lists").mkdir()
    rows = [
        {"image": "a.png", "text": "an  a", "artist": "Ada", "category": "letters"},
        {"image": "./cats/b.png", "text": "a cat", "license_url": "javascript:alert(1)"},
        {"image": "cats/b.png", "text": "another caption", "title": "B"},
        {"image": "gone.png", "text": "gone"},
        {"image": "./gone.png", "text": "gone, in other words"},
    ]
    tally = CaptionTally()
    found = captioned(folder, write_list(tmp_path / "lists" / "l.jsonl", *rows), tally)
    assert found["a.png"].url == "file:set/letters/a.png"
    assert (found["a.png"].caption, found["a.png"].creator) == ("an a", "Ada")
    assert found["b.png"].url == "file:set/cats/b.png"
    assert (found["b.png"].caption, found["b.png"].title) == ("a cat", "B")
    assert found["b.png"].license_url is None
    assert found["c.png"].caption is None
    assert tally.record() == {"taken": 3, "without_caption": 1, "left_out": 0, "lost": 1}


def test_a_list_beside_the_pictures_names_them_from_there(folder, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("file,prompt\nset/cats/c.png,a green cat\nset/cats/d.png,gone\n")
    tally = CaptionTally()
    assert captioned(folder, path, tally)["c.png"].caption == "a green cat"
    assert tally.lost == 1


def test_the_list_counts_before_sidecars(folder, tmp_path):
    (folder / "a.txt").write_text("of the sidecar")
    (folder / "cats" / "c.txt").write_text("of the sidecar")
    found = captioned(folder, write_list(tmp_path / "l.jsonl", {"file": "a.png", "text": "listed"}))
    assert (found["a.png"].caption, found["c.png"].caption) == ("listed", "of the sidecar")


def test_folders_and_rows_name_categories(folder, tmp_path):
    path = write_list(
        tmp_path / "l.jsonl", {"file": "a.png"}, {"file": "cats/b.png", "category": "dogs/../x"}
    )
    assert captioned(folder, path)["b.png"].url == "file:set/cats/dogs .. x/b.png"
    assert set(captioned(folder, path, choice=CaptionFilter(only=("cats",)))) == {"c.png"}
    assert set(captioned(folder, path, choice=CaptionFilter(without=("Cats",)))) == {
        "a.png",
        "b.png",
    }
    with pytest.raises(InputError, match=r"category of this set \(cats, dogs .. x\), found 'no'"):
        read_captioned(folder, path, choice=CaptionFilter(only=("no",)), tally=CaptionTally())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no row that names a file"),
        ("file,caption\nz.png,z\n", "none of 1 named"),
        ("file,caption\n\x00.png,z\n", "zero byte"),
        ("caption\nz\n", "expected a column called"),
    ],
)
def test_a_list_that_is_for_other_pictures_is_refused(folder, tmp_path, content, message):
    (tmp_path / "l.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_captioned(folder, tmp_path / "l.csv", tally=CaptionTally())


def test_no_folder_and_no_list_are_said_so(folder, tmp_path):
    with pytest.raises(InputError, match="expected a folder of pictures, found nothing"):
        read_captioned(tmp_path / "no", tmp_path / "l.csv", tally=CaptionTally())
    with pytest.raises(InputError, match="expected a list of captions, found nothing"):
        read_captioned(folder, tmp_path / "l.csv", tally=CaptionTally())
