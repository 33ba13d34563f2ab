"""These are the kinds with words: cards, pages, tables, calendars, screens, tickets and posters."""

from __future__ import annotations

import calendar

from attribution.evaluate.lookalike_art.motifs import draw_scene, make_glyph, star_points
from attribution.evaluate.lookalike_art.sheet import (
    BLACK,
    INK,
    WHITE,
    Box,
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
    some_name,
    some_words,
)

_GREY: Colour = (120, 122, 128)
_RULE: Colour = (190, 192, 198)
_MONTHS = (
    "January February March April May June July August September October November December"
).split()  # `calendar` names them in the language of the machine


def draw_text_card(sheet: Sheet) -> None:
    """Other words on the same coloured ground."""
    template, content = sheet.template, sheet.content
    first, second = any_colour(template), any_colour(template)
    sheet.fade(sheet.whole, first, pick(template, (first, second, mix(first, BLACK, 0.4))))
    ink = ink_on(mix(first, second, 0.5))
    style, size = count_in(template, 0, 2), between(template, 7, 10) * sheet.unit
    edge = between(template, 5, 9) * sheet.unit
    inside = (edge, edge, sheet.width - edge, sheet.height - edge)
    if style == 0:
        sheet.draw.rectangle(inside, None, ink, round(0.8 * sheet.unit))
    elif style == 1:
        sheet.write((sheet.width / 2, 2 * edge + size), "\u201c", 2.5 * size, ink, is_bold=True)
    else:
        sheet.draw.rectangle((0, sheet.height - 2 * edge, sheet.width, sheet.height), second)
    box = (2 * edge, 2.5 * edge, sheet.width - 2 * edge, sheet.height - 3.5 * edge)
    words = some_words(content, count_in(content, 5, 14))
    if template.random() < 0.4:
        words = words.upper()
    sheet.write_block(box, words, size, ink, is_centred=True, is_bold=True)
    by = (sheet.width / 2, sheet.height - 2.7 * edge)
    sheet.write(by, f"- {some_name(content)}", 0.55 * size, ink)


def draw_text_page(sheet: Sheet) -> None:
    """Other words in the same columns."""
    template, content = sheet.template, sheet.content
    sheet.fill(pick(template, (WHITE, pale_colour(template))))
    columns, margin = count_in(template, 1, 2), between(template, 6, 11) * sheet.unit
    size, head = between(template, 2.3, 3.2) * sheet.unit, between(template, 4.5, 7) * sheet.unit
    paragraphs, is_centred = count_in(template, 3, 5), template.random() < 0.5
    title = some_words(content, count_in(content, 3, 5))
    at = (sheet.width / 2 if is_centred else margin, margin + head / 2)
    room, anchor = sheet.width - 2 * margin, "mm" if is_centred else "lm"
    sheet.write(at, title, head, INK, anchor=anchor, room=room, is_bold=True)
    top, gap = margin + 2 * head, 4 * sheet.unit
    wide = (room - (columns - 1) * gap) / columns
    high = (sheet.height - margin - top) / paragraphs
    for column in range(columns):
        left = margin + column * (wide + gap)
        for number in range(paragraphs):
            begin = top + number * high
            box = (left, begin, left + wide, begin + high - 1.4 * size)
            words = some_words(content, 200)
            if number:
                words = " ".join(words.split()[: count_in(content, 60, 200)])
            sheet.write_block(box, words, size, INK)
    sheet.write(
        (sheet.width / 2, sheet.height - margin / 2), f"{count_in(content, 2, 400)}", size, INK
    )


def draw_table(sheet: Sheet) -> None:
    """Other names and numbers in the same grid."""
    template, content = sheet.template, sheet.content
    sheet.fill(WHITE)
    head, stripe = any_colour(template, (0.3, 0.8), (0.3, 0.8)), pale_colour(template)
    columns, rows = count_in(template, 3, 5), count_in(template, 9, 15)
    edge, first = between(template, 3, 7) * sheet.unit, between(template, 0.28, 0.4)
    high = (sheet.height - 2 * edge) / (rows + 1)
    lefts = [edge] + [
        edge + (first + (1 - first) * number / (columns - 1)) * (sheet.width - 2 * edge)
        for number in range(columns)
    ]
    for row in range(rows + 1):
        top = edge + row * high
        colour = head if row == 0 else stripe if row % 2 else WHITE
        line = (edge, top, sheet.width - edge, top + high)
        sheet.draw.rectangle(line, colour, _RULE, 2)
        for column in range(columns):
            left, right = lefts[column], lefts[column + 1]
            is_word = row == 0 or column == 0
            number = f"{count_in(content, 0, 99_999) / 10 ** (column % 3):,.{column % 3}f}"
            text = some_words(content, 1 if row == 0 else 2) if is_word else number
            at = (left + sheet.unit if column == 0 else right - sheet.unit, top + high / 2)
            anchor, ink = "lm" if column == 0 else "rm", ink_on(colour)
            room = right - left - 2 * sheet.unit
            sheet.write(at, text, 0.5 * high, ink, anchor=anchor, room=room, is_bold=row == 0)
    for left in lefts[1:-1]:
        sheet.draw.line([(left, edge), (left, sheet.height - edge)], _RULE, 2)


def draw_calendar(sheet: Sheet) -> None:
    """Another month, some of its days marked."""
    template, content = sheet.template, sheet.content
    band, mark = any_colour(template), any_colour(template, (0.4, 0.8), (0.8, 1.0))
    sheet.fill(pick(template, (WHITE, pale_colour(template))))
    has_lines, begins_sunday = template.random() < 0.5, template.random() < 0.5
    top, size = between(template, 0.16, 0.24) * sheet.height, between(template, 3.4, 5) * sheet.unit
    month, year = count_in(content, 1, 12), count_in(content, 1950, 2049)
    sheet.draw.rectangle((0, 0, sheet.width, top), band)
    title = f"{_MONTHS[month - 1]} {year}"
    sheet.write((sheet.width / 2, top / 2), title, 0.45 * top, ink_on(band), is_bold=True)
    wide, high = sheet.width / 7, (sheet.height - top) / 7
    names = "MTWTFSS" if not begins_sunday else "SMTWTFS"
    for column, name in enumerate(names):
        at = ((column + 0.5) * wide, top + high / 2)
        sheet.write(at, name, size, band, is_bold=True)
    weeks = calendar.Calendar(6 if begins_sunday else 0).monthdayscalendar(year, month)
    for row, week in enumerate(weeks):
        for column, day in enumerate(week):
            x, y = (column + 0.5) * wide, top + (row + 1.5) * high
            cell = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            if has_lines:
                sheet.draw.rectangle(cell, None, _RULE, 2)
            if day and content.random() < 0.12:
                radius = 0.4 * min(wide, high)
                sheet.draw.ellipse((x - radius, y - radius, x + radius, y + radius), mark)
            if day:
                sheet.write((x, y), str(day), size, INK)


def draw_app_screen(sheet: Sheet) -> None:
    """Other people and messages between the same bars."""
    template, content = sheet.template, sheet.content
    is_dark, bar = template.random() < 0.35, any_colour(template)
    ground = (24, 25, 29) if is_dark else WHITE
    ink, soft = ink_on(ground), mix(ink_on(ground), ground, 0.45)
    sheet.fill(ground)
    head, foot = between(template, 11, 15) * sheet.unit, between(template, 11, 14) * sheet.unit
    rows, is_round = count_in(template, 6, 9), template.random() < 0.6
    title = some_words(template, 1)
    sheet.draw.rectangle((0, 0, sheet.width, head), bar)
    at = (4 * sheet.unit, 0.66 * head)
    sheet.write(at, title, 0.36 * head, ink_on(bar), anchor="lm", is_bold=True)
    sheet.write((4 * sheet.unit, 0.2 * head), "9:41", 0.2 * head, ink_on(bar), anchor="lm")
    high = (sheet.height - head - foot) / rows
    for row in range(rows):
        top = head + row * high
        radius, x, y = 0.34 * high, 4 * sheet.unit + 0.34 * high, top + high / 2
        around = (x - radius, y - radius, x + radius, y + radius)
        colour = any_colour(content)
        if is_round:
            sheet.draw.ellipse(around, colour)
        else:
            sheet.draw.rounded_rectangle(around, radius / 3, colour)
        sheet.write((x, y), some_words(content, 1)[0], radius, ink_on(colour))
        left, room = x + radius + 3 * sheet.unit, sheet.width - x - radius - 20 * sheet.unit
        name, text = some_name(content), some_words(content, count_in(content, 3, 5))
        sheet.write((left, top + 0.33 * high), name, 0.24 * high, ink, anchor="lm", is_bold=True)
        sheet.write((left, top + 0.68 * high), text, 0.2 * high, soft, anchor="lm", room=room)
        at = (sheet.width - 4 * sheet.unit, top + 0.33 * high)
        hour = f"{count_in(content, 0, 23)}:{count_in(content, 10, 59)}"
        sheet.write(at, hour, 0.18 * high, soft, anchor="rm")
        sheet.draw.line([(left, top + high), (sheet.width, top + high)], soft, 1)
    sheet.draw.rectangle(
        (0, sheet.height - foot, sheet.width, sheet.height), mix(ground, bar, 0.12)
    )
    for number in range(4):
        glyph = make_glyph(round(0.5 * foot), template)
        at = ((number + 0.5) * sheet.width / 4, sheet.height - foot / 2)
        sheet.stamp(glyph, at, bar if number == 0 else soft)


def draw_badge(sheet: Sheet) -> None:
    """Another person on the same badge."""
    template, content = sheet.template, sheet.content
    band, ground = any_colour(template), pale_colour(template)
    sheet.fill(ground)
    top, is_left = between(template, 0.16, 0.24) * sheet.height, template.random() < 0.5
    sheet.draw.rectangle((0, 0, sheet.width, top), band)
    glyph = make_glyph(round(0.6 * top), template)
    sheet.stamp(glyph, (0.5 * top + 2 * sheet.unit, top / 2), ink_on(band))
    at, firm = (top + 4 * sheet.unit, top / 2), some_name(template)
    sheet.write(
        at, firm, 0.4 * top, ink_on(band), anchor="lm", room=0.6 * sheet.width, is_bold=True
    )
    wide, high = 0.36 * sheet.width, 0.5 * sheet.height
    left = 5 * sheet.unit if is_left else sheet.width - wide - 5 * sheet.unit
    photo = (left, top + 5 * sheet.unit, left + wide, top + 5 * sheet.unit + high)
    _put_portrait(sheet, photo)
    begin = photo[2] + 4 * sheet.unit if is_left else 5 * sheet.unit
    room = sheet.width - wide - 14 * sheet.unit
    lines = (some_name(content), some_words(content, 1), f"No. {count_in(content, 1000, 99_999)}")
    for number, (title, text) in enumerate(zip(("Name", "Section", "Card"), lines, strict=True)):
        y = photo[1] + (0.12 + 0.34 * number) * high
        sheet.write((begin, y), title, 3 * sheet.unit, _GREY, anchor="lm")
        at = (begin, y + 5.5 * sheet.unit)
        sheet.write(at, text, 5 * sheet.unit, INK, anchor="lm", room=room, is_bold=True)
    low = sheet.height - 12 * sheet.unit
    _put_bars(sheet, (5 * sheet.unit, low, sheet.width - 5 * sheet.unit, low + 8 * sheet.unit))


def draw_ticket(sheet: Sheet) -> None:
    """A ticket of the same house for something else."""
    template, content = sheet.template, sheet.content
    sheet.fill(dark_colour(template))
    paper, accent = any_colour(template, (0.1, 0.35), (0.9, 1.0)), any_colour(template)
    edge, stub = 4 * sheet.unit, between(template, 0.68, 0.76) * sheet.width
    sheet.draw.rectangle((edge, edge, sheet.width - edge, sheet.height - edge), paper)
    inner = (2 * edge, 2 * edge, sheet.width - 2 * edge, sheet.height - 2 * edge)
    sheet.draw.rectangle(inner, None, accent, round(0.8 * sheet.unit))
    for number in range(15):
        y = (number + 0.5) / 15 * sheet.height
        hole = (stub - sheet.unit, y - sheet.unit, stub + sheet.unit, y + sheet.unit)
        sheet.draw.ellipse(hole, accent)
    head = some_words(template, 2).upper()
    left, room = 4 * edge, stub - 5 * edge
    sheet.write((left, 0.2 * sheet.height), head, 5 * sheet.unit, accent, anchor="lm", is_bold=True)
    block = (left, 0.28 * sheet.height, left + room, 0.66 * sheet.height)
    event = some_words(content, count_in(content, 2, 4)).title()
    sheet.write_block(block, event, 11 * sheet.unit, INK, spacing=1.2, is_bold=True)
    when = f"{count_in(content, 1, 28)} {pick(content, _MONTHS)}"
    hour = f"{count_in(content, 10, 22)}:{pick(content, ('00', '15', '30'))}"
    seat = f"Row {count_in(content, 1, 40)}   Seat {count_in(content, 1, 60)}"
    at = (left, 0.72 * sheet.height)
    sheet.write(at, f"{when}, {hour}", 6 * sheet.unit, INK, anchor="lm", room=room)
    sheet.write((left, 0.83 * sheet.height), seat, 6 * sheet.unit, INK, anchor="lm", room=room)
    beside = (stub + 1.5 * edge, 3 * edge, sheet.width - 3 * edge, sheet.height - 5.5 * edge)
    _put_bars(sheet, beside)
    at = ((stub + sheet.width) / 2, sheet.height - 4 * edge)
    sheet.write(at, f"{count_in(content, 10_000, 999_999)}", 4 * sheet.unit, INK)


def draw_poster(sheet: Sheet) -> None:
    """Another picture and title within the same frame."""
    template, content = sheet.template, sheet.content
    outer, paper = any_colour(template, (0.3, 0.8), (0.15, 0.8)), pale_colour(template)
    sheet.fill(outer)
    edge, corner = between(template, 4, 8) * sheet.unit, between(template, 5, 9) * sheet.unit
    sheet.draw.rectangle((edge, edge, sheet.width - edge, sheet.height - edge), paper)
    line, inner = round(0.7 * sheet.unit), 1.6 * edge
    frame = (inner, inner, sheet.width - inner, sheet.height - inner)
    sheet.draw.rectangle(frame, None, outer, line)
    radii = [corner, corner * between(template, 0.4, 0.7)] * count_in(template, 4, 8)
    for x in (inner, sheet.width - inner):
        for y in (inner, sheet.height - inner):
            sheet.draw.polygon(star_points((x, y), radii, 0), outer)
    low = between(template, 0.62, 0.72) * sheet.height
    head, size = some_words(template, 2).upper(), 6 * sheet.unit
    sheet.write((sheet.width / 2, inner + size), head, size, outer, is_bold=True)
    picture = (inner + corner, inner + 2 * size, sheet.width - inner - corner, low)
    draw_scene(sheet, picture, content)
    block = (picture[0], low, picture[2], sheet.height - inner - corner)
    title = some_words(content, count_in(content, 2, 4)).title()
    sheet.write_block(
        block, title, 9 * sheet.unit, INK, spacing=1.15, is_centred=True, is_bold=True
    )


def _put_portrait(sheet: Sheet, box: Box) -> None:
    """Shoulders, a head and hair, each of another colour and size."""
    content, photo = sheet.content, sheet.inset(box, sheet.content)
    wide, high, draw = photo.width, photo.height, photo.draw
    photo.fill(any_colour(content, (0.1, 0.4), (0.6, 0.95)))
    skin = mix((250, 218, 190), (96, 60, 40), between(content, 0, 1))
    hair, head = any_colour(content, (0.2, 0.8), (0.1, 0.8)), between(content, 0.16, 0.24) * wide
    x, y = wide / 2, between(content, 0.36, 0.46) * high
    low, body = y + between(content, 0.2, 1.8) * head, between(content, 0.34, 0.48) * wide
    draw.rounded_rectangle((x - 1.2 * head, y - 1.5 * head, x + 1.2 * head, low), 1.1 * head, hair)
    shoulders = (x - body, y + 1.5 * head, x + body, 2 * high)
    draw.rounded_rectangle(shoulders, head, any_colour(content))
    draw.rectangle((x - 0.4 * head, y, x + 0.4 * head, y + 1.8 * head), skin)
    draw.ellipse((x - head, y - 1.2 * head, x + head, y + 1.25 * head), skin)
    sheet.lay(photo, box)


def _put_bars(sheet: Sheet, box: Box) -> None:
    """Stripes of any widths across the longer side of a box, as a bar code has them."""
    content = sheet.content
    left, top, right, bottom = box
    is_lying = bottom - top > right - left
    at, end = (top, bottom) if is_lying else (left, right)
    while at < end:
        thick = count_in(content, 1, 4) * 0.5 * sheet.unit
        stop = min(end, at + thick)
        bar = (left, at, right, stop) if is_lying else (at, top, stop, bottom)
        sheet.draw.rectangle(bar, INK)
        at += thick + count_in(content, 1, 3) * 0.5 * sheet.unit
