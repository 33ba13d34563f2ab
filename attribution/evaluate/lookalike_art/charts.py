"""These are the kinds that show figures or ground: charts, codes, street maps and floor plans."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from attribution.evaluate.lookalike_art.sheet import (
    BLACK,
    INK,
    WHITE,
    Box,
    Colour,
    Point,
    Sheet,
    any_colour,
    between,
    count_in,
    mix,
    pale_colour,
    pick,
    some_waves,
    some_words,
)

_GREY: Colour = (200, 202, 206)


def draw_bar_chart(sheet: Sheet) -> None:
    """Bars of other heights, beside other words."""
    template, content = sheet.template, sheet.content
    is_lying, groups = template.random() < 0.4, count_in(template, 5, 9)
    left, top, right, bottom = _frame_chart(sheet, is_lying=is_lying)
    colours = [any_colour(template) for _ in range(pick(template, (1, 1, 2)))]
    step = ((bottom - top) if is_lying else (right - left)) / groups
    thick = 0.64 * step / len(colours)
    for number in range(groups):
        for place, colour in enumerate(colours):
            share, begin = between(content, 0.06, 0.97), (number + 0.18) * step + place * thick
            bar = (left + begin, bottom - share * (bottom - top), left + begin + thick, bottom)
            if is_lying:
                bar = (left, top + begin, left + share * (right - left), top + begin + thick)
            sheet.draw.rectangle(bar, colour)
        word, size, middle = some_words(content, 1), 2.8 * sheet.unit, (number + 0.5) * step
        if is_lying:
            at, room = (left - sheet.unit, top + middle), left - 2 * sheet.unit
            sheet.write(at, word, size, INK, anchor="rm", room=room)
        else:
            at = (left + middle, bottom + 3 * sheet.unit)
            sheet.write(at, word, size, INK, room=0.94 * step)


def draw_line_chart(sheet: Sheet) -> None:
    """Lines that go other ways."""
    template, content = sheet.template, sheet.content
    left, top, right, bottom = _frame_chart(sheet)
    colours = [
        any_colour(template, (0.6, 1.0), (0.3, 0.75)) for _ in range(count_in(template, 1, 3))
    ]
    points, thick = count_in(template, 8, 24), round(between(template, 0.5, 1.2) * sheet.unit)
    has_dots = template.random() < 0.5
    for number in range(0, points, max(1, points // 6)):
        at = (left + number / (points - 1) * (right - left), bottom + 3 * sheet.unit)
        sheet.write(at, f"{number + 1}", 2.6 * sheet.unit, INK)
    for colour in colours:
        steps = np.cumsum(content.normal(0, 1, points)) + content.normal(0, 1.5)
        shares = 0.5 + 0.42 * steps / max(1.0, float(np.abs(steps).max()))
        line = [
            (left + number / (points - 1) * (right - left), bottom - share * (bottom - top))
            for number, share in enumerate(shares.tolist())
        ]
        sheet.draw.line(line, colour, thick, joint="curve")
        for x, y in line if has_dots else []:
            sheet.draw.ellipse((x - 2 * thick, y - 2 * thick, x + 2 * thick, y + 2 * thick), colour)


def draw_pie_chart(sheet: Sheet) -> None:
    """Slices of other sizes in the same colours, with a legend of other words."""
    template, content = sheet.template, sheet.content
    sheet.fill(pale_colour(template))
    count, has_hole = count_in(template, 4, 7), template.random() < 0.4
    colours = [any_colour(template) for _ in range(count)]
    is_left = template.random() < 0.5
    radius = between(template, 0.26, 0.34) * min(sheet.width, sheet.height)
    size = between(template, 2.8, 3.8) * sheet.unit
    x, y = sheet.width * (0.36 if is_left else 0.64), sheet.height * 0.56
    title = some_words(content, count_in(content, 2, 4))
    sheet.write(
        (sheet.width / 2, 0.09 * sheet.height), title, 6 * sheet.unit, INK, room=sheet.width
    )
    ends = 360 * np.cumsum(content.dirichlet(np.full(count, 2.0)))
    begin = 0.0
    for number, (colour, end) in enumerate(zip(colours, ends.tolist(), strict=True)):
        around = (x - radius, y - radius, x + radius, y + radius)
        sheet.draw.pieslice(around, begin - 90, end - 90, colour, WHITE, round(0.4 * sheet.unit))
        at = ((0.76 if is_left else 0.05) * sheet.width, y + (number - count / 2) * 2 * size)
        sheet.draw.rectangle((*at, at[0] + size, at[1] + size), colour)
        text = f"{some_words(content, 1)} {(end - begin) / 3.6:.0f} %"
        room = 0.2 * sheet.width - size
        sheet.write((at[0] + 1.4 * size, at[1] + size / 2), text, size, INK, anchor="lm", room=room)
        begin = end
    if has_hole:
        hole = radius * 0.5
        ground = sheet.image.getpixel((1, 1))
        sheet.draw.ellipse((x - hole, y - hole, x + hole, y + hole), ground)


def draw_matrix_code(sheet: Sheet) -> None:
    """A square code of black and white modules, three corners of it as a QR code has them."""
    template, content = sheet.template, sheet.content
    ink = pick(template, (BLACK, BLACK, (24, 44, 108), (96, 20, 40)))
    sheet.fill(pick(template, (WHITE, WHITE, pale_colour(template))))
    count = pick(template, (25, 29, 33))
    side = int(between(template, 0.78, 0.94) * min(sheet.width, sheet.height) / count)
    modules = content.random((count, count)) < 0.5
    for row, column in ((0, 0), (0, count - 7), (count - 7, 0)):
        modules[max(0, row - 1) : row + 8, max(0, column - 1) : column + 8] = False
        modules[row : row + 7, column : column + 7] = True
        modules[row + 1 : row + 6, column + 1 : column + 6] = False
        modules[row + 2 : row + 5, column + 2 : column + 5] = True
    modules[6, 8 : count - 8] = modules[8 : count - 8, 6] = np.arange(count - 16) % 2 == 0
    mask = Image.fromarray(modules.astype(np.uint8) * 255).resize((count * side,) * 2, 0)
    sheet.stamp(mask, (sheet.width / 2, sheet.height / 2), ink)


def draw_street_map(sheet: Sheet) -> None:
    """Streets, water and parks of another town, in the same colours, with the same legend."""
    template, content = sheet.template, sheet.content
    land, water = any_colour(template, (0.02, 0.15), (0.88, 0.97)), any_colour(template, (0.2, 0.5))
    park, road = any_colour(template, (0.15, 0.4), (0.75, 0.9)), any_colour(template, (0.1, 0.7))
    is_left = template.random() < 0.5
    sheet.fill(land)
    for _ in range(count_in(content, 2, 5)):
        corners = [between(content, 6, 20) * sheet.unit for _ in range(count_in(content, 4, 8))]
        sheet.draw.polygon(_around(sheet, corners), park)
    _lay_way(sheet, water, between(content, 4, 9))
    turn = between(content, 0, math.pi / 2)
    for number in range(count_in(content, 14, 22)):
        _lay_street(sheet, turn + (number % 2) * math.pi / 2, mix(WHITE, land, 0.1))
    for _ in range(count_in(content, 1, 3)):
        _lay_way(sheet, road, 1.8)
    for _ in range(count_in(content, 6, 10)):
        at = (between(content, 0.1, 0.9) * sheet.width, between(content, 0.1, 0.8) * sheet.height)
        sheet.write(at, some_words(content, 1), 2.8 * sheet.unit, INK)
    left = 3 * sheet.unit if is_left else sheet.width - 31 * sheet.unit
    top = sheet.height - 18 * sheet.unit
    legend = (left, top, left + 28 * sheet.unit, top + 15 * sheet.unit)
    sheet.draw.rectangle(legend, WHITE, INK, 3)
    for number, (colour, word) in enumerate(
        ((road, "Main road"), (water, "River"), (park, "Park"))
    ):
        y = top + (3 + 4.5 * number) * sheet.unit
        swatch = (left + 2 * sheet.unit, y - sheet.unit, left + 7 * sheet.unit, y + sheet.unit)
        sheet.draw.rectangle(swatch, colour)
        sheet.write((left + 9 * sheet.unit, y), word, 3 * sheet.unit, INK, anchor="lm")


def draw_floor_plan(sheet: Sheet) -> None:
    """Other rooms within the same outer walls."""
    template, content = sheet.template, sheet.content
    sheet.fill(pale_colour(template))
    wall, thick = any_colour(template, (0.0, 0.5), (0.1, 0.35)), round(1.2 * sheet.unit)
    margin = between(template, 6, 10) * sheet.unit
    house = (margin, margin, sheet.width - margin, sheet.height - margin - 6 * sheet.unit)
    sheet.draw.rectangle(house, WHITE, wall, 2 * thick)
    label = f"Plan {count_in(content, 2, 98)} - {some_words(content, 2)}"
    sheet.write((margin, sheet.height - margin), label, 4 * sheet.unit, wall, anchor="lm")
    rooms: list[Box] = [house]
    for _ in range(count_in(content, 5, 8)):
        room = max(rooms, key=lambda one: (one[2] - one[0]) * (one[3] - one[1]))
        rooms.remove(room)
        rooms += _split_room(sheet, room, wall, thick)
    for room in rooms:
        left, top, right, bottom = room
        at = ((left + right) / 2, (top + bottom) / 2)
        sheet.write(at, some_words(content, 1), 3 * sheet.unit, wall, room=0.8 * (right - left))
        metres = (right - left) * (bottom - top) / sheet.unit**2 / 60
        below = (at[0], at[1] + 4 * sheet.unit)
        sheet.write(below, f"{metres:.1f} sq m", 2.4 * sheet.unit, wall, room=0.8 * (right - left))


def _frame_chart(sheet: Sheet, *, is_lying: bool = False) -> Box:
    """Ground, title, axes, and lines with numbers; gives the box between the axes."""
    template, content = sheet.template, sheet.content
    ground = pick(
        template, (WHITE, pale_colour(template), any_colour(template, (0.05, 0.2), (0.88, 1.0)))
    )
    sheet.fill(ground)
    size, lines = between(template, 4, 6.5) * sheet.unit, count_in(template, 4, 7)
    left, top = between(template, 13, 18) * sheet.unit, between(template, 14, 20) * sheet.unit
    right = sheet.width - 6 * sheet.unit
    bottom = sheet.height - between(template, 9, 14) * sheet.unit
    title = some_words(content, count_in(content, 2, 4))
    at = (left, top / 2)
    sheet.write(at, title, size, INK, anchor="lm", room=right - left, is_bold=True)
    most = pick(content, (10, 20, 50, 80, 100, 200, 400, 500, 1000))
    for number in range(1, lines + 1):
        share, text = number / lines, f"{most * number / lines:.0f}"
        if is_lying:
            x = left + share * (right - left)
            sheet.draw.line([(x, top), (x, bottom)], _GREY, 3)
            sheet.write((x, bottom + 3 * sheet.unit), text, 2.4 * sheet.unit, INK)
        else:
            y = bottom - share * (bottom - top)
            sheet.draw.line([(left, y), (right, y)], _GREY, 3)
            sheet.write((left - sheet.unit, y), text, 2.4 * sheet.unit, INK, anchor="rm")
    sheet.draw.line([(left, top), (left, bottom), (right, bottom)], INK, 3)
    return left, top, right, bottom


def _around(sheet: Sheet, radii: list[float]) -> list[Point]:
    x = between(sheet.content, 0, 1) * sheet.width
    y = between(sheet.content, 0, 1) * sheet.height
    step = 2 * math.pi / len(radii)
    return [
        (x + radius * math.cos(number * step), y + radius * math.sin(number * step))
        for number, radius in enumerate(radii)
    ]


def _lay_way(sheet: Sheet, colour: Colour, wide: float) -> None:
    """A bent band from one side to another."""
    content = sheet.content
    is_across = content.random() < 0.5
    along = np.linspace(-0.1, 1.1, 40)
    bends = between(content, 0.15, 0.85) + some_waves(content, along, (0.02, 0.12), (1, 6))
    x, y = (along, bends) if is_across else (bends, along)
    line = list(zip((x * sheet.width).tolist(), (y * sheet.height).tolist(), strict=True))
    sheet.draw.line(line, colour, round(wide * sheet.unit), joint="curve")


def _lay_street(sheet: Sheet, turn: float, colour: Colour) -> None:
    content = sheet.content
    x, y = between(content, 0, 1) * sheet.width, between(content, 0, 1) * sheet.height
    turn += between(content, -0.12, 0.12)
    reach = between(content, 30, 140) * sheet.unit
    ends = [(x + way * reach * math.cos(turn), y + way * reach * math.sin(turn)) for way in (-1, 1)]
    sheet.draw.line(ends, colour, round(between(content, 0.8, 1.6) * sheet.unit))


def _split_room(sheet: Sheet, room: Box, wall: Colour, thick: int) -> list[Box]:
    """Two rooms out of one, a wall with a door between them."""
    content = sheet.content
    left, top, right, bottom = room
    share, door = between(content, 0.3, 0.7), between(content, 0.1, 0.7)
    if right - left > bottom - top:
        x, gap = left + share * (right - left), 0.25 * (bottom - top)
        sheet.draw.line([(x, top), (x, bottom)], wall, thick)
        at = top + door * (bottom - top)
        sheet.draw.line([(x, at), (x, at + gap)], WHITE, thick + 2)
        return [(left, top, x, bottom), (x, top, right, bottom)]
    y, gap = top + share * (bottom - top), 0.25 * (right - left)
    sheet.draw.line([(left, y), (right, y)], wall, thick)
    at = left + door * (right - left)
    sheet.draw.line([(at, y), (at + gap, y)], WHITE, thick + 2)
    return [(left, top, right, y), (left, y, right, bottom)]
