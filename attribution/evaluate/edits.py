"""These are the edits of the suite of copies: named and seeded, each makes a copy of a picture.

The families are those that copy detection is usually tested on (Douze et al., "The 2021 Image
Similarity Dataset and Challenge", arXiv 2106.09672), with the grids that image generators serve.
An edit is mild where the two pictures are still the same to anyone who looks, so that a near-copy
verdict has to find it, and strong where much is lost, changed or added.

But: one edit at a time, none drawn by hand. The same seed, edit and picture give the same pixels
under the same versions of NumPy, OpenCV and Pillow; another version may differ in the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.evaluate.compositions import (
    MIN_SIDE,
    cut_out,
    make_collage,
    make_grid,
    paste_part,
    put_logo,
    show_in_page,
    write_caption,
    write_slogan,
)
from harvester.pictures.decode import encode_jpeg, open_picture

Act = Callable[
    [NDArray[np.uint8], np.random.Generator, Sequence[NDArray[np.uint8]]], NDArray[np.uint8]
]
"""(picture, rng, others) → copy, all (h, w, 3) uint8 RGB."""
Severity = Literal["mild", "strong"]
_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32)


@dataclass(frozen=True, slots=True)
class Edit:
    """One way to make a copy.

    Attributes:
        name: unique; part of the seed.
        family: what it is averaged with.
        severity: mild, if a near-copy verdict has to find it.
        meaning: one line for a person.
        act: makes the copy; draws all its chances from the generator it is given.
        needs: how many other pictures it composes with, at least.
    """

    name: str
    family: str
    severity: Severity
    meaning: str
    act: Act = field(repr=False)
    needs: int = 0


def rng_for(seed: int, edit: str, picture_id: str) -> np.random.Generator:
    """The chances of one edit of one picture, the same on every machine and in any order."""
    digest = hashlib.sha256(f"{seed}\0{edit}\0{picture_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest))


def make_copy(
    picture: NDArray[np.uint8],
    edit: Edit,
    *,
    seed: int,
    picture_id: str,
    others: Sequence[NDArray[np.uint8]] = (),
) -> NDArray[np.uint8]:
    """Edit a picture.

    Args:
        picture: (h, w, 3) RGB, sides of at least `MIN_SIDE`; not changed.
        edit: one of `EDITS`.
        seed: of the whole suite.
        picture_id: names the picture among those of the suite.
        others: what collages, grids and pastes take from; must not hold the picture itself.

    Returns:
        (h', w', 3) RGB of its own, sides of at least `MIN_SIDE`.

    Raises:
        ValueError: if the picture is too small or no RGB, or if others are too few.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            f"expected (h, w, 3) uint8, found {picture.shape} {picture.dtype} for {picture_id}"
        )
    if min(picture.shape[:2]) < MIN_SIDE:
        raise ValueError(
            f"expected sides of at least {MIN_SIDE} pixels, found {picture.shape[1]}x"
            f"{picture.shape[0]} for {picture_id}; leave it out"
        )
    if len(others) < edit.needs:
        raise ValueError(
            f"expected at least {edit.needs} other pictures for {edit.name}, found {len(others)}"
        )
    copy = edit.act(picture, rng_for(seed, edit.name, picture_id), others)
    return np.array(copy, np.uint8, order="C")


def _resize(picture: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    height, width = (max(MIN_SIDE, round(side * share)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    return open_picture(encode_jpeg(picture, quality=quality), max_side=None).rgb


def _either(rng: np.random.Generator, amount: float) -> float:
    return amount if rng.random() < 0.5 else -amount


def _to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _brightness(picture: NDArray[np.uint8], change: float) -> NDArray[np.uint8]:
    return _to_bytes(picture * np.float32(1 + change))


def _contrast(picture: NDArray[np.uint8], change: float) -> NDArray[np.uint8]:
    middle = np.float32(picture.mean())
    return _to_bytes((picture - middle) * np.float32(1 + change) + middle)


def _saturation(picture: NDArray[np.uint8], change: float) -> NDArray[np.uint8]:
    grey = _grey(picture).astype(np.float32)
    return _to_bytes(grey + (picture - grey) * np.float32(1 + change))


def _hue(picture: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(degrees / 360 * 256) % 256)  # wraps around, as hues do
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL).astype(np.uint8)


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _sepia(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return _to_bytes(picture.astype(np.float32) @ _SEPIA.T)


def _blur(picture: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    sigma = max(0.5, share * min(picture.shape[:2]))
    return cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8)


def _noise(
    picture: NDArray[np.uint8], deviation: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    return _to_bytes(picture + rng.standard_normal(picture.shape, np.float32) * deviation)


EDITS: Mapping[str, Edit] = MappingProxyType(
    {
        edit.name: edit
        for edit in (
            Edit("crop-98", "crop", "mild", "keeps 98 % of the area",
                 lambda p, rng, _: cut_out(p, 0.98, rng)),
            Edit("crop-80", "crop", "strong", "keeps 80 % of the area",
                 lambda p, rng, _: cut_out(p, 0.80, rng)),
            Edit("crop-50", "crop", "strong", "keeps half of the area",
                 lambda p, rng, _: cut_out(p, 0.50, rng)),
            Edit("crop-25", "crop", "strong", "keeps a quarter of the area",
                 lambda p, rng, _: cut_out(p, 0.25, rng)),
            Edit("resize-75", "resize", "mild", "three quarters of the width and height",
                 lambda p, _, __: _resize(p, 0.75)),
            Edit("resize-50", "resize", "mild", "half the width and height",
                 lambda p, _, __: _resize(p, 0.50)),
            Edit("resize-25", "resize", "mild", "a quarter of the width and height",
                 lambda p, _, __: _resize(p, 0.25)),
            Edit("jpeg-90", "jpeg", "mild", "JPEG of quality 90", lambda p, _, __: _jpeg(p, 90)),
            Edit("jpeg-70", "jpeg", "mild", "JPEG of quality 70", lambda p, _, __: _jpeg(p, 70)),
            Edit("jpeg-50", "jpeg", "mild", "JPEG of quality 50", lambda p, _, __: _jpeg(p, 50)),
            Edit("jpeg-30", "jpeg", "mild", "JPEG of quality 30", lambda p, _, __: _jpeg(p, 30)),
            Edit("jpeg-10", "jpeg", "strong", "JPEG of quality 10", lambda p, _, __: _jpeg(p, 10)),
            Edit("brightness-15", "colour", "mild", "15 % lighter or darker",
                 lambda p, rng, _: _brightness(p, _either(rng, 0.15))),
            Edit("brightness-50", "colour", "strong", "half as light again, or half as light",
                 lambda p, rng, _: _brightness(p, _either(rng, 0.50))),
            Edit("contrast-20", "colour", "mild", "contrast up or down by a fifth",
                 lambda p, rng, _: _contrast(p, _either(rng, 0.20))),
            Edit("contrast-60", "colour", "strong", "contrast up or down by three fifths",
                 lambda p, rng, _: _contrast(p, _either(rng, 0.60))),
            Edit("saturation-30", "colour", "mild", "colours stronger or paler by 30 %",
                 lambda p, rng, _: _saturation(p, _either(rng, 0.30))),
            Edit("saturation-80", "colour", "strong", "colours stronger or paler by 80 %",
                 lambda p, rng, _: _saturation(p, _either(rng, 0.80))),
            Edit("hue-10", "colour", "mild", "hues turned by 10 degrees",
                 lambda p, rng, _: _hue(p, _either(rng, 10))),
            Edit("hue-60", "colour", "strong", "hues turned by 60 degrees",
                 lambda p, rng, _: _hue(p, _either(rng, 60))),
            Edit("grey", "colour", "strong", "no colour", lambda p, _, __: _grey(p)),
            Edit("sepia", "colour", "strong", "toned brown", lambda p, _, __: _sepia(p)),
            Edit("blur-slight", "blur", "mild", "Gaussian, deviation 0.4 % of the shorter side",
                 lambda p, _, __: _blur(p, 0.004)),
            Edit("blur-heavy", "blur", "strong", "Gaussian, deviation 2 % of the shorter side",
                 lambda p, _, __: _blur(p, 0.02)),
            Edit("noise-slight", "noise", "mild", "Gaussian, deviation 6 of 255",
                 lambda p, rng, _: _noise(p, 6, rng)),
            Edit("noise-heavy", "noise", "strong", "Gaussian, deviation 30 of 255",
                 lambda p, rng, _: _noise(p, 30, rng)),
            Edit("caption", "text", "mild", "one small line of text",
                 lambda p, rng, _: write_caption(p, rng)),
            Edit("slogan", "text", "strong", "two lines of large capitals",
                 lambda p, rng, _: write_slogan(p, rng)),
            Edit("logo", "logo", "mild", "a disc in a corner, 12 % of the shorter side",
                 lambda p, rng, _: put_logo(p, rng, size=0.12, opacity=1)),
            Edit("watermark", "logo", "strong", "a half-clear disc over the middle, 70 % wide",
                 lambda p, rng, _: put_logo(p, rng, size=0.70, opacity=0.5)),
            Edit("mirror", "flip", "mild", "left and right exchanged", lambda p, _, __: p[:, ::-1]),
            Edit("upside-down", "flip", "mild", "top and bottom exchanged",
                 lambda p, _, __: p[::-1]),
            Edit("turn-90", "turn", "mild", "a quarter turn left", lambda p, _, __: np.rot90(p)),
            Edit("turn-180", "turn", "mild", "half a turn", lambda p, _, __: np.rot90(p, 2)),
            Edit("turn-270", "turn", "mild", "a quarter turn right",
                 lambda p, _, __: np.rot90(p, 3)),
            Edit("screenshot", "screenshot", "strong", "in a page with a bar, margins and text",
                 lambda p, rng, _: show_in_page(p, rng)),
            Edit("collage", "collage", "strong", "whole, on 22 to 36 % of a collage of four to six",
                 make_collage, needs=5),
            Edit("grid", "grid", "strong", "one of two by two tiles", make_grid, needs=3),
            Edit("paste", "paste", "strong", "a part of it, on 21 to 35 % of another picture",
                 paste_part, needs=1),
        )
    }
)  # fmt: skip
"""Every edit by its name, in the order of tables."""
