"""These are the kinds without words: walls, tiles, flags, signs, goods, logos."""

from __future__ import annotations

import math
from collections.abc import Callable

from attribution.evaluate.lookalike_art.motifs import (
    draw_goods,
    draw_scene,
    make_glyph,
    star_points,
)
from attribution.evaluate.lookalike_art.sheet import (
    NAMED_COLOURS,
    WHITE,
    Colour,
    Sheet,
    any_colour,
    between,
    count_in,
    dark_colour,
    ink_on,
    mix,
    pale_colour,
    pick,
    some_words,
)


def draw_brick_wall(sheet: Sheet) -> None:
    """The same courses and joints, each stone of another tone."""
    template, content = sheet.template, sheet.content
    light, dark = any_colour(template, (0.3, 0.7), (0.8, 1.0)), dark_colour(template)
    sheet.fill(any_colour(template, (0.0, 0.12), (0.3, 0.9)))
    courses, joint = count_in(template, 8, 16), between(template, 0.5, 1.2) * sheet.unit
    high = sheet.height / courses
    stone, play = high * between(template, 1.6, 2.8), between(template, 0.0, 0.35)
    for course in range(courses):
        left = -stone * (0.5 if course % 2 else 0.02)
        while left < sheet.width:
            right = left + stone * (1 + between(template, -play, play))
            tone = mix(light, dark, between(content, 0, 0.85))
            inside = (
                left + joint,
                course * high + joint,
                right - joint,
                (course + 1) * high - joint,
            )
            sheet.draw.rounded_rectangle(inside, joint, tone)
            left = right


def draw_hexagon_tiles(sheet: Sheet) -> None:
    """The same mesh and colours, each tile of another one of them."""
    template, content = sheet.template, sheet.content
    colours = [
        any_colour(template, (0.1, 0.8), (0.25, 1.0)) for _ in range(count_in(template, 3, 5))
    ]
    sheet.fill(pick(template, (WHITE, (60, 60, 64), pale_colour(template))))
    radius, gap = between(template, 5, 11) * sheet.unit, between(template, 0.3, 1.0) * sheet.unit
    step = radius * math.sqrt(3)
    for row in range(int(sheet.height / radius / 1.5) + 2):
        for column in range(int(sheet.width / step) + 2):
            middle = ((column + row % 2 / 2) * step, row * 1.5 * radius)
            corners = star_points(middle, [radius - gap] * 6, 0)
            sheet.draw.polygon(corners, pick(content, colours))


def draw_flag(sheet: Sheet) -> None:
    """The same layout in other colours."""
    layout, edge = pick(sheet.template, _FLAGS), between(sheet.template, 0.24, 0.4)
    order = sheet.content.permutation(len(NAMED_COLOURS))
    layout(sheet, edge, [NAMED_COLOURS[number] for number in order])


def draw_icon(sheet: Sheet) -> None:
    """Another glyph on the same ground."""
    ink = _lay_icon_ground(sheet, any_colour(sheet.template), any_colour(sheet.template))
    side = round(between(sheet.template, 0.42, 0.56) * min(sheet.width, sheet.height))
    sheet.stamp(make_glyph(side, sheet.content), (sheet.width / 2, sheet.height / 2), ink)


def draw_recoloured_icon(sheet: Sheet) -> None:
    """The same glyph in other colours."""
    template, content = sheet.template, sheet.content
    colours = [any_colour(content, (0.0, 0.95), (0.15, 1.0)) for _ in range(3)]
    _lay_icon_ground(sheet, colours[0], colours[1])
    side = round(between(template, 0.42, 0.56) * min(sheet.width, sheet.height))
    # A glyph of nearly its ground's colour could not be seen.
    ink = max((colours[2], ink_on(colours[0])), key=lambda one: _distance(one, colours[0]))
    sheet.stamp(make_glyph(side, template), (sheet.width / 2, sheet.height / 2), ink)


def draw_logo_picture(sheet: Sheet) -> None:
    """Any picture, with the same logo in the same corner."""
    template, content = sheet.template, sheet.content
    draw_scene(sheet, sheet.whole, content)
    radius = between(template, 9, 13) * sheet.unit
    x = (
        radius + 3 * sheet.unit
        if template.random() < 0.5
        else sheet.width - radius - 3 * sheet.unit
    )
    y = (
        radius + 3 * sheet.unit
        if template.random() < 0.5
        else sheet.height - radius - 3 * sheet.unit
    )
    ground = any_colour(template)
    around = (x - radius, y - radius, x + radius, y + radius)
    rim = round(0.8 * sheet.unit)
    if template.random() < 0.5:
        sheet.draw.ellipse(around, ground, WHITE, rim)
    else:
        sheet.draw.rounded_rectangle(around, 2 * sheet.unit, ground, WHITE, rim)
    glyph = make_glyph(round(radius), template)
    sheet.stamp(glyph, (x, y - 0.2 * radius), ink_on(ground))
    name = some_words(template, 1).upper()
    at = (x, y + 0.62 * radius)
    sheet.write(at, name, 0.36 * radius, ink_on(ground), room=1.1 * radius, is_bold=True)


def draw_product(sheet: Sheet) -> None:
    """Another thing on the same white page of a shop."""
    template, content = sheet.template, sheet.content
    colour, size = any_colour(template), between(template, 52, 62) * sheet.unit
    middle = (sheet.width / 2, 0.45 * sheet.height)
    floor, shade = middle[1] + size / 2, size * between(template, 0.45, 0.6)
    shadow = (middle[0] - shade, floor - 3 * sheet.unit, middle[0] + shade, floor + 3 * sheet.unit)
    sheet.draw.ellipse(shadow, (228, 228, 230))
    draw_goods(sheet, middle, size, content)
    low, edge = 0.9 * sheet.height, between(template, 4, 8) * sheet.unit
    is_ribbon = template.random() < 0.5
    name, price = some_words(content, 2), f"{count_in(content, 3, 480)}.{count_in(content, 10, 99)}"
    sheet.write(
        (edge, low), name, 5 * sheet.unit, (40, 40, 44), anchor="lm", room=0.5 * sheet.width
    )
    at = (sheet.width - edge, low)
    sheet.write(at, f"$ {price}", 6 * sheet.unit, colour, anchor="rm", is_bold=True)
    tag = (edge, edge, edge + 16 * sheet.unit, edge + 8 * sheet.unit)
    if is_ribbon:
        sheet.draw.rectangle(tag, colour)
    else:
        sheet.draw.rounded_rectangle(tag, 4 * sheet.unit, colour)
    at = (edge + 8 * sheet.unit, edge + 4 * sheet.unit)
    sheet.write(at, "NEW", 4 * sheet.unit, ink_on(colour), is_bold=True)


def _lay_icon_ground(sheet: Sheet, ground: Colour, field: Colour) -> Colour:
    """A plate on a field, as apps and signs have it; gives a colour that is seen on it."""
    template = sheet.template
    sheet.fill(mix(field, WHITE, between(template, 0.0, 0.8)))
    half, turn = 0.43 * min(sheet.width, sheet.height), template.random()
    x, y = sheet.width / 2, sheet.height / 2
    plate = (x - half, y - half, x + half, y + half)
    match count_in(template, 0, 3):
        case 0:
            sheet.draw.ellipse(plate, ground)
        case 1:
            sheet.draw.rounded_rectangle(plate, half * 0.4, ground)
        case 2:
            sheet.draw.polygon(star_points((x, y), [half * 1.08] * 6, round(turn) * 0.5236), ground)
        case _:
            sheet.draw.rectangle(plate, ground)
    return ink_on(ground)


def _distance(first: Colour, second: Colour) -> int:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def _bands(sheet: Sheet, edge: float, colours: list[Colour]) -> None:
    middle = round(edge > 0.32)
    for number in range(3):
        top = (0, edge, 1 - edge)[number] * sheet.height
        sheet.draw.rectangle((0, top, sheet.width, sheet.height), colours[number])
    if middle:
        radius = 0.4 * (1 - 2 * edge) * sheet.height
        points = star_points((sheet.width / 2, sheet.height / 2), [radius, radius * 0.4] * 5, 0)
        sheet.draw.polygon(points, colours[3])


def _pales(sheet: Sheet, edge: float, colours: list[Colour]) -> None:
    for number in range(3):
        left = (0, edge, 1 - edge)[number] * sheet.width
        sheet.draw.rectangle((left, 0, sheet.width, sheet.height), colours[number])


def _nordic_cross(sheet: Sheet, edge: float, colours: list[Colour]) -> None:
    sheet.fill(colours[0])
    x, y = (edge + 0.04) * sheet.width, sheet.height / 2
    for colour, half in ((colours[1], 0.09 * sheet.width), (colours[2], 0.045 * sheet.width)):
        sheet.draw.rectangle((0, y - half, sheet.width, y + half), colour)
        sheet.draw.rectangle((x - half, 0, x + half, sheet.height), colour)


def _triangle(sheet: Sheet, edge: float, colours: list[Colour]) -> None:
    for number in range(2):
        top = number * sheet.height / 2
        sheet.draw.rectangle((0, top, sheet.width, sheet.height), colours[number])
    tip = ((edge + 0.1) * sheet.width, sheet.height / 2)
    sheet.draw.polygon([(0, 0), tip, (0, sheet.height)], colours[2])


def _canton(sheet: Sheet, edge: float, colours: list[Colour]) -> None:
    stripes = 5 + 2 * round(10 * edge - 2)
    for number in range(stripes):
        top = number / stripes * sheet.height
        sheet.draw.rectangle((0, top, sheet.width, sheet.height), colours[number % 2])
    box = (0.0, 0.0, 1.2 * edge * sheet.width, (stripes // 2 + 1) / stripes * sheet.height)
    sheet.draw.rectangle(box, colours[2])
    middle, radius = (box[2] / 2, box[3] / 2), 0.34 * min(box[2], box[3])
    sheet.draw.polygon(star_points(middle, [radius, radius * 0.4] * 5, 0), colours[3])


def _saltire(sheet: Sheet, edge: float, colours: list[Colour]) -> None:
    sheet.fill(colours[0])
    wide, high = sheet.width, sheet.height
    for first, last in (((0, 0), (wide, high)), ((0, high), (wide, 0))):
        sheet.draw.line([first, last], colours[1], round(edge * 0.5 * high))
        sheet.draw.line([first, last], colours[2], round(edge * 0.2 * high))


def _disc(sheet: Sheet, edge: float, colours: list[Colour]) -> None:
    sheet.fill(colours[0])
    x, y, radius = sheet.width * (0.3 + edge / 2), sheet.height / 2, edge * sheet.height
    sheet.draw.ellipse((x - radius, y - radius, x + radius, y + radius), colours[1])
    points = star_points((x, y), [radius * 0.6, radius * 0.25] * 6, 0)
    sheet.draw.polygon(points, colours[2])


_FLAGS: tuple[Callable[[Sheet, float, list[Colour]], None], ...] = (
    _bands,
    _pales,
    _nordic_cross,
    _triangle,
    _canton,
    _saltire,
    _disc,
)
