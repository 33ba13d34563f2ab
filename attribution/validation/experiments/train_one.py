"""This is the training of one model by itself, with checkpoints and contact sheets on the way.

A training that was stopped goes on from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.errors import ProofError
from attribution.validation.experiments.corpus import Corpus, prepare
from attribution.validation.experiments.generate_one import sheet_of, write_png
from attribution.validation.experiments.retraining import model_path
from attribution.validation.experiments.settings import Counted, Counter, Settings
from attribution.validation.model.checkpoints import (
    load_model,
    resume_training,
    save_model,
    save_training,
)
from attribution.validation.model.training import Trained, Trainer
from attribution.validation.unlearning.base import check_enough
from harvester.dataset.storage import Location
from harvester.errors import reason_of

_SAVED_EVERY_S = 10.0
_SHOWN_EVERY_S = 60.0
_SHOWN = 24
_AVERAGED = 50
"""Steps whose loss is shown."""
_MOST_BYTES = 64 << 20
"""Of a list of ids."""


@dataclass(frozen=True, slots=True)
class ModelFile:
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
        with path.open("rb") as file:
            body = file.read(_MOST_BYTES + 1)
        text = body.decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = reason_of(exc) if isinstance(exc, OSError) else "other bytes than UTF-8"
        raise ProofError(f"{path}: expected a list of ids, found {reason}") from exc
    if len(body) > _MOST_BYTES:
        raise ProofError(
            f"{path}: expected a list of ids of at most {_MOST_BYTES >> 20} MB, found more; name "
            "fewer pictures"
        )
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    ids = frozenset(line for line in lines if line)
    if not ids:
        raise ProofError(f"{path}: expected ids, one a line, found none")
    return ids


def learn(
    folders: Sequence[Location],
    tokenizer_folders: Sequence[Location],
    out: Path,
    settings: Settings,
    removed: frozenset[str],
    *,
    counted: Counted,
) -> ModelFile:
    """Train one model of a run, or go on with it; a checkpoint every 10 s, a sheet every minute.

    Raises:
        ProofError, CheckpointError: as `prepare` and `resume_training` do, and if an id is
            unknown or too few pictures are left.
    """
    # A run's folder is for all seeds.
    common = settings.with_recipe(seed=0)
    corpus = prepare(folders, tokenizer_folders, out, common, counted=counted)
    pictures, recipe = corpus.pictures, settings.recipe
    left = np.setdiff1d(np.arange(len(pictures)), pictures.rows(removed))
    check_enough(len(left), "to learn from")
    trainer = Trainer(corpus.data, left, recipe)
    path = _path(out / "models", removed, recipe.seed)
    unfinished = path.with_suffix(".training.safetensors")
    shown = list(dict.fromkeys(pictures.captions[row] for row in left))[:_SHOWN]
    sheet = out / "sheets" / f"{path.stem}.png"

    def draw() -> None:
        trained, text_tokenizer = trainer.trained(), corpus.data.text_tokenizer
        write_png(sheet, sheet_of(trained, corpus.tokenizer, text_tokenizer, shown, recipe.seed))

    def label() -> str:
        loss = np.mean(trainer.losses[-_AVERAGED:])
        return f"training {path.stem}, {loss:.2f} nats a token"

    trained = _finished(path, corpus, trainer.trained())
    if trained is None:
        resume_training(unfinished, trainer, corpus.data)
        with counted(label, recipe.steps) as counting:
            _train(trainer, corpus, unfinished, counting, draw)
        trained = trainer.trained()
        draw()
        save_model(path, trained, corpus.data)
        unfinished.unlink(missing_ok=True)
    return ModelFile(path, sheet, len(left), trained.losses[-1], trained.seconds)


def _finished(path: Path, corpus: Corpus, expected: Trained) -> Trained | None:
    """The model that an earlier run of the same training ended with."""
    if not path.exists():
        return None
    trained, text_tokenizer = load_model(path, corpus.data.tokenizer)
    same = (trained.recipe, trained.seen) == (expected.recipe, expected.seen)
    return trained if same and text_tokenizer == corpus.data.text_tokenizer else None


def _path(folder: Path, removed: frozenset[str], seed: int) -> Path:
    """Where a model is kept: two lists of the same length have two names."""
    if not removed:
        return model_path(folder, seed)
    digest = hashlib.sha256("\0".join(sorted(removed)).encode()).hexdigest()
    return folder / f"without-{len(removed)}-{digest[:8]}-{seed}.safetensors"


def _train(
    trainer: Trainer,
    corpus: Corpus,
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
            save_training(unfinished, trainer, corpus.data)
            saved = time.monotonic()
        if now - shown > _SHOWN_EVERY_S:
            draw()
            trainer.model.train()
            shown = time.monotonic()

    trainer.run(step)
