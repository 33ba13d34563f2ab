"""Small captioned pictures, made up, and everything that is made of them."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from attribution.validation.experiments.corpus import Corpus
from attribution.validation.experiments.settings import Settings
from attribution.validation.model.checkpoints import digest_of
from attribution.validation.model.dataset import TrainingPictures
from attribution.validation.model.image_tokenizer import (
    ImageTokenizer,
    TokenizerRecipe,
    TokenizerShape,
    train_tokenizer,
)
from attribution.validation.model.text_tokenizer import TextTokenizer, fit_text_tokenizer
from attribution.validation.model.training import EncodedPictures, TrainingRecipe, encode
from harvester.dataset import shards
from harvester.dataset.arrow import to_table
from harvester.schema import Candidate

COUNT, SIDE = 40, 16
RECIPE = TrainingRecipe(width=32, depth=2, heads=2, steps=30, batch=8, seed=3)
SHAPE = TokenizerShape((4, 3, 3), 8)


def png(number: int, width: int = 24, height: int = 24) -> bytes:
    """A picture of its own: no two numbers give the same pixels."""
    noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()


def candidate(number: int, **changes: object) -> Candidate:
    """A row with a caption, an artist and a category."""
    told = {
        "id": f"{number:064x}",
        "source": "captions",
        "url": f"file:set/group {number % 3}/{number}.png",
        "caption": f"thing {number}",
        "creator": f"artist {number % 2}",
        "image": png(number),
    }
    return Candidate(**told | changes)


def dataset(folder: Path, rows: list[Candidate]) -> Path:
    """A dataset of these rows, in one shard."""
    folder.mkdir(parents=True, exist_ok=True)
    shards.write_shard(folder / "part-0.parquet", to_table(rows, Candidate))
    return folder


def made_pictures(
    count: int = COUNT, first: int = 0, **changes: tuple[str, ...]
) -> TrainingPictures:
    draw = np.random.default_rng(first)
    numbers = range(first, first + count)
    told = {
        "ids": tuple(f"{number:03}" for number in numbers),
        "captions": tuple(f"thing {number}" for number in numbers),
        "creators": tuple(f"artist {number % 2}" for number in numbers),
        "categories": tuple(f"group {number % 3}" for number in numbers),
    }
    pixels = draw.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    return TrainingPictures(**told | changes, pixels=pixels)


@cache
def tokenizer(seed: int = 0) -> ImageTokenizer:
    recipe = TokenizerRecipe(steps=3, batch=4, seed=seed)
    return train_tokenizer(made_pictures(8, 100).pixels, SHAPE, recipe)


@cache
def words() -> TextTokenizer:
    return fit_text_tokenizer(made_pictures().captions, length=4)


@cache
def data() -> EncodedPictures:
    """The made pictures with codes that a model has something to learn of."""
    told = encode(made_pictures(), tokenizer(), digest_of(tokenizer()), words())
    draw = np.random.default_rng(5)
    codes = torch.from_numpy(draw.integers(0, told.code_count, told.codes.shape))
    return replace(told, codes=codes)


def material(folder: Path, settings: Settings, pictures: TrainingPictures | None = None) -> Corpus:
    """What a run would have prepared."""
    mine = pictures or made_pictures()
    told = encode(mine, tokenizer(), digest_of(tokenizer()), words())
    return Corpus(folder, settings, mine, made_pictures(30, 100), tokenizer(), told)
