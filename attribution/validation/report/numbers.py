"""This is how the report writes numbers and their intervals, in a table or a sentence. Pure.

But: a figure that is not there is a dash, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from attribution.validation.results import Effect

NOTHING = "\N{EN DASH}"
"""Stands where there is no figure."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure or a name; `bounds` are its interval's, empty where it has none."""

    text: str
    bounds: str = ""


def number(value: float, digits: int = 2) -> str:
    """`1,234.50`, or a dash for what is no number; never a minus before zeros."""
    if not math.isfinite(value):
        return NOTHING
    shown = f"{value:,.{digits}f}"
    return shown.removeprefix("-") if not shown.strip("-0.,") else shown


def thousandths(value: float) -> str:
    """`0.519`, or a dash: for what several methods are compared by."""
    return number(value, 3)


def percent(value: float) -> str:
    """`62%`, or a dash."""
    return f"{100 * value:.0f}%" if math.isfinite(value) else NOTHING


def times(value: float) -> str:
    """A multiple: `21×`, with a digit more below 10; `∞` where the other cost nothing."""
    if value == math.inf:
        return "\N{INFINITY}"
    if not math.isfinite(value):
        return NOTHING
    return f"{number(value, 1 if abs(value) < 9.95 else 0)}\N{MULTIPLICATION SIGN}"


def spent(seconds: float) -> str:
    """`0.012 s`, `3.4 s`, `46 s`."""
    if not math.isfinite(seconds):
        return NOTHING
    digits = next((n for least, n in ((10, 0), (1, 1), (0.1, 2)) if seconds >= least), 3)
    return f"{number(seconds, digits)} s"


def between(low: float, high: float, show: Callable[[float], str] = number) -> str:
    """`1.20 to 3.40`; empty where a bound is no number."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{show(low)} to {show(high)}"


def interval_cell(
    value: float, low: float, high: float, show: Callable[[float], str] = number
) -> Cell:
    """A figure with its interval."""
    return Cell(show(value), between(low, high, show))


def _censored(
    row: Effect, value: float, low: float, high: float, show: Callable[[float], str]
) -> Cell:
    """A count that no random removal reached is a lower bound, and its upper end none."""
    if not math.isfinite(value):
        return interval_cell(value, low, high, show)
    if not row.at_least:
        if not row.equivalent_high >= row.largest or not math.isfinite(low):
            return interval_cell(value, low, high, show)
        return Cell(show(value), f"{show(low)} to \N{GREATER-THAN OR EQUAL TO} {show(high)}")
    return Cell(f"≥ {show(value)}", f"from {show(low)}" if math.isfinite(low) else "")


def equivalent_cell(row: Effect) -> Cell:
    """How many random removals do the same."""
    return _censored(
        row, row.equivalent, row.equivalent_low, row.equivalent_high, lambda value: number(value, 0)
    )


def multiple_cell(row: Effect) -> Cell:
    """The same over what the arm removed."""
    return _censored(row, row.multiple, row.multiple_low, row.multiple_high, times)
