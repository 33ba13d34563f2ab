"""These are the kinds out of a box of games: playing cards and chessboards."""

from __future__ import annotations

from attribution.evaluate.lookalike_art.motifs import star_points
from attribution.evaluate.lookalike_art.sheet import (
    INK,
    WHITE,
    Colour,
    Point,
    Sheet,
    any_colour,
    between,
    count_in,
    dark_colour,
    ink_on,
    pale_colour,
    pick,
)

_RANKS = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K")
_SUITS = ("spade", "heart", "club", "diamond")


def draw_playing_card(sheet: Sheet) -> None:
    """A card of another rank or suit, of the same pack."""
    template, content = sheet.template, sheet.content
    sheet.fill(any_colour(template, (0.2, 0.8), (0.2, 0.7)))
    edge, corner = between(template, 3, 7) * sheet.unit, between(template, 3, 8) * sheet.unit
    card = (edge, edge, sheet.width - edge, sheet.height - edge)
    red, size = any_colour(template, (0.8, 1.0), (0.6, 0.9)), between(template, 9, 12) * sheet.unit
    has_frame, frame = template.random() < 0.5, any_colour(template)
    sheet.draw.rounded_rectangle(card, corner, pale_colour(template))
    inner = (edge + 16 * sheet.unit, edge + 9 * sheet.unit)
    rest = (sheet.width - inner[0], sheet.height - inner[1])
    if has_frame:
        sheet.draw.rectangle((*inner, *rest), None, frame, round(0.6 * sheet.unit))
    rank, suit = pick(content, _RANKS), pick(content, _SUITS)
    ink = red if suit in {"heart", "diamond"} else INK
    x, y = edge + 8 * sheet.unit, edge + 9 * sheet.unit
    for at, way in (((x, y), 1), ((sheet.width - x, sheet.height - y), -1)):
        sheet.write(at, rank, size, ink, is_bold=True, room=13 * sheet.unit)
        _put_pip(sheet, suit, (at[0], at[1] + way * size), 0.5 * size, ink)
    middle = (sheet.width / 2, sheet.height / 2)
    if rank in {"A", "J", "Q", "K"}:
        _put_pip(sheet, suit, middle, 3.2 * size if rank == "A" else 2.4 * size, ink)
        at = (middle[0], middle[1] - 0.05 * size)
        sheet.write(at, rank, 1.6 * size, WHITE if rank != "A" else ink, is_bold=True)
        return
    for column, row in _pips(int(rank)):
        at = (
            inner[0] + (0.2 + 0.3 * column) * (rest[0] - inner[0]),
            inner[1] + (0.1 + 0.8 * row) * (rest[1] - inner[1]),
        )
        _put_pip(sheet, suit, at, size, ink)


def draw_chessboard(sheet: Sheet) -> None:
    """Another position on the same board."""
    template, content = sheet.template, sheet.content
    light, dark = any_colour(template, (0.05, 0.3), (0.85, 1.0)), any_colour(template, (0.3, 0.7))
    sheet.fill(dark_colour(template))
    side = between(template, 0.86, 0.94) * min(sheet.width, sheet.height) / 8
    left, top = sheet.width / 2 - 4 * side, sheet.height / 2 - 4 * side
    for row in range(8):
        for column in range(8):
            x, y = left + column * side, top + row * side
            square = (x, y, x + side, y + side)
            sheet.draw.rectangle(square, dark if (row + column) % 2 else light)
    places = content.permutation(64)[: count_in(content, 10, 26)]
    for number, place in enumerate(places.tolist()):
        middle = (left + (place % 8 + 0.5) * side, top + (place // 8 + 0.5) * side)
        is_white = number % 2 == 0
        piece = count_in(content, 0, 5) if number > 1 else 5
        _put_piece(sheet, middle, side, piece, (245, 243, 236) if is_white else (34, 32, 30))


def _pips(count: int) -> list[tuple[int, float]]:
    """Columns, 0 to 2, and heights, 0 to 1, of a card's pips."""
    side = {2: 0, 3: 0, 4: 2, 5: 2, 6: 3, 7: 3, 8: 3, 9: 4, 10: 4}[count]
    places = [(column, row / max(1, side - 1)) for column in (0, 2) for row in range(side)]
    between_them = {2: (0, 1), 3: (0, 0.5, 1), 5: (0.5,), 7: (0.25,), 8: (0.25, 0.75)}
    between_them |= {9: (0.5,), 10: (1 / 6, 5 / 6)}
    return places + [(1, row) for row in between_them.get(count, ())]


def _put_pip(sheet: Sheet, suit: str, at: Point, size: float, ink: Colour) -> None:
    (x, y), half = at, size / 2
    if suit == "diamond":
        tall, wide = half, 0.7 * half
        sheet.draw.polygon([(x, y - tall), (x + wide, y), (x, y + tall), (x - wide, y)], ink)
        return
    way = -1 if suit == "heart" else 1
    lobe = 0.5 * half
    for side in (-1, 1):
        middle = (x + side * 0.46 * half, y + way * 0.22 * half)
        box = (middle[0] - lobe, middle[1] - lobe, middle[0] + lobe, middle[1] + lobe)
        sheet.draw.ellipse(box, ink)
    if suit == "club":
        sheet.draw.ellipse((x - lobe, y - half, x + lobe, y - half + 2 * lobe), ink)
    else:
        ends = [(x - 0.93 * half, y + way * 0.1 * half), (x + 0.93 * half, y + way * 0.1 * half)]
        sheet.draw.polygon([*ends, (x, y - way * half)], ink)
    if suit != "heart":
        foot = [(x, y), (x + 0.35 * half, y + half), (x - 0.35 * half, y + half)]
        sheet.draw.polygon(foot, ink)


def _put_piece(sheet: Sheet, middle: Point, side: float, piece: int, colour: Colour) -> None:
    """A piece of a height and head of its own: pawn, rook, bishop, knight, queen or king."""
    x, y = middle
    rim, line = ink_on(colour), max(2, round(side / 40))
    high = side * (0.2 + 0.035 * piece)
    body = [(x - 0.26 * side, y + 0.36 * side), (x + 0.26 * side, y + 0.36 * side)]
    body += [(x + 0.1 * side, y - high * 0.4), (x - 0.1 * side, y - high * 0.4)]
    sheet.draw.polygon(body, colour, rim, line)
    head, at = 0.14 * side, y - high * 0.7
    box = (x - head, at - head, x + head, at + head)
    match piece:
        case 0 | 2:
            sheet.draw.ellipse(box, colour, rim, line)
        case 1:
            sheet.draw.rectangle(box, colour, rim, line)
        case 3:
            nose = [(x - 1.6 * head, at + head), (x + head, at - 1.4 * head), (x + head, at + head)]
            sheet.draw.polygon(nose, colour, rim, line)
        case 4:
            sheet.draw.polygon(star_points((x, at), [1.5 * head, 0.7 * head] * 5, 0), colour, rim)
        case _:
            sheet.draw.rectangle((x - head / 3, at - 1.4 * head, x + head / 3, at + head), rim)
            sheet.draw.rectangle((x - head, at - 0.6 * head, x + head, at), rim)
    if piece == 2:
        sheet.draw.line([(x - head / 2, at + head / 2), (x + head / 2, at - head / 2)], rim, line)
