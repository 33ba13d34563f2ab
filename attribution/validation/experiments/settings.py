"""These are the settings of a run: how many pictures, prompts, seeds, removals; how long to train.

There are three sizes. `TINY` takes seconds and shows nothing. `SMALL` is done in minutes on two
cores and shows that everything works. `FULL` takes some three hours there, and is what figures are
reported from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from attribution.validation.model.image_tokenizer import TokenizerRecipe
from attribution.validation.model.training import TrainingRecipe

FOREMOST = ("whence", "image", "text", "cosine", "aivalis2025", "without own", "same category")
"""Arms that are tried at all of `Settings.ks`; the others at `channel_ks`."""
_PEOPLE_AND_SIGNS = ("Component", "Flags", "People & Body", "Symbols")
"""Emoji that are hardly told apart at this size, or are signs."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one proof; the same settings, pictures and versions give the same figures.

    Attributes:
        pictures: how many the model learns from at most.
        left_out: categories that it does not learn from.
        side: pixels of a picture's side.
        prompts: of the counterfactual test; each is asked of every seed's model.
        seeds: of models, and of their samples.
        ks: how many pictures are removed for each prompt; channel_ks: likewise, by single channels
            and gradients; alone_ks: by whence for one prompt at a time, a training each.
        random_shares: of all pictures, how many are removed at random.
        subsets, subset_prompts: of the linear datamodeling score.
        subset_share: of the pictures, how many a subset keeps.
        exemplars, exemplar_steps: of the exemplar test, and how long each is tuned on;
            distractors: pictures in its gallery that no model saw.
        shards, slices: of SISA; sisa_effort: how many times the recipe's steps it takes in all,
            since a shard's model that sees its share of the steps does not learn its pictures.
    """

    pictures: int = 600
    left_out: tuple[str, ...] = _PEOPLE_AND_SIGNS
    side: int = 32
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    tokenizer: TokenizerRecipe = field(default_factory=TokenizerRecipe)
    prompts: int = 14
    seeds: tuple[int, ...] = (0, 1, 2)
    ks: tuple[int, ...] = (1, 2, 4)
    channel_ks: tuple[int, ...] = (1, 2, 4)
    alone_ks: tuple[int, ...] = (1, 4)
    random_shares: tuple[float, ...] = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.95)
    subsets: int = 32
    subset_prompts: int = 48
    subset_share: float = 0.5
    exemplars: int = 30
    exemplar_steps: int = 40
    distractors: int = 300
    shards: int = 6
    slices: int = 3
    sisa_effort: int = 2

    @property
    def digest(self) -> str:
        """Short, of everything that decides what a model becomes."""
        identity = json.dumps([asdict(self.recipe), asdict(self.tokenizer), self.side])
        return hashlib.sha256(identity.encode()).hexdigest()[:12]

    def with_recipe(self, **changes: float) -> Settings:
        """The same with another recipe."""
        return replace(self, recipe=replace(self.recipe, **changes))  # type: ignore[arg-type]


FULL = Settings(
    # Food and animals are left to the small size, on which whence may be worked at.
    left_out=(*_PEOPLE_AND_SIGNS, "Animals & Nature", "Food & Drink"),
    recipe=TrainingRecipe(steps=850),
)
SMALL = Settings(
    pictures=100,
    recipe=TrainingRecipe(steps=170),
    tokenizer=TokenizerRecipe(steps=600),
    prompts=6,
    ks=(1, 2),
    channel_ks=(1,),
    alone_ks=(1,),
    random_shares=(0.05, 0.2, 0.5, 0.9),
    subsets=8,
    subset_prompts=16,
    exemplars=6,
    distractors=100,
    exemplar_steps=30,
    shards=4,
    slices=2,
)
TINY = Settings(
    pictures=48,
    recipe=TrainingRecipe(width=32, depth=1, steps=40, batch=8),
    tokenizer=TokenizerRecipe(steps=20, batch=8),
    prompts=2,
    seeds=(0,),
    ks=(1,),
    channel_ks=(1,),
    alone_ks=(1,),
    random_shares=(0.25, 0.5),
    subsets=3,
    subset_prompts=3,
    exemplars=2,
    distractors=10,
    exemplar_steps=4,
    shards=2,
    slices=2,
)
SIZES: Mapping[str, Settings] = {"tiny": TINY, "small": SMALL, "full": FULL}


class Counter(Protocol):
    """Shows how far some work is."""

    def advance(self, done: int | None = None, total: int | None = None) -> None:
        """One more is done, or so many of so many."""
        ...


Counted = Callable[[str | Callable[[], str], int | None], AbstractContextManager[Counter]]
"""What is being done and how much there is → something that shows how far it is."""
