"""These are the figures of look-alikes: how often a shared template is taken for a shared picture.

A query is asked against all the other pictures, those of its own family among them. None of them
is a source of it, so that each near copy and each other strong verdict is wrong. The family may
well stand at the head of the order, and above chance: it does look alike. How much of the
influence is given to one of the family says what a reader would take away who reads shares alone.

Intervals are made by drawing families again, for the queries of one family resemble each other.

But: a kind has few families, so that the interval of one kind alone is too narrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.calibration.verdicts import Verdict
from attribution.evaluate.figures import share_of_groups
from attribution.evaluate.galleries import folders_of, only, paths_of
from attribution.evaluate.lookalikes import kind_of
from attribution.evaluate.metrics import Interval
from attribution.evaluate.suites import Case, Suite
from attribution.evaluate.systems import RUNGS
from attribution.ranking.comparison import compare
from attribution.ranking.method import RankingSetup

STRONG = frozenset({Verdict.ALTERED, Verdict.REPLICATION})
"""Verdicts beside a near copy that are wrong of a picture which shares a template alone."""
_WRONG = STRONG | {Verdict.NEAR_COPY}
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class KindFigures:
    """What is said of the look-alikes of one kind, or of all.

    Attributes:
        near_copy: share of queries of which a look-alike is called a near copy.
        strong: share of queries of which one is given another of the strong verdicts.
        largest_share: of the influence, what the look-alike is given that has the most of it; mean
            over queries.
    """

    kind: str
    queries: int
    near_copy: Interval
    strong: Interval
    largest_share: Interval


@dataclass(frozen=True, slots=True)
class LookalikeFigures:
    """Figures of the suite of look-alikes.

    Attributes:
        families: templates that queries are of.
        pooled: of all kinds together.
        kinds: of each, by its name.
        verdicts: pairs of a query and a look-alike with each verdict; the strong ones are wrong.
        of_other_families: pairs of a query and a picture of its kind, but of another template, with
            any strong verdict.
        of_other_kinds: pairs with a picture of another kind that have one; there should be none.
        worst: verdict, query and candidate of some wrong pairs, to be looked at: those with a
            picture of another kind first, then one of each kind before a second one of any.
    """

    queries: int
    candidates: int
    families: int
    pooled: KindFigures
    kinds: tuple[KindFigures, ...]
    verdicts: Mapping[Verdict, int]
    of_other_families: int
    of_other_kinds: int
    worst: tuple[tuple[Verdict, str, str], ...]


@dataclass(frozen=True, slots=True)
class _WrongPair:
    """A strong verdict; `distance` is 0 of a look-alike, 1 of its kind, 2 of another kind."""

    distance: int
    kind: str
    verdict: Verdict
    query: str
    candidate: str


@dataclass(frozen=True, slots=True)
class _OneAsked:
    verdicts: Counter[Verdict]
    largest_share: float
    wrong: list[_WrongPair]


def figures_of_lookalikes(
    suite: Suite, setup: RankingSetup, step: Callable[[], None] | None = None
) -> LookalikeFigures:
    """Figures of look-alikes.

    Args:
        suite: as `suites.make_lookalikes` makes it.
        setup: what queries are compared by.
        step: called after each query.

    Raises:
        GalleryError: if a candidate is gone from its dataset.
    """
    names = paths_of(suite.gallery)
    kinds = {row: kind_of(name) for name, rows in folders_of(suite.gallery).items() for row in rows}
    asked = []
    for case in suite.cases:
        asked.append(_ask(case, suite, setup, names, kinds))
        if step is not None:
            step()
    numbers = list(range(len(asked)))
    own = {kind: [n for n in numbers if suite.cases[n].kind == kind] for kind in _kinds(suite)}
    wrong = [pair for one in asked for pair in one.wrong]
    verdicts = sum((one.verdicts for one in asked), Counter[Verdict]())
    return LookalikeFigures(
        queries=len(asked),
        candidates=len(suite.gallery.ids),
        families=len({case.group for case in suite.cases}),
        pooled=_figures("all", numbers, suite, asked),
        kinds=tuple(_figures(kind, its, suite, asked) for kind, its in own.items()),
        verdicts={verdict: verdicts[verdict] for verdict in RUNGS},
        of_other_families=sum(pair.distance == 1 for pair in wrong),
        of_other_kinds=sum(pair.distance == 2 for pair in wrong),
        worst=tuple((pair.verdict, pair.query, pair.candidate) for pair in _worst(wrong)),
    )


def _ask(
    case: Case, suite: Suite, setup: RankingSetup, names: Sequence[str], kinds: Mapping[int, str]
) -> _OneAsked:
    out, alike = set(case.passed_over.tolist()), set(case.lookalikes.tolist())
    rows = [row for row in range(len(suite.gallery.ids)) if row not in out]
    compared = compare(case.open(), only(suite.gallery, rows), setup)
    shares, _ = compared.shares()
    verdicts, largest = Counter[Verdict](), 0.0
    wrong: list[_WrongPair] = []
    for index, verdict in sorted(
        enumerate(compared.verdicts()), key=lambda pair: (RUNGS.index(pair[1]), -shares[pair[0]])
    ):
        row = rows[compared.rows[index]]
        if row in alike:
            verdicts[verdict] += 1
            largest = max(largest, float(shares[index]))
        if verdict in _WRONG:
            distance = 0 if row in alike else 1 if kinds.get(row) == case.kind else 2
            wrong.append(_WrongPair(distance, case.kind, verdict, case.name, names[row]))
    # What is outside the pool was not even compared.
    verdicts[Verdict.NO_EVIDENCE] += len(alike) - verdicts.total()
    return _OneAsked(verdicts, largest, wrong)


def _worst(wrong: Sequence[_WrongPair]) -> list[_WrongPair]:
    seen = Counter[str]()
    turns: list[tuple[bool, int, int]] = []
    strongest_first = sorted(wrong, key=lambda pair: RUNGS.index(pair.verdict))
    for number, pair in enumerate(strongest_first):
        seen[pair.kind] += 1
        turns.append((pair.distance < 2, seen[pair.kind], number))
    return [strongest_first[number] for *_, number in sorted(turns)[:_SHOWN]]


def _kinds(suite: Suite) -> list[str]:
    return list(dict.fromkeys(case.kind for case in suite.cases))


def _figures(
    kind: str, numbers: Sequence[int], suite: Suite, asked: Sequence[_OneAsked]
) -> KindFigures:
    groups = np.array([suite.cases[number].group for number in numbers])
    own = [asked[number] for number in numbers]
    near = np.array([one.verdicts[Verdict.NEAR_COPY] > 0 for one in own])
    strong = np.array([any(one.verdicts[verdict] for verdict in STRONG) for one in own])
    largest = np.array([one.largest_share for one in own])
    near_copy, strong_too, share = (
        share_of_groups(values, groups, suite.seed) for values in (near, strong, largest)
    )
    return KindFigures(kind, len(own), near_copy, strong_too, share)
