"""This is the training corpus of a run: pictures, image tokenizer, text tokenizer, and prompts.

The image tokenizer learns from pictures that no model of the run ever sees, whose captions no
prompt has: what is forgotten later must not live on in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.errors import ProofError
from attribution.validation.experiments.settings import Settings
from attribution.validation.model.checkpoints import digest_of, load_tokenizer, save_tokenizer
from attribution.validation.model.dataset import (
    FEWEST,
    TrainingPictures,
    choose_rows,
    read_pictures,
)
from attribution.validation.model.image_tokenizer import ImageTokenizer, train_tokenizer
from attribution.validation.model.sampling import TEMPERATURE
from attribution.validation.model.text_tokenizer import fit_text_tokenizer
from attribution.validation.model.training import EncodedPictures, encode
from harvester.dataset.atomic import replacing
from harvester.dataset.storage import Location
from harvester.errors import reason_of

if TYPE_CHECKING:
    from attribution.validation.experiments.settings import Counted


TOKENIZER = "tokenizer.safetensors"
_RUN_FILE = "proof.json"
_TRAINING = 1
"""To be raised with every change of what a model becomes that no setting tells."""


@dataclass(frozen=True)
class Corpus:
    """What models of a run are made from.

    Attributes:
        folder: of the run.
        pictures: that models learn from; others: that the tokenizer learnt from.
    """

    folder: Path
    settings: Settings
    pictures: TrainingPictures
    others: TrainingPictures
    tokenizer: ImageTokenizer
    data: EncodedPictures

    @cached_property
    def base(self) -> str:
        """What every model of the run has in common, in short."""
        parts = [self.pictures.digest, self.data.tokenizer, self.settings.digest, str(_TRAINING)]
        # Other versions, chances and devices make other bits.
        parts += [torch.__version__, version("transformers"), str(TEMPERATURE)]
        parts += ["cuda" * torch.cuda.is_available()]
        digest = hashlib.sha256("\0".join(parts).encode())
        for tokens in (self.data.text, self.data.codes):
            digest.update(tokens.numpy().tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """Captions to generate from, those of the counterfactual test first; drawn by seed."""
        settings = self.settings
        captions = sorted(set(self.pictures.captions))
        count = max(settings.prompts, settings.subset_prompts)
        if count > len(captions):
            raise ProofError(
                f"expected at least {count} different captions to take prompts from, found "
                f"{len(captions)}; harvest more pictures, or take a smaller --size"
            )
        draw = np.random.default_rng([settings.seeds[0], 7])
        return tuple(captions[index] for index in draw.permutation(len(captions))[:count])

    @cached_property
    def unseen_rows(self) -> list[int]:
        """Rows of the others, which no model saw, in categories that models learn from."""
        known = {name.casefold() for name in self.pictures.categories}
        categories = self.others.categories
        return [row for row, name in enumerate(categories) if name.casefold() in known]

    def text_of(self, captions: Sequence[str]) -> torch.Tensor:
        """Captions as the models take them."""
        return torch.from_numpy(self.data.text_tokenizer.encode(captions))

    def rows_of_caption(self, caption: str) -> NDArray[np.int64]:
        """The pictures that have it: a prompt's own."""
        return np.flatnonzero(np.array(self.pictures.captions) == caption)


def prepare(
    folders: Sequence[Location],
    tokenizer_folders: Sequence[Location],
    out: Path,
    settings: Settings,
    *,
    counted: Counted,
) -> Corpus:
    """Read the pictures, and train the tokenizer or take the one that the run has.

    Args:
        folders: datasets with the pictures that models learn from.
        tokenizer_folders: datasets for the tokenizer alone; the rest of `folders` is taken too.
        out: the run's folder.
        settings: of the run.
        counted: shows how far the tokenizer's training is.

    Raises:
        ProofError: if there are too few pictures, or the run was made with others.
        CheckpointError: if the run's tokenizer is damaged.
    """
    everything = read_pictures(folders, side=settings.side)
    left_out = {name.casefold() for name in settings.left_out}
    eligible = everything.chosen(
        [row for row, name in enumerate(everything.categories) if name.casefold() not in left_out]
    )
    pictures = eligible.chosen(
        choose_rows(eligible, most=settings.pictures, seed=settings.seeds[0])
    )
    if len(pictures) < FEWEST:
        raise ProofError(
            f"expected at least {FEWEST} pictures outside the categories that are left out "
            f"({', '.join(settings.left_out)}), found {len(pictures)}; harvest more with "
            "`harvest captions` or `harvest folder`"
        )
    more = [read_pictures(tokenizer_folders, side=settings.side)] if tokenizer_folders else []
    others = _others([everything, *more], pictures)
    _check_same_run(out, settings, pictures)
    tokenizer = _tokenizer(out / TOKENIZER, others, settings, counted)
    text_tokenizer = fit_text_tokenizer(pictures.captions)
    data = encode(pictures, tokenizer, digest_of(tokenizer), text_tokenizer)
    return Corpus(out, settings, pictures, others, tokenizer, data)


def _others(sets: Sequence[TrainingPictures], pictures: TrainingPictures) -> TrainingPictures:
    """Pictures that are in none of the models: by id, by caption and by their pixels."""
    ids, captions = set(pictures.ids), {caption.casefold() for caption in pictures.captions}
    pixels = {one.tobytes() for one in pictures.pixels}
    unseen: dict[str, tuple[TrainingPictures, int]] = {}
    for dataset in sets:
        for row, name in enumerate(dataset.ids):
            if (
                name not in ids
                and dataset.captions[row].casefold() not in captions
                and dataset.pixels[row].tobytes() not in pixels
            ):
                unseen.setdefault(name, (dataset, row))
    if len(unseen) < FEWEST:
        raise ProofError(
            f"expected at least {FEWEST} further pictures for the image tokenizer, which must not "
            f"learn from those that are forgotten, found {len(unseen)}; give another dataset with "
            "--tokenizer-from"
        )
    chosen = sorted(unseen.items())
    return TrainingPictures(
        ids=tuple(name for name, _ in chosen),
        captions=tuple(dataset.captions[row] for _, (dataset, row) in chosen),
        creators=tuple(dataset.creators[row] for _, (dataset, row) in chosen),
        categories=tuple(dataset.categories[row] for _, (dataset, row) in chosen),
        pixels=np.stack([dataset.pixels[row] for _, (dataset, row) in chosen]),
    )


def _tokenizer(
    path: Path, others: TrainingPictures, settings: Settings, counted: Counted
) -> ImageTokenizer:
    digest = hashlib.sha256(
        json.dumps([others.digest, asdict(settings.tokenizer)]).encode()
    ).hexdigest()
    if path.exists():
        tokenizer, learnt_from = load_tokenizer(path)
        if learnt_from == digest:
            return tokenizer
        raise ProofError(
            f"{path}: expected a tokenizer trained on the {len(others):,} pictures that no model "
            "sees, found one of others; choose another --out, or delete it"
        )
    recipe = settings.tokenizer
    with counted("training the image tokenizer", recipe.steps) as counting:
        tokenizer = train_tokenizer(
            others.pixels, recipe=recipe, step=lambda *_: counting.advance()
        )
    save_tokenizer(path, tokenizer, digest)
    return tokenizer


def _check_same_run(out: Path, settings: Settings, pictures: TrainingPictures) -> None:
    """A run's folder is of one set of pictures and one way to train; more prompts may come."""
    identity = {"pictures": pictures.digest, "made": settings.digest}
    path = out / _RUN_FILE
    if path.exists():
        if _read(path) != identity:
            raise ProofError(
                f"{out}: expected a run of the same pictures and settings, found one of others; "
                "choose another --out"
            )
        return
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(identity), "utf-8")
    except OSError as exc:
        raise ProofError(f"{path}: expected to write there, found {reason_of(exc)}") from exc


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
