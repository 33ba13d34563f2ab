"""This is the plan of the counterfactual test: which pictures each arm removes.

An arm is a ranking of the pictures for one generated picture; its removal at K is the first K of
every prompt's ranking together, so that one training answers all prompts of a seed. What is removed
for the other prompts counts as removed.

`ALONE` removes them for one prompt at a time, as one who asks about one picture would.

But: where prompts' rankings share pictures, fewer go in all: an arm that names the same few for
every prompt removes less than K for each. `RANDOM` removes as many as whence at the same K.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attribution.validation.experiments.generations import GeneratedQueries
from attribution.validation.experiments.retraining import Removal
from attribution.validation.experiments.settings import FOREMOST, Settings
from attribution.validation.methods.rankers import order
from attribution.validation.results import ALONE

OWN = "own"
"""The arm that removes just the pictures whose caption is the prompt; K is how many these are."""
WITHOUT_OWN = "without own"
"""whence's ranking without those, and without those of the other prompts, which go together."""
SAME_CATEGORY = "same category"
RANDOM = "random"


class Arm(NamedTuple):
    """An arm at some K."""

    name: str
    k: int


@dataclass(frozen=True)
class Planned:
    """All removals of a test.

    Attributes:
        arms: by arm and seed.
        random: by how many are removed and seed.
        alone: by arm and seed, for each prompt a removal of its own.
    """

    arms: Mapping[Arm, Mapping[int, Removal]]
    random: Mapping[int, Mapping[int, Removal]]
    alone: Mapping[Arm, Mapping[int, Sequence[Removal]]]

    @property
    def removals(self) -> list[Removal]:
        """Each once."""
        shared = (*self.arms.values(), *self.random.values())
        removals = [removal for by_seed in shared for removal in by_seed.values()]
        for by_seed in self.alone.values():
            removals += [removal for each in by_seed.values() for removal in each]
        return list(dict.fromkeys(removals))


def plan(generated: GeneratedQueries, scores: Mapping[str, NDArray[np.float32]]) -> Planned:
    """What to remove, by every arm.

    Args:
        generated: the queries.
        scores: by arm, (q, n) over the pictures in the order of their ids; higher is closer.
    """
    settings, pictures = generated.corpus.settings, generated.corpus.pictures
    arms: dict[Arm, dict[int, Removal]] = {}
    for arm in _arms(generated, list(scores)):
        for seed in settings.seeds:
            removed: set[str] = set()
            for query in np.flatnonzero(generated.seed == seed)[: settings.prompts]:
                removed.update(_first(generated, scores, arm, int(query)))
            arms.setdefault(arm, {})[seed] = Removal(seed, frozenset(removed))
    for k in settings.ks if "whence" in scores else ():
        for seed in settings.seeds:
            drawn = np.random.default_rng([seed, k, 29]).permutation(len(pictures))
            count = len(arms[Arm("whence", k)][seed].removed)
            same = frozenset(pictures.ids[row] for row in drawn[:count])
            arms.setdefault(Arm(RANDOM, k), {})[seed] = Removal(seed, same)
    alone = {
        Arm(ALONE, k): {
            seed: [
                Removal(seed, frozenset(_first(generated, scores, Arm("whence", k), int(query))))
                for query in np.flatnonzero(generated.seed == seed)[: settings.prompts]
            ]
            for seed in settings.seeds
        }
        for k in settings.alone_ks
        if "whence" in scores
    }
    return Planned(arms, _at_random(pictures.ids, settings), alone)


def own_count(generated: GeneratedQueries) -> int:
    """The K of `OWN`: how many pictures a prompt of the test has at most."""
    corpus = generated.corpus
    prompts = corpus.prompts[: corpus.settings.prompts]
    return max(len(corpus.rows_of_caption(prompt)) for prompt in prompts)


def _arms(generated: GeneratedQueries, names: Sequence[str]) -> list[Arm]:
    settings = generated.corpus.settings
    arms = [Arm(OWN, own_count(generated))]
    known = {*names, WITHOUT_OWN, SAME_CATEGORY}
    arms += [Arm(name, k) for name in FOREMOST if name in known for k in settings.ks]
    arms += [Arm(name, k) for name in names if name not in FOREMOST for k in settings.channel_ks]
    return arms


def _first(
    generated: GeneratedQueries, scores: Mapping[str, NDArray[np.float32]], arm: Arm, query: int
) -> Sequence[str]:
    """The ids that an arm removes for one query."""
    corpus = generated.corpus
    ids = corpus.pictures.ids
    rows = corpus.rows_of_caption(generated.captions[query])
    own = [ids[row] for row in rows]
    if arm.name == OWN:
        return own
    if arm.name == SAME_CATEGORY:
        names = np.array(corpus.pictures.categories)
        alike = np.flatnonzero(np.isin(names, names[rows]))
        draw = np.random.default_rng([int(generated.seed[query]), int(generated.prompt[query]), 11])
        return [ids[row] for row in alike[draw.permutation(len(alike))[: arm.k]]]
    if arm.name == WITHOUT_OWN:
        whole = order(scores["whence"][query], ids, len(ids))
        # One prompt's other is another's own, and all go together.
        prompts = set(corpus.prompts[: corpus.settings.prompts])
        owned = dict(zip(ids, corpus.pictures.captions, strict=True))
        return [name for name in whole if owned[name] not in prompts][: arm.k]
    return order(scores[arm.name][query], ids, arm.k)


def _at_random(ids: Sequence[str], settings: Settings) -> dict[int, dict[int, Removal]]:
    """Nested draws of each seed: what the smaller one removes, the larger one removes too."""
    counts = sorted({max(1, round(share * len(ids))) for share in settings.random_shares})
    planned: dict[int, dict[int, Removal]] = {count: {} for count in counts}
    for seed in settings.seeds:
        drawn = np.random.default_rng([seed, 13]).permutation(len(ids))
        for count in counts:
            planned[count][seed] = Removal(seed, frozenset(ids[row] for row in drawn[:count]))
    return planned


def half_subsets(ids: Sequence[str], settings: Settings) -> list[Removal]:
    """What the subsets of the linear datamodeling score leave out; all of the first seed."""
    left_out = len(ids) - round(settings.subset_share * len(ids))
    subsets = []
    for number in range(settings.subsets):
        drawn = np.random.default_rng([settings.seeds[0], number, 17]).permutation(len(ids))
        subsets.append(Removal(settings.seeds[0], frozenset(ids[row] for row in drawn[:left_out])))
    return subsets
