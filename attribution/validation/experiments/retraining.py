"""This is leave-some-out retraining: many models, each without some pictures, all probed alike.

A model is trained by a removal (a seed, and the ids that are left out), and only its answers are
kept (`outcomes`). What has an outcome already is not trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.errors import ProofError
from attribution.validation.model.checkpoints import save_model
from attribution.validation.model.dalle import TokenModel, losses_of
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.model.sampling import sample
from attribution.validation.model.training import EncodedPictures, TrainingRecipe, train
from attribution.validation.outcomes import RetrainingOutcome, outcome_name, write_outcome


@dataclass(frozen=True)
class Probe:
    """What every model of a run is asked.

    Attributes:
        data: all pictures that a model may learn from.
        recipe: of every model, but for its seed.
        queries: text (q, l) and codes (q, t) of generated pictures, whose losses are wanted.
        prompts: (p, l), to generate anew.
        folder: where outcomes are kept.
        base: what the run is made of, for their names.
        models: where models that nothing was removed from are kept; nowhere unless given.
    """

    data: EncodedPictures
    recipe: TrainingRecipe
    queries: tuple[torch.Tensor, torch.Tensor]
    prompts: torch.Tensor
    folder: Path
    base: str
    models: Path | None = None

    def path(self, removal: Removal) -> Path:
        """Where the outcome of a removal is kept."""
        return self.folder / outcome_name(self.base, removal.seed, removal.removed)


@dataclass(frozen=True, slots=True)
class Removal:
    """A model to be trained: by which seed, and without which pictures."""

    seed: int
    removed: frozenset[str]


def probe_model(
    model: TokenModel, probe: Probe, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Losses of the queries and of all pictures, and codes of the prompts by this seed."""
    data = probe.data
    queries = losses_of(model, *probe.queries)
    pictures = losses_of(model, data.text, data.codes)
    seeds = [seed] * len(probe.prompts)
    codes = sample(model, probe.prompts, seeds, length=data.codes.shape[1])
    return queries, pictures, codes.numpy().astype(np.int32)


def train_without(probe: Probe, removal: Removal) -> None:
    """Train one model and write down what it answers."""
    data = probe.data
    rows = np.array(
        [row for row, name in enumerate(data.ids) if name not in removal.removed], np.int64
    )
    trained = train(data, rows, replace(probe.recipe, seed=removal.seed))
    queries, pictures, codes = probe_model(trained.model, probe, removal.seed)
    if not (np.isfinite(queries).all() and np.isfinite(pictures).all()):
        raise ProofError(
            f"expected finite losses of the model of seed {removal.seed} without "
            f"{len(removal.removed):,} pictures, found others: it diverged; take another --size"
        )
    outcome = RetrainingOutcome(
        seed=removal.seed,
        removed=tuple(sorted(removal.removed)),
        query_losses=queries,
        picture_losses=pictures,
        codes=codes,
        training_loss=trained.losses[-1],
        seconds=trained.seconds,
    )
    if probe.models is not None and not removal.removed:
        save_model(model_path(probe.models, removal.seed), trained, data)
    write_outcome(probe.path(removal), outcome)


def model_path(folder: Path, seed: int) -> Path:
    """Where the model of a seed is kept, from which nothing was removed."""
    return folder / f"base-{seed}.safetensors"


def train_all(
    probe: Probe,
    removals: Collection[Removal],
    step: Callable[[], None],
    *,
    workers: ModelPool,
) -> None:
    """Train every model that has no outcome yet; each that is done is kept, whatever comes.

    Raises:
        ProofError: if a removal leaves nothing to learn from, or a worker is killed.
    """
    distinct = list(dict.fromkeys(removals))
    size = len(probe.data.ids)
    if any(len(removal.removed) >= size for removal in distinct):
        raise ProofError(
            f"expected pictures left to learn from, found a removal of all {size:,}; harvest more "
            "pictures, or take a smaller --size"
        )
    missing = [removal for removal in distinct if not probe.path(removal).exists()]
    for _ in range(len(distinct) - len(missing)):
        step()
    for _ in workers.each(train_without, probe, missing):
        step()
