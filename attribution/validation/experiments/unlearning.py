"""This is the unlearning test: what each unlearner makes of some requests, and what that costs.

A request names pictures to be forgotten. Each unlearner's answer is a row of results: its time, and
how the model does before and after on what was to be forgotten and on what was to stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.validation.experiments.corpus import Corpus
from attribution.validation.experiments.generations import GeneratedQueries
from attribution.validation.experiments.recognition import nearest_is_own
from attribution.validation.model.dalle import Dalle, Ensemble, Together, TokenModel, losses_of
from attribution.validation.model.dataset import FEWEST, enlarged
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.model.sampling import sample
from attribution.validation.model.training import Trained, encode
from attribution.validation.results import WHOLE_ARTIST, Forgot
from attribution.validation.statistics.removal_effects import expected_retraining
from attribution.validation.unlearning.approximate import Ascent, Fisher
from attribution.validation.unlearning.base import (
    Retraining,
    TrainedState,
    UnlearnedState,
    Unlearner,
    cost,
    of_trained,
)
from attribution.validation.unlearning.sisa import Sisa

_AT_RANDOM = (1, 10)
"""How many pictures random requests name."""
_OF_ARTIST = 10
"""How many pictures of one artist a request names."""
_UNSEEN = 128
"""Pictures that no model saw, whose loss says what forgotten means."""
_TOGETHER: tuple[Together, ...] = ("logits", "evidence")
_LOOKED_AT = 3
"""Retained prompts whose pictures are looked at, for each prompt of the counterfactual test."""


@dataclass(frozen=True)
class UnlearningRequest:
    """What a process needs to answer the requests by one unlearner.

    Attributes:
        trained: the model that saw everything.
        requests: by what a person would call it, the ids to be forgotten.
        reference: (n, d), ResNet-50's features of the pictures; described once for all ways.
    """

    corpus: Corpus
    trained: Trained
    requests: Mapping[str, frozenset[str]]
    reference: NDArray[np.float32] | None = None


def requests_of(generated: GeneratedQueries, removed: frozenset[str]) -> dict[str, frozenset[str]]:
    """Some pictures at random, what the test removed, and of the artist who has the fewest all.

    And some of that artist's, since to be rid of all of them SISA by artist has nothing to train.
    """
    pictures = generated.corpus.pictures
    order = np.random.default_rng([generated.corpus.settings.seeds[0], 23]).permutation(
        len(pictures)
    )
    requests = {
        f"{count} at random": frozenset(pictures.ids[row] for row in order[:count])
        for count in _AT_RANDOM
    }
    requests["whence's first"] = removed
    artists = Counter(name for name in pictures.creators if name)
    if len(artists) > 1:
        artist = min(artists, key=lambda name: (artists[name], name))
        own = [row for row in order if pictures.creators[row] == artist]
        requests[f"{_OF_ARTIST} of {artist}"] = frozenset(
            pictures.ids[row] for row in own[:_OF_ARTIST]
        )
        requests[f"{WHOLE_ARTIST}{artist}"] = frozenset(pictures.ids[row] for row in own)
    # What would leave too few to learn from is not asked for.
    return {
        name: removed
        for name, removed in requests.items()
        if len(pictures) - len(removed) >= FEWEST
    }


UNLEARNERS = ("retrain", "sisa-random", "sisa-artist", "ascent", "fisher")


def forget_all(request: UnlearningRequest, names: tuple[str, ...], workers: ModelPool) -> Any:
    """Yields each unlearner's rows as it ends; `speedup` is filled in by `with_speedups`."""
    if names and request.reference is None:
        reference = ResNet50Gem().embed(enlarged(request.corpus.pictures.pixels))
        request = replace(request, reference=reference)
    return workers.each(answer_requests, request, names)


def answer_requests(request: UnlearningRequest, name: str) -> tuple[Forgot, ...]:
    """One unlearner's answers to all requests."""
    corpus, settings = request.corpus, request.corpus.settings
    unlearner = unlearner_of(name, corpus, unseen_loss(corpus, request.trained.model))
    rows = np.arange(len(corpus.pictures))
    if isinstance(unlearner, Sisa):
        recipe = replace(
            settings.recipe,
            seed=settings.seeds[0],
            steps=settings.sisa_effort * settings.recipe.steps,
        )
        state: TrainedState = unlearner.learn(corpus.data, rows, recipe)
    else:
        state = of_trained(request.trained, corpus.data, rows)
    look = _Inspection(ResNet50Gem(), corpus, request.reference)
    answers: list[Forgot] = []
    for title, removed in request.requests.items():
        after = unlearner.forget(state, removed)
        answers += [
            _row(
                look,
                (name if together in {None, "logits"} else f"{name}, by {together}", title),
                (_speaking(state.model, together), _speaking(after.model, together)),
                after,
                expected=_expected(name, corpus, len(removed)),
            )
            for together in (_TOGETHER if isinstance(unlearner, Sisa) else (None,))
        ]
    return tuple(answers)


def _speaking(model: TokenModel, together: Together | None) -> TokenModel:
    """An ensemble whose members are put together otherwise; any other model as it is."""
    if together is None or not isinstance(model, Ensemble):
        return model
    return Ensemble([one for one in model.members if isinstance(one, Dalle)], together).eval()


def unlearner_of(name: str, corpus: Corpus, target: float) -> Unlearner:
    """An unlearner by its name; the approximate ones stop at a loss, nats a token."""
    settings = corpus.settings
    artists = dict(zip(corpus.pictures.ids, corpus.pictures.creators, strict=True))
    # So that a proof that was stopped goes on with the stages that ended.
    states = corpus.folder / "sisa" / corpus.base
    unlearners: dict[str, Unlearner] = {
        "retrain": Retraining(),
        "sisa-random": Sisa(settings.shards, settings.slices, store=states),
        "sisa-artist": Sisa(settings.shards, settings.slices, artists, store=states),
        "ascent": Ascent(target),
        "fisher": Fisher(target),
    }
    return unlearners[name]


def unseen_loss(corpus: Corpus, model: TokenModel) -> float:
    """What pictures cost a model that never saw them: mean nats a token."""
    rows = corpus.unseen_rows or list(range(len(corpus.others)))
    chosen = corpus.others.chosen(rows[:_UNSEEN])
    data = encode(chosen, corpus.tokenizer, corpus.data.tokenizer, corpus.data.text_tokenizer)
    return float(losses_of(model, data.text, data.codes).mean())


def with_speedups(rows: list[Forgot]) -> list[Forgot]:
    """Retraining's seconds over each row's own, request by request."""
    whole = {row.request: row.seconds for row in rows if row.way == "retrain"}
    return [
        replace(row, speedup=whole.get(row.request, np.nan) / row.seconds)
        if row.seconds
        else replace(row, speedup=float("inf"))
        for row in rows
    ]


def _row(
    look: _Inspection,
    named: tuple[str, str],
    models: tuple[TokenModel, TokenModel],
    forgotten: UnlearnedState,
    *,
    expected: float,
) -> Forgot:
    """One row: what an unlearner and a request are called, and the models before and after."""
    corpus = look.corpus
    gone = corpus.pictures.rows(forgotten.removed)
    left = np.setdiff1d(np.arange(len(corpus.pictures)), gone)
    losses = {}
    for moment, model in zip(("before", "after"), models, strict=True):
        losses[f"forgotten_{moment}"] = _mean_loss(model, corpus, gone)
        losses[f"retained_{moment}"] = _mean_loss(model, corpus, left)
    shown = look.retained(models, left)
    return Forgot(
        way=named[0],
        request=named[1],
        removed=len(gone),
        seconds=forgotten.seconds,
        speedup=float("nan"),
        share=forgotten.retrained / cost(corpus.settings.recipe),
        expected=expected,
        exact=forgotten.exact,
        **losses,
        **shown,
    )


def _expected(name: str, corpus: Corpus, removed: int) -> float:
    """What share of training anew the formula foretells; it knows random sharding alone."""
    if name == "retrain":
        return 1.0
    if name == "sisa-random":
        settings = corpus.settings
        anew = expected_retraining(settings.shards, removed, slices=settings.slices)
        return settings.sisa_effort * anew
    return float("nan")


def _mean_loss(model: TokenModel, corpus: Corpus, rows: NDArray[np.int64]) -> float:
    data = corpus.data
    losses = losses_of(model, data.text[rows], data.codes[rows])
    return float(losses.mean()) if len(losses) else float("nan")


class _Inspection:
    """Looks at what models make of retained prompts."""

    def __init__(
        self, network: ResNet50Gem, corpus: Corpus, reference: NDArray[np.float32] | None = None
    ) -> None:
        self._network, self.corpus = network, corpus
        self._reference = (
            network.embed(enlarged(corpus.pictures.pixels)) if reference is None else reference
        )
        self._seen: dict[bytes, NDArray[np.float32]] = {}

    def retained(
        self, models: tuple[TokenModel, TokenModel], left: NDArray[np.int64]
    ) -> dict[str, float]:
        """What of prompts that should not change has changed, from one model to the other."""
        corpus = self.corpus
        captions = corpus.pictures.captions
        most = _LOOKED_AT * corpus.settings.prompts
        prompts = list(dict.fromkeys(captions[row] for row in left))[:most]
        text, seeds = corpus.text_of(prompts), [corpus.settings.seeds[0]] * len(prompts)
        length = corpus.data.codes.shape[1]
        before, after = (sample(model, text, seeds, length=length) for model in models)
        old, new = (losses_of(model, text, before) for model in models)
        shares = {
            f"recognisable_{moment}": float(self._own(codes, prompts).mean())
            for moment, codes in (("before", before), ("after", after))
        }
        return shares | {
            "prompts_drift": float((new - old).mean()),
            "prompts_changed": float((before != after).float().mean()),
        }

    def _own(self, codes: torch.Tensor, prompts: list[str]) -> NDArray[np.bool_]:
        features = self._described(codes)
        return nearest_is_own(features, self._reference, prompts, self.corpus.pictures.captions)

    def _described(self, codes: torch.Tensor) -> NDArray[np.float32]:
        """Features of pictures; of those from before a request, which all requests share, once."""
        names = [row.numpy().tobytes() for row in codes]
        fresh = {
            name: row for name, row in zip(names, codes, strict=True) if name not in self._seen
        }
        if fresh:
            pixels = self.corpus.tokenizer.decode(torch.stack(list(fresh.values())))
            self._seen |= zip(fresh, self._network.embed(enlarged(pixels)), strict=True)
        return np.stack([self._seen[name] for name in names])
