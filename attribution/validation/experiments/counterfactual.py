"""This is the counterfactual test: what models without an arm's pictures make of the same prompts.

An effect is the change of a generated picture's loss (Wang et al., "Evaluating Data Attribution for
Text-to-Image Models", 2023, and "Data Attribution for Text-to-Image Models by Unlearning
Synthesized Images", 2024, arXiv 2406.09408), prompt by prompt and seed by seed. It is measured
against the model of the same seed that saw everything. Cosines are those of Aivalis & Klampanos
(arXiv 2504.01771).

But: the pictures of all prompts are removed together, so that a prompt's effect has a small part
that other prompts' removals made. Every arm has it, the random one too, and the number removed is
counted over all prompts. In `removals.ALONE` alone, each prompt has models of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.evaluate.metrics import Interval
from attribution.validation.experiments.generations import GeneratedQueries
from attribution.validation.experiments.removals import Arm, Planned
from attribution.validation.experiments.retraining import Removal, train_all
from attribution.validation.methods.rankers import WHENCE
from attribution.validation.model.dataset import enlarged
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.outcomes import RetrainingOutcome, read_outcome
from attribution.validation.results import Effect, Paired, RandomEffect
from attribution.validation.statistics import removal_effects as measures
from attribution.validation.statistics.intervals import mean_interval, paired_test

_SEED = 1
"""Of all bootstraps."""
_MAP = (7, 7, 2048)
"""ResNet-50's last map."""


@dataclass(frozen=True)
class Changes:
    """What one removal did, over the seeds; s seeds, p prompts.

    Attributes:
        losses: (s, p) rise of the generated pictures' losses.
        pixels, features, cosine: (s, p) of the pictures made anew against the first ones.
        drift: (s,) rise of the losses of pictures that should not change.
        removed: (s,) how many pictures were removed; own: (s, p) whether a prompt's own was.
    """

    losses: NDArray[np.float64]
    pixels: NDArray[np.float64]
    features: NDArray[np.float64]
    cosine: NDArray[np.float64]
    drift: NDArray[np.float64]
    removed: NDArray[np.int64]
    own: NDArray[np.bool_]


class Test:
    """A plan carried out: outcomes of every removal, and the changes that they are."""

    __test__ = False  # for pytest, which takes it for one of its own

    def __init__(self, generated: GeneratedQueries, planned: Planned) -> None:
        self.generated, self.planned = generated, planned
        self._probe = generated.probe()
        self._before = {seed: generated.before(seed) for seed in generated.models}
        self._network = ResNet50Gem()
        self._first = {seed: self._pictures(one.codes) for seed, one in self._before.items()}
        self._known: dict[Removal, Changes] = {}

    def run(self, step: Callable[[], None], *, workers: ModelPool) -> None:
        """Train every model that is still missing."""
        train_all(self._probe, self.planned.removals, step, workers=workers)

    def outcome(self, removal: Removal) -> RetrainingOutcome:
        """Of one removal."""
        return read_outcome(self._probe.path(removal))

    def changes(self, by_seed: Mapping[int, Removal]) -> Changes:
        """What a removal did, seed by seed."""
        return _stacked([self._changed(removal) for _, removal in sorted(by_seed.items())])

    def effects(self) -> list[Effect]:
        """One row an arm and K."""
        counts, curve = self._random()
        by_arm = {arm: self.changes(by_seed) for arm, by_seed in self.planned.arms.items()}
        by_arm |= {arm: self._one_by_one(by_seed) for arm, by_seed in self.planned.alone.items()}
        return [self._effect(arm, changes, counts, curve) for arm, changes in by_arm.items()]

    def random(self) -> list[RandomEffect]:
        """The points of the random curve."""
        size = len(self.generated.corpus.pictures)
        rows = []
        for count, by_seed in sorted(self.planned.random.items()):
            changes = self.changes(by_seed)
            mean = _mean(changes.losses)
            rows.append(
                RandomEffect(
                    removed=count,
                    share=count / size,
                    repeats=len(by_seed),
                    effect=mean.value,
                    low=mean.low,
                    high=mean.high,
                    drift=float(changes.drift.mean()),
                )
            )
        return rows

    def paired(self) -> list[Paired]:
        """Whence's own arm against every other at the same K."""
        own = {
            arm.k: self.changes(by_seed).losses
            for arm, by_seed in self.planned.arms.items()
            if arm.name == WHENCE
        }
        rows = []
        for other, by_seed in self.planned.arms.items():
            if other.name == WHENCE or other.k not in own:
                continue
            first = own[other.k]
            groups = np.tile(np.arange(first.shape[1]), first.shape[0])
            test = paired_test(
                first.ravel(), self.changes(by_seed).losses.ravel(), groups=groups, seed=_SEED
            )
            rows.append(
                Paired(
                    k=other.k,
                    arm=WHENCE,
                    other=other.name,
                    difference=test.difference.value,
                    low=test.difference.low,
                    high=test.difference.high,
                    p=test.p_value,
                    prompts=test.queries,
                )
            )
        return rows

    def _one_by_one(self, by_seed: Mapping[int, Sequence[Removal]]) -> Changes:
        """Changes of prompts that each have a removal of their own."""
        rows = []
        for _, removals in sorted(by_seed.items()):
            each = [self._changed(removal) for removal in removals]
            own = {
                name: np.array([getattr(one, name)[prompt] for prompt, one in enumerate(each)])
                for name in ("losses", "pixels", "features", "cosine", "own")
            }
            means = {
                name: np.array(np.mean([getattr(one, name) for one in each]))
                for name in ("drift", "removed")
            }
            rows.append(Changes(**own, **means))
        return _stacked(rows)

    def _random(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts (r,) and effects (r, p) of random removals, a row a seed."""
        counts, rows = [], []
        for count, by_seed in sorted(self.planned.random.items()):
            counts += [count] * len(by_seed)
            rows += list(self.changes(by_seed).losses)
        return np.array(counts), np.stack(rows)

    def _effect(
        self, arm: Arm, changes: Changes, counts: NDArray[np.int64], curve: NDArray[np.float64]
    ) -> Effect:
        mean = _mean(changes.losses)
        removed = float(changes.removed.mean())
        alike = measures.random_equivalent(
            counts, curve, changes.losses.mean(0), removed, seed=_SEED
        )
        return Effect(
            arm=arm.name,
            k=arm.k,
            prompts=changes.losses.shape[1],
            seeds=changes.losses.shape[0],
            removed=removed,
            effect=mean.value,
            low=mean.low,
            high=mean.high,
            equivalent=alike.count.value,
            equivalent_low=alike.count.low,
            equivalent_high=alike.count.high,
            at_least=alike.at_least,
            multiple=alike.multiple.value,
            multiple_low=alike.multiple.low,
            multiple_high=alike.multiple.high,
            largest=float(alike.largest),
            pixels=float(changes.pixels.mean()),
            features=float(changes.features.mean()),
            cosine=float(changes.cosine.mean()),
            drift=float(changes.drift.mean()),
            own=float(changes.own.mean()),
        )

    def _changed(self, removal: Removal) -> Changes:
        """Of one seed: the arrays have no axis of seeds."""
        if removal not in self._known:
            self._known[removal] = self._compared(removal)
        return self._known[removal]

    def _compared(self, removal: Removal) -> Changes:
        generated, corpus = self.generated, self.generated.corpus
        pictures, prompts = corpus.pictures, corpus.prompts[: corpus.settings.prompts]
        after, before = self.outcome(removal), self._before[removal.seed]
        queries = np.flatnonzero(generated.seed == removal.seed)[: len(prompts)]
        old, new = self._first[removal.seed], self._pictures(after.codes)
        own = [
            any(pictures.ids[row] in removal.removed for row in corpus.rows_of_caption(prompt))
            for prompt in prompts
        ]
        is_bystander = [
            name not in removal.removed and caption not in prompts
            for name, caption in zip(pictures.ids, pictures.captions, strict=True)
        ]
        drift = (after.picture_losses - before.picture_losses)[np.array(is_bystander)]
        return Changes(
            losses=(after.query_losses - before.query_losses)[queries].astype(np.float64),
            pixels=measures.mean_squared(old.pixels, new.pixels),
            features=measures.feature_distance(old.maps, new.maps),
            cosine=measures.cosine(old.pooled, new.pooled),
            drift=np.array(drift.mean() if len(drift) else np.nan),
            removed=np.array(len(removal.removed)),
            own=np.array(own),
        )

    def _pictures(self, codes: NDArray[np.int32]) -> _Looks:
        pixels = self.generated.corpus.tokenizer.decode(torch.from_numpy(codes).long())
        flat = self._network.maps(enlarged(pixels))
        maps = flat.reshape(len(flat), *_MAP)
        return _Looks(pixels, maps, maps.mean((1, 2)))


@dataclass(frozen=True)
class _Looks:
    """Pictures, their maps of ResNet-50 (p, 7, 7, 2048), and these pooled (p, 2048)."""

    pixels: NDArray[np.uint8]
    maps: NDArray[np.float32]
    pooled: NDArray[np.float32]


def _stacked(rows: Sequence[Changes]) -> Changes:
    """Of each seed → of all."""
    return Changes(*(np.stack([getattr(row, one.name) for row in rows]) for one in fields(Changes)))


def _mean(losses: NDArray[np.float64]) -> Interval:
    groups = np.tile(np.arange(losses.shape[1]), losses.shape[0])
    return mean_interval(losses.ravel(), groups=groups, seed=_SEED)
