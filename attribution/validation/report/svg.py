"""This turns a plot by matplotlib into an `<svg>` element in the page's own colours and letters.

Drawn without a screen, and the same drawing gives the same bytes. Colours become names of the
page's style sheet, so that a drawing follows it into the dark and onto paper. matplotlib is loaded
when the first drawing is asked for.

But: words are measured in DejaVu Sans, and shown in the page's letters, which are narrower.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_NAMES = ("ink", "soft", "rule", "whence", "part", "baseline", "channel", "gradient", "reference")
COLOURS = {name: f"#0{n}0{n}0{n}" for n, name in enumerate(_NAMES, 1)}
"""Stand for the style sheet's colours until the drawing is finished; none of them is black, which
matplotlib leaves out."""
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def drawn(draw: Callable[[Figure], None], alt: str, height: float) -> str:
    """The drawing as an `<svg>` element.

    Args:
        draw: fills an empty figure; its colours are to be among `COLOURS`. Names in it may be
            anyone's, once they are cleaned.
        alt: what it shows, for one who cannot see it; makes the element's ids its own.
        height: inches, at a width of 9.4.
    """
    import matplotlib as mpl  # noqa: PLC0415  # half a second, for one command
    from matplotlib.figure import Figure  # noqa: PLC0415  # as above

    ink, soft, rule = (COLOURS[name] for name in ("ink", "soft", "rule"))
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "whence",
        "text.parse_math": False,
        "font.family": ["DejaVu Sans"],
        "font.size": 9.5,
        "text.color": ink,
        "axes.labelcolor": soft,
        "axes.edgecolor": soft,
        "axes.titlesize": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": rule,
        "grid.linewidth": 0.6,
        "xtick.color": soft,
        "ytick.color": soft,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "legend.frameon": False,
        "legend.labelspacing": 0.35,
        "lines.linewidth": 1.6,
    }
    body = io.StringIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # whatever the user's own settings are
        mpl.rcParams.update(settings)
        # A name in letters that the font for measuring lacks is drawn by the browser's own.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=(9.4, height), facecolor="none")
        draw(figure)
        for axes in figure.axes:
            axes.set_facecolor("none")
        figure.savefig(
            body, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return _inline(body.getvalue(), alt)


def log_axis(axes: Axes, values: Sequence[float], show: Callable[[float], str]) -> None:
    """An x axis in equal steps of ratio, 1, 2 and 5 of each power of ten named by `show`.

    Args:
        axes: whose x axis becomes it.
        values: above 0, what has to have room; at least one.
        show: a value in words.
    """
    from matplotlib import ticker  # noqa: PLC0415  # as in `drawn`

    axes.set_xscale("log")
    # By hand: around a single value matplotlib leaves no room.
    axes.set_xlim(min(values) / 1.25, max(values) * 1.25)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: show(value)))


def _inline(svg: str, alt: str) -> str:
    """A file of matplotlib as an element: no ids but those used, no styles but the page's."""
    root = ET.fromstring(svg)  # noqa: S314  # matplotlib wrote it, and escaped the names in it
    mark = re.sub(r"[^a-z]+", "-", alt.lower())[:24]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{_SVG}style", f"{_SVG}metadata"}:
                parent.remove(child)
    used = {element.attrib[_HREF][1:] for element in root.iter() if _HREF in element.attrib}
    used |= set(re.findall(r"url\(#([^)]+)\)", svg))
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        attributes = dict(element.attrib)
        element.attrib.clear()
        for name, value in attributes.items():
            if name == "id":
                if value in used:
                    element.set("id", f"{mark}-{value}")
            elif name == _HREF:
                element.set("href", f"#{mark}-{value[1:]}")
            else:
                element.set(name, _styled(value, mark))
    box = root.get("viewBox", "")
    root.attrib.clear()
    for name, value in (("class", "plot"), ("viewBox", box), ("role", "img"), ("aria-label", alt)):
        root.set(name, value)
    return ET.tostring(root, encoding="unicode")


def _styled(value: str, mark: str) -> str:
    value = value.replace("url(#", f"url(#{mark}-")
    value = re.sub(r"\s*font-family:[^;]*;?", "", value)
    for name, colour in COLOURS.items():
        value = value.replace(colour, f"var(--plot-{name})")
    return re.sub(r"\s*\n\s*", " ", value).strip()
