"""These are compositions: pictures that hold another, as a collage, a grid, or a page around it.

Where other pictures are needed they are drawn from the ones given. All compositions keep the
source's own proportions for the whole, so that nothing of it is lost to the layout.

But: letters are Pillow's built-in typeface, and the words mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

MIN_SIDE = 32
"""Pixels; no edit makes a side shorter."""
_CANVAS_SIDE = 512
_CANVAS_MIN_SIDE = 128
_WORDS = (
    "morning market harbour light winter garden open letter seven stories about a river and the "
    "people who live beside it"
).split()
_Colour = tuple[int, int, int]


def cut_out(
    picture: NDArray[np.uint8], share: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A part of a picture, at a random place, of its proportions and this share of its area."""
    height, width = picture.shape[:2]
    tall, wide = (max(MIN_SIDE, round(side * share**0.5)) for side in (height, width))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    return picture[top : top + tall, left : left + wide]


def write_caption(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One line of letters, a twentieth of the shorter side high, low or high in the picture."""
    height, width = picture.shape[:2]
    canvas = Image.fromarray(picture)
    size = max(8, min(height, width) // 20)
    middle = height - size if rng.random() < 0.7 else size
    _write(canvas, _some_words(rng, 3), (width // 2, middle), size, room=0.7)
    return np.array(canvas)


def write_slogan(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Two lines of capitals, each an eighth of the height or the width of the picture."""
    height, width = picture.shape[:2]
    canvas = Image.fromarray(picture)
    size = max(10, height // 8)
    for middle in (size * 3 // 4, height - size * 3 // 4):
        _write(canvas, _some_words(rng, 3).upper(), (width // 2, middle), size, room=0.96)
    return np.array(canvas)


def put_logo(
    picture: NDArray[np.uint8], rng: np.random.Generator, *, size: float, opacity: float
) -> NDArray[np.uint8]:
    """A disc with a letter on it.

    Args:
        picture: (h, w, 3) RGB.
        rng: chooses colour, letter and corner.
        size: diameter as a share of the shorter side; above a half it stands in the middle.
        opacity: 0 to 1.
    """
    height, width = picture.shape[:2]
    across = max(8, round(size * min(height, width)))
    colour = tuple(int(value) for value in rng.integers(40, 216, 3))
    letter = chr(ord("A") + int(rng.integers(26)))
    edge = max(2, min(height, width) // 40)
    right, low = rng.random(2) < 0.5
    left = width - across - edge if right else edge
    top = height - across - edge if low else edge
    if size > 0.5:
        left, top = (width - across) // 2, (height - across) // 2
    layer = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(layer)
    alpha = round(255 * opacity)
    draw.ellipse((left, top, left + across, top + across), (*colour, alpha))
    centre = (left + across / 2, top + across / 2)
    face = ImageFont.load_default(across * 0.7)
    draw.text(centre, letter, (255, 255, 255, alpha), face, anchor="mm")
    whole = Image.alpha_composite(Image.fromarray(picture).convert("RGBA"), layer)
    return np.array(whole.convert("RGB"))


def show_in_page(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A screen with a browser's bar, a headline, the picture in its own size, and lines of text."""
    height, width = picture.shape[:2]
    line = max(6, round((height * width) ** 0.5 / 15))
    dark = rng.random() < 0.4
    ground, bar, ink = (
        ((22, 24, 28), (45, 48, 54), (225, 225, 228))
        if dark
        else ((250, 250, 249), (222, 225, 230), (38, 40, 44))
    )
    left, right = (int(value) * line for value in rng.integers(1, 6, 2))
    under = int(rng.integers(2, 5))
    size = (left + width + right, 5 * line + height + (2 * under + 1) * line)
    page = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, size[0], 2 * line), bar)
    for number, colour in enumerate(((237, 106, 94), (245, 191, 79), (98, 197, 84))):
        at = (number + 1) * line * 0.8
        draw.ellipse((at, 0.75 * line, at + 0.5 * line, 1.25 * line), colour)
    draw.rounded_rectangle((4 * line, 0.4 * line, size[0] - line, 1.6 * line), line // 2, ground)
    draw.text((4.5 * line, line), "https://example.org", ink, _face(line * 0.7), anchor="lm")
    draw.text((left, 3.5 * line), _some_words(rng, 4), ink, _face(line * 1.2), anchor="lm")
    page.paste(Image.fromarray(picture), (left, 5 * line))
    for number in range(under):
        at = 5 * line + height + (2 * number + 1.5) * line
        draw.text((left, at), _some_words(rng, 8), ink, _face(line * 0.8), anchor="lm")
    return np.array(page)


def make_collage(
    picture: NDArray[np.uint8],
    rng: np.random.Generator,
    others: Sequence[NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """The whole source in a corner, on 22 to 36 % of the area, with three to five others."""
    height, width = _canvas_of(picture)
    split = rng.uniform(0.24, 0.36) ** 0.5
    count = int(rng.integers(3, 6))
    mirrored, lifted = rng.random(2) < 0.5
    gap = round(max(height, width) * rng.choice([0, 0.004, 0.008]))
    ground = int(rng.choice([0, 255]))
    whole = np.full((height, width, 3), ground, np.uint8)
    chosen = [others[number] for number in rng.choice(len(others), count, replace=False)]
    cells = _lay_out(split, count)
    for (left, top, right, low), shown in zip(cells, (picture, *chosen), strict=True):
        x = (1 - right, 1 - left) if mirrored else (left, right)
        y = (1 - low, 1 - top) if lifted else (top, low)
        x0, x1 = (round(edge * width) for edge in x)
        y0, y1 = (round(edge * height) for edge in y)
        x0, y0 = x0 + gap * (x0 > 0), y0 + gap * (y0 > 0)
        whole[y0:y1, x0:x1] = _cover(shown, y1 - y0, x1 - x0)
    return whole


def make_grid(
    picture: NDArray[np.uint8],
    rng: np.random.Generator,
    others: Sequence[NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """Two by two tiles without a border, as generators serve them; the source is one of them."""
    height, width = (side // 2 for side in _canvas_of(picture))
    chosen = [others[number] for number in rng.choice(len(others), 3, replace=False)]
    chosen.insert(int(rng.integers(4)), picture)
    tiles = [_cover(one, height, width) for one in chosen]
    return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def paste_part(
    picture: NDArray[np.uint8],
    rng: np.random.Generator,
    others: Sequence[NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """30 to 70 % of the source, on 21 to 35 % of another picture's area, anywhere in it."""
    height, width = _canvas_of(picture)
    whole = _cover(others[int(rng.integers(len(others)))], height, width)
    part = cut_out(picture, rng.uniform(0.3, 0.7), rng)
    side = rng.uniform(0.21, 0.35) ** 0.5
    tall, wide = round(height * side), round(width * side)
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    whole[top : top + tall, left : left + wide] = _cover(part, tall, wide)
    return whole


def _lay_out(split: float, count: int) -> list[tuple[float, float, float, float]]:
    """(left, top, right, low), as shares of the whole, of the source and of so many others."""
    beside = 1 if count < 5 else 2
    under = count - beside
    return [
        (0.0, 0.0, split, split),
        *((split, split * i / beside, 1.0, split * (i + 1) / beside) for i in range(beside)),
        *((i / under, split, (i + 1) / under, 1.0) for i in range(under)),
    ]


def _canvas_of(picture: NDArray[np.uint8]) -> tuple[int, int]:
    height, width = picture.shape[:2]
    scale = max(1, _CANVAS_SIDE / max(height, width), _CANVAS_MIN_SIDE / min(height, width))
    return round(height * scale), round(width * scale)


def _cover(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A new picture of this size, filled; what stands over at two sides is cut away."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    tall = max(height, round(picture.shape[0] * scale))
    wide = max(width, round(picture.shape[1] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(picture, (wide, tall), interpolation=how)
    top, left = (tall - height) // 2, (wide - width) // 2
    return resized[top : top + height, left : left + width].astype(np.uint8)


def _some_words(rng: np.random.Generator, count: int) -> str:
    return " ".join(str(word) for word in rng.choice(_WORDS, count))


def _face(size: float) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _write(
    canvas: Image.Image, text: str, middle: tuple[int, int], size: int, *, room: float
) -> None:
    """White letters with a black rim, made smaller until they take `room` of the width at most."""
    draw = ImageDraw.Draw(canvas)
    taken = draw.textlength(text, _face(size))
    fitting = max(6.0, min(size, size * room * canvas.width / taken))
    rim = max(1, round(fitting / 12))
    white: _Colour = (255, 255, 255)
    black: _Colour = (0, 0, 0)
    draw.text(middle, text, white, _face(fitting), anchor="mm", stroke_width=rim, stroke_fill=black)
