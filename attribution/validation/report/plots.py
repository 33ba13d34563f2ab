"""These are the plots of the report's page, each an `<svg>` element.

whence is drawn strongly, its single channels faintly; kinds of arms differ in colour, and arms of
one kind in markers and dashes, so that no drawing needs its colours to be told apart.

But: a drawing leaves out what is no number, and single channels are told apart by the table only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attribution.validation.report.arms import in_order, kind_of, name_of
from attribution.validation.report.goals import EXCLUDED, MULTIPLE
from attribution.validation.report.numbers import percent
from attribution.validation.report.svg import COLOURS, drawn, log_axis
from attribution.validation.results import (
    AS_SHARES,
    Datamodelling,
    Effect,
    Forgot,
    RandomEffect,
    is_shares,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_MARKERS = {
    "whence": "o",
    "part": "sPph",
    "baseline": "Dd",
    "channel": ".",
    "gradient": "v<>^",
    "reference": "xX1+",
}
_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (5, 1.5, 1, 1.5)))
_LEFT = 0.085
_RIGHT = 0.76
"""Where a drawing ends and its key begins."""


def effects_plot(effects: Sequence[Effect], random: Sequence[RandomEffect]) -> str | None:
    """The rise of the loss against how many pictures were removed; None where nothing was."""
    shown = [one for one in effects if 0 < one.removed < math.inf and math.isfinite(one.effect)]
    curve = sorted(
        (one for one in random if one.removed > 0 and math.isfinite(one.effect)),
        key=lambda one: one.removed,
    )
    if not shown:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        figure.subplots_adjust(left=_LEFT, right=_RIGHT, top=0.97, bottom=0.12)
        counts = [one.removed for one in shown] + [one.removed for one in curve]
        log_axis(axes, counts, lambda value: f"{value:,.0f}")
        axes.axhline(0, color=COLOURS["rule"], linewidth=0.8)
        if curve:
            removed = [one.removed for one in curve]
            low, high = [one.low for one in curve], [one.high for one in curve]
            soft = COLOURS["reference"]
            axes.fill_between(removed, low, high, color=soft, alpha=0.2, linewidth=0)
            axes.plot(
                removed, [one.effect for one in curve], color=soft, label="at random, any number"
            )
        arms = in_order(one.arm for one in shown)
        for arm in reversed(arms):
            of_arm = sorted((one for one in shown if one.arm == arm), key=lambda one: one.removed)
            _draw_arm(axes, of_arm, arms)
        axes.set_xlabel("pictures removed in all")
        axes.set_ylabel("rise of the loss, nats a token")
        _key(axes, arms)

    return drawn(draw, "Rise of the loss by number of removed pictures, for every arm", 4.6)


def multiples_plot(effects: Sequence[Effect]) -> str | None:
    """How many random removals a removed picture is worth, by K; None where that was not told."""
    shown = [
        one for one in effects if math.isfinite(one.multiple) and kind_of(one.arm) != "channel"
    ]
    if not shown:
        return None
    ks = sorted({one.k for one in shown})
    arms = in_order(one.arm for one in shown)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        figure.subplots_adjust(left=_LEFT, right=_RIGHT, top=0.97, bottom=0.12)
        axes.set_yscale("symlog", linthresh=1, linscale=0.4)
        for level in (EXCLUDED, MULTIPLE):
            axes.axhline(level, color=COLOURS["soft"], linewidth=0.8, linestyle=(0, (4, 3)))
        for arm in arms:
            style = _style(arm, arms)
            axes.plot([], [], label=name_of(arm, 28), **{**style, "linestyle": ""})
        for position, k in enumerate(ks):
            of_k = sorted((one for one in shown if one.k == k), key=lambda one: arms.index(one.arm))
            for number, one in enumerate(of_k):
                aside = (number - (len(of_k) - 1) / 2) * min(0.12, 0.8 / len(of_k))
                _draw_multiple(axes, position + aside, one, _style(one.arm, arms))
        axes.set_xticks(range(len(ks)), [f"K = {k:,}" for k in ks])
        axes.set_xlim(-0.6, len(ks) - 0.4)
        top = max(max(_whole(one.multiple_high), one.multiple) for one in shown)
        levels = [0, 1, EXCLUDED, MULTIPLE, 100, 500, 2000, 10_000]
        levels = [level for level in levels if level <= max(top, MULTIPLE) * 1.3]
        axes.set_yticks(levels, [f"{level:,.0f}\N{MULTIPLICATION SIGN}" for level in levels])
        axes.set_ylim(min(0, *(one.multiple for one in shown)), max(top, MULTIPLE) * 1.5)
        axes.minorticks_off()
        axes.set_ylabel("as many at random do the same")
        _key(axes, arms)

    return drawn(draw, "Random-equivalent multiple by K, with lines at 5 and 20", 3.9)


def datamodelling_plot(rows: Sequence[Datamodelling]) -> str | None:
    """The linear datamodeling score of each method: its scores, its shares, and from inside."""
    shown = sorted((one for one in rows if math.isfinite(one.lds)), key=lambda one: one.lds)
    outside, inside = (
        [one for one in shown if one.looks_inside is looks] for looks in (False, True)
    )
    parts = [
        (title, members)
        for title, members in (
            ("search only, shares of the influence", [o for o in outside if is_shares(o.method)]),
            ("search only, scores", [one for one in outside if not is_shares(one.method)]),
            ("looks inside, or trains all halves again", inside),
        )
        if members
    ]
    if not parts:
        return None
    height = 0.9 + 0.24 * len(shown) + 0.35 * len(parts)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(
            len(parts),
            sharex=True,
            squeeze=False,
            height_ratios=[len(rows) + 0.6 for _, rows in parts],
        )
        figure.subplots_adjust(
            left=0.22, right=0.97, top=1 - 0.3 / height, bottom=0.52 / height, hspace=0.28
        )
        for (title, of_part), axes in zip(parts, grid[:, 0], strict=True):
            for position, one in enumerate(of_part):
                colour = COLOURS[kind_of(one.method)]
                axes.barh(position, one.lds, 0.62, color=colour, alpha=0.65)
                axes.errorbar(
                    one.lds, position, xerr=_bars(one.lds, one.low, one.high), color=COLOURS["ink"]
                )
            axes.set_yticks(range(len(of_part)), [_method(one) for one in of_part])
            axes.set_ylim(-0.6, len(of_part) - 0.4)
            axes.axvline(0, color=COLOURS["ink"], linewidth=0.8)
            axes.tick_params(axis="y", length=0)
            axes.set_title(title, loc="left")
            axes.grid(axis="y", visible=False)
        axes.set_xlabel(
            "linear datamodeling score: 1 orders other models as their losses do, 0 is chance"
        )

    return drawn(draw, "Linear datamodeling score by method", height)


def _method(row: Datamodelling) -> str:
    return name_of(row.method.removesuffix(AS_SHARES), 26)


def forgetting_plot(rows: Sequence[Forgot]) -> str | None:
    """Cost against what was forgotten, and against what was lost with it, for each way."""
    shown = [
        one
        for one in rows
        if one.speedup > 0
        and math.isfinite(one.speedup)
        and math.isfinite(one.forgotten_after - one.forgotten_before)
        and math.isfinite(one.retained_after - one.retained_before)
    ]
    if not shown:
        return None
    ways = list(dict.fromkeys(one.way for one in shown))
    kinds = ("ink", "part", "whence", "gradient", "baseline", "reference")

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=_LEFT, right=0.83, top=0.9, bottom=0.16, wspace=0.26)
        for number, way in enumerate(ways):
            style = {
                "color": COLOURS[kinds[number % len(kinds)]],
                "marker": "soD^vP"[number % 6],
                "linestyle": "",
                "markersize": 7,
            }
            of_way = [one for one in shown if one.way == way]
            cost = [1 / one.speedup for one in of_way]
            forgot = [one.forgotten_after - one.forgotten_before for one in of_way]
            lost = [one.retained_after - one.retained_before for one in of_way]
            left.plot(cost, forgot, **style)
            right.plot(cost, lost, label=name_of(way, 24), **style)
        for axes, title in (
            (left, "to be forgotten: higher is better"),
            (right, "to stay: lower is better"),
        ):
            axes.axhline(0, color=COLOURS["rule"], linewidth=0.8)
            log_axis(axes, [1 / one.speedup for one in shown], _show_share)
            axes.set_title(title, loc="left")
            axes.set_xlabel("cost, of training anew")
        left.set_ylabel("rise of the loss, nats a token")
        right.legend(loc="upper left", bbox_to_anchor=(1.02, 1))

    return drawn(draw, "Cost of each way of forgetting against what it forgot and lost", 3.4)


def _draw_arm(axes: Axes, rows: Sequence[Effect], arms: Sequence[str]) -> None:
    """One arm's line; single channels have one name in the key between them."""
    arm = rows[0].arm
    kind, style = kind_of(arm), _style(arm, arms)
    removed, effect = [one.removed for one in rows], [one.effect for one in rows]
    if kind == "channel":
        first = next(other for other in arms if kind_of(other) == "channel")
        axes.plot(removed, effect, label="single channels" if arm == first else None, **style)
        return
    bars = [_bars(one.effect, one.low, one.high) for one in rows]
    order = 4 if kind == "whence" else 3
    axes.errorbar(
        removed,
        effect,
        yerr=[[bar[0][0] for bar in bars], [bar[1][0] for bar in bars]],
        fmt="none",
        ecolor=style["color"],
        elinewidth=0.9,
        zorder=order,
    )
    axes.plot(removed, effect, label=name_of(arm, 28), zorder=order, **style)


def _draw_multiple(axes: Axes, position: float, effect: Effect, style: dict[str, Any]) -> None:
    """A mark with its interval; a lower bound has no upper end, and says so."""
    high = effect.multiple if effect.at_least else effect.multiple_high
    axes.errorbar(
        position,
        effect.multiple,
        yerr=_bars(effect.multiple, effect.multiple_low, high),
        **{**style, "linewidth": style["linewidth"] / 1.4, "linestyle": ""},
        elinewidth=style["linewidth"] / 1.4,
    )
    if effect.at_least:
        axes.annotate(
            "≥",
            (position, effect.multiple),
            (0, 5),
            textcoords="offset points",
            horizontalalignment="center",
        )


def _style(arm: str, arms: Sequence[str]) -> dict[str, Any]:
    kind = kind_of(arm)
    same = [other for other in arms if kind_of(other) == kind]
    same = same[: same.index(arm)]
    return {
        "color": COLOURS[kind],
        "linewidth": {"whence": 2.6, "channel": 0.8}.get(kind, 1.4),
        "linestyle": "-" if kind in {"whence", "channel"} else _LINES[len(same) % len(_LINES)],
        "marker": _MARKERS[kind][len(same) % len(_MARKERS[kind])],
        "markersize": 6 if kind == "whence" else 4,
    }


def _key(axes: Axes, arms: Sequence[str]) -> None:
    handles, labels = axes.get_legend_handles_labels()
    names = [name_of(arm, 28) for arm in arms]
    position_of = {name: n for n, name in enumerate(names)}
    channels = min((n for n, arm in enumerate(arms) if kind_of(arm) == "channel"), default=0)
    position_of["single channels"] = channels
    entries = sorted(
        zip(handles, labels, strict=True), key=lambda one: position_of.get(one[1], len(names))
    )
    if entries:
        axes.legend(
            [handle for handle, _ in entries],
            [label for _, label in entries],
            loc="upper left",
            bbox_to_anchor=(1.01, 1.02),
        )


def _bars(value: float, low: float, high: float) -> list[list[float]]:
    """Lengths below and above; a bound that is no number has none."""
    below, above = value - low, high - value
    return [[max(0.0, _whole(below))], [max(0.0, _whole(above))]]


def _whole(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _show_share(value: float) -> str:
    return percent(value) if value >= 0.01 else f"{100 * value:.1g}%"
