"""One model by itself: learnt with checkpoints and sheets on the way, and asked for pictures."""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from attribution.counterfactual.material import Material, prepare
from attribution.counterfactual.model.checkpoints import (
    digest_of,
    load_model,
    load_tokenizer,
    resume_training,
    save_model,
    save_training,
)
from attribution.counterfactual.model.sampling import GUIDANCE, TEMPERATURE, sample
from attribution.counterfactual.model.tokenizer import ImageTokenizer, Step
from attribution.counterfactual.model.training import Trained, Trainer
from attribution.counterfactual.model.words import Words
from attribution.counterfactual.report.sheets import grid_sheet
from attribution.counterfactual.settings import Settings
from attribution.errors import ProofError
from harvester.errors import reason_of
from harvester.places import Place
from harvester.shards import replacing

_SAVED_EVERY_S = 10.0
_SHOWN_EVERY_S = 60.0
_SHOWN = 24
_AVERAGED = 50
"""Steps whose loss is shown."""

_MOST_IDS = 10_000_000


class Counter(Protocol):
    """Shows how far some work is."""

    def advance(self, done: int | None = None, total: int | None = None) -> None:
        """So many of so many are done."""
        ...


@dataclass(frozen=True, slots=True)
class Learnt:
    """Where a model is, and how it went."""

    path: Path
    sheet: Path
    pictures: int
    loss: float
    seconds: float


def read_ids(path: Path) -> frozenset[str]:
    """Ids of pictures, one a line; empty lines and what follows `#` count for nothing.

    Raises:
        ProofError: if there is no such list, or it is empty.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        found = reason_of(exc) if isinstance(exc, OSError) else "other bytes than UTF-8"
        raise ProofError(f"{path}: expected a list of ids, found {found}") from exc
    lines = (line.split("#")[0].strip() for line in text[:_MOST_IDS].splitlines())
    ids = frozenset(line for line in lines if line)
    if not ids:
        raise ProofError(f"{path}: expected ids, one a line, found none")
    return ids


def learn(
    folders: Sequence[Place],
    tokenizer_folders: Sequence[Place],
    out: Path,
    settings: Settings,
    removed: frozenset[str] = frozenset(),
    *,
    tokenizer_step: Step,
    counted: Callable[[Callable[[], str], int | None], AbstractContextManager[Counter]],
) -> Learnt:
    """Train one model of a run, or go on with it; a checkpoint every 10 s, a sheet every minute.

    Raises:
        ProofError, CheckpointError: as `prepare` and `resume_training` do, and if an id is
            unknown.
    """
    # A run's folder is for all seeds.
    common = replace(settings, recipe=replace(settings.recipe, seed=0))
    material = prepare(folders, tokenizer_folders, out, common, tokenizer_step)
    pictures, recipe = material.pictures, settings.recipe
    gone = pictures.rows(removed)
    left = np.setdiff1d(np.arange(len(pictures)), gone)
    if not len(left):
        raise ProofError("expected pictures to learn from, found none left; remove fewer")
    trainer = Trainer(material.data, left, recipe)
    name = f"{_name(removed)}-{recipe.seed}"
    path = out / "models" / f"{name}.safetensors"
    unfinished = out / "models" / f"{name}.training.safetensors"
    resume_training(unfinished, trainer, material.data)
    shown = list(dict.fromkeys(pictures.captions[row] for row in left))[:_SHOWN]
    sheet = out / "sheets" / f"{name}.png"

    def draw() -> None:
        trained, words = trainer.trained(), material.data.words
        _write(sheet, _sheet(trained, material.tokenizer, words, shown, recipe.seed))

    def told() -> str:
        loss = np.mean(trainer.losses[-_AVERAGED:]) if trainer.losses else np.nan
        return f"training {name}, {loss:.2f} nats a token"

    with counted(told, recipe.steps) as counting:
        _train(trainer, material, unfinished, counting, draw)
    trained = trainer.trained()
    save_model(path, trained, material.data)
    unfinished.unlink(missing_ok=True)
    draw()
    return Learnt(path, sheet, len(left), trained.losses[-1], trained.seconds)


def _name(removed: frozenset[str]) -> str:
    """Of a model's files: two lists of the same length have two."""
    if not removed:
        return "base"
    told = hashlib.sha256("\0".join(sorted(removed)).encode()).hexdigest()
    return f"without-{len(removed)}-{told[:8]}"


def _train(
    trainer: Trainer,
    material: Material,
    unfinished: Path,
    counting: Counter,
    draw: Callable[[], None],
) -> None:
    saved = shown = time.monotonic()

    def step(done: int, total: int, _: float) -> None:
        nonlocal saved, shown
        counting.advance(done, total)
        now = time.monotonic()
        if now - saved > _SAVED_EVERY_S:
            save_training(unfinished, trainer, material.data)
            saved = time.monotonic()
        if now - shown > _SHOWN_EVERY_S:
            draw()
            trainer.model.train()
            shown = time.monotonic()

    trainer.run(step)


def make(
    model: Path,
    tokenizer: Path,
    prompts: Sequence[str],
    image: Path,
    *,
    seed: int = 0,
    temperature: float = TEMPERATURE,
    guidance: float = GUIDANCE,
) -> Path:
    """Generate a picture for each prompt and write them side by side.

    Raises:
        CheckpointError: if a file is missing, damaged, or the two do not belong together.
        ProofError: if a prompt is empty, or the picture cannot be written.
    """
    if not all(prompt.strip() for prompt in prompts):
        raise ProofError("expected a prompt of at least one word, found an empty one")
    trained, words, codec = _open(model, tokenizer)
    text = torch.from_numpy(words.encode(list(prompts)))
    codes = sample(
        trained.model,
        text,
        [seed] * len(prompts),
        length=trained.model.shape.image_length,
        temperature=temperature,
        guidance=guidance,
    )
    pixels = codec.decode(codes)
    _write(image, _png(np.concatenate(list(pixels), axis=1)))
    return image


def show(model: Path, tokenizer: Path, image: Path, *, count: int, seed: int) -> Path:
    """A sheet of what a model makes of the prompts of its vocabulary's run.

    Raises:
        CheckpointError: as `make` does.
        ProofError: if it cannot be written.
    """
    trained, words, codec = _open(model, tokenizer)
    _write(image, _sheet(trained, codec, words, trained.captions[:count], seed))
    return image


def _open(model: Path, tokenizer: Path) -> tuple[Trained, Words, ImageTokenizer]:
    codec, _ = load_tokenizer(tokenizer)
    trained, words = load_model(model, digest_of(codec))
    return trained, words, codec


def _sheet(
    trained: Trained,
    tokenizer: ImageTokenizer,
    words: Words,
    captions: Sequence[str],
    seed: int,
) -> bytes:
    text = torch.from_numpy(words.encode(list(captions)))
    seeds = [seed] * len(captions)
    codes = sample(trained.model, text, seeds, length=trained.model.shape.image_length)
    columns = min(12, math.ceil(len(captions) ** 0.5) + 2)
    return grid_sheet(tokenizer.decode(codes), captions, columns=columns)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, body: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(body)
    except OSError as exc:
        raise ProofError(f"{path}: expected to write a picture, found {reason_of(exc)}") from exc
