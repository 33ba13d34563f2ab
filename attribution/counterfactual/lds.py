"""The linear datamodeling score of every method: do its scores foretell what subsets do?

Park et al., "TRAK: Attributing Model Behavior at Scale" (2023, arXiv 2303.14186): models are
trained on random halves of the pictures; a method foretells each generated picture's loss by the
sum of its scores over the half. The score is the rank correlation of the two over the halves, the
mean over generated pictures; 0 where a method says the same of all halves.

But: all halves have one training seed, that of the model whose pictures are asked about. What is
particular to it is no influence, and still counts for those who foretell it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from attribution.counterfactual.generations import Generated
from attribution.counterfactual.measures import (
    datamodeling_difference,
    mean_datamodeling_score,
    predict_outcomes,
)
from attribution.counterfactual.model.parallel import Workers
from attribution.counterfactual.outcomes import read_outcome
from attribution.counterfactual.rankers import WHENCE
from attribution.counterfactual.removals import half_subsets
from attribution.counterfactual.results import AS_SHARES, Datamodelling, is_shares
from attribution.counterfactual.workers import train_all
from attribution.evaluate.metrics import Interval

_SEED = 2


class Subsets:
    """The halves of a run, and what their models say of the queries of the first seed."""

    def __init__(self, generated: Generated) -> None:
        self._generated = generated
        self._question = generated.question()
        material = generated.material
        self.removals = half_subsets(material.pictures.ids, material.settings)
        self.queries = np.flatnonzero(generated.seed == material.settings.seeds[0])
        """Which of the run's queries are asked."""

    def run(self, step: Callable[[], None], *, workers: Workers) -> None:
        """Train every model that is still missing."""
        train_all(self._question, self.removals, step, workers=workers)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(m, n): which pictures each subset has."""
        ids = self._generated.material.pictures.ids
        return np.array([[name not in one.removed for name in ids] for one in self.removals])

    def losses(self) -> NDArray[np.float32]:
        """(q, m) of the queries under the subsets' models."""
        outcomes = [read_outcome(self._question.path(one)) for one in self.removals]
        return np.stack([one.query_losses[self.queries] for one in outcomes], 1)

    def scores(
        self,
        by_method: Mapping[str, NDArray[np.float32]],
        seconds: Mapping[str, float],
        inside: Sequence[str],
    ) -> list[Datamodelling]:
        """A row a method, the best first.

        Args:
            by_method: (q, n) over all queries of the run; higher is more influential.
            seconds: a query, by method.
            inside: the methods that need the model.
        """
        kept, losses = self.kept, self.losses()
        asked = {name: scores[self.queries] for name, scores in by_method.items()}
        told = []
        for name, scores in asked.items():
            found = mean_datamodeling_score(scores, kept, losses, seed=_SEED)
            apart = Interval(np.nan, np.nan, np.nan)
            ours = WHENCE + AS_SHARES * (name in inside or is_shares(name))
            if ours in asked and name != ours:
                first, second = (predict_outcomes(one, kept) for one in (asked[ours], scores))
                apart = datamodeling_difference(first, second, losses, seed=_SEED)
            told.append(
                Datamodelling(
                    method=name,
                    looks_inside=name in inside,
                    lds=found.value,
                    low=found.low,
                    high=found.high,
                    queries=len(self.queries),
                    subsets=len(self.removals),
                    seconds=seconds.get(name, float("nan")),
                    above=apart.value,
                    above_low=apart.low,
                    above_high=apart.high,
                )
            )
        return sorted(told, key=lambda row: -row.lds)
