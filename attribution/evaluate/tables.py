"""These are a suite's figures as tables of at most 100 columns for a person, and as JSON values.

A figure stands with its 95 % interval behind it: `.912 [.880, .941]`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from attribution.evaluate.figures import PromptFigures, SuiteFigures, VerdictFigures
from attribution.evaluate.lookalike_figures import STRONG, KindFigures, LookalikeFigures
from attribution.evaluate.metrics import Interval, Uniformity
from attribution.evaluate.null import NullFigures
from attribution.evaluate.systems import FUSION
from harvester.sanitize import clean

_GAP = "  "
_WIDTH = 100
_LONGEST_NAME = 24


def found_text(figures: SuiteFigures) -> str:
    """Copies or pairs: who finds the sources, where, and how often verdicts are wrong."""
    parts = [
        _asked_text(figures.queries, figures.candidates) + "; 95 % intervals in brackets",
        table(
            ["", "queries", "recall@1", "recall@10", "µAP"],
            [
                [
                    _shortened(row.name),
                    f"{row.queries:,}",
                    shown(row.recall_1),
                    shown(row.recall_10),
                    shown(row.micro_ap),
                ]
                for row in figures.ways
            ],
        ),
        _wrapped(
            f"error (1 - µAP) of the {FUSION} against that of the best single descriptor, "
            f"{figures.best_single}: {number(figures.error_ratio)} of it"
        ),
    ]
    if figures.by_family:
        parts.append(
            table(
                ["recall@1 by family", "queries", FUSION, _shortened(figures.best_single)],
                [
                    [family, f"{queries:,}", number(fusion), number(single)]
                    for family, (queries, fusion, single) in figures.by_family.items()
                ],
            )
        )
    kinds = list(figures.verdicts[0].recall) if figures.verdicts else []
    parts += [
        table(
            ["sources with the verdict, or a stronger one", *kinds],
            [
                [str(row.verdict), *(shown(row.recall[kind]) for kind in kinds)]
                for row in figures.verdicts
            ],
        ),
        table(
            ["pairs with the verdict", "right", "wrong", "precision", "wrong in 10⁶", "at most"],
            [_verdict_row(row) for row in figures.verdicts],
        ),
        (
            f"of {figures.pairs:,} pairs with a picture that is no source; {figures.passed_over:,} "
            "with a source's twin were passed over"
        ),
        _seconds_text(figures.seconds),
    ]
    return "\n\n".join(parts)


def prompts_text(figures: PromptFigures) -> str:
    """Prompts: who tells a prompt's own candidates from others."""
    return "\n\n".join(
        [
            _wrapped(
                f"{_asked_text(figures.queries, figures.candidates)}; AUC: the chance that one of "
                "the prompt's own candidates scores above one of the others, 95 % intervals in "
                "brackets"
            ),
            table(
                ["", "queries", "AUC"],
                [
                    [_shortened(row.name), f"{row.queries:,}", shown(row.auc)]
                    for row in figures.ways
                ],
            ),
            _seconds_text(figures.seconds),
        ]
    )


def null_text(all_figures: Sequence[NullFigures]) -> str:
    """Null: how far p-values are from uniform, and what is found where nothing is."""
    columns = [""]
    rows: list[list[str]] = [[] for _ in range(5)]
    labels = [
        "uniform p-values: KS distance",
        "  p of that test (one candidate a query)",
        "queries with any q ≤ .05",
        "queries",
        "pairs",
    ]
    for figures in all_figures:
        columns.append(_shortened(figures.background))
        cells = [
            number(figures.uniformity.statistic),
            number(figures.uniformity.p_value),
            shown(figures.discovered),
            f"{figures.queries:,}",
            f"{figures.pairs:,}",
        ]
        for row, text in zip(rows, cells, strict=True):
            row.append(text)
    lines = [[label, *row] for label, row in zip(labels, rows, strict=True)]
    for level in all_figures[0].below:
        label = f"pairs with p ≤ {number(level)}"
        lines.insert(-2, [label, *(shown(one.below[level], 4) for one in all_figures)])
    lines += [
        [f"pairs with {verdict}", *(f"{one.verdicts[verdict]:,}" for one in all_figures)]
        for verdict in all_figures[0].verdicts
    ]
    alone = [
        [name, *(_uniform_text(one.channels[name]) for one in all_figures)]
        for name in all_figures[0].channels
    ]
    return "\n\n".join(
        [
            "queries without a source; 95 % intervals in brackets",
            table(columns, lines),
            table(["a channel alone: KS p, queries with q ≤ .05", *columns[1:]], alone),
        ]
    )


def lookalikes_text(figures: LookalikeFigures) -> str:
    """Look-alikes: by kind, how often a shared template is taken for a shared picture."""
    strong = " or ".join(verdict for verdict in figures.verdicts if verdict in STRONG)
    parts = [
        _wrapped(
            f"{_asked_text(figures.queries, figures.candidates)}, of {figures.families} templates; "
            "95 % intervals in brackets. The others of its template are a query's look-alikes. "
            f"None is its source, so that each near copy and {strong} among them is wrong: the "
            "table has the share of queries with one. Influence is what the look-alike with the "
            "most of it is given, mean over queries"
        ),
        table(
            ["", "queries", "near copy", "other strong", "influence"],
            [_kind_row(row) for row in (*figures.kinds, figures.pooled)],
        ),
        table(
            ["pairs with the verdict", "look-alikes"],
            [[str(verdict), f"{count:,}"] for verdict, count in figures.verdicts.items()],
        ),
        _wrapped(
            f"near copy or {strong} beside them: {figures.of_other_families:,} pairs with a "
            f"picture of the same kind and another template, {figures.of_other_kinds:,} with one "
            "of another kind"
        ),
    ]
    if figures.worst:
        rows = [[str(verdict), query, candidate] for verdict, query, candidate in figures.worst]
        parts.append(table(["to be looked at", "query", "candidate"], rows))
    return "\n\n".join(parts)


def _kind_row(figures: KindFigures) -> list[str]:
    shares = (figures.near_copy, figures.strong, figures.largest_share)
    return [_shortened(figures.kind), f"{figures.queries:,}", *map(shown, shares)]


def _uniform_text(pair: tuple[Uniformity, Interval]) -> str:
    return f"{number(pair[0].p_value)}, {shown(pair[1])}"


def record(figures: object) -> Any:
    """Figures as what JSON can hold: NaN is None, an interval an object of its three numbers."""
    if is_dataclass(figures) and not isinstance(figures, type):
        return {one.name: record(getattr(figures, one.name)) for one in fields(figures)}
    if isinstance(figures, Mapping):
        return {str(key): record(value) for key, value in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [record(one) for one in figures]
    if isinstance(figures, float):
        return round(figures, 6) if math.isfinite(figures) else None
    return figures if isinstance(figures, int) or figures is None else str(figures)


def shown(interval: Interval, digits: int = 3) -> str:
    """`.912 [.880, .941]`."""
    value, low, high = (
        number(one, digits) for one in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low}, {high}]"


def number(value: float, digits: int = 3) -> str:
    """A number with so many digits behind the point and no 0 before it; `-` for none."""
    if math.isnan(value):
        return "-"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under their names, the first to the left, the others to the right."""
    whole = [[clean(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, cells)) for cells in zip(*whole, strict=True)]
    return "\n".join(
        _GAP.join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in whole
    )


def _verdict_row(figures: VerdictFigures) -> list[str]:
    return [
        str(figures.verdict),
        f"{figures.right:,}",
        f"{figures.wrong:,}",
        number(figures.precision),
        f"{figures.false_alarms:,.1f}",
        f"{figures.at_most:,.1f}",
    ]


def _asked_text(queries: int, candidates: int) -> str:
    return f"{queries:,} queries against {candidates:,} candidates"


def _seconds_text(seconds: Mapping[str, float]) -> str:
    spent = " · ".join(f"{_shortened(name)} {took:,.0f}" for name, took in seconds.items())
    return _wrapped(f"seconds: {spent}")


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _wrapped(text: str) -> str:
    return textwrap.fill(clean(text), _WIDTH, break_on_hyphens=False)
