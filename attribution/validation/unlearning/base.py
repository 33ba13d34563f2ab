"""This is what all unlearners share, and exact retraining, the plainest of them.

Every unlearner learns once, and may then be asked many times for the model without some pictures.
Only training from scratch on the rest is exact by definition. SISA (`sisa`) is exact for its own
kind of model. Gradient ascent and Fisher steps (`approximate`) are not exact: their weights have
touched the pictures, and the lineage says so.

But: exact here means that no weight has seen the picture. The vocabulary keeps its words, and the
image tokenizer keeps whatever it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attribution.errors import ProofError
from attribution.validation.model.dalle import TokenModel
from attribution.validation.model.dataset import FEWEST, rows_of
from attribution.validation.model.image_tokenizer import Step
from attribution.validation.model.training import EncodedPictures, Trained, TrainingRecipe, train


@dataclass(frozen=True)
class TrainedState:
    """What an unlearner knows of some pictures, before or after it has forgotten others.

    Attributes:
        data: everything that could have been learnt from.
        rows: of what it knows or should know, ascending.
        processed: pictures times steps that it took in all.
        seconds: of one core, in all.
        lineage: ids of all pictures that any of its weights has touched.
    """

    model: TokenModel
    data: EncodedPictures
    rows: NDArray[np.int64]
    recipe: TrainingRecipe
    processed: int
    seconds: float
    lineage: frozenset[str]


@dataclass(frozen=True)
class UnlearnedState:
    """What has become of it once pictures are forgotten, and what that took.

    Attributes:
        state: to generate with, and to forget more from.
        removed: ids of what was forgotten.
        seconds: of one core.
        retrained: pictures times steps that were processed.
    """

    state: TrainedState
    removed: frozenset[str]
    seconds: float
    retrained: int

    @property
    def model(self) -> TokenModel:
        """The model without the pictures."""
        return self.state.model

    @property
    def lineage(self) -> frozenset[str]:
        """Ids of all pictures that any surviving weight has touched."""
        return self.state.lineage

    @property
    def exact(self) -> bool:
        """Whether no surviving weight has touched what was to be forgotten."""
        return self.removed.isdisjoint(self.lineage)


class Unlearner(Protocol):
    """An unlearner: it gives the model without given pictures.

    What it forgets from is a `TrainedState`; SISA's only what it learnt itself.
    """

    def forget(
        self, state: Any, removed: frozenset[str], step: Step | None = None
    ) -> UnlearnedState:
        """The model without some pictures; the state stays as it was.

        Raises:
            ProofError: if it knows nothing of one of them, or too few would be left.
        """
        ...


class Retraining:
    """Training from scratch on the rest, by the same recipe and seed."""

    def forget(
        self, state: TrainedState, removed: frozenset[str], step: Step | None = None
    ) -> UnlearnedState:
        """As `Unlearner` says."""
        _, left = split_rows(state, removed)
        again = learn_whole(state.data, left, state.recipe, step)
        return UnlearnedState(again, removed, again.seconds, again.processed)


def learn_whole(
    data: EncodedPictures, rows: NDArray[np.int64], recipe: TrainingRecipe, step: Step | None = None
) -> TrainedState:
    """One model of all rows, as every unlearner but SISA begins with.

    Raises:
        ProofError: if there are too few.
    """
    rows = np.unique(rows)
    check_enough(len(rows), "to learn from")
    return of_trained(train(data, rows, recipe, step=step), data, rows)


def of_trained(trained: Trained, data: EncodedPictures, rows: NDArray[np.int64]) -> TrainedState:
    """A model that was trained elsewhere, for example read from a checkpoint."""
    recipe = trained.recipe
    return TrainedState(
        model=trained.model,
        data=data,
        rows=np.unique(rows),
        recipe=recipe,
        processed=cost(recipe),
        seconds=trained.seconds,
        lineage=trained.seen,
    )


def cost(recipe: TrainingRecipe) -> int:
    """Pictures times steps that a training from scratch processes, however many there are."""
    return recipe.steps * recipe.batch


def check_enough(count: int, purpose: str) -> None:
    """Raises ProofError if so many pictures are too few."""
    if count < FEWEST:
        raise ProofError(
            f"expected at least {FEWEST} pictures {purpose}, found {count}; "
            "remove fewer, or take a larger dataset"
        )


def split_rows(
    state: TrainedState, removed: frozenset[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that are to be forgotten, and the ones that are left.

    Raises:
        ProofError: if the state knows nothing of one, or too few would be left.
    """
    row_of = {state.data.ids[row]: int(row) for row in state.rows}
    gone = rows_of(removed, row_of)
    left = np.setdiff1d(state.rows, gone)
    check_enough(len(left), "to be left")
    return gone, left
