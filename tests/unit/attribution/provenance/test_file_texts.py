"""Texts in picture files: every container and encoding, and hostile ones within bounds."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.provenance.origin import Origin, read_origin
from tests.support.generated_files import (
    JOB,
    NOTHING,
    WEB_UI,
    chunk,
    exif,
    picture,
    png,
    png_with,
    xmp,
)
from tests.support.patience import cpu_seconds


@pytest.mark.parametrize("zipped", [False, True])
def test_png_texts_may_be_packed_and_in_any_script(zipped):
    text = "灯台、嵐\nSteps: 20, Sampler: Euler"
    assert read_origin(png(("parameters", text), zipped=zipped)).prompt == "灯台、嵐"
    utf8_in_latin1_chunk = png_with(chunk(b"tEXt", b"parameters\0" + text.encode()))
    assert read_origin(utf8_in_latin1_chunk).prompt == "灯台、嵐"


def test_text_behind_the_pixels_counts_too():
    body = picture()
    late = body[:-12] + chunk(b"tEXt", b"parameters\0a cat") + body[-12:]
    assert read_origin(late).prompt == "a cat"


@pytest.mark.parametrize(
    "comment",
    [
        b"ASCII\0\0\0" + WEB_UI.encode(),
        b"UNICODE\0" + WEB_UI.encode("utf-16-le"),
        b"UNICODE\0" + WEB_UI.encode("utf-16-be"),
        b"UNICODE\0" + WEB_UI.encode("utf-16"),
        b"JIS\0\0\0\0\0" + WEB_UI.encode("iso2022_jp"),
        bytes(8) + WEB_UI.encode(),
        WEB_UI.encode(),
    ],
    ids=["ascii", "utf-16-le", "utf-16-be", "utf-16 marked", "jis", "unnamed", "bare"],
)
def test_user_comments_in_each_encoding(comment):
    origin = read_origin(picture("JPEG", exif=exif({}, {0x9286: comment})))
    assert (origin.prompt or "").startswith("a lighthouse")
    assert origin.negative_prompt == "blurry,\nlow quality"


def test_windows_comments_and_jpeg_comments():
    wide = WEB_UI.encode("utf-16-le") + b"\0\0"
    assert read_origin(picture("JPEG", exif=exif({0x9C9C: wide}))).negative_prompt
    assert read_origin(picture("JPEG", comment=WEB_UI.encode())).negative_prompt


def test_texts_are_cut_and_halves_of_characters_mended():
    assert len(read_origin(png(("parameters", "x" * 30_000))).prompt) == 20_000
    half = '{"prompt": "a \\ud83d cat", "negative_prompt": ""}'
    assert read_origin(png(("parameters", half))).prompt == "a \ufffd cat"


def test_packed_texts_cost_no_more_than_their_limit():
    bomb = zlib.compress(b"a" * (300 << 20), 9)
    with cpu_seconds(5):
        origin = read_origin(png_with(*[chunk(b"zTXt", b"parameters\0\0" + bomb)] * 50))
        assert len(origin.prompt) == 20_000


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "packet",
    [
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l11;</x>'.encode(),
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
        b"<x>" * 50_000,
        xmp("", f"<dc:description>a Job ID: {JOB}</dc:description>")[:-200],
        b"\xff\xfe\x00" * 30,
        b"",
    ],
    ids=["laughs", "file", "dtd", "deep", "cut", "no text", "empty"],
)
def test_hostile_packets_end_quickly(packet):
    with cpu_seconds(1):
        origin = read_origin(png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)))
    assert origin.prompt in {None, "a"}


def test_a_document_type_spoils_the_whole_packet():
    packet = b'<!DOCTYPE x [<!ENTITY e "a">]>' + xmp(f'Iptc4xmpExt:DigImageGUID="{JOB}"')[60:]
    assert read_origin(picture("JPEG", xmp=packet)) == NOTHING


@pytest.mark.parametrize(
    "text",
    ['{"prompt": ' * 100_000, "[" * 500_000, '{"a": ' + "9" * 5000 + "}", "{", '{"6": {"class_ty'],
)
def test_hostile_json_says_nothing(text):
    assert read_origin(png(("prompt", text), ("Comment", text))).generator is None


def test_addresses_and_ids_that_are_none_are_not_passed_on():
    packet = xmp(
        'Iptc4xmpExt:DigImageGUID="<script>" Iptc4xmpExt:DigitalSourceType="javascript:alert(1)"'
    )
    assert read_origin(picture("JPEG", xmp=packet)) == NOTHING


def test_directories_that_point_at_themselves_end():
    tags = struct.pack("<HHHIIHHII", 2, 0x8769, 4, 1, 8, 0x010E, 2, 0xFFFFFFFF, 0xFFFFFFF0)
    assert read_origin(b"II*\0" + struct.pack("<I", 8) + tags) == NOTHING


@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"II*\0", b""]))
def test_any_bytes_end_in_silence(body, start):
    assert read_origin(start + body).prompt is None


def test_thousands_of_packed_packets_are_not_all_opened():
    bomb = zlib.compress(b"<x>" + b" " * (20 << 20))
    packets = [chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)] * 3000
    with cpu_seconds(1):
        assert read_origin(png_with(*packets)) == NOTHING


def test_a_tiff_file_may_keep_its_texts_at_its_end():
    entry = struct.pack("<HHHIII", 1, 0x010E, 2, len(WEB_UI) + 1, 8 + (3 << 20), 0)
    text = WEB_UI.encode() + b"\0"
    at = 8 + (3 << 20) + len(text)
    body = b"II*\0" + struct.pack("<I", at) + bytes(3 << 20) + text + entry
    assert read_origin(body).negative_prompt == "blurry,\nlow quality"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_damage_anywhere_never_raises(kind):
    chance = random.Random(0)
    options = {"exif": exif({0x010E: f"a Job ID: {JOB}"}, {0x9286: b"ASCII\0\0\0a\nSteps: 1"})}
    whole = picture(kind, **options)
    assert read_origin(whole).prompt == "a"
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(4):
            body[chance.randrange(len(body))] = chance.randrange(256)
        damaged = bytes(body[: chance.randrange(len(body))]) if chance.random() < 0.3 else body
        assert isinstance(read_origin(bytes(damaged)), Origin)
