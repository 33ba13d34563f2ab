"""This is a check of a model without a classifier: does it make what it is asked for?

A generated picture is recognisable where its nearest training picture, by ResNet-50's features, has
the prompt for its caption.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.validation.experiments.generations import GeneratedQueries
from attribution.validation.model.dataset import enlarged
from attribution.validation.model.sampling import sample
from attribution.validation.results import Recognisable
from attribution.validation.statistics.intervals import share_interval

_AT_ONCE = 128


def recognisable(generated: GeneratedQueries) -> list[Recognisable]:
    """Of every training prompt, once a seed."""
    corpus = generated.corpus
    pictures = corpus.pictures
    network = ResNet50Gem()
    reference = network.embed(enlarged(pictures.pixels))
    prompts = sorted(set(pictures.captions))
    text = corpus.text_of(prompts)
    through = network.embed(enlarged(corpus.tokenizer.decode(corpus.data.codes)))
    ceiling = float(nearest_is_own(through, reference, pictures.captions, pictures.captions).mean())
    rows = []
    for seed, trained in sorted(generated.models.items()):
        codes = torch.cat(
            [
                sample(trained.model, part, [seed] * len(part), length=corpus.data.codes.shape[1])
                for part in torch.split(text, _AT_ONCE)
            ]
        )
        features = network.embed(enlarged(corpus.tokenizer.decode(codes)))
        own = nearest_is_own(features, reference, prompts, pictures.captions)
        share = share_interval(own)
        rows.append(Recognisable(seed, len(prompts), share.value, share.low, share.high, ceiling))
    return rows


def nearest_is_own(
    features: NDArray[np.float32],
    reference: NDArray[np.float32],
    prompts: Sequence[str],
    captions: Sequence[str],
) -> NDArray[np.bool_]:
    """Whether the nearest of some pictures has the caption that was asked for.

    Args:
        features: (m, d) unit rows of features of what was made.
        reference: (n, d), of the pictures.
        prompts: m, what was asked for.
        captions: n, of the pictures.
    """
    nearest = (features @ reference.T).argmax(1)
    return np.array([captions[row] == prompt for row, prompt in zip(nearest, prompts, strict=True)])
