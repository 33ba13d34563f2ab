"""These are the figures of a suite: answers held against the truth, with intervals.

Intervals are of the 95 % kind that `metrics.bootstrap` makes, by drawing source pictures (copies),
queries (prompts, null) or images (pairs) again. A system that was asked some of the queries is
judged by these.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.calibration.verdicts import Verdict
from attribution.evaluate.edits import EDITS
from attribution.evaluate.metrics import (
    Interval,
    auc,
    bootstrap,
    mean_with_interval,
    prepare_micro_precision,
    source_ranks,
)
from attribution.evaluate.suites import Suite
from attribution.evaluate.systems import FUSED_IMAGES, FUSION, PUBLISHED, RUNGS, Answers
from harvester.distribution import needs_extra

SEVERITIES = ("mild", "strong")
_COMBINED = frozenset({FUSION, FUSED_IMAGES, PUBLISHED})
"""Systems that are no single descriptor."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RetrievalFigures:
    """How well a system finds sources.

    Attributes:
        queries: how many it was asked.
        micro_ap: µAP.
    """

    name: str
    queries: int
    recall_1: Interval
    recall_10: Interval
    micro_ap: Interval


@dataclass(frozen=True, slots=True)
class VerdictFigures:
    """How often a verdict is said, and of what.

    Attributes:
        recall: by severity (`pair` where nothing was edited), the share of sources that get this
            verdict or a stronger one.
        right, wrong: pairs with exactly this verdict that are, and are no, source.
        precision: of those pairs; NaN without any.
        false_alarms: wrong ones in a million pairs of a query and another picture.
        at_most: as many in a million, with 95 % confidence (Clopper & Pearson 1934).
    """

    verdict: Verdict
    recall: Mapping[str, Interval]
    right: int
    wrong: int
    precision: float
    false_alarms: float
    at_most: float


@dataclass(frozen=True, slots=True)
class SuiteFigures:
    """Figures of the suites of copies and of pairs.

    Attributes:
        ways: the systems, in the order of tables.
        best_single: the descriptor, own or a peer's, with the highest µAP.
        error_ratio: of the fusion's 1 - µAP to that of the best single one; NaN where it has none.
        by_family: recall@1 by family of edits, for the fusion and for the best single one.
        verdicts: those above no evidence.
        pairs: of a query and a picture that is no source of it.
        passed_over: pairs left out, as twins of a source.
        worst: verdict, query and candidate of wrong pairs, the strongest first, to be looked at.
        seconds: by system.
    """

    queries: int
    candidates: int
    ways: tuple[RetrievalFigures, ...]
    best_single: str
    error_ratio: float
    by_family: Mapping[str, tuple[int, float, float]]
    verdicts: tuple[VerdictFigures, ...]
    pairs: int
    passed_over: int
    worst: tuple[tuple[Verdict, str, str], ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SeparationFigures:
    """How well a system tells a query's own candidates from others: AUC, averaged over queries."""

    name: str
    queries: int
    auc: Interval


@dataclass(frozen=True, slots=True)
class PromptFigures:
    """Figures of the suite of prompts."""

    queries: int
    candidates: int
    ways: tuple[SeparationFigures, ...]
    seconds: Mapping[str, float]


def figures_of_found(suite: Suite, answers: Answers) -> SuiteFigures:
    """Figures of copies or pairs."""
    is_source, passed_over = suite.is_source, suite.is_passed_over
    groups = np.array([case.group for case in suite.cases])
    scores = {
        name: np.where(passed_over, np.float32(np.nan), rows)
        for name, rows in answers.scores.items()
    }
    ways = tuple(
        _retrieval(name, rows, is_source, groups, suite.seed) for name, rows in scores.items()
    )
    single = [system for system in ways if system.name not in _COMBINED]
    best = max(single, key=lambda system: system.micro_ap.value)
    fusion = next(system for system in ways if system.name == FUSION)
    others = ~is_source & ~passed_over
    return SuiteFigures(
        queries=len(suite.cases),
        candidates=len(suite.gallery.ids),
        ways=ways,
        best_single=best.name,
        error_ratio=_ratio(1 - fusion.micro_ap.value, 1 - best.micro_ap.value),
        by_family=_by_family(suite, scores[FUSION], scores[best.name], is_source),
        verdicts=_verdict_figures(suite, answers.verdicts, is_source, others, groups),
        pairs=int(others.sum()),
        passed_over=int(passed_over.sum()),
        worst=_worst(suite, np.where(others, answers.verdicts, len(RUNGS))),
        seconds=answers.seconds,
    )


def figures_of_prompts(suite: Suite, answers: Answers) -> PromptFigures:
    """Figures of prompts."""
    is_source, passed_over = suite.is_source, suite.is_passed_over
    ways = []
    for name, rows in answers.scores.items():
        areas = np.array(
            [
                auc(row[own & ~np.isnan(row)], row[~own & ~out & ~np.isnan(row)])
                for row, own, out in zip(rows, is_source, passed_over, strict=True)
            ]
        )
        areas = areas[~np.isnan(areas)]
        if areas.size:
            ways.append(SeparationFigures(name, len(areas), mean_with_interval(areas, suite.seed)))
    return PromptFigures(
        len(suite.cases), len(suite.gallery.ids), tuple(ways), dict(answers.seconds)
    )


def share_of_groups(
    hits: NDArray[np.bool_] | NDArray[np.float64], groups: NDArray[np.int64], seed: int
) -> Interval:
    """A share of queries, or the mean of their values (m,).

    Its interval is by groups (m,) that are drawn together.
    """
    _, group = np.unique(groups, return_inverse=True)
    counts = np.bincount(group)
    hits_by_group = np.bincount(group, weights=hits)
    return bootstrap(
        lambda drawn: float(hits_by_group[drawn].sum() / counts[drawn].sum()),
        len(counts),
        seed=seed,
    )


def most_per_million(wrong: int, pairs: int) -> float:
    """How many in a million there are at most, with 95 % confidence (Clopper & Pearson 1934)."""
    with needs_extra("evaluate", "an interval of false alarms"):
        from scipy.stats import beta  # noqa: PLC0415  # longer to import than all else together

    return 1e6 if wrong >= pairs else float(beta.ppf(0.95, wrong + 1, pairs - wrong)) * 1e6


def _retrieval(
    name: str,
    rows: NDArray[np.float32],
    is_source: NDArray[np.bool_],
    groups: NDArray[np.int64],
    seed: int,
) -> RetrievalFigures:
    is_asked = ~np.isnan(rows).all(axis=1)
    rows, sources = rows[is_asked], is_source[is_asked]
    _, group = np.unique(groups[is_asked], return_inverse=True)
    ranks = source_ranks(rows, sources)
    precision = prepare_micro_precision(rows, sources, groups=group)
    return RetrievalFigures(
        name,
        int(is_asked.sum()),
        share_of_groups((ranks >= 1) & (ranks <= 1), group, seed),
        share_of_groups((ranks >= 1) & (ranks <= 10), group, seed),
        bootstrap(precision, int(group.max()) + 1, seed=seed),
    )


def _by_family(
    suite: Suite,
    fusion: NDArray[np.float32],
    single: NDArray[np.float32],
    is_source: NDArray[np.bool_],
) -> dict[str, tuple[int, float, float]]:
    families = [EDITS[case.kind].family if case.kind in EDITS else "" for case in suite.cases]
    firsts = [source_ranks(rows, is_source) == 1 for rows in (fusion, single)]
    by_family = {}
    for family in dict.fromkeys(filter(None, families)):
        own = np.array([name == family for name in families])
        shares = [float(first[own].mean()) for first in firsts]
        by_family[family] = (int(own.sum()), shares[0], shares[1])
    return by_family


def _verdict_figures(
    suite: Suite,
    verdicts: NDArray[np.int8],
    is_source: NDArray[np.bool_],
    others: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> tuple[VerdictFigures, ...]:
    severities = np.array(
        [EDITS[case.kind].severity if case.kind in EDITS else "pair" for case in suite.cases]
    )
    best = np.where(is_source, verdicts, len(RUNGS)).min(axis=1)
    pairs = int(others.sum())
    rows = []
    for rung, verdict in enumerate(RUNGS[:-1]):
        right = int((is_source & (verdicts == rung)).sum())
        wrong = int((others & (verdicts == rung)).sum())
        rows.append(
            VerdictFigures(
                verdict,
                {
                    kind: share_of_groups(
                        best[severities == kind] <= rung, groups[severities == kind], suite.seed
                    )
                    for kind in _present(severities)
                },
                right,
                wrong,
                _ratio(right, right + wrong),
                1e6 * _ratio(wrong, pairs),
                most_per_million(wrong, pairs),
            )
        )
    return tuple(rows)


def _worst(suite: Suite, wrong: NDArray[np.int8]) -> tuple[tuple[Verdict, str, str], ...]:
    """Pairs above "above chance" that should have no verdict, at most `_SHOWN`."""
    places = [
        (rung, int(case), int(row))
        for rung in range(RUNGS.index(Verdict.ABOVE_CHANCE))
        for case, row in zip(*np.nonzero(wrong == rung), strict=True)
    ]
    return tuple(
        (RUNGS[rung], suite.cases[case].name, suite.gallery.ids[row])
        for rung, case, row in places[:_SHOWN]
    )


def _present(severities: Collection[str]) -> Sequence[str]:
    return [kind for kind in (*SEVERITIES, "pair") if kind in severities]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
