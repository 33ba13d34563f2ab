"""These are the motifs that are put on a sheet: glyphs, small scenes, and goods to be sold.

Each is drawn from one source of chance with continuous measures, so that there is no end of them:
two draws are two different motifs, and not one of a short list again.

But: everything is flat colour and simple outlines; nothing looks like a photograph.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from attribution.evaluate.lookalike_art.sheet import (
    WHITE,
    Box,
    Point,
    Sheet,
    any_colour,
    between,
    count_in,
    dark_colour,
    mix,
    pick,
    some_waves,
)

_HALF_TURN = math.pi


def make_glyph(side: int, rng: np.random.Generator) -> Image.Image:
    """A simple sign as a mask of this many pixels: white on black."""
    mask = Image.new("L", (side, side))
    pick(rng, _GLYPHS)(ImageDraw.Draw(mask), side / 2, rng)
    return mask


def draw_scene(sheet: Sheet, box: Box, rng: np.random.Generator) -> None:
    """A small picture that fills a box: hills, a town, shapes, or a still life."""
    inset = sheet.inset(box, rng)
    pick(rng, _SCENES)(inset, rng)
    sheet.lay(inset, box)


def draw_goods(sheet: Sheet, middle: Point, size: float, rng: np.random.Generator) -> None:
    """A thing that a shop would sell, around a point, as high or as wide as `size`."""
    pick(rng, _GOODS)(sheet, middle, size / 2, rng)


def star_points(middle: Point, radii: list[float], turn: float) -> list[Point]:
    """Corners of a closed line around a point, at even steps and at these distances."""
    step = 2 * _HALF_TURN / len(radii)
    return [
        (
            middle[0] + radius * math.sin(turn + number * step),
            middle[1] - radius * math.cos(turn + number * step),
        )
        for number, radius in enumerate(radii)
    ]


_Glyph = Callable[[ImageDraw.ImageDraw, float, np.random.Generator], None]
"""Draws into a square mask; the number is half its side."""


def _star(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    inner = between(rng, 0.3, 0.6) * half * 0.9
    radii = [half * 0.9, inner] * count_in(rng, 4, 9)
    draw.polygon(star_points((half, half), radii, 0), 255)


def _blossom(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    petals, petal = count_in(rng, 4, 8), between(rng, 0.24, 0.36) * half
    turn = between(rng, 0, 1)
    for x, y in star_points((half, half), [half * 0.55] * petals, turn):
        draw.ellipse((x - petal, y - petal, x + petal, y + petal), 255)
    middle = between(rng, 0.15, 0.35) * half
    draw.ellipse((half - middle, half - middle, half + middle, half + middle), 0)


def _gear(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    teeth, depth = count_in(rng, 6, 12), between(rng, 0.68, 0.8)
    radii = [half * 0.9, half * 0.9, half * depth, half * depth] * teeth
    draw.polygon(star_points((half, half), radii, 0), 255)
    hole = between(rng, 0.2, 0.45) * half
    draw.ellipse((half - hole, half - hole, half + hole, half + hole), 0)


def _cross(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    arm, beam = between(rng, 0.12, 0.4) * half, between(rng, -0.35, 0.1) * half
    draw.rectangle((half - arm, 0.1 * half, half + arm, 1.9 * half), 255)
    draw.rectangle((0.15 * half, half + beam - arm, 1.85 * half, half + beam + arm), 255)


def _crescent(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    draw.ellipse((0.1 * half, 0.1 * half, 1.9 * half, 1.9 * half), 255)
    x, y = half * between(rng, 1.3, 1.7), half * between(rng, 0.7, 1.2)
    radius = half * between(rng, 0.6, 0.8)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), 0)


def _house(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    eaves, wide = between(rng, 0.7, 1.1) * half, between(rng, 0.5, 0.75) * half
    draw.polygon([(half, 0.15 * half), (1.95 * half, eaves), (0.05 * half, eaves)], 255)
    draw.rectangle((half - wide, eaves, half + wide, 1.85 * half), 255)
    door, at = between(rng, 0.1, 0.2) * half, half + between(rng, -0.3, 0.3) * half
    draw.rectangle((at - door, eaves + 0.3 * half, at + door, 1.85 * half), 0)


def _drop(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    radius = between(rng, 0.45, 0.65) * half
    low, tip = 1.9 * half - radius, half + between(rng, -0.3, 0.3) * half
    draw.ellipse((half - radius, low - radius, half + radius, low + radius), 255)
    draw.polygon([(tip, 0.1 * half), (half + radius, low), (half - radius, low)], 255)


def _bars(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    count = count_in(rng, 3, 5)
    for number in range(count):
        high = between(rng, 0.3, 1.7) * half
        left = (0.15 + 1.7 * number / count) * half
        draw.rectangle((left, 1.85 * half - high, left + 1.2 * half / count, 1.85 * half), 255)


def _arrow(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    shaft, head = between(rng, 0.12, 0.3) * half, between(rng, 0.5, 0.85) * half
    corners = [(0.0, -0.85 * half), (head, 0.0), (shaft, 0.0), (shaft, 0.85 * half)]
    corners += [(-x, y) for x, y in reversed(corners[1:])]
    turn = count_in(rng, 0, 7) * _HALF_TURN / 4
    cos, sin = math.cos(turn), math.sin(turn)
    draw.polygon([(half + x * cos - y * sin, half + x * sin + y * cos) for x, y in corners], 255)


def _heart(draw: ImageDraw.ImageDraw, half: float, rng: np.random.Generator) -> None:
    steps = np.linspace(0, 2 * math.pi, 60)
    wide, tall = between(rng, 0.045, 0.056) * half, between(rng, 0.045, 0.056) * half
    x = half + wide * 16 * np.sin(steps) ** 3
    y = 13 * np.cos(steps) - 5 * np.cos(2 * steps) - 2 * np.cos(3 * steps) - np.cos(4 * steps)
    draw.polygon(list(zip(x.tolist(), (half - tall * y).tolist(), strict=True)), 255)


_GLYPHS: tuple[_Glyph, ...] = (
    _star,
    _blossom,
    _gear,
    _cross,
    _crescent,
    _house,
    _drop,
    _bars,
    _arrow,
    _heart,
)


def _hills(sheet: Sheet, rng: np.random.Generator) -> None:
    sheet.fade(sheet.whole, any_colour(rng, (0.2, 0.7)), any_colour(rng, (0.1, 0.4), (0.8, 1.0)))
    radius = between(rng, 4, 12) * sheet.unit
    x, y = between(rng, 0.1, 0.9) * sheet.width, between(rng, 0.12, 0.45) * sheet.height
    sheet.draw.ellipse((x - radius, y - radius, x + radius, y + radius), any_colour(rng))
    near, far = dark_colour(rng), any_colour(rng, (0.2, 0.6))
    across = np.linspace(0, sheet.width, 80)
    ridges = count_in(rng, 2, 4)
    for number in range(ridges):
        waves = some_waves(rng, across / sheet.width, (0.02, 0.09), (2, 18))
        high = (0.4 + 0.5 * (number + 0.5) / ridges + waves) * sheet.height
        line = list(zip(across.tolist(), high.tolist(), strict=True))
        ground = mix(far, near, (number + 1) / ridges)
        sheet.draw.polygon([*line, (sheet.width, sheet.height), (0, sheet.height)], ground)


def _town(sheet: Sheet, rng: np.random.Generator) -> None:
    sheet.fade(sheet.whole, any_colour(rng, value=(0.25, 0.9)), any_colour(rng, (0.1, 0.5)))
    lit = any_colour(rng, (0.3, 0.7), (0.9, 1.0))
    for row in range(2):
        wall = any_colour(rng, (0.1, 0.5), (0.5, 0.7) if row == 0 else (0.15, 0.4))
        left = -between(rng, 0, 8) * sheet.unit
        while left < sheet.width:
            wide, top = between(rng, 9, 24) * sheet.unit, between(rng, 0.25, 0.8) * sheet.height
            sheet.draw.rectangle((left, top, left + wide, sheet.height), wall)
            if row:
                step = between(rng, 4, 6) * sheet.unit
                for x in np.arange(left + step / 2, left + wide - step / 2, step).tolist():
                    for y in np.arange(top + step / 2, sheet.height, step).tolist():
                        if rng.random() < 0.5:
                            sheet.draw.rectangle((x, y, x + step / 2, y + step / 2), lit)
            left += wide + between(rng, 0, 3) * sheet.unit


def _shapes(sheet: Sheet, rng: np.random.Generator) -> None:
    sheet.fill(any_colour(rng, (0.1, 0.6)))
    for _ in range(count_in(rng, 7, 16)):
        x, y = between(rng, 0, 1) * sheet.width, between(rng, 0, 1) * sheet.height
        radius, colour = between(rng, 6, 28) * sheet.unit, any_colour(rng, (0.2, 1.0), (0.2, 1.0))
        match count_in(rng, 0, 3):
            case 0:
                sheet.draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
            case 1:
                tall = radius * between(rng, 0.3, 1.5)
                sheet.draw.rectangle((x - radius, y - tall, x + radius, y + tall), colour)
            case 2:
                corners = [radius * between(rng, 0.5, 1) for _ in range(count_in(rng, 3, 6))]
                sheet.draw.polygon(star_points((x, y), corners, between(rng, 0, 6)), colour)
            case _:
                end = (between(rng, 0, 1) * sheet.width, between(rng, 0, 1) * sheet.height)
                sheet.draw.line([(x, y), end], colour, round(between(rng, 1, 6) * sheet.unit))


def _still_life(sheet: Sheet, rng: np.random.Generator) -> None:
    sheet.fill(any_colour(rng, (0.1, 0.5)))
    edge = between(rng, 0.6, 0.75) * sheet.height
    sheet.draw.rectangle((0, edge, sheet.width, sheet.height), any_colour(rng, (0.2, 0.7)))
    count = count_in(rng, 2, 4)
    for number in range(count):
        x = (number + between(rng, 0.3, 0.7)) / count * sheet.width
        size = between(rng, 28, 60) * sheet.unit
        draw_goods(sheet, (x, edge + 6 * sheet.unit - size / 2), size, rng)


_SCENES: tuple[Callable[[Sheet, np.random.Generator], None], ...] = (
    _hills,
    _town,
    _shapes,
    _still_life,
)


def _vessel(sheet: Sheet, middle: Point, half: float, rng: np.random.Generator) -> None:
    """A bottle, a vase or a bowl: any smooth outline, the same on both sides."""
    x, y = middle
    widths = [between(rng, 0.12, 0.75) for _ in range(6)]
    steps = np.linspace(0, 1, 60)
    outline = np.interp(steps, np.linspace(0, 1, 6), widths)
    outline = half * np.convolve(np.pad(outline, 7, "edge"), np.full(15, 1 / 15), "valid")
    down = (y - half + 2 * half * steps).tolist()
    colour, band = any_colour(rng), any_colour(rng)

    def part(first: int, last: int, low: float, high: float) -> list[Point]:
        rows = list(zip(outline[first:last].tolist(), down[first:last], strict=True))
        return [(x + low * wide, at) for wide, at in rows] + [
            (x + high * wide, at) for wide, at in reversed(rows)
        ]

    sheet.draw.polygon(part(0, 60, -1, 1), colour)
    first = count_in(rng, 10, 35)
    sheet.draw.polygon(part(first, first + count_in(rng, 6, 20), -1, 1), band)
    sheet.draw.polygon(part(3, 57, -0.75, -0.55), mix(colour, WHITE, 0.5))


def _box(sheet: Sheet, middle: Point, half: float, rng: np.random.Generator) -> None:
    """A carton, seen from one of its edges."""
    x, y = middle
    colour, depth = any_colour(rng), half * between(rng, 0.2, 0.45)
    left, right = half * between(rng, 0.4, 0.9), half * between(rng, 0.4, 0.9)
    top, low = y - half + 2 * depth, y + half
    side = [(x, top), (x - left, top - depth), (x - left, low - depth), (x, low)]
    other = [(x, top), (x + right, top - depth), (x + right, low - depth), (x, low)]
    lid = [(x, top), (x - left, top - depth), (x - left + right, top - 2 * depth)]
    sheet.draw.polygon(side, colour)
    sheet.draw.polygon(other, mix(colour, (0, 0, 0), 0.35))
    sheet.draw.polygon([*lid, (x + right, top - depth)], mix(colour, WHITE, 0.4))
    glyph = make_glyph(max(16, round(left * 0.7)), rng)
    sheet.stamp(glyph, (x - left / 2, (top + low - depth) / 2), any_colour(rng))


def _lamp(sheet: Sheet, middle: Point, half: float, rng: np.random.Generator) -> None:
    x, y = middle
    above, below = half * between(rng, 0.15, 0.5), half * between(rng, 0.55, 0.9)
    high, stem = half * between(rng, 0.5, 0.9), half * between(rng, 0.04, 0.12)
    foot, metal = half * between(rng, 0.3, 0.6), any_colour(rng, (0.0, 0.5), (0.2, 0.7))
    sheet.draw.rectangle((x - stem, y - half, x + stem, y + half), metal)
    sheet.draw.ellipse((x - foot, y + half * 0.8, x + foot, y + half * 1.05), metal)
    shade = [(x - above, y - half), (x + above, y - half)]
    shade += [(x + below, y - half + high), (x - below, y - half + high)]
    sheet.draw.polygon(shade, any_colour(rng, (0.2, 0.8), (0.7, 1.0)))


def _stool(sheet: Sheet, middle: Point, half: float, rng: np.random.Generator) -> None:
    x, y = middle
    wide, seat = half * between(rng, 0.6, 1.0), half * between(rng, 0.12, 0.3)
    top, leg = y - half * between(rng, 0.0, 0.6), max(2, round(half * between(rng, 0.08, 0.16)))
    wood, spread = any_colour(rng, (0.3, 0.8), (0.3, 0.7)), between(rng, 0.7, 1.1)
    for share in (-1.0, -0.3, 0.3, 1.0)[:: count_in(rng, 1, 2)]:
        line = [(x + share * wide * 0.8, top), (x + share * wide * spread, y + half)]
        sheet.draw.line(line, mix(wood, (0, 0, 0), 0.3), leg)
    sheet.draw.rounded_rectangle((x - wide, top - seat, x + wide, top + seat), seat, wood)


def _ball(sheet: Sheet, middle: Point, half: float, rng: np.random.Generator) -> None:
    x, y = middle
    radius = half * between(rng, 0.7, 1.0)
    y += half - radius
    colours = [any_colour(rng) for _ in range(count_in(rng, 2, 4))]
    step, turn = 360 / (len(colours) * count_in(rng, 1, 3)), between(rng, 0, 360)
    box = (x - radius, y - radius, x + radius, y + radius)
    for number in range(round(360 / step)):
        begin = turn + number * step
        sheet.draw.pieslice(box, begin, begin + step, colours[number % len(colours)])
    hub = radius * between(rng, 0.1, 0.45)
    sheet.draw.ellipse((x - hub, y - hub, x + hub, y + hub), any_colour(rng))


_GOODS: tuple[Callable[[Sheet, Point, float, np.random.Generator], None], ...] = (
    _vessel,
    _vessel,
    _box,
    _lamp,
    _stool,
    _ball,
)
