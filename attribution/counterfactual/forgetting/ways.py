"""Models without given pictures: one way to ask for them, the exact one, and what each is worth.

Every way learns once and may then be asked many times for the model without some pictures. Only
training from scratch on the rest is exact by definition. SISA (`sisa`) is exact for its own kind of
model; gradient ascent and dampening (`approximate`) are not: their weights have touched the
pictures, and the lineage says so.

But: exact here means that no weight has seen the picture. The vocabulary keeps its words, and the
image tokenizer keeps whatever it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.counterfactual.model.dalle import TokenModel, picture_losses
from attribution.counterfactual.model.pictures import FEWEST
from attribution.counterfactual.model.sampling import sample
from attribution.counterfactual.model.tokenizer import Step
from attribution.counterfactual.model.training import Encoded, Recipe, Trained, train
from attribution.errors import ProofError
from harvester.printable import clean

_SHOWN = 5
_AT_ONCE = 128


@dataclass(frozen=True)
class Learnt:
    """What a way knows of some pictures, before or after it has forgotten others.

    Attributes:
        data: everything that could have been learnt from.
        rows: of what it knows or should know, ascending.
        processed: pictures times steps that it took in all.
        seconds: of one core, in all.
        lineage: ids of all pictures that any of its weights has touched.
    """

    model: TokenModel
    data: Encoded
    rows: NDArray[np.int64]
    recipe: Recipe
    processed: int
    seconds: float
    lineage: frozenset[str]


@dataclass(frozen=True)
class Forgotten:
    """What has become of it once pictures are forgotten, and what that took.

    Attributes:
        state: to generate with, and to forget more from.
        removed: ids of what was forgotten.
        seconds: of one core.
        retrained: pictures times steps that were processed.
        share: `retrained` as a share of what training from scratch by the recipe processes.
        touched: the shards that were trained again, or dropped; empty where there are none.
    """

    state: Learnt
    removed: frozenset[str]
    seconds: float
    retrained: int
    share: float
    touched: tuple[int, ...] = ()

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


class Forgetting(Protocol):
    """A way to get the model without given pictures."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def learn(
        self, data: Encoded, rows: NDArray[np.int64], recipe: Recipe, step: Step | None = None
    ) -> Any:
        """Learn some rows: a `Learnt`, which only the same way can forget from.

        Raises:
            ProofError: if there are too few pictures or steps for it.
        """
        ...

    def forget(self, state: Any, removed: frozenset[str], step: Step | None = None) -> Forgotten:
        """The model without some pictures; the state stays as it was.

        Raises:
            ProofError: if it knows nothing of one of them, or too few would be left.
        """
        ...


@dataclass(frozen=True, slots=True)
class Retraining:
    """Training from scratch on the rest, by the same recipe and seed."""

    name: str = "retraining"

    def learn(
        self, data: Encoded, rows: NDArray[np.int64], recipe: Recipe, step: Step | None = None
    ) -> Learnt:
        """As `Forgetting` says."""
        return learn_whole(data, rows, recipe, step)

    def forget(self, state: Learnt, removed: frozenset[str], step: Step | None = None) -> Forgotten:
        """As `Forgetting` says."""
        _, left = parted(state, removed)
        again = learn_whole(state.data, left, state.recipe, step)
        return Forgotten(again, removed, again.seconds, again.processed, share=1.0)


def learn_whole(
    data: Encoded, rows: NDArray[np.int64], recipe: Recipe, step: Step | None = None
) -> Learnt:
    """One model of all rows, as every way but SISA begins with.

    Raises:
        ProofError: if there are too few.
    """
    rows = np.unique(rows)
    enough(len(rows), "to learn from")
    return of_trained(train(data, rows, recipe, step=step), data, rows)


def of_trained(trained: Trained, data: Encoded, rows: NDArray[np.int64]) -> Learnt:
    """A model that was trained elsewhere, for example read from a checkpoint."""
    recipe = trained.recipe
    return Learnt(
        model=trained.model,
        data=data,
        rows=np.unique(rows),
        recipe=recipe,
        processed=cost(recipe),
        seconds=trained.seconds,
        lineage=trained.seen,
    )


def cost(recipe: Recipe) -> int:
    """Pictures times steps that a training from scratch processes, however many there are."""
    return recipe.steps * recipe.batch


def enough(count: int, purpose: str) -> None:
    """Raises ProofError if so many pictures are too few."""
    if count < FEWEST:
        raise ProofError(
            f"expected at least {FEWEST} pictures {purpose}, found {count}; "
            "remove fewer, or take a larger dataset"
        )


def parted(state: Learnt, removed: frozenset[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that are to be forgotten, and the ones that are left.

    Raises:
        ProofError: if the state knows nothing of one, or too few would be left.
    """
    row_of = {state.data.ids[row]: int(row) for row in state.rows}
    unknown = sorted(removed - row_of.keys())
    if unknown:
        shown = ", ".join(clean(name)[:20] for name in unknown[:_SHOWN])
        raise ProofError(
            f"expected ids of the {len(row_of):,} pictures that were learnt, found "
            f"{len(unknown):,} others ({shown}); see the column id of the dataset"
        )
    gone = np.array(sorted(row_of[name] for name in removed), np.int64)
    left = np.setdiff1d(state.rows, gone)
    enough(len(left), "to be left")
    return gone, left


@torch.no_grad()
def losses(model: TokenModel, data: Encoded, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """What pictures cost a model: (n,), nats a token; lower is better known."""
    parts = [
        picture_losses(model, data.text[part], data.codes[part]).double().numpy()
        for part in np.split(rows, range(_AT_ONCE, len(rows), _AT_ONCE))
        if len(part)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a way forgot and kept: one row of a table.

    Losses are means in nats a token, of the way's own model before and after, and of the exact
    retraining's; NaN where there is nothing to measure on. Prompts are some that should not change.

    Attributes:
        exact: whether no surviving weight has touched what was to be forgotten.
        forgotten_before, forgotten_after, forgotten_exact: of the forgotten pictures.
        retained_before, retained_after, retained_exact: of all others that were learnt.
        prompts_after, prompts_exact: of the prompts' pictures as generated before, by the way's
            own model.
        changed: share of tokens (0 to 1) by which these differ when generated again by the same
            seeds.
        changed_exact: the same between the original single model and the exact retraining: what
            forgetting alone changes.
    """

    way: str
    removed: int
    seconds: float
    retrained: int
    share: float
    exact: bool
    forgotten_before: float
    forgotten_after: float
    forgotten_exact: float
    retained_before: float
    retained_after: float
    retained_exact: float
    prompts_before: float
    prompts_after: float
    prompts_exact: float
    changed: float
    changed_exact: float


def assess(
    way: str,
    before: Learnt,
    after: Forgotten,
    *,
    original: Learnt,
    retrained: Forgotten,
    prompts: torch.Tensor,
    seeds: Sequence[int],
) -> Assessment:
    """Measure what a way forgot and kept against exact retraining.

    Args:
        way: its name.
        before: its own state.
        after: what became of it.
        original: the single model that is retrained exactly.
        retrained: without the same pictures.
        prompts: (n, l) int64 captions that should not change, as `words` gives them; may be none.
        seeds: one a prompt.

    Raises:
        ProofError: if the two forgot different pictures.
    """
    if after.removed != retrained.removed:
        raise ProofError(
            f"expected the exact retraining without the same {len(after.removed)} pictures, found "
            f"one without {len(retrained.removed)} others; retrain without the same"
        )
    data = before.data
    gone, left = parted(before, after.removed)
    generated = _generated(before.model, prompts, seeds, data)
    shown = replace(data, text=prompts, codes=generated)
    rows = np.arange(len(prompts))
    return Assessment(
        way=way,
        removed=len(gone),
        seconds=after.seconds,
        retrained=after.retrained,
        share=after.share,
        exact=after.exact,
        forgotten_before=_mean(losses(before.model, data, gone)),
        forgotten_after=_mean(losses(after.model, data, gone)),
        forgotten_exact=_mean(losses(retrained.model, data, gone)),
        retained_before=_mean(losses(before.model, data, left)),
        retained_after=_mean(losses(after.model, data, left)),
        retained_exact=_mean(losses(retrained.model, data, left)),
        prompts_before=_mean(losses(before.model, shown, rows)),
        prompts_after=_mean(losses(after.model, shown, rows)),
        prompts_exact=_mean(losses(retrained.model, shown, rows)),
        changed=_apart(generated, _generated(after.model, prompts, seeds, data)),
        changed_exact=_apart(
            _generated(original.model, prompts, seeds, data),
            _generated(retrained.model, prompts, seeds, data),
        ),
    )


def _generated(
    model: TokenModel, prompts: torch.Tensor, seeds: Sequence[int], data: Encoded
) -> torch.Tensor:
    length = data.codes.shape[1]
    if not len(prompts):
        return torch.empty((0, length), dtype=torch.int64)
    return sample(model, prompts, seeds, length=length)


def _apart(ones: torch.Tensor, others: torch.Tensor) -> float:
    return float((ones != others).double().mean())


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
