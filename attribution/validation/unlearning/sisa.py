"""This is SISA unlearning: shards are learnt apart, slice by slice, so that little is learnt again.

Bourtoule et al., "Machine Unlearning" (2021, arXiv 1912.03817). Each shard has a model of its own;
stage r of R trains it on the slices 1 to r, on from where stage r - 1 ended. Every slice's state is
kept. To forget a picture, its shard goes back to the last state that has not touched it and learns
the later slices without it; the other shards stay as they are. A shard of which nothing is left is
dropped. The models speak together by the average of their logits.

The steps are the paper's: were a shard trained for e epochs in one go, each stage takes
2e / (R + 1) epochs of its slices, so that the total is the same. Stage r has then 2r / (R(R + 1))
of the shard's steps, and a shard has of the recipe's steps the share that it has of the pictures.
Steps are counted before anything is forgotten, so that what is learnt again is, bit for bit, what
would have been learnt without the pictures.

But: a model knows only its shard by heart, and the average with models that do not know a picture
blurs it; the more shards, the more. The rate warms up and cools down anew in each stage. And a
`store` keeps the states from before forgetting too, for the next question; who forgets for good
has to delete it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from attribution.errors import CheckpointError, ProofError
from attribution.validation.model.dalle import Dalle, Ensemble
from attribution.validation.model.image_tokenizer import Step
from attribution.validation.model.training import EncodedPictures, Trained, TrainingRecipe, train
from attribution.validation.unlearning.base import (
    TrainedState,
    UnlearnedState,
    check_enough,
    cost,
    split_rows,
)
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of
from harvester.sanitize import clean


@dataclass(frozen=True)
class SliceState:
    """What a shard's model was after a stage.

    Attributes:
        key: of everything that it follows from: pictures, recipe, and the state before.
        recipe: the stage's own.
        seen: its lineage: ids of all pictures that it or a state before it touched.
        seconds: of one core, of this stage.
        stored: the model, or the file that holds its weights.
    """

    key: str
    recipe: TrainingRecipe
    seen: frozenset[str]
    seconds: float
    stored: Dalle | Path

    @property
    def processed(self) -> int:
        """Pictures times steps, of this stage."""
        return cost(self.recipe)

    def model(self, data: EncodedPictures) -> Dalle:
        """The model, read if it is in a file.

        Raises:
            CheckpointError: if the file is missing, damaged, or another's.
        """
        if isinstance(self.stored, Dalle):
            return self.stored
        recipe = self.recipe
        model = Dalle(data.shape(recipe.width, recipe.depth, recipe.heads))
        _seconds(self.stored, self.key)
        try:
            model.load_state_dict(load_file(self.stored))
        except (OSError, SafetensorError, RuntimeError) as exc:
            raise _unfit(self.stored, "other weights") from exc
        return model.eval()


@dataclass(frozen=True)
class SisaShard:
    """A part of the pictures that one model knows.

    Attributes:
        number: from 0; it stays when other shards are dropped.
        slices: rows of each slice.
        steps: of each stage, whatever is forgotten later.
        states: after each stage; None where there was nothing to learn yet.
    """

    number: int
    slices: tuple[Rows, ...]
    steps: tuple[int, ...]
    states: tuple[SliceState | None, ...] = ()


@dataclass(frozen=True)
class Sharded(TrainedState):
    """What SISA knows: the shards that are left."""

    shards: tuple[SisaShard, ...] = ()


@dataclass(frozen=True)
class Sisa:
    """Sharded, isolated, sliced and aggregated training.

    Attributes:
        shards, slices: how many, and how many of each. artists: the artist of each id; each then
        has shards of their own, as `shard_by_artist` deals
            them. Without it the pictures are dealt at random, by seed.
        store: a folder for the states, which a later run takes up; in memory without it.
    """

    shards: int = 4
    slices: int = 3
    artists: Mapping[str, str] | None = None
    store: Path | None = None

    def learn(
        self, data: EncodedPictures, rows: Rows, recipe: TrainingRecipe, step: Step | None = None
    ) -> Sharded:
        """Learn some rows.

        Raises:
            ProofError: if there are too few, a slice would have no picture, or a stage no step.
            CheckpointError: if a stored state is damaged.
        """
        rows = np.unique(rows)
        check_enough(len(rows), "to learn from")
        plan = planned(self._parts(data, rows, recipe.seed), self.slices, recipe)
        return self._built(data, rows, recipe, plan, step)

    def forget(
        self, state: Sharded, removed: frozenset[str], step: Step | None = None
    ) -> UnlearnedState:
        """As `Forgetting` says.

        Raises:
            CheckpointError: if a stored state is missing or damaged.
        """
        gone, left = split_rows(state, removed)
        plan = [_without(shard, gone, removed) for shard in state.shards]
        shards = [shard for shard in plan if any(len(part) for part in shard.slices)]
        after = self._built(state.data, left, state.recipe, shards, step)
        if not removed.isdisjoint(after.lineage):
            raise RuntimeError("a state that has touched a forgotten picture survived")
        before = {id(known) for shard in plan for known in shard.states}
        new_states = [
            new
            for shard in after.shards
            for new in shard.states
            if new is not None and id(new) not in before
        ]
        return UnlearnedState(
            after,
            removed,
            seconds=sum(new.seconds for new in new_states),
            retrained=sum(new.processed for new in new_states),
        )

    def _parts(self, data: EncodedPictures, rows: Rows, seed: int) -> list[Rows]:
        dealt = np.random.default_rng([seed, 2]).permutation(rows)
        if self.shards < 1:
            return []
        if self.artists is None:
            return np.array_split(dealt, self.shards)
        artists = [self.artists.get(data.ids[row], "") for row in dealt]
        return shard_by_artist(dealt, artists, self.shards)

    def _built(
        self,
        data: EncodedPictures,
        rows: Rows,
        recipe: TrainingRecipe,
        plan: list[SisaShard],
        step: Step | None,
    ) -> Sharded:
        """Train every stage that has no state yet."""
        missing = sum(sum(shard.steps[len(shard.states) :]) for shard in plan)
        done, shards = 0, []
        for shard in plan:
            states = list(shard.states)
            for stage in range(len(states), len(shard.slices)):
                own = replace(
                    recipe, steps=shard.steps[stage], seed=_seed(recipe.seed, shard.number, stage)
                )
                seen = np.sort(np.concatenate(shard.slices[: stage + 1]))
                start = states[-1] if states else None
                states.append(
                    _learn_slice(
                        data, seen, own, start, self.store, step=_shifted(step, done, missing)
                    )
                    if len(seen)
                    else None
                )
                done += shard.steps[stage]
            shards.append(replace(shard, states=tuple(states)))
        last = [shard.states[-1] for shard in shards]
        known = [one for one in last if one is not None]
        return Sharded(
            model=Ensemble([one.model(data) for one in known]).eval(),
            data=data,
            rows=rows,
            recipe=recipe,
            processed=sum(one.processed for shard in shards for one in shard.states if one),
            seconds=sum(one.seconds for shard in shards for one in shard.states if one),
            lineage=frozenset().union(*(one.seen for one in known)),
            shards=tuple(shards),
        )


def planned(parts: Sequence[Rows], slices: int, recipe: TrainingRecipe) -> list[SisaShard]:
    """Shards' rows → shards, cut into slices of neighbours, with their steps.

    Raises:
        ProofError: if a slice would have no picture, or a stage no step.
    """
    shards, total = len(parts), sum(len(part) for part in parts)
    if not parts or slices < 1 or min(len(part) for part in parts) < slices:
        raise ProofError(
            f"expected at least 1 shard of at least 1 slice and a picture for each slice, found "
            f"{shards} shards of {slices} slices for {total} pictures; take fewer"
        )
    ends = [0, *(int(end) for end in np.cumsum([len(part) for part in parts]))]
    share = recipe.steps / total
    plan = []
    for number, (part, (start, end)) in enumerate(zip(parts, pairwise(ends), strict=True)):
        # Rounded where a shard and a stage end, so that the sum is the recipe's.
        whole = round(end * share) - round(start * share)
        marks = [round(whole * r * (r + 1) / (slices * (slices + 1))) for r in range(slices + 1)]
        steps = tuple(later - sooner for sooner, later in pairwise(marks))
        if min(steps) < 1:
            raise ProofError(
                f"expected at least 1 step in each of {slices} stages of {shards} shards, found "
                f"{recipe.steps} steps in all; take more steps, or fewer shards and slices"
            )
        plan.append(SisaShard(number, tuple(np.array_split(part, slices)), steps))
    return plan


def _without(shard: SisaShard, gone: Rows, removed: frozenset[str]) -> SisaShard:
    """The shard without some rows, and of its states only those that never touched them."""
    if not any(np.isin(part, gone).any() for part in shard.slices):
        return shard
    untouched = takewhile(
        lambda state: state is None or state.seen.isdisjoint(removed), shard.states
    )
    return replace(
        shard,
        slices=tuple(part[~np.isin(part, gone)] for part in shard.slices),
        states=tuple(untouched),
    )


def _seed(seed: int, shard: int, stage: int) -> int:
    return int(np.random.SeedSequence([seed, shard, stage]).generate_state(1)[0])


def _shifted(step: Step | None, done: int, total: int) -> Step | None:
    if step is None:
        return None
    return lambda number, _of, loss: step(done + number, total, loss)


def _learn_slice(
    data: EncodedPictures,
    rows: Rows,
    recipe: TrainingRecipe,
    start: SliceState | None,
    store: Path | None,
    *,
    step: Step | None,
) -> SliceState:
    """Train a stage, or take its state up where it was stored."""
    key = _key(data, rows, recipe, start)
    path = None if store is None else store / f"{key}.safetensors"
    if path is not None and path.exists():
        seen = frozenset(data.ids[row] for row in rows) | (start.seen if start else frozenset())
        return SliceState(key, recipe, seen, _seconds(path, key), path)
    before = Trained(start.model(data), start.recipe, start.seen, (), 0.0) if start else None
    trained = train(data, rows, recipe, start=before, step=step)
    if path is not None:
        _write(path, trained, key)
    return SliceState(
        key, recipe, trained.seen, trained.seconds, trained.model if path is None else path
    )


def _key(
    data: EncodedPictures, rows: Rows, recipe: TrainingRecipe, start: SliceState | None
) -> str:
    digest = hashlib.sha256()
    about = {
        "recipe": asdict(recipe),
        "start": start.key if start else "",
        "ids": [data.ids[row] for row in rows],
        # The order of pictures is drawn over all of the data.
        "of": len(data.ids),
        "rows": rows.tolist(),
        "sizes": [data.text_tokenizer.size, data.code_count],
    }
    digest.update(json.dumps(about, sort_keys=True).encode())
    for tokens in (data.text[rows], data.codes[rows]):
        digest.update(tokens.to(torch.int64).numpy().tobytes())
    return digest.hexdigest()


def _write(path: Path, trained: Trained, key: str) -> None:
    header = {"key": key, "seconds": repr(trained.seconds)}
    try:
        with replacing(path) as temporary:
            save_file(trained.model.state_dict(), temporary, header)
    except OSError as exc:
        raise _unfit(path, reason_of(exc)) from exc


def _seconds(path: Path, key: str) -> float:
    """What a stored stage took; raises CheckpointError if it is not that of the key."""
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
        seconds = float(metadata["seconds"])
    except (OSError, SafetensorError, KeyError, ValueError) as exc:
        raise _unfit(path, "a missing or damaged file") from exc
    if metadata.get("key") != key:
        raise _unfit(path, "the state of other pictures or another recipe")
    return seconds


def _unfit(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{clean(str(path))}: expected the state of a shard after a slice, found {reason}; "
        "delete the file and learn again"
    )


Rows = NDArray[np.int64]


def shard_by_artist(rows: Rows, artists: Sequence[str], shards: int) -> list[Rows]:
    """Rows → shards, so that an artist's pictures have shards of their own.

    Then whoever is forgotten takes whole shards along, and nobody else's are touched. Each artist
    has one shard, and those whose shards are the largest have more; where there are more artists
    than shards, the smallest stand together.

    Args:
        rows: (n,), in the order in which they are dealt.
        artists: n, of the rows.
        shards: how many there are to be, at least one.
    """
    names = np.array(artists, object)
    own = {name: rows[names == name] for name in sorted(set(artists))}
    counts = dict.fromkeys(own, 1)
    while sum(counts.values()) < shards:
        counts[max(own, key=lambda name: (len(own[name]) / counts[name], name))] += 1
    parts = [part for name, of_one in own.items() for part in np.array_split(of_one, counts[name])]
    while len(parts) > shards:
        first, second, *others = sorted(parts, key=len)
        parts = [*others, np.concatenate([first, second])]
    return parts
