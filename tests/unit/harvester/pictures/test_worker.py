"""One picture's bytes to what is stored of it, and the answers that processes send about it."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harvester.consent.embedded import read_file_rights
from harvester.pictures.decode import (
    PictureError,
    announced_pixels,
    compute_hashes,
    encode_jpeg,
    open_picture,
)
from harvester.pictures.worker import SIZE, decode, pack, unpack
from harvester.schema import FetchStatus


def picture(width: int = 120, height: int = 80, kind: str = "JPEG", **options: object) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((width, height)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF"])
@pytest.mark.parametrize("side", [60, 512])
def test_what_is_stored_is_what_the_picture_door_gives(kind, side):
    body = picture(kind=kind)
    decoded = decode(body, side)
    opened = open_picture(body, max_side=side)
    assert decoded.sha256 == hashlib.sha256(body).hexdigest()
    assert (decoded.width, decoded.height, decoded.bytes) == (120, 80, len(body))
    assert decoded.mime == opened.mime
    assert decoded.jpeg == encode_jpeg(opened.rgb)
    hashes = compute_hashes(opened.rgb)
    assert dataclasses.asdict(hashes).items() <= dataclasses.asdict(decoded).items()
    assert (decoded.signals, decoded.creator) == ((), None)


def test_nothing_of_the_file_but_its_pixels_is_stored():
    decoded = decode(picture(comment=b"of the owner", icc_profile=b"odd", dpi=(7, 7)), 512)
    assert b"owner" not in decoded.jpeg
    assert b"ICC" not in decoded.jpeg


def test_what_the_file_says_of_its_use_is_kept():
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        b' xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"'
        b' plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    body = picture(xmp=xmp)
    decoded = decode(body, 64)
    assert decoded.signals == read_file_rights(body).signals
    assert len(decoded.signals) == 1
    assert unpack(pack(decoded)[SIZE.size :]) == decoded


def test_no_picture_is_the_picture_doors_error():
    with pytest.raises(PictureError) as caught:
        decode(b"<html>", 64)
    assert caught.value.status is FetchStatus.HTML


def test_answers_come_through_whole():
    decoded = dataclasses.replace(decode(picture(), 64), creator="©")
    assert unpack(pack(decoded)[SIZE.size :]) == decoded
    error = unpack(pack(PictureError(FetchStatus.TRUNCATED, "cut ©"))[SIZE.size :])
    assert (type(error), error.status, str(error)) == (PictureError, FetchStatus.TRUNCATED, "cut ©")


def test_both_kinds_of_answer_can_be_copied_and_so_pickled():
    decoded = decode(picture(), 64)
    assert copy.copy(decoded) == decoded
    error = copy.copy(PictureError(FetchStatus.HTML, "a page"))  # takes the way of pickle
    assert (error.status, str(error)) == (FetchStatus.HTML, "a page")


@given(st.binary(max_size=80))
def test_other_bytes_are_no_answer(data):
    with pytest.raises(ValueError, match="answer of a decoder"):
        unpack(data)


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        {"status": "fine", "reason": ""},
        {"status": "html"},
        {"status": "ok", "reason": ""},
        {"signals": []},
        {"signals": [1]},
        {"signals": [["a", "b", "c"]]},
        {"width": "9" * 9, "signals": [], "creator": None},
        None,
        "status",
    ],
)
def test_json_of_another_shape_is_no_answer(said):
    head = json.dumps(said).encode()
    with pytest.raises(ValueError, match="answer of a decoder"):
        unpack(SIZE.pack(len(head)) + head)


@pytest.mark.parametrize(
    ("said", "other"),
    [
        (b'"width": 120', b'"width": "1"'),
        (b'"width": 120', b'"width": 9999999999'),
        (b'"width": 120', b'"width": -1'),
        (b'"phash": "', b'"phash": "g'),
        (b'"creator": null', b'"creator": [""]'),
    ],
)
def test_a_value_that_no_row_can_hold_is_no_answer(said, other):
    answer = pack(decode(picture(), 64))
    assert said in answer
    answer = answer.replace(said, other)
    with pytest.raises(ValueError, match="answer of a decoder"):
        unpack(answer[SIZE.size :])


def test_json_nested_without_end_is_no_answer():
    head = b"[" * 200_000
    with pytest.raises(ValueError, match="answer of a decoder"):
        unpack(SIZE.pack(len(head)) + head)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF"])
def test_a_header_announces_its_pixels(kind):
    assert announced_pixels(picture(kind=kind)) == 9600


@given(st.binary(max_size=60))
def test_any_bytes_announce_a_number(data):
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG", b"II*\x00", b"GIF89a"):
        assert announced_pixels(start + data) >= 0
