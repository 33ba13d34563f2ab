"""Hashes are stored in datasets, so they must never change: pinned values and a second opinion."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from harvester.pictures.decode import compute_hashes, open_picture


def draw(seed: int, width: int, height: int) -> np.ndarray:
    """Overlapping discs on a slope, in whole numbers only: the same pixels on every machine."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    rgb = np.stack([across * 255 // width, down * 255 // height, (across + down) % 256], axis=-1)
    for _ in range(12):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        radius = int(rng.integers(9, max(10, min(width, height) // 3)))
        inside = (across - x) ** 2 + (down - y) ** 2 < radius**2
        rgb[inside] = rng.integers(0, 256, 3)
    return rgb.astype(np.uint8)


def bits_apart(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


PINNED = [
    (
        1,
        512,
        384,
        "a271e9a470d4eabc",
        "9fdc392c2f67f6b9",
        "86c44b8295e087e09b9498f86c6e31bc2a79361e592be6156787f192c3cfe3c7",
        100,
    ),
    (
        2,
        300,
        200,
        "a01c2c6dd6d91b37",
        "f7f7d994c6c6878f",
        "79b36045a05c8b6c43997bc1b04539b7023666f6deec38cd4b35c65beb18e19c",
        100,
    ),
    (
        3,
        64,
        64,
        "9c78793454232edd",
        "9d1133fc3c76ea64",
        "7a06b157905ec2be8b871ac815485e8b78afe15dd43aa8e247958f160fcf0f0f",
        98,
    ),
    (
        4,
        37,
        211,
        "a6013fc9b6a137c9",
        "fff9fffee1ffcb0d",
        "f3454da7b2584f18d2696f351d386284936bba4969b6f4c229b696494bfeb640",
        100,
    ),
    (
        6,
        512,
        512,
        "8e07ca07a55a3f9c",
        "e4e47163e6cdb557",
        "aa391f988e386aadd25655ad39701cd81ca9ec1c9e365eadf152f0e171a9a970",
        100,
    ),
]


@pytest.mark.parametrize("pinned", PINNED)
def test_hashes_are_constant(pinned):
    """PDQ adds floats, whose last digits depend on the processor: two of 256 bits may differ."""
    seed, width, height, phash, dhash, pdq, quality = pinned
    hashes = compute_hashes(draw(seed, width, height))
    assert (hashes.phash, hashes.dhash) == (phash, dhash)
    assert bits_apart(hashes.pdq, pdq) <= 2
    assert abs(hashes.pdq_quality - quality) <= 1


def test_pixels_of_a_picture_made_smaller_are_constant():
    buffer = io.BytesIO()
    Image.fromarray(draw(5, 1500, 900)).save(buffer, "PNG")
    rgb = open_picture(buffer.getvalue()).rgb
    assert hashlib.sha256(rgb.tobytes()).hexdigest() == PIXELS


PIXELS = "e70828d8a5d09d85bbe956ef0b65cad0daee935ca1a814ee7c8b2ec094243166"


def shrink(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    grey = Image.fromarray(rgb).convert("L")
    return np.asarray(grey.resize((width, height), Image.Resampling.LANCZOS), dtype=np.float64)


@pytest.mark.parametrize("seed", range(6))
def test_dhash_follows_its_definition(seed):
    """Bit (row, column), row by row, highest first: is the right neighbour brighter?"""
    rgb = draw(seed, 320, 200)
    cells = shrink(rgb, 9, 8)
    value = 0
    for row in range(8):
        for column in range(8):
            value = value << 1 | int(cells[row, column + 1] > cells[row, column])
    assert compute_hashes(rgb).dhash == f"{value:016x}"


@pytest.mark.parametrize("seed", range(6))
def test_phash_follows_its_definition(seed):
    """Bit (row, column) of the cosine transform's low corner against the corner's median."""
    rgb = draw(seed, 320, 200)
    points = np.arange(32)
    cosines = np.cos(np.pi * np.outer(np.arange(8), 2 * points + 1) / 64)
    low = cosines @ shrink(rgb, 32, 32) @ cosines.T
    bits = (low > np.median(low)).reshape(-1)
    value = int("".join(map(str, bits.astype(int))), 2)
    # A frequency at the very median may fall on either side.
    assert bits_apart(compute_hashes(rgb).phash, f"{value:016x}") <= 1


@pytest.mark.parametrize("seed", range(4))
def test_pdq_is_in_the_order_of_its_text_form(seed):
    """Mirroring a picture flips the signs of the odd horizontal frequencies, and nothing else.

    PDQ's text holds the rows of its 16x16 frequencies from the last to the first, each row from
    the highest frequency to the lowest; the transform leaves out frequency 0, so the last digit's
    lowest bit is frequency (1, 1) and every second bit flips, but for values near the median.
    """
    square = draw(seed, 256, 256)
    bits = np.array([int(bit) for bit in f"{int(compute_hashes(square).pdq, 16):0256b}"])
    mirrored = compute_hashes(np.ascontiguousarray(square[:, ::-1]))
    turned = np.array([int(bit) for bit in f"{int(mirrored.pdq, 16):0256b}"])
    flips = (bits ^ turned).reshape(16, 16).mean(axis=0)
    assert flips[15::-2].mean() > 0.8
    assert flips[14::-2].mean() < 0.2
