"""These are look-alikes: pictures that share a template and nothing else, and what is said of them.

Whence draws them itself. A kind is a sort of picture that the web is full of, such as calendars
or bar charts. A family is one template of a kind, with its layout, colours and sizes of letters. A
family's pictures differ in what they show: other words, other bars, another month. None of them
was made from another one, so that each strong verdict between two of them is wrong.

But: they are drawn, and simpler than what they stand for; a share that is measured on them holds
for the web as far as they resemble it. Kinds count alike, however often each is met there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attribution.errors import SuiteError
from attribution.evaluate.edits import rng_for
from attribution.evaluate.lookalike_art import charts, games, patterns, prints
from attribution.evaluate.lookalike_art.sheet import Sheet, Size
from harvester.errors import reason_of

FAMILIES = 3
"""Templates that are drawn of each kind."""
_SHORTEST, _LONGEST = 320, 640
"""Pixels of a side."""
_OTHER_LEVELS, _OTHER_SHARE = 48, 0.01
"""Two pictures differ if so large a share of their pixels differs by so many levels of 255."""
_TRIES = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of picture.

    Attributes:
        draw: draws one picture on a sheet.
        proportions: the least and the greatest width of a family's pictures, by their height.
    """

    draw: Callable[[Sheet], None]
    proportions: tuple[float, float] = (0.7, 1.5)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "text-card": Kind(prints.draw_text_card, (0.8, 1.4)),
        "text-page": Kind(prints.draw_text_page, (0.65, 0.85)),
        "table": Kind(prints.draw_table, (0.9, 1.6)),
        "calendar": Kind(prints.draw_calendar, (0.9, 1.5)),
        "app-screen": Kind(prints.draw_app_screen, (0.51, 0.6)),
        "badge": Kind(prints.draw_badge, (1.3, 1.6)),
        "ticket": Kind(prints.draw_ticket, (1.6, 2.0)),
        "poster": Kind(prints.draw_poster, (0.65, 0.8)),
        "bar-chart": Kind(charts.draw_bar_chart, (1.0, 1.7)),
        "line-chart": Kind(charts.draw_line_chart, (1.0, 1.7)),
        "pie-chart": Kind(charts.draw_pie_chart, (1.2, 1.7)),
        "matrix-code": Kind(charts.draw_matrix_code, (0.9, 1.1)),
        "street-map": Kind(charts.draw_street_map, (0.8, 1.5)),
        "floor-plan": Kind(charts.draw_floor_plan, (0.9, 1.5)),
        "brick-wall": Kind(patterns.draw_brick_wall),
        "hexagon-tiles": Kind(patterns.draw_hexagon_tiles),
        "flag": Kind(patterns.draw_flag, (1.4, 1.9)),
        "icon": Kind(patterns.draw_icon, (0.9, 1.1)),
        "recoloured-icon": Kind(patterns.draw_recoloured_icon, (0.9, 1.1)),
        "logo-picture": Kind(patterns.draw_logo_picture),
        "product": Kind(patterns.draw_product, (0.75, 1.1)),
        "playing-card": Kind(games.draw_playing_card, (0.64, 0.74)),
        "chessboard": Kind(games.draw_chessboard, (0.9, 1.2)),
    }
)
"""Every kind by its name, in the order of tables."""


def draw_lookalikes(
    folder: Path, *, each: int, seed: int, step: Callable[[], None] | None = None
) -> int:
    """Draw all families into sub-folders: `flag-2/07.png` is the seventh picture of one.

    Args:
        folder: made if missing.
        each: pictures of each family, at least 2.
        seed: of all draws; the same one draws the same pictures under one version of Pillow.
        step: called after each picture.

    Returns:
        How many were drawn.

    Raises:
        SuiteError: if a picture cannot be written, or a kind has not so many different ones.
    """
    drawn = 0
    for kind in KINDS:
        for family in range(1, FAMILIES + 1):
            below = folder / f"{kind}-{family}"
            pictures: list[NDArray[np.uint8]] = []
            for number in range(1, each + 1):
                picture = _draw_another(kind, family, number, seed, pictures)
                pictures.append(np.asarray(picture))
                try:
                    below.mkdir(parents=True, exist_ok=True)
                    # Hardly packed: a folder that is read once needs no small files.
                    picture.save(below / f"{number:02}.png", compress_level=1)
                except OSError as exc:
                    raise SuiteError(
                        f"{below}: expected to write a picture, found {reason_of(exc)}; make room "
                        "there, or choose another folder"
                    ) from exc
                drawn += 1
                if step is not None:
                    step()
    return drawn


def count_lookalikes(each: int) -> int:
    """How many pictures `draw_lookalikes` draws."""
    return len(KINDS) * FAMILIES * each


def kind_of(folder: str) -> str:
    """The kind of the pictures in a family's folder."""
    return folder.rpartition("-")[0]


def _draw_another(
    kind: str, family: int, number: int, seed: int, before: Sequence[NDArray[np.uint8]]
) -> Image.Image:
    """A picture of a family that is none of those before."""
    for attempt in range(_TRIES):
        # Each picture asks the same chances for its template, and so gets the same template.
        template = rng_for(seed, kind, f"{family}")
        content = rng_for(seed, kind, f"{family}/{number}/{attempt}")
        sheet = Sheet(_size(KINDS[kind], template), template, content)
        KINDS[kind].draw(sheet)
        picture = sheet.finished()
        pixels = np.asarray(picture)
        if all(_differ(pixels, other) for other in before):
            return picture
    raise SuiteError(
        f"{kind}-{family}: expected {number} pictures that differ, found {number - 1} in "
        f"{_TRIES} draws; ask for fewer"
    )


def _size(kind: Kind, template: np.random.Generator) -> Size:
    proportion = float(template.uniform(*kind.proportions))
    long = int(template.integers(480, _LONGEST + 1))
    short = round(long * min(proportion, 1 / proportion))
    if short < _SHORTEST:
        long, short = min(_LONGEST, round(long * _SHORTEST / short)), _SHORTEST
    return (short, long) if proportion < 1 else (long, short)


def _differ(picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    # Every other pixel will do, and takes a quarter of the time.
    change = np.abs(picture[::2, ::2].astype(np.int16) - other[::2, ::2]).max(axis=2)
    return bool((change >= _OTHER_LEVELS).mean() >= _OTHER_SHARE)
