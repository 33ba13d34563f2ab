"""The ranking: a query and a gallery → matches, each with the evidence that it stands on.

Two stages, as in Aivalis & Klampanos (arXiv 2504.01771): the candidates whose texts or features are
nearest make a pool, and the pool is compared in every channel. But: theirs took the texts alone
for the first stage, so that a source without a caption could not be found. The head of the order
is then compared place by place (`verification`), and ordered again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from attribution.calibration.verdicts import Verdict
from attribution.matching.geometry import Region
from attribution.ranking.comparison import Comparison, compare
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import Query


@dataclass(frozen=True, slots=True)
class Match:
    """One candidate's place.

    Attributes:
        rank: 1-based; equal scores stand in the order of their ids.
        score: 0 to 1 from all channels and regions; a near copy stands above all, with 1 +
            its PDQ agreement.
        verdict: None where the ranker gives none.
        tile: the tile of a grid that this candidate is nearest to; None for the whole picture.
        channels: raw scores by channel, higher is closer (`channels.CHANNELS` explains them);
            NaN where a candidate has none.
        z: by calibrated channel, standard deviations above unrelated pictures.
        p, q: of the fused image channels: the chance that an unrelated picture is as near, and
            the false discovery rate over the gallery; NaN where the ranker has none.
        share: of the influence, 0 to 1.
        ratio: `significance.memorisation_ratio`; below 1 is extraction-like.
        regions: where query and candidate agree, accepted ones only.
        inliers: by method, how many points agree; empty where nobody looked.
    """

    candidate_id: str
    rank: int
    score: float
    verdict: Verdict | None
    tile: int | None
    channels: Mapping[str, float]
    z: Mapping[str, float] = field(default_factory=dict)
    p: float = math.nan
    q: float = math.nan
    share: float = 0.0
    ratio: float = math.nan
    regions: tuple[Region, ...] = ()
    inliers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The matches of one query, best first.

    Attributes:
        gallery_size: how many candidates were searched.
        found: how many of all those got each verdict, shown or not; None where the ranker gives
            no verdicts.
        unattributed: the share of the influence that no candidate has.
        is_flat: the query is of one flat colour, and there is nothing to compare.
    """

    query: Query
    matches: tuple[Match, ...]
    gallery_size: int
    found: Mapping[Verdict, int] | None
    unattributed: float = 1.0
    is_flat: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """The highest rung that any candidate reaches; None where the ranker gives no verdicts."""
        if self.found is None:
            return None
        return next((rung for rung in Verdict if self.found.get(rung)), Verdict.NO_EVIDENCE)


def rank(query: Query, gallery: Gallery, setup: RankingSetup, *, k: int = 10) -> Ranking:
    """The k candidates that a query most likely draws from, over its tiles where it is a grid.

    Deterministic: a candidate's score depends neither on the order in which candidates were
    harvested nor on which others are in the gallery, but for the text channel's scale, and for who
    is among those that are compared place by place.

    Raises:
        GalleryError: if a candidate is gone from its dataset.
    """
    comparison = compare(query, gallery, setup, checked=k)
    verdicts, (weights, rest) = comparison.verdicts(), comparison.shares()
    matches = [
        _match(comparison, index, position, verdicts[index], float(weights[index]))
        for position, index in enumerate(comparison.order()[:k].tolist(), 1)
    ]
    verdict_counts = Counter(verdicts)
    return Ranking(
        query, tuple(matches), len(gallery.ids), verdict_counts, rest, comparison.is_flat
    )


def _match(
    comparison: Comparison, index: int, position: int, verdict: Verdict, share: float
) -> Match:
    verified = comparison.verified.get(index)
    return Match(
        candidate_id=comparison.gallery.ids[comparison.rows[index]],
        rank=position,
        score=float(comparison.score[index]),
        verdict=verdict,
        tile=comparison.query.views[comparison.view[index]].tile,
        channels=comparison.channels(index),
        z={name: float(values[index]) for name, values in comparison.scores.z.items()},
        p=float(comparison.p[index]),
        q=float(comparison.q[index]),
        share=share,
        ratio=float(comparison.ratio[index]),
        regions=verified.regions if verified else (),
        inliers=verified.inliers if verified else {},
    )
