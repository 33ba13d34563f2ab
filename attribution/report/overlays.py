"""Pictures for a page, and the boxes drawn over them where two pictures agree.

A box is SVG over the picture: it stays where it is at any size, on paper too, and needs no script.
Boxes that belong together have one number and one colour, and the second is dashed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attribution.matching.geometry import Box
from harvester.pictures.decode import encode_jpeg, try_open

_BYTES_PER_PIXEL = 0.35
"""What an embedded picture may weigh: 45 kB for a square candidate; JPEG 85 takes .2 on average."""
_QUALITIES = (85, 75, 60, 45, 30)
_LABEL = 0.055
"""Radius of a box's number, of the picture's longer side."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A JPEG as a data: address, with its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A box over a picture, in the picture's own units.

    Attributes:
        number: 1-based; the box of the other picture has the same.
        label_x, label_y, label_radius: of the disc with the number; within the picture.
    """

    number: int
    x: float
    y: float
    width: float
    height: float
    label_x: float
    label_y: float
    label_radius: float


def embed(rgb: NDArray[np.uint8], max_side: int) -> Embedded:
    """Pixels (h, w, 3) as a JPEG within `max_side` pixels, at 85 or as much less as noise needs."""
    picture = Image.fromarray(rgb)
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    small = np.asarray(picture)
    allowed = 2000 + _BYTES_PER_PIXEL * picture.width * picture.height
    body = b""
    for quality in _QUALITIES:
        body = encode_jpeg(small, quality=quality)
        if len(body) <= allowed:
            break
    uri = "data:image/jpeg;base64," + base64.b64encode(body).decode("ascii")
    return Embedded(uri, picture.width, picture.height)


def embed_stored(body: bytes | None, max_side: int) -> Embedded | None:
    """As `embed`, for stored bytes; None where they are no picture that can be decoded."""
    pixels = try_open(body)
    return None if pixels is None else embed(pixels, max_side)


def outline(boxes: Iterable[Box], width: float, height: float) -> tuple[Outline, ...]:
    """Boxes over a picture that is drawn `width` by `height`, numbered in their order.

    The numbers stand in different upper corners: two boxes often begin at one place.
    """
    return tuple(_outline(n, box, width, height) for n, box in enumerate(boxes, 1))


def _outline(number: int, box: Box, width: float, height: float) -> Outline:
    left, right = (_within(side, 0, 1) * width for side in (box.left, box.right))
    top, bottom = (_within(side, 0, 1) * height for side in (box.top, box.bottom))
    radius = _LABEL * max(width, height)
    corner = left if number % 2 else right
    return Outline(
        number=number,
        x=round(left, 1),
        y=round(top, 1),
        width=round(right - left, 1),
        height=round(bottom - top, 1),
        label_x=round(_within(corner, radius, width - radius), 1),
        label_y=round(_within(top, radius, height - radius), 1),
        label_radius=round(radius, 1),
    )


def _within(value: float, low: float, high: float) -> float:
    return max(low, min(value, high))
