"""This is the null test, of queries without a source: are p-values uniform, is something found?

A query's p-values are not independent of each other, for all stand against one query's background;
so the test of uniformity takes one candidate's of each query, drawn. The p-values of all its
candidates are taken together for shares.

Two backgrounds: the one that a method has, and a random half of the gallery, fitted anew for each
query (without what is passed over for it), the other half being its candidates. The second half is
exchangeable with the first, so that p-values must hold there; with the first background they hold
as far as it resembles the gallery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attribution.calibration.background import FEWEST, fit_background
from attribution.calibration.significance import false_discovery_rates, follow_gallery, p_values
from attribution.calibration.verdicts import FALSE_DISCOVERIES, Verdict
from attribution.errors import SuiteError
from attribution.evaluate.edits import rng_for
from attribution.evaluate.galleries import only
from attribution.evaluate.metrics import Interval, Uniformity, ks_uniform, mean_with_interval
from attribution.evaluate.suites import Suite
from attribution.ranking.comparison import compare
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import Query
from attribution.ranking.scores import embed_query, score_images

LEVELS = (0.05, 0.01, 0.001)


@dataclass(frozen=True, slots=True)
class NullFigures:
    """What a background makes of queries without a source.

    Attributes:
        background: its name.
        pairs: of a query and a candidate.
        uniformity: of one candidate's p-value a query.
        discovered: share of queries with any candidate at q ≤ .05.
        below: by level, the share of pairs with p at or below it, by query.
        verdicts: pairs with each verdict; none would be right.
        worst: ids of query and candidate of the strongest verdicts, some of them, to be looked at.
        channels: by channel alone, the same uniformity and share of queries with a discovery.
            Others have no p-values: neither imagededup nor the published formula says what chance
            gives.
    """

    background: str
    queries: int
    pairs: int
    uniformity: Uniformity
    discovered: Interval
    below: Mapping[float, Interval]
    verdicts: Mapping[Verdict, int]
    worst: tuple[tuple[Verdict, str, str], ...]
    channels: Mapping[str, tuple[Uniformity, Interval]]


@dataclass(frozen=True, slots=True)
class _OneNull:
    p: NDArray[np.float64]
    drawn_p: float
    has_discovery: bool
    verdicts: Counter[Verdict]
    worst: list[tuple[Verdict, str, str]]
    channels: dict[str, tuple[float, bool]]


_SHOWN = 20


def figures_of_null(
    suite: Suite,
    setup: RankingSetup,
    *,
    split: bool = False,
    step: Callable[[], None] | None = None,
) -> NullFigures:
    """Figures of queries without a source.

    Args:
        suite: as `suites.make_null` makes it.
        setup: what queries are compared by.
        split: with a half of the gallery as the background, in place of the method's.
        step: called after each query.

    Raises:
        SuiteError: if half of the gallery is too little for a background.
        GalleryError: if a candidate is gone from its dataset.
    """
    nulls: list[_OneNull] = []
    for case in suite.cases:
        out = set(case.passed_over.tolist())
        rows = [row for row in range(len(suite.gallery.ids)) if row not in out]
        draw = rng_for(suite.seed, "null", case.name)
        here, with_background = only(suite.gallery, rows), setup
        if split:
            here, with_background = _split(suite.gallery, rows, setup, draw)
        nulls.append(_ask(case.open(), case.name, here, with_background, draw))
        if step is not None:
            step()
    discovered = np.array([one.has_discovery for one in nulls])
    shares = {level: np.array([(one.p <= level).mean() for one in nulls]) for level in LEVELS}
    verdicts = sum((one.verdicts for one in nulls), Counter[Verdict]())
    worst = sorted((bad for one in nulls for bad in one.worst), key=lambda bad: _RUNG[bad[0]])
    return NullFigures(
        background="a random half of the gallery" if split else setup.background.name,
        queries=len(nulls),
        pairs=sum(len(one.p) for one in nulls),
        uniformity=ks_uniform(np.array([one.drawn_p for one in nulls])),
        discovered=mean_with_interval(discovered.astype(np.float64), suite.seed),
        below={level: mean_with_interval(values, suite.seed) for level, values in shares.items()},
        verdicts={verdict: verdicts[verdict] for verdict in Verdict},
        worst=tuple(worst[:_SHOWN]),
        channels={
            name: (
                ks_uniform(np.array([one.channels[name][0] for one in nulls])),
                mean_with_interval(
                    np.array([float(one.channels[name][1]) for one in nulls]), suite.seed
                ),
            )
            for name in nulls[0].channels
        },
    )


_RUNG = {verdict: rung for rung, verdict in enumerate(Verdict)}


def _ask(
    query: Query, name: str, gallery: Gallery, setup: RankingSetup, draw: np.random.Generator
) -> _OneNull:
    query_vectors = embed_query(query, setup.embedders, setup.channels)
    compared = compare(query, gallery, setup, query_vectors=query_vectors)
    # Of all candidates: the pool's are the nearest, and none of those is drawn by chance.
    images = score_images(query_vectors, gallery.vectors, setup.background, setup.channels)
    p = p_values(setup.fusion.log_odds(images.z), compared.null)
    verdicts = compared.verdicts()
    counts = Counter(verdicts)
    counts[Verdict.NO_EVIDENCE] += len(gallery.ids) - len(compared.rows)
    drawn = int(draw.integers(len(p)))
    return _OneNull(
        p,
        float(p[drawn]),
        bool((compared.q <= FALSE_DISCOVERIES).any()) and not compared.is_flat,
        counts,
        [
            (verdict, name, gallery.ids[row])
            for verdict, row in zip(verdicts, compared.rows, strict=True)
            if verdict in {Verdict.NEAR_COPY, Verdict.ALTERED, Verdict.REPLICATION}
        ],
        {channel: _alone(images.z[channel], null, drawn) for channel, null in images.null.items()},
    )


def _alone(z: NDArray[np.float32], null: NDArray[np.float32], drawn: int) -> tuple[float, bool]:
    """What one channel by itself says: a drawn candidate's p, and whether any is a discovery."""
    p = p_values(z, follow_gallery(null, z))
    q = false_discovery_rates(p, len(p))
    return float(p[drawn]), bool((q <= FALSE_DISCOVERIES).any())


def _split(
    gallery: Gallery, rows: list[int], setup: RankingSetup, draw: np.random.Generator
) -> tuple[Gallery, RankingSetup]:
    """One half of some rows as candidates, and a method with the other half as its background."""
    if len(rows) < 2 * FEWEST:
        raise SuiteError(
            f"expected at least {2 * FEWEST} pictures beside a query and its folder for a "
            f"background of half of them, found {len(rows)}; give more, or leave out --split"
        )
    order = draw.permutation(rows)
    half = np.sort(order[: len(order) // 2])
    background = fit_background(
        "half of the gallery",
        [gallery.ids[row] for row in half],
        {space: vectors[half] for space, vectors in gallery.vectors.items()},
        gallery.versions,
        # Regions have no part in p-values, and counting agreeing points takes minutes.
        setup.background.inliers,
    )
    return only(gallery, order[len(order) // 2 :].tolist()), replace(setup, background=background)
