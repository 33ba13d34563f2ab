"""This is the linear datamodeling score (LDS): do a method's scores foretell what subsets do?

Park et al., "TRAK: Attributing Model Behavior at Scale" (2023, arXiv 2303.14186): models are
trained on random halves of the pictures; a method foretells each generated picture's loss by the
sum of its scores over the half. The score is the rank correlation of the two over the halves, the
mean over generated pictures; 0 where a method says the same of all halves.

How far the losses repeat themselves is told beside it: models of another seed are trained on the
same halves, and what they do is taken as foretold. Both sides then have a seed's luck in them, a
method that knew the influences would have it on one side only: where two seeds agree by r, the
most that can be expected of it is √r (Spearman, "The Proof and Measurement of Association between
Two Things", 1904).

But: all halves have one training seed, that of the model whose pictures are asked about. What is
particular to it is no influence, and still counts for those who foretell it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attribution.evaluate.metrics import Interval
from attribution.validation.experiments.generations import GeneratedQueries
from attribution.validation.experiments.removals import half_subsets
from attribution.validation.experiments.retraining import Removal, train_all
from attribution.validation.methods.rankers import WHENCE
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.outcomes import read_outcome
from attribution.validation.results import AGAIN, AS_SHARES, Datamodelling, is_shares
from attribution.validation.statistics.datamodeling import (
    datamodeling_difference,
    mean_datamodeling_score,
    predict_outcomes,
)

_SEED = 2


class Subsets:
    """The halves of a run, and what their models say of the queries of the first seed.

    Attributes:
        removals: what each half leaves out, of the seed that is asked about; again: of a seed that
            nothing else of the run has.
        queries: which of the run's queries are asked.
    """

    def __init__(self, generated: GeneratedQueries) -> None:
        self._generated = generated
        self._probe = generated.probe()
        corpus = generated.corpus
        seeds = corpus.settings.seeds
        self.removals = half_subsets(corpus.pictures.ids, corpus.settings)
        self.again = [replace(one, seed=max(seeds) + 1) for one in self.removals]
        self.queries = np.flatnonzero(generated.seed == seeds[0])

    def run(self, step: Callable[[], None], *, workers: ModelPool) -> None:
        """Train every model that is still missing."""
        train_all(self._probe, [*self.removals, *self.again], step, workers=workers)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(m, n): which pictures each subset has."""
        ids = self._generated.corpus.pictures.ids
        return np.array([[name not in one.removed for name in ids] for one in self.removals])

    def losses(self, removals: Sequence[Removal]) -> NDArray[np.float32]:
        """(q, m) of the queries under the models of `removals`, or of `again`."""
        outcomes = [read_outcome(self._probe.path(one)) for one in removals]
        return np.stack([one.query_losses[self.queries] for one in outcomes], 1)

    def scores(
        self,
        by_method: Mapping[str, NDArray[np.float32]],
        seconds: Mapping[str, float],
        inside: Sequence[str],
    ) -> list[Datamodelling]:
        """A row a method, the best first, and `AGAIN`.

        Args:
            by_method: (q, n) over all queries of the run; higher is more influential.
            seconds: a query, by method.
            inside: the methods that need the model.
        """
        kept, losses = self.kept, self.losses(self.removals)
        foretold = {
            name: predict_outcomes(scores[self.queries], kept) for name, scores in by_method.items()
        }
        foretold[AGAIN] = -self.losses(self.again).astype(np.float64)
        rows = []
        for name, sums in foretold.items():
            looks = name in inside or name == AGAIN
            score = mean_datamodeling_score(sums, losses, seed=_SEED)
            ours = foretold.get(WHENCE + AS_SHARES * (looks or is_shares(name)))
            difference = (
                Interval(np.nan, np.nan, np.nan)
                if ours is None or ours is sums
                else datamodeling_difference(ours, sums, losses, seed=_SEED)
            )
            rows.append(
                Datamodelling(
                    method=name,
                    looks_inside=looks,
                    lds=score.value,
                    low=score.low,
                    high=score.high,
                    queries=len(self.queries),
                    subsets=len(self.removals),
                    seconds=seconds.get(name, float("nan")),
                    above=difference.value,
                    above_low=difference.low,
                    above_high=difference.high,
                )
            )
        return sorted(rows, key=lambda row: -row.lds)
