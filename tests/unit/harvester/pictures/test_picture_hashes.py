"""How the hashes of pictures behave; their very values are pinned in the golden tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harvester.pictures.decode import compute_hashes, open_picture


def save(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def bits_apart(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2), (512, 512)])
def test_every_size_can_be_hashed(size):
    hashes = compute_hashes(np.zeros((size[1], size[0], 3), np.uint8))
    assert [len(text) for text in (hashes.phash, hashes.dhash, hashes.pdq)] == [16, 16, 64]


def test_a_flat_picture_has_no_pdq_quality():
    for colour in ((255, 0, 0), (255, 255, 255), (17, 130, 9)):
        flat = np.full((300, 200, 3), colour, np.uint8)
        assert compute_hashes(flat).pdq_quality == 0


def test_hashes_stand_re_encoding_and_resizing():
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    large = coarse.resize((1200, 900), Image.Resampling.BICUBIC)
    one = compute_hashes(open_picture(save(large, "PNG")).rgb)
    small = large.resize((300, 225), Image.Resampling.LANCZOS)
    two = compute_hashes(open_picture(save(small, "JPEG", quality=60)).rgb)
    assert bits_apart(one.phash, two.phash) <= 4
    assert bits_apart(one.dhash, two.dhash) <= 4
    assert bits_apart(one.pdq, two.pdq) <= 16
    assert one.pdq_quality >= 50
