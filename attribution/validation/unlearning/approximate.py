"""This is approximate unlearning, which does not train again: quick, and never sure.

`Ascent` climbs the loss of the forgotten pictures and lowers that of retained ones in the same
steps: Golatkar et al., "Eternal Sunshine of the Spotless Net" (2020, arXiv 1911.04933), and Jang et
al., "Knowledge Unlearning for Mitigating Privacy Risks in Language Models" (2023, arXiv
2210.01504), for the ascent; NegGrad+ of Kurmanji et al., "Towards Unbounded Machine Unlearning"
(2023, arXiv 2302.09880), for the two in one step.

`Fisher` climbs only, by natural gradients: each weight moves by the gradient over its Fisher
information, measured as the mean squared gradient of retained pictures (the diagonal of
Kirkpatrick et al., "Overcoming Catastrophic Forgetting in Neural Networks", 2017, arXiv
1612.00796). So do Wang et al., "Data Attribution for Text-to-Image Models by Unlearning
Synthesized Images" (2024, arXiv 2406.09408), to unlearn one picture.

Both stop where the forgotten pictures cost what pictures cost that were never learnt.

But: the weights have touched the pictures, and may hold what the loss does not show. And the target
is a mean over pictures: one that resembles what is retained would cost less by exact retraining.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.validation.model.dalle import Dalle, TokenModel, losses_of, picture_losses
from attribution.validation.model.image_tokenizer import Step
from attribution.validation.model.training import EncodedPictures
from attribution.validation.unlearning.base import TrainedState, UnlearnedState, split_rows

Rows = NDArray[np.int64]
_AT_ONCE = 64
_CALM = 5
"""Steps over which the losses are averaged before it is said that they are where they should be."""
_THERE = 0.98
"""Of the target, which is then reached."""
_SLACK = 0.02
"""Nats a token by which the retained may cost more than before."""


@dataclass(frozen=True, slots=True)
class Ascent:
    """Gradient ascent on what is forgotten, with repair on what is retained.

    Attributes:
        target: the loss to reach, nats a token.
        rate: of AdamW.
        weight: of the forgotten pictures' loss; the retained ones' weighs 1.
        most: steps after which it stops in any case.
    """

    target: float
    rate: float = 3e-4
    weight: float = 0.3
    most: int = 200

    def forget(
        self, state: TrainedState, removed: frozenset[str], step: Step | None = None
    ) -> UnlearnedState:
        """As `Forgetting` says."""
        gone, left = split_rows(state, removed)
        if not len(gone):
            return _forgotten(state, state.model, left, removed, processed=0, seconds=0.0)
        started, data, size = time.process_time(), state.data, state.recipe.batch
        before = float(losses_of(state.model, data.text[left], data.codes[left]).mean())
        model = _copied(state)
        optimizer = torch.optim.AdamW(
            model.parameters(), self.rate, betas=(0.5, 0.95), weight_decay=0.0
        )
        forgets, keeps = (
            _batches(rows, size, [state.recipe.seed, 3 + index])
            for index, rows in enumerate((gone, left))
        )
        # Over a round of what is forgotten, since one batch may be there while another is not.
        window = max(_CALM, -(-len(gone) // size))
        forgotten: deque[float] = deque(maxlen=window)
        retained: deque[float] = deque(maxlen=window)
        processed = len(left)
        for number in range(1, self.most + 1):
            away, near = next(forgets), next(keeps)
            climbed = _clamped(model, data, away, self.target)
            repaired, image = model.loss(data.text[near], data.codes[near])
            forgotten.append(float(climbed.detach()))
            retained.append(float(image))
            processed += len(away) + len(near)
            if step is not None:
                step(number, self.most, forgotten[-1])
            if (
                len(forgotten) == window
                and sum(forgotten) >= _THERE * self.target * window
                and sum(retained) <= (before + _SLACK) * window
            ):
                break
            optimizer.zero_grad()
            torch.autograd.backward(repaired - self.weight * climbed)
            optimizer.step()
        seconds = time.process_time() - started
        return _forgotten(state, model, left, removed, processed=processed, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Fisher:
    """Damped natural gradients up the forgotten pictures' loss, in the metric of retained ones.

    Attributes:
        target: the loss to reach, nats a token.
        damping: added to the information, as a multiple of its mean over all weights.
        radius: length of a step, as a share of the length of all weights.
        measured: retained pictures, drawn by seed, that the information is measured on.
        most: steps after which it stops in any case.
    """

    target: float
    damping: float = 0.001
    radius: float = 0.005
    measured: int = 256
    most: int = 100

    def forget(
        self, state: TrainedState, removed: frozenset[str], step: Step | None = None
    ) -> UnlearnedState:
        """As `Forgetting` says."""
        gone, left = split_rows(state, removed)
        if not len(gone):
            return _forgotten(state, state.model, left, removed, processed=0, seconds=0.0)
        started, data = time.process_time(), state.data
        model = _copied(state)
        drawn = np.random.default_rng([state.recipe.seed, 5]).permutation(left)[: self.measured]
        information = fisher_information(model, data, drawn)
        weights = [(name, one) for name, one in model.named_parameters() if name in information]
        mean = sum(float(one.sum()) for one in information.values()) / sum(
            one.numel() for one in information.values()
        )
        processed = len(drawn)
        for number in range(1, self.most + 1):
            model.zero_grad()
            climbed = _climb(model, data, gone, self.target)
            processed += len(gone)
            if step is not None:
                step(number, self.most, climbed)
            if climbed >= _THERE * self.target:
                break
            with torch.no_grad():
                moves = [
                    _gradient(one) / (information[name] + self.damping * mean)
                    for name, one in weights
                ]
                scale = self.radius * _length(one for _, one in weights) / _length(moves)
                for (_, one), move in zip(weights, moves, strict=True):
                    one.add_(move, alpha=float(scale))
        seconds = time.process_time() - started
        return _forgotten(state, model, left, removed, processed=processed, seconds=seconds)


def fisher_information(model: Dalle, data: EncodedPictures, rows: Rows) -> dict[str, torch.Tensor]:
    """The diagonal of the empirical Fisher information of a picture's loss, by weight.

    The mean over pictures of each one's squared gradient, nats² a token²; weights that the picture
    says nothing of (the head of words) are not in it.
    """
    sums: dict[str, torch.Tensor] = {}
    for row in rows:
        model.zero_grad()
        torch.autograd.backward(picture_losses(model, data.text[[row]], data.codes[[row]]).sum())
        for name, weights in model.named_parameters():
            if weights.grad is not None:
                squared = weights.grad.square() / len(rows)
                sums[name] = sums[name] + squared if name in sums else squared
    model.zero_grad()
    return sums


def _climb(model: Dalle, data: EncodedPictures, rows: Rows, target: float) -> float:
    """Leave the clamped loss's gradient over all rows in the model; returns the loss."""
    total = 0.0
    for part in np.split(rows, range(_AT_ONCE, len(rows), _AT_ONCE)):
        loss = _clamped(model, data, part, target) * (len(part) / len(rows))
        torch.autograd.backward(loss)
        total += float(loss.detach())
    return total


def _gradient(weights: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(weights) if weights.grad is None else weights.grad


def _length(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """Of all parts as one vector; never nothing, so that it can be divided by."""
    return torch.stack([one.square().sum() for one in parts]).sum().sqrt().clamp(min=1e-20)


def _batches(rows: Rows, size: int, seed: list[int]) -> Iterator[Rows]:
    """Batches for ever, of at most all rows; each round's order is its own."""
    draw = np.random.default_rng(seed)
    while True:
        order = draw.permutation(rows)
        for at in range(0, max(len(order) - size, 0) + 1, size):
            yield order[at : at + size]


def _clamped(model: Dalle, data: EncodedPictures, rows: Rows, target: float) -> torch.Tensor:
    """Mean loss where what has reached the target no longer climbs."""
    losses = picture_losses(model, data.text[rows], data.codes[rows])
    return losses.clamp(max=target).mean()


def _copied(state: TrainedState) -> Dalle:
    if not isinstance(state.model, Dalle):
        raise TypeError(f"expected a single model, found {type(state.model).__name__}")
    return copy.deepcopy(state.model).requires_grad_(requires_grad=True)


def _forgotten(
    state: TrainedState,
    model: TokenModel,
    left: Rows,
    removed: frozenset[str],
    *,
    processed: int,
    seconds: float,
) -> UnlearnedState:
    after = replace(
        state,
        model=model,
        rows=left,
        processed=state.processed + processed,
        seconds=state.seconds + seconds,
    )
    return UnlearnedState(after, removed, seconds, processed)
