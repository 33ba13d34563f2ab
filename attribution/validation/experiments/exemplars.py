"""This is the exemplar test: a model is tuned on one picture, and every method has to find it.

After Wang et al., "Evaluating Data Attribution for Text-to-Image Models" (ICCV 2023): what a model
makes after it was tuned on one exemplar is influenced by that exemplar by construction. The gallery
is what the model learnt from, the exemplars, and further pictures that it never saw.

But: the exemplar's caption is what the model is tuned with and asked for, so that text alone finds
it where captions differ; pictures of other artists under the same caption are in the gallery. And
the image tokenizer has learnt from the exemplars and the distractors, not from what models learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.evaluate.metrics import mean_with_interval
from attribution.validation.experiments.generations import GeneratedQueries
from attribution.validation.model.dataset import TrainingPictures
from attribution.validation.model.sampling import sample
from attribution.validation.model.training import encode, train
from attribution.validation.results import ExemplarFound
from attribution.validation.statistics.intervals import share_interval

_SEED = 3
_MATRIX_RATE, _RATE = 0.005, 1e-3
"""Lower than from scratch: what the model knows is to be kept."""


@dataclass(frozen=True)
class Tuned:
    """What models that were tuned on one exemplar each make of its caption.

    Attributes:
        exemplars: ids, one a picture.
        pixels: (e, side, side, 3) as generated.
        captions: asked for.
    """

    exemplars: tuple[str, ...]
    pixels: NDArray[np.uint8]
    captions: tuple[str, ...]


def choose_exemplars(generated: GeneratedQueries, among: frozenset[str]) -> TrainingPictures:
    """Pictures that no model saw, of the categories that models learn from; drawn by seed.

    Args:
        generated: the run.
        among: ids that the gallery has.
    """
    unseen, settings = _unseen(generated, among), generated.corpus.settings
    return generated.corpus.others.chosen(unseen[: settings.exemplars])


def searched(
    generated: GeneratedQueries, chosen: TrainingPictures, among: frozenset[str]
) -> set[str]:
    """The ids of the gallery: all that models learnt from, the exemplars, and distractors.

    Distractors that share a caption with an exemplar come first.
    """
    corpus = generated.corpus
    others, captions = corpus.others, set(chosen.captions)
    unseen = sorted(
        _unseen(generated, among).tolist(), key=lambda row: others.captions[row] not in captions
    )
    count = len(chosen) + corpus.settings.distractors
    return {*corpus.pictures.ids, *chosen.ids, *(others.ids[row] for row in unseen[:count])}


def _unseen(generated: GeneratedQueries, among: frozenset[str]) -> NDArray[np.int64]:
    """Rows of pictures that no model saw, of the categories that models learn from, shuffled."""
    corpus = generated.corpus
    rows = [row for row in corpus.unseen_rows if corpus.others.ids[row] in among]
    draw = np.random.default_rng([corpus.settings.seeds[0], 19])
    return draw.permutation(np.array(rows, np.int64))


def tune(
    generated: GeneratedQueries, exemplars: TrainingPictures, step: Callable[[], None]
) -> Tuned:
    """Tune the first seed's model on each exemplar, and generate from it."""
    corpus = generated.corpus
    settings = corpus.settings
    seed = settings.seeds[0]
    base = generated.models[seed]
    data = encode(exemplars, corpus.tokenizer, corpus.data.tokenizer, corpus.data.text_tokenizer)
    recipe = replace(
        settings.recipe,
        steps=settings.exemplar_steps,
        batch=8,
        matrix_rate=_MATRIX_RATE,
        rate=_RATE,
        seed=seed,
    )
    codes = []
    for row in range(len(exemplars)):
        tuned = train(data, np.array([row]), recipe, start=base)
        text = data.text[row : row + 1]
        codes.append(sample(tuned.model, text, [seed], length=data.codes.shape[1])[0])
        step()
    pixels = corpus.tokenizer.decode(torch.stack(codes))
    return Tuned(exemplars.ids, pixels, exemplars.captions)


def rank_exemplars(
    tuned: Tuned, ids: tuple[str, ...], by_method: Mapping[str, NDArray[np.float32]]
) -> list[ExemplarFound]:
    """Ranks of the exemplars by every method, the best first.

    Args:
        tuned: what was made.
        ids: of the gallery, in the order of the scores.
        by_method: (e, n), higher is closer; ties stand by id, as in rankings.
    """
    row_of = {name: row for row, name in enumerate(ids)}
    own = np.array([row_of[name] for name in tuned.exemplars])
    rows = []
    for name, scores in by_method.items():
        mine = scores[np.arange(len(own)), own][:, None]
        before = (scores > mine) | ((scores == mine) & (np.arange(len(ids)) < own[:, None]))
        ranks = before.sum(1) + 1
        first, ten, precision = (ranks == 1), (ranks <= 10), 1 / ranks
        recall = share_interval(ten)
        mean_ap = mean_with_interval(precision, _SEED)
        rows.append(
            ExemplarFound(
                method=name,
                exemplars=len(own),
                gallery=len(ids),
                recall_1=float(first.mean()),
                recall_10=recall.value,
                recall_10_low=recall.low,
                recall_10_high=recall.high,
                mean_ap=mean_ap.value,
                mean_ap_low=mean_ap.low,
                mean_ap_high=mean_ap.high,
            )
        )
    return sorted(rows, key=lambda row: -row.mean_ap)
