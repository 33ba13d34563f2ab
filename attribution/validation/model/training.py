"""This is the trainer: on chosen pictures, from scratch or on from a model, the same bits by seed.

Muon moves the matrices inside the blocks (Jordan et al., "Muon: An Optimizer for Hidden Layers in
Neural Networks", 2024, as torch has it), AdamW everything else. With Muon the model knows the
pictures by heart in fewer steps than with AdamW alone.

The order of pictures is drawn from the seed and the epoch over all of a dataset, and the ones that
are left out are skipped, so that the rest keeps its order. The number of steps is the recipe's,
however many pictures there are, so that a smaller set is not trained less.

But: what comes after a picture that is skipped moves up, into other batches, at other rates. A part
of any difference is therefore luck; a removal that means nothing shows how large a part.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.errors import ProofError
from attribution.validation.model.dalle import Dalle, DalleShape
from attribution.validation.model.dataset import TrainingPictures
from attribution.validation.model.image_tokenizer import ImageTokenizer, Step
from attribution.validation.model.process_pool import one_thread
from attribution.validation.model.text_tokenizer import PAD, TextTokenizer

_WARM_UP = 20
_COOL_DOWN = 0.6
"""Of the steps, in which the rate falls to nothing."""


@dataclass(frozen=True)
class EncodedPictures:
    """Captioned pictures as tokens; row n of everything is picture n.

    Attributes:
        ids, captions: of the pictures, in the order of the ids.
        text: (n, l) int64; codes: (n, t) int64.
        text_tokenizer: of text; code_count: how many codes there are.
        tokenizer: the digest of the image tokenizer.
    """

    ids: tuple[str, ...]
    text: torch.Tensor
    codes: torch.Tensor
    text_tokenizer: TextTokenizer
    code_count: int
    tokenizer: str
    captions: tuple[str, ...] = ()

    def shape(self, width: int, depth: int, heads: int) -> DalleShape:
        """Of a model for these tokens."""
        return DalleShape(
            words=self.text_tokenizer.size,
            codes=self.code_count,
            text_length=self.text.shape[1],
            image_length=self.codes.shape[1],
            width=width,
            depth=depth,
            heads=heads,
        )


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """How a model is made and trained.

    Attributes:
        matrix_rate, rate: of Muon and of AdamW.
        caption_dropout: share of captions that are left out, for guidance.
    """

    width: int = 96
    depth: int = 2
    heads: int = 4
    steps: int = 1000
    batch: int = 16
    matrix_rate: float = 0.02
    rate: float = 3e-3
    caption_dropout: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """A model, and what it learnt from.

    Attributes:
        seen: ids of all pictures that any of its steps touched.
        captions: of these, each once.
        losses: image loss, nats a token, averaged over each tenth of the steps.
        seconds: of one core.
    """

    model: Dalle
    recipe: TrainingRecipe
    seen: frozenset[str]
    losses: tuple[float, ...]
    seconds: float
    captions: tuple[str, ...] = ()


def encode(
    pictures: TrainingPictures,
    tokenizer: ImageTokenizer,
    digest: str,
    text_tokenizer: TextTokenizer,
) -> EncodedPictures:
    """The pictures as a model takes them."""
    return EncodedPictures(
        ids=pictures.ids,
        text=torch.from_numpy(text_tokenizer.encode(pictures.captions)),
        codes=tokenizer.encode(pictures.pixels),
        text_tokenizer=text_tokenizer,
        code_count=tokenizer.codes,
        tokenizer=digest,
        captions=pictures.captions,
    )


class Trainer:
    """A training that can be stopped after any step and gone on with: all state is here.

    It runs on the first GPU where there is one. A GPU's bits are its own.

    Args:
        data: everything that could be learnt from.
        rows: of what is learnt from, ascending.
        start: a model to go on from, whose lineage the new one has too.

    Raises:
        ProofError: if there are no rows.
    """

    def __init__(
        self,
        data: EncodedPictures,
        rows: NDArray[np.int64],
        recipe: TrainingRecipe,
        start: Trained | None = None,
    ) -> None:
        if not len(rows):
            raise ProofError("expected pictures to learn from, found none left; remove fewer")
        self._data, self.recipe = data, recipe
        self._kept = np.zeros(len(data.ids), bool)
        self._kept[rows] = True
        self._before = start
        torch.manual_seed(recipe.seed)
        self.model = Dalle(data.shape(recipe.width, recipe.depth, recipe.heads))
        if start is not None:
            self.model.load_state_dict(start.model.state_dict())
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._text, self._codes = data.text.to(self._device), data.codes.to(self._device)
        self.model.to(self._device).train()
        hidden = [p for p in self.model.body.h.parameters() if p.ndim == 2]
        known = {id(p) for p in hidden}
        others = [p for p in self.model.parameters() if id(p) not in known]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(hidden, lr=recipe.matrix_rate, weight_decay=0.0),
            torch.optim.AdamW(others, recipe.rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self._rates = (recipe.matrix_rate, recipe.rate)
        self.done = 0
        self.losses: list[float] = []
        self.seconds = 0.0

    def run(self, step: Step | None = None, until: int | None = None) -> None:
        """Train up to a step (all of the recipe's unless given)."""
        recipe = self.recipe
        batches = self._batches()
        with one_thread():
            for number in range(until or recipe.steps):
                rows = next(batches)
                if number < self.done:
                    continue
                started = time.process_time()
                self._step(number, rows)
                self.done = number + 1
                self.seconds += time.process_time() - started
                if step is not None:
                    step(self.done, recipe.steps, self.losses[-1])

    def _step(self, number: int, rows: NDArray[np.int64]) -> None:
        recipe = self.recipe
        share = min(1, (number + 1) / _WARM_UP) * min(
            1, (recipe.steps - number) / (recipe.steps * _COOL_DOWN)
        )
        for optimizer, rate in zip(self.optimizers, self._rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * share
        draw = np.random.default_rng([recipe.seed, 1, number])
        places = torch.from_numpy(rows).to(self._device)
        silent = torch.from_numpy(draw.random(len(rows)) < recipe.caption_dropout)
        text = self._text[places].masked_fill(silent.to(self._device)[:, None], PAD)
        loss, image = self.model.loss(text, self._codes[places])
        self.model.zero_grad()
        torch.autograd.backward(loss)
        for optimizer in self.optimizers:
            optimizer.step()
        self.losses.append(float(image))

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        """Batches of rows for ever; each epoch's order is its own."""
        size, left, epoch = self.recipe.batch, np.empty(0, np.int64), 0
        while True:
            while len(left) < size:
                order = np.random.default_rng([self.recipe.seed, 0, epoch]).permutation(
                    len(self._kept)
                )
                left = np.concatenate([left, order[self._kept[order]]])
                epoch += 1
            yield left[:size]
            left = left[size:]

    def _here(self) -> Dalle:
        """The model where everything else is done with it."""
        if self._device.type == "cpu":
            return self.model.eval()
        return copy.deepcopy(self.model).cpu().eval()

    def trained(self) -> Trained:
        """What has become of it."""
        seen = {name for name, kept in zip(self._data.ids, self._kept, strict=True) if kept}
        if self._before is not None:
            seen |= self._before.seen
        captions = [one for one, kept in zip(self._data.captions, self._kept, strict=False) if kept]
        parts = np.array_split(self.losses, 10) if self.losses else []
        return Trained(
            model=self._here(),
            recipe=self.recipe,
            seen=frozenset(seen),
            losses=tuple(float(part.mean()) for part in parts if len(part)),
            seconds=self.seconds,
            captions=tuple(dict.fromkeys(captions)),
        )


def train(
    data: EncodedPictures,
    rows: NDArray[np.int64],
    recipe: TrainingRecipe,
    *,
    start: Trained | None = None,
    step: Step | None = None,
) -> Trained:
    """Train on some rows, at least one; a `Trainer` can be stopped and resumed."""
    trainer = Trainer(data, rows, recipe, start)
    trainer.run(step)
    return trainer.trained()
