"""This is a contact sheet: small pictures in rows and columns, enlarged, with words beside them.

Enlarged without smoothing, since a picture of 32 pixels is to be seen as the model made it.

But: words are drawn in the one font that Pillow carries, which knows Latin letters: others are
boxes. The report tells the same words as text.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from attribution.report.safe_text import cut
from harvester.sanitize import clean

MAX_PIXELS = 50_000_000
"""Of a whole sheet."""
_PAPER, _INK, _SOFT, _WELL = "#fbfaf7", "#211e1a", "#625b51", "#f1eee8"
_GAP, _MARGIN = 6, 14
_FONT, _LEADING = 13, 16
_LABEL = 132
"""Pixels that a row's label may be wide."""
_WORDS = 300
"""Characters of a label that are looked at: more have no room at any scale."""


def sheet(
    rows: Sequence[NDArray[np.uint8]],
    labels: Sequence[str],
    captions: Sequence[str],
    *,
    scale: int = 3,
) -> bytes:
    """Rows of pictures, each with its label before it, under a caption for each column.

    Args:
        rows: of each row (n, side, side, 3), pictures of one size; at least one.
        labels: one for each row, anyone's words.
        captions: one for each column, anyone's words; what has no room is cut.
        scale: pixels for each pixel.

    Returns:
        A PNG, the same for the same input.

    Raises:
        ValueError: on shapes that do not fit, or a sheet of more than `MAX_PIXELS`.
    """
    side = _check(rows, labels, captions, scale)
    cell = side * scale
    font = ImageFont.load_default(_FONT)
    label_lines = [_wrapped(label, font, _LABEL, max(1, cell // _LEADING)) for label in labels]
    heads = [_wrapped(caption, font, cell, 3) for caption in captions]
    left = _MARGIN + (_LABEL + 2 * _GAP if any(label_lines) else 0)
    top = _MARGIN + _LEADING * max((len(lines) for lines in heads), default=0) + _GAP
    picture = _paper(
        left + len(captions) * (cell + _GAP) - _GAP + _MARGIN,
        top + len(rows) * (cell + _GAP) - _GAP + _MARGIN,
    )
    draw = ImageDraw.Draw(picture)
    for column, lines in enumerate(heads):
        # On the last line, so that a short caption stands by its picture.
        down = top - _GAP - _LEADING * len(lines)
        _write(draw, (left + column * (cell + _GAP), down), lines, font, _SOFT)
    for number, (row, lines) in enumerate(zip(rows, label_lines, strict=True)):
        down = top + number * (cell + _GAP)
        _write(draw, (_MARGIN, down + (cell - _LEADING * len(lines)) // 2), lines, font, _INK)
        for column, tile in enumerate(row):
            picture.paste(_enlarged(tile, cell), (left + column * (cell + _GAP), down))
    return _png(picture)


def grid_sheet(
    pictures: NDArray[np.uint8], captions: Sequence[str], *, columns: int = 8, scale: int = 3
) -> bytes:
    """Pictures in reading order, each above its caption.

    Args:
        pictures: (n, side, side, 3); at least one.
        captions: one for each, anyone's words; what has no room is cut.
        columns: at most so many beside each other.
        scale: pixels for each pixel.

    Returns:
        A PNG, the same for the same input.

    Raises:
        ValueError: on shapes that do not fit, or a sheet of more than `MAX_PIXELS`.
    """
    side = _check([pictures], [""], captions, scale)
    if columns < 1:
        raise ValueError(f"expected at least one column, found {columns}")
    cell = side * scale
    columns = min(columns, len(pictures))
    font = ImageFont.load_default(_FONT)
    caption_lines = [_wrapped(caption, font, cell, 2) for caption in captions]
    room = _LEADING * max(len(lines) for lines in caption_lines)
    pitch = cell + room + 2 * _GAP
    lines_down = -(-len(pictures) // columns)
    picture = _paper(
        2 * _MARGIN + columns * (cell + _GAP) - _GAP, 2 * _MARGIN + lines_down * pitch - 2 * _GAP
    )
    draw = ImageDraw.Draw(picture)
    for number, (tile, lines) in enumerate(zip(pictures, caption_lines, strict=True)):
        right = _MARGIN + number % columns * (cell + _GAP)
        down = _MARGIN + number // columns * pitch
        picture.paste(_enlarged(tile, cell), (right, down))
        _write(draw, (right, down + cell + _GAP // 2), lines, font, _SOFT)
    return _png(picture)


def _check(
    rows: Sequence[NDArray[np.uint8]], labels: Sequence[str], captions: Sequence[str], scale: int
) -> int:
    """The side of the pictures, when all of them fit together."""
    if not rows or scale < 1 or len(labels) != len(rows):
        raise ValueError(
            "expected at least one row of pictures, a label for each and a scale of 1 or more, "
            f"found {len(rows)} rows, {len(labels)} labels and scale {scale}"
        )
    side = rows[0].shape[1] if rows[0].ndim == 4 else 0
    expected = (len(captions), side, side, 3)
    for number, row in enumerate(rows):
        if row.shape != expected or row.dtype != np.uint8 or 0 in row.shape:
            raise ValueError(
                f"row {number}: expected a picture for each of {len(captions)} captions, at least "
                f"one, square and of one size, uint8, found {row.shape} of {row.dtype}"
            )
    return side


def _paper(width: int, height: int) -> Image.Image:
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"expected a sheet of at most {MAX_PIXELS:,} pixels, found {width:,} by {height:,}; "
            "give fewer pictures or a smaller scale"
        )
    return Image.new("RGB", (width, height), _PAPER)


def _enlarged(tile: NDArray[np.uint8], cell: int) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(tile)).resize(
        (cell, cell), Image.Resampling.NEAREST
    )


def _wrapped(
    text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int, most: int
) -> list[str]:
    """Lines that fit, broken between words where that is possible; the last says what was cut."""
    words = cut(clean(text), _WORDS).split()
    lines: list[str] = []
    while words:
        line = words.pop(0)
        while words and font.getlength(f"{line} {words[0]}") <= width:
            line += " " + words.pop(0)
        if len(lines) == most - 1 and words:
            line += "…"
        lines.append(_fitted(line, font, width))
        if len(lines) == most:
            break
    return lines


def _fitted(line: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    text = line.removesuffix("…")
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    lines: Sequence[str],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    colour: str,
) -> None:
    for number, line in enumerate(lines):
        draw.text((corner[0], corner[1] + number * _LEADING), line, colour, font)


def _png(picture: Image.Image) -> bytes:
    body = io.BytesIO()
    picture.save(body, "PNG", optimize=True)
    return body.getvalue()
