"""These are the tables of the report, in words and short numbers: alike in HTML and in Markdown.

Pure. Names of arms, methods and requests may be a stranger's: they are cleaned here, and escaped
where they are laid out.

But: p-values are of one test each, not corrected for how many tests there are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from attribution.report.wording import show_chance
from attribution.validation.report.arms import in_order, name_of
from attribution.validation.report.numbers import (
    NOTHING,
    Cell,
    equivalent_cell,
    interval_cell,
    multiple_cell,
    number,
    percent,
    spent,
    thousandths,
    times,
)
from attribution.validation.results import AGAIN, AS_SHARES, Effect, Paired, Proof, is_shares
from harvester.sanitize import clean


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Rows for a person.

    Attributes:
        name: an anchor.
        names: how many of the first columns hold names; the others hold figures.
        marked: the rows of whence itself.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    names: int
    rows: tuple[tuple[Cell, ...], ...]
    marked: frozenset[int] = frozenset()


def matrix(
    effects: Sequence[Effect], name: str, caption: str, show: Callable[[Effect], Cell]
) -> ResultTable | None:
    """One figure by arm and K; None without effects."""
    by_arm = {(one.arm, one.k): one for one in effects}
    ks = sorted({one.k for one in effects})
    arms = in_order(one.arm for one in effects)
    rows = tuple(
        (
            Cell(name_of(arm)),
            *(show(by_arm[arm, k]) if (arm, k) in by_arm else Cell(NOTHING) for k in ks),
        )
        for arm in arms
    )
    return _table(name, caption, ("Arm", *(f"K = {k:,}" for k in ks)), 1, rows)


def tables_of(proof: Proof) -> dict[str, ResultTable]:
    """Every table that there are rows for, by name, in the order of the report."""
    tables = (
        matrix(
            proof.effects,
            "effects",
            "Rise of the loss by arm and K, nats a token",
            lambda one: interval_cell(one.effect, one.low, one.high),
        ),
        matrix(
            proof.effects,
            "multiples",
            "Random-equivalent multiple by arm and K",
            multiple_cell,
        ),
        _paired(proof),
        _random(proof),
        _datamodelling(proof),
        _exemplars(proof),
        _forgetting(proof),
        _recognisable(proof),
        _refitted(proof),
        _everything(proof),
    )
    return {one.name: one for one in tables if one is not None}


def _table(
    name: str, caption: str, columns: tuple[str, ...], names: int, rows: Iterable[tuple[Cell, ...]]
) -> ResultTable | None:
    body = tuple(rows)
    marked = frozenset(n for n, row in enumerate(body) if row[0].text == "whence")
    if len(marked) == len(body):
        marked = frozenset()  # nothing to tell them from
    return ResultTable(name, caption, columns, names, body, marked) if body else None


def _paired(proof: Proof) -> ResultTable | None:
    ks = sorted({one.k for one in proof.paired})
    by_pair = {(one.arm, one.other, one.k): one for one in proof.paired}
    pairs = list(dict.fromkeys((one.arm, one.other) for one in proof.paired))
    others = in_order(other for _, other in pairs)
    pairs.sort(key=lambda pair: others.index(pair[1]))
    return _table(
        "paired",
        "One arm's rise of the loss minus another's, prompt by prompt, nats a token",
        ("Arm", "Against", *(f"K = {k:,}" for k in ks), "Prompts"),
        2,
        (
            (
                Cell(name_of(arm)),
                Cell(name_of(other)),
                *(_difference(by_pair.get((arm, other, k))) for k in ks),
                Cell(_range(one.prompts for k in ks if (one := by_pair.get((arm, other, k))))),
            )
            for arm, other in pairs
        ),
    )


def _difference(row: Paired | None) -> Cell:
    if row is None:
        return Cell(NOTHING)
    cell = interval_cell(row.difference, row.low, row.high)
    bounds = [*([cell.bounds] if cell.bounds else []), f"p {show_chance(row.p)}"]
    return Cell(cell.text, ", ".join(bounds))


def _range(counts: Iterable[int]) -> str:
    distinct = sorted(set(counts))
    return f"{distinct[0]:,}" if len(distinct) == 1 else f"{distinct[0]:,} to {distinct[-1]:,}"


def _random(proof: Proof) -> ResultTable | None:
    return _table(
        "random",
        "What removing pictures at random does",
        ("Removed", "Of all", "Repeats", "Rise of the loss", "Drift"),
        0,
        (
            (
                Cell(f"{one.removed:,}"),
                Cell(percent(one.share)),
                Cell(f"{one.repeats:,}"),
                interval_cell(one.effect, one.low, one.high),
                Cell(number(one.drift)),
            )
            for one in sorted(proof.random, key=lambda one: one.removed)
        ),
    )


def _datamodelling(proof: Proof) -> ResultTable | None:
    ordered = sorted(
        proof.datamodelling,
        key=lambda one: (one.looks_inside, -one.lds if math.isfinite(one.lds) else math.inf),
    )
    return _table(
        "lds",
        "Linear datamodeling score by method; a query's time is without describing the pictures "
        "once for methods from outside, and with all pictures' gradients inside",
        (
            "Method",
            "Numbers",
            "Looks",
            "LDS",
            "whence's less it",
            "Queries",
            "Subsets",
            "A query",
        ),
        3,
        (
            (
                Cell(name_of(one.method.removesuffix(AS_SHARES))),
                Cell(_numbers(one.method)),
                Cell("inside" if one.looks_inside else "from outside"),
                interval_cell(one.lds, one.low, one.high, thousandths),
                interval_cell(one.above, one.above_low, one.above_high, thousandths),
                Cell(f"{one.queries:,}"),
                Cell(f"{one.subsets:,}"),
                Cell(spent(one.seconds)),
            )
            for one in ordered
        ),
    )


def _numbers(method: str) -> str:
    """What a method foretells by."""
    if method == AGAIN:
        return "losses"
    return "shares" if is_shares(method) else "scores"


def _exemplars(proof: Proof) -> ResultTable | None:
    return _table(
        "exemplar",
        "The one picture that a model was tuned on, found by method",
        ("Method", "Exemplars", "Searched", "Recall@1", "Recall@10", "mAP"),
        1,
        (
            (
                Cell(name_of(one.method)),
                Cell(f"{one.exemplars:,}"),
                Cell(f"{one.gallery:,}"),
                Cell(number(one.recall_1)),
                interval_cell(one.recall_10, one.recall_10_low, one.recall_10_high),
                interval_cell(one.mean_ap, one.mean_ap_low, one.mean_ap_high),
            )
            for one in proof.exemplars
        ),
    )


def _forgetting(proof: Proof) -> ResultTable | None:
    def change(before: float, after: float, show: Callable[[float], str] = number) -> Cell:
        return Cell(f"{show(before)} \N{RIGHTWARDS ARROW} {show(after)}")

    return _table(
        "forgetting",
        "Ways of forgetting: cost, and loss in nats a token before \N{RIGHTWARDS ARROW} after",
        (
            *("Way", "Request", "Pictures", "Time", "Cheaper by", "Share trained", "Expected"),
            *("Forgotten", "Retained", "Recognisable", "Drift", "Tokens changed"),
        ),
        2,
        (
            (
                Cell(name_of(one.way)),
                Cell(name_of(one.request, 80)),
                Cell(f"{one.removed:,}"),
                Cell(spent(one.seconds)),
                Cell(times(one.speedup)),
                Cell(percent(one.share)),
                Cell(percent(one.expected)),
                change(one.forgotten_before, one.forgotten_after),
                change(one.retained_before, one.retained_after),
                change(one.recognisable_before, one.recognisable_after, percent),
                Cell(number(one.prompts_drift)),
                Cell(percent(one.prompts_changed)),
            )
            for one in proof.forgetting
        ),
    )


def _recognisable(proof: Proof) -> ResultTable | None:
    return _table(
        "recognisable",
        "Generated pictures that are nearest to a picture of their own caption",
        ("Seed", "Prompts", "Recognisable", "Ceiling"),
        0,
        (
            (
                Cell(str(one.seed)),
                Cell(f"{one.prompts:,}"),
                interval_cell(one.share, one.low, one.high, percent),
                Cell(percent(one.ceiling)),
            )
            for one in proof.recognisable
        ),
    )


def _refitted(proof: Proof) -> ResultTable | None:
    return _table(
        "refitted",
        "Weights fitted on one set of pictures, tried on another",
        ("Fitted on", "Tried on", "Shipped weights", "Refitted", "Difference", "Weights"),
        2,
        (
            (
                Cell(name_of(one.fitted_on)),
                Cell(name_of(one.tried_on)),
                Cell(thousandths(one.before)),
                Cell(thousandths(one.after)),
                interval_cell(one.difference, one.low, one.high, thousandths),
                Cell(name_of(", ".join(one.weights), 600)),
            )
            for one in proof.refitted
        ),
    )


def _everything(proof: Proof) -> ResultTable | None:
    order = in_order(one.arm for one in proof.effects)
    return _table(
        "all",
        "All figures by arm and K",
        (
            *("Arm", "K", "Removed", "Rise of the loss", "Random-equivalent", "Multiple"),
            *("Pixels", "Features", "Cosine", "Drift", "Own", "Prompts × seeds"),
        ),
        1,
        (
            (
                Cell(name_of(one.arm)),
                Cell(f"{one.k:,}"),
                Cell(number(one.removed, 0)),
                interval_cell(one.effect, one.low, one.high),
                equivalent_cell(one),
                multiple_cell(one),
                Cell(number(one.pixels, 4)),
                Cell(thousandths(one.features)),
                Cell(thousandths(one.cosine)),
                Cell(number(one.drift)),
                Cell(percent(one.own)),
                Cell(f"{one.prompts:,} × {one.seeds:,}"),
            )
            for one in sorted(proof.effects, key=lambda one: (order.index(one.arm), one.k))
        ),
    )


def markdown_of(table: ResultTable) -> str:
    """A table of GitHub's Markdown, its caption above it in bold; names cannot act as markup."""
    lines = [
        f"**{escaped(table.caption)}**",
        "",
        _line(table.columns),
        _line([*["---"] * table.names, *["---:"] * (len(table.columns) - table.names)]),
        *(
            _line(
                f"{escaped(one.text)} ({escaped(one.bounds)})" if one.bounds else escaped(one.text)
                for one in row
            )
            for row in table.rows
        ),
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Words that Markdown shows as they are."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$&@!])", r"\\\1", clean(text)).replace("://", ":\\//")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
