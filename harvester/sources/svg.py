"""This is the rasteriser of SVG drawings, by resvg.

Drawn only where it is made of plain shapes: no style sheet, script, text, picture, filter, reuse or
entity. So nothing is read from outside, as a picture in it would be, and the work is bounded: the
worst that was made up took 4 s, and OpenMoji's take 6 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat

from harvester.distribution import install_command
from harvester.errors import InputError

_SIDE = 256  # pixels
_SHAPES = frozenset("svg g path line circle rect polygon polyline ellipse title desc".split())
_LONGEST = 128 << 10  # bytes; the longest of OpenMoji has 35,000
_MOST_SHAPES, _DEEPEST, _MOST_DASHED = 1000, 32, 8


def draw_svg(svg: bytes, *, side: int = _SIDE) -> bytes:
    """A drawing as PNG with alpha, by resvg; see the module for what is refused.

    Args:
        svg: the file, UTF-8.
        side: pixels of the longer side of the PNG; the drawing keeps its proportions.

    Raises:
        InputError: if `resvg_py` is not installed.
        ValueError: if it is no SVG, too long, or not of plain shapes alone.
    """
    draw = load_resvg()
    if len(svg) > _LONGEST:
        raise ValueError(f"expected at most {_LONGEST:,} bytes of SVG, found {len(svg):,}")
    text = svg.decode("utf-8-sig")
    _check_svg(text)
    return bytes(draw(svg_string=text, width=side, height=side, skip_system_fonts=True))


def load_resvg() -> Callable[..., bytes]:
    """What draws SVG.

    Raises:
        InputError: if it is not installed.
    """
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415  # an extra
    except ImportError as exc:
        raise InputError(
            "SVG: expected resvg_py to be installed, found it missing; "
            f"{install_command('captions')}"
        ) from exc
    return svg_to_bytes


def _check_svg(text: str) -> None:
    shapes = depth = dashed = 0

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal shapes, depth, dashed
        shapes += 1
        depth += 1
        dashed += "stroke-dasharray" in attributes
        if name not in _SHAPES:
            raise ValueError(f"expected plain shapes, found the element {name[:40]!r}")
        if outside := attributes.keys() & {"style", "filter", "href", "xlink:href"}:
            raise ValueError(f"expected plain shapes, found the attribute {min(outside)!r}")
        if shapes > _MOST_SHAPES or depth > _DEEPEST or dashed > _MOST_DASHED:
            raise ValueError(
                f"expected at most {_MOST_SHAPES:,} shapes, {_DEEPEST} deep, {_MOST_DASHED} of "
                "them dashed, found more"
            )

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise ValueError("expected plain shapes, found a document type, which may hold entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as exc:
        raise ValueError(f"expected an SVG drawing, found {exc}") from exc
