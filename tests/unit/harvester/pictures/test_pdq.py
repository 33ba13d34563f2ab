"""PDQ's bits are stored in datasets, so they must never change: pinned values and a second opinion.

The values are those of pdqhash 0.2.8 on x86-64. Flat and symmetric pictures are among them for a
reason: half their bits come from the order in which float32 numbers are added.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harvester.pictures import pdq


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A linear congruential generator in whole numbers: the same on every machine, for ever."""
    values, state = bytearray(), 1
    for _ in range(height * width * channels):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        values.append(state >> 23)
    return np.frombuffer(bytes(values), np.uint8).reshape(height, width, channels)


def blocks(height: int, width: int, size: int) -> np.ndarray:
    small = noise(-(-height // size), -(-width // size))
    return small.repeat(size, axis=0).repeat(size, axis=1)[:height, :width]


def slopes(height: int, width: int) -> np.ndarray:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    channels = [across * 255 // width, down * 255 // height, (across + down) % 256]
    return np.stack(channels, axis=-1).astype(np.uint8)


def disc(side: int) -> np.ndarray:
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    inside = (2 * across - side + 1) ** 2 + (2 * down - side + 1) ** 2 < side**2 // 2
    return np.stack([inside * 200, inside * 90, inside * 10], axis=-1).astype(np.uint8)


def flat(side: int, *colour: int) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


PICTURES: dict[str, Callable[[], np.ndarray]] = {
    "blocks": lambda: blocks(128, 128, 8),
    "noise": lambda: noise(128, 128),
    "slopes": lambda: slopes(128, 128),
    "disc": lambda: disc(128),
    "flat": lambda: flat(128, 77, 150, 23),
    "black": lambda: flat(128, 0, 0, 0),
    "unfiltered": lambda: blocks(64, 64, 4),
    "odd": lambda: blocks(131, 257, 9),
    "large": lambda: slopes(384, 512),
    "tall": lambda: blocks(700, 9, 9),
    "least": lambda: noise(5, 5),
    "too small": lambda: noise(4, 128),
}

PINNED: dict[str, tuple[str, int]] = {
    "blocks": (
        "ffff987c863cad9cf919886ac810aa25c6a5c1b42e681414f058eb29efaea8da",
        100,
    ),
    "noise": (
        "665c1c27f27bb6d0449eb79aec7b68553caf8ef460522b287624503a89fb641a",
        100,
    ),
    "slopes": (
        "cf109e058075ea94283d5b68554c541d44f1cbe522fcfff90003ffd60001ffff",
        44,
    ),
    "disc": (
        "78a387c9a5969e1c968d7c3c5a586163e86963e385e2361e5e973c1ca17ac9c9",
        88,
    ),
    "flat": (
        "00002c4b2c4b00002c4b113400002c4b00002c4b554b2c4b1134113413a08200",
        0,
    ),
    "black": (
        "0000000000000000000000000000000000000000000000000000000000000000",
        0,
    ),
    "unfiltered": (
        "bdff987c863cad9cf919886ac810aa25c6a5c1b4ae689414f058eb29efaea8da",
        100,
    ),
    "odd": (
        "effeeb4b35a95b0b6f68a5454fc2ccaa6fd32468192524112a1104df0ee917cd",
        100,
    ),
    "large": (
        "aaaaaaaa5d5daaaa2aaa55d5faaa72aa055d7faaf72a4055455a7f7204055055",
        63,
    ),
    "tall": (
        "400e1497717cf26c01255aec054811c2f1842a61105061010fa369aa35c605c6",
        100,
    ),
    "least": (
        "cb7293a43c8d6e5b61d861d8e3d89e279e2793a4c37293a43c8d6c5b61d861d8",
        100,
    ),
    "too small": (
        "0000000000000000000000000000000000000000000000000000000000000000",
        0,
    ),
}


def to_hex(bits: np.ndarray) -> str:
    return np.packbits(bits).tobytes().hex()


@pytest.mark.parametrize("name", PICTURES)
def test_hashes_are_constant(name):
    hashed = pdq.compute(PICTURES[name]())
    assert (to_hex(hashed.bits), hashed.quality) == PINNED[name]


@pytest.mark.parametrize("name", PICTURES)
def test_the_original_agrees(name):
    """Beyond x86-64 the original may round otherwise; see the module."""
    pdqhash = pytest.importorskip("pdqhash")
    rgb = PICTURES[name]()
    bits, quality = pdqhash.compute(rgb)
    hashed = pdq.compute(rgb)
    assert np.array_equal(hashed.bits, bits)
    assert hashed.quality == quality


@pytest.mark.parametrize("side", [5, 64, 100, 128, 300])
@pytest.mark.parametrize("grey", [0, 1, 127, 255])
def test_a_flat_picture_has_quality_0(side, grey):
    assert pdq.compute(flat(side, grey, grey, grey)).quality == 0


@pytest.mark.parametrize("name", ["blocks", "noise", "slopes", "disc", "odd", "large"])
def test_half_the_bits_are_set(name):
    """No two frequencies are equal here, so 128 of 256 exceed the lower median."""
    assert pdq.compute(PICTURES[name]()).bits.sum() == 128


def test_memory_layout_does_not_matter():
    rgb = blocks(128, 128, 8)
    strided = np.asfortranarray(rgb)
    assert np.array_equal(pdq.compute(strided).bits, pdq.compute(rgb).bits)


def test_a_picture_without_pixels_has_no_hash():
    hashed = pdq.compute(np.zeros((0, 0, 3), np.uint8))
    assert not hashed.bits.any()
    assert hashed.quality == 0
