"""This is the sheet that a look-alike is drawn on, with its letters, words and colours.

A sheet has two sources of chance. `template` is the same for all pictures of a family and chooses
what they share: layout, colours, sizes of letters. `content` is each picture's own. So a kind is
one function that draws one picture, and a family is that function called again with the same
template and other content. The sheet is drawn at twice its size and made smaller at the end, which
smooths the edges that Pillow draws in steps.

But: a function must take as much chance from `template` whatever its content is, or the pictures
of a family drift apart. Letters are Pillow's built-in typeface, and the words mean nothing.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels of the sheet."""
Size = tuple[int, int]
"""Width and height, in pixels."""

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
INK: Colour = (32, 33, 38)
NAMED_COLOURS: tuple[Colour, ...] = (
    (206, 17, 38),
    (0, 56, 168),
    (0, 122, 61),
    (255, 205, 0),
    (255, 255, 255),
    (20, 20, 20),
    (244, 121, 32),
    (0, 156, 222),
    (112, 32, 130),
    (122, 62, 28),
    (236, 110, 160),
    (120, 190, 60),
)
"""Colours that anybody tells apart."""
WORDS = (
    "morning market harbour light winter garden open letter seven stories about river people "
    "beside always anchor apple arrow autumn badge bakery balance basket before bell bicycle "
    "blanket blue boat border bottle branch bread bridge bright bronze brother candle canyon "
    "careful carpet castle cedar chair change chapter cheese cherry circle city clear cliff cloud "
    "coast coffee copper corner cotton courage cousin crystal curious dance daughter desert dinner "
    "doctor dream early earth echo eight empty evening every family farmer feather fence festival "
    "field final finger first forest forgive fountain fragile friend future gather gentle glass "
    "golden grain granite happy harvest hidden hollow honest honey horizon hundred island journey "
    "jungle kettle kitchen ladder lantern lemon library linen little lonely machine maple marble "
    "meadow memory message middle mirror moment mountain museum music narrow needle never night "
    "north ocean office olive orange orchard other paper patient pepper pillow pocket postcard "
    "promise quarter quiet rain ready ribbon ring road rocket salt school season secret shadow "
    "shelter silver simple sister slow smoke south spring station stone storm street summer sunday "
    "table teacher tender thunder timber together tomorrow tower train travel trust twelve "
    "umbrella under uncle valley velvet village violin voyage wagon water weather western whisper "
    "window wonder wooden yellow yesterday"
).split()
_SCALE = 2
_SMALLEST_LETTERS = 8

T = TypeVar("T")


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of some things."""
    return choices[int(rng.integers(len(choices)))]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number in a range."""
    return float(rng.uniform(low, high))


def count_in(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number in a range, both ends included."""
    return int(rng.integers(low, high + 1))


def some_words(rng: np.random.Generator, count: int) -> str:
    """Words in any order, the first with a capital."""
    return " ".join(pick(rng, WORDS) for _ in range(count)).capitalize()


def some_name(rng: np.random.Generator) -> str:
    """Two words that stand for somebody's name."""
    return some_words(rng, 2).title()


def some_waves(
    rng: np.random.Generator,
    along: NDArray[np.float64],
    heights: tuple[float, float],
    paces: tuple[float, float],
) -> NDArray[np.float64]:
    """Three waves on top of one another, of heights and paces within ranges."""
    total = np.zeros_like(along)
    for _ in range(3):
        total += between(rng, *heights) * np.sin(between(rng, *paces) * along + between(rng, 0, 6))
    return total


def any_colour(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.45, 0.9),
    value: tuple[float, float] = (0.5, 0.95),
) -> Colour:
    """A colour of any hue, within ranges of the HSV model."""
    red, green, blue = colorsys.hsv_to_rgb(
        between(rng, 0, 1), between(rng, *saturation), between(rng, *value)
    )
    return round(255 * red), round(255 * green), round(255 * blue)


def pale_colour(rng: np.random.Generator) -> Colour:
    """Nearly white."""
    return any_colour(rng, (0.0, 0.14), (0.93, 1.0))


def dark_colour(rng: np.random.Generator) -> Colour:
    """Nearly black."""
    return any_colour(rng, (0.2, 0.7), (0.12, 0.34))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two, with so much of the second in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def ink_on(ground: Colour) -> Colour:
    """Black or white, whichever can be read on a ground."""
    red, green, blue = ground
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else WHITE


class Sheet:
    """One picture that is being drawn.

    Args:
        size: of the picture when it is finished.
        template: the chances that all pictures of its family share.
        content: its own.

    Attributes:
        image: what is drawn on, twice as large as the picture will be.
        draw: draws on it.
        width, height: of `image`.
        unit: a hundredth of its shorter side.
    """

    def __init__(
        self, size: Size, template: np.random.Generator, content: np.random.Generator
    ) -> None:
        self.template, self.content = template, content
        self.image = Image.new("RGB", (size[0] * _SCALE, size[1] * _SCALE), WHITE)
        self.draw = ImageDraw.Draw(self.image)
        self.width, self.height = self.image.size
        self.unit = min(self.image.size) / 100

    @property
    def whole(self) -> Box:
        """All of it."""
        return 0, 0, self.width, self.height

    def finished(self) -> Image.Image:
        """The picture in its own size."""
        return self.image.reduce(_SCALE)

    def fill(self, colour: Colour) -> None:
        """Cover all of it."""
        self.draw.rectangle(self.whole, colour)

    def fade(self, box: Box, first: Colour, second: Colour) -> None:
        """Cover a box with a colour that becomes another one from top to bottom."""
        left, top, right, bottom = map(round, box)
        steps = np.linspace(0, 1, bottom - top)[:, None]
        column = np.array(first) * (1 - steps) + np.array(second) * steps
        rows = np.repeat(np.rint(column).astype(np.uint8)[:, None], right - left, axis=1)
        self.image.paste(Image.fromarray(rows), (left, top))

    def inset(self, box: Box, rng: np.random.Generator) -> Sheet:
        """A sheet as large as a box of this one, with one source of chance."""
        left, top, right, bottom = map(round, box)
        return Sheet(((right - left + 1) // _SCALE, (bottom - top + 1) // _SCALE), rng, rng)

    def lay(self, inset: Sheet, box: Box) -> None:
        """Lay what was drawn on such a sheet over its box."""
        self.image.paste(inset.image, (round(box[0]), round(box[1])))

    def stamp(self, mask: Image.Image, at: Point, colour: Colour) -> None:
        """Colour the sheet where a mask is white, the mask's middle at a point."""
        corner = (round(at[0] - mask.width / 2), round(at[1] - mask.height / 2))
        self.image.paste(colour, corner, mask)

    def write(
        self,
        at: Point,
        text: str,
        size: float,
        ink: Colour,
        *,
        anchor: str = "mm",
        room: float | None = None,
        is_bold: bool = False,
    ) -> None:
        """One line of letters, made smaller where it is wider than its room."""
        if room is not None:
            size *= min(1.0, room / max(1.0, self.draw.textlength(text, _face(size))))
        rim = max(1, round(size / 40)) if is_bold else 0
        self.draw.text(at, text, ink, _face(size), anchor=anchor, stroke_width=rim)

    def write_block(
        self,
        box: Box,
        text: str,
        size: float,
        ink: Colour,
        *,
        spacing: float = 1.4,
        is_centred: bool = False,
        is_bold: bool = False,
    ) -> None:
        """Lines of letters as wide as a box; from its top down, or around its middle.

        Words that find no place above the bottom of the box are left out.
        """
        left, top, right, bottom = box
        lines = self._break(text, size, right - left)[
            : max(1, int((bottom - top) / spacing / size))
        ]
        at = (top + bottom - len(lines) * spacing * size) / 2 if is_centred else top
        for line in lines:
            at += spacing * size
            place = ((left + right) / 2 if is_centred else left, at - spacing * size / 2)
            anchor = "mm" if is_centred else "lm"
            self.write(place, line, size, ink, anchor=anchor, is_bold=is_bold, room=right - left)

    def _break(self, text: str, size: float, room: float) -> list[str]:
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self.draw.textlength(longer, _face(size)) > room:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines


def _face(size: float) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return _face_of(max(_SMALLEST_LETTERS, round(size)))


@cache
def _face_of(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
