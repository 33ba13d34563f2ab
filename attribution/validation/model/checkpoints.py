"""These are checkpoints of trained models: safetensors files whose header says what they are.

Nothing in them is executed. A model belongs to the image tokenizer and the vocabulary that it was
trained with: its file names the one by digest and holds the other, and with another tokenizer it
is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from attribution.errors import CheckpointError
from attribution.validation.model.dalle import Dalle, DalleShape
from attribution.validation.model.image_tokenizer import ImageTokenizer, TokenizerShape
from attribution.validation.model.text_tokenizer import TextTokenizer
from attribution.validation.model.training import EncodedPictures, Trained, Trainer, TrainingRecipe
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of

_FORMAT = 1
_MAX_BYTES = 1 << 30
_UNFIT = (KeyError, IndexError, TypeError, ValueError, ArithmeticError, RuntimeError)
"""What values raise that are not those of a checkpoint."""
_MOST_LEVELS = 64
CheckpointKind = Literal["tokenizer", "model", "training"]
Tensors = Mapping[str, torch.Tensor]


def digest_of(module: nn.Module) -> str:
    """sha256 of a module's weights, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def save_tokenizer(path: Path, tokenizer: ImageTokenizer, learnt_from: str) -> None:
    """Write a tokenizer down, with the digest of the pictures that it learnt from.

    Raises:
        CheckpointError: if it cannot be written.
    """
    metadata = {"shape": asdict(tokenizer.shape), "learnt_from": learnt_from}
    _write(path, "tokenizer", tokenizer.state_dict(), metadata)


def load_tokenizer(path: Path) -> tuple[ImageTokenizer, str]:
    """A tokenizer, and the digest of the pictures that it learnt from.

    Raises:
        CheckpointError: if the file is missing or holds something else.
    """
    tensors, metadata = _read(path, "tokenizer")
    try:
        shape = TokenizerShape(tuple(metadata["shape"]["levels"]), int(metadata["shape"]["width"]))
        # Before anything is made of them: a header could ask for more memory than there is.
        if len(tensors["encoder.0.weight"]) != shape.width or not all(
            type(level) is int and 2 < level <= _MOST_LEVELS for level in shape.levels
        ):
            raise _other(path, "tokenizer")
        tokenizer = ImageTokenizer(shape)
        tokenizer.load_state_dict(tensors)
        learnt_from = str(metadata["learnt_from"])
    except _UNFIT as exc:
        raise _other(path, "tokenizer") from exc
    return tokenizer.eval().requires_grad_(requires_grad=False), learnt_from


def save_model(path: Path, trained: Trained, data: EncodedPictures) -> None:
    """Write a trained model down, with its vocabulary and lineage.

    Raises:
        CheckpointError: if it cannot be written.
    """
    _write(path, "model", trained.model.state_dict(), _metadata(trained.recipe, data, trained))


def load_model(path: Path, tokenizer: str) -> tuple[Trained, TextTokenizer]:
    """A model that was trained with the tokenizer of this digest, and its vocabulary.

    Raises:
        CheckpointError: if the file is missing, holds something else, or belongs to another
            tokenizer.
    """
    tensors, metadata = _read(path, "model")
    try:
        _check_tokenizer(path, str(metadata["tokenizer"]), tokenizer)
        recipe, shape = TrainingRecipe(**metadata["recipe"]), DalleShape(**metadata["shape"])
        if not _fits(shape, tensors) or not metadata["losses"]:
            raise _other(path, "model")
        model = Dalle(shape)
        model.load_state_dict(tensors)
        text_tokenizer = TextTokenizer(str(metadata["words"]), shape.text_length)
        if text_tokenizer.size != shape.words:
            raise _other(path, "model")
        losses, seconds = tuple(map(float, metadata["losses"])), float(metadata["seconds"])
        seen = frozenset(map(str, metadata["seen"]))
        captions = tuple(map(str, metadata["captions"]))
    except _UNFIT as exc:
        raise _other(path, "model") from exc
    return Trained(model.eval(), recipe, seen, losses, seconds, captions), text_tokenizer


def save_training(path: Path, trainer: Trainer, data: EncodedPictures) -> None:
    """Write a training down after any step, to go on from there.

    Raises:
        CheckpointError: if it cannot be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in trainer.model.state_dict().items()}
    for number, optimizer in enumerate(trainer.optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimizer.{number}.{index}.{name}"] = torch.as_tensor(value)
    metadata = _metadata(trainer.recipe, data, trainer.trained()) | {
        "done": trainer.done,
        "steps": trainer.losses,
    }
    trainer.model.train()
    _write(path, "training", tensors, metadata)


def resume_training(path: Path, trainer: Trainer, data: EncodedPictures) -> bool:
    """Put a new training where the file says that it was; False where there is no file.

    Raises:
        CheckpointError: if it is of other pictures, another recipe or another tokenizer.
    """
    if not path.exists():
        return False
    tensors, metadata = _read(path, "training")
    try:
        _check_tokenizer(path, str(metadata["tokenizer"]), data.tokenizer)
        same = metadata["recipe"] == asdict(trainer.recipe)
        if not same or metadata["seen"] != sorted(trainer.trained().seen):
            raise CheckpointError(
                f"{path}: expected a training of the same pictures and settings, found one of "
                "others; delete it to begin anew"
            )
        trainer.model.load_state_dict(_below(tensors, "model."))
        for number, optimizer in enumerate(trainer.optimizers):
            whole = optimizer.state_dict()
            states: dict[int, dict[str, torch.Tensor]] = {}
            for name, value in _below(tensors, f"optimizer.{number}.").items():
                index, key = name.split(".", 1)
                states.setdefault(int(index), {})[key] = value
            whole["state"] = states
            parameters = optimizer.param_groups[0]["params"]
            if not _is_whole(states, parameters):
                raise _other(path, "training")
            optimizer.load_state_dict(whole)
        trainer.done = int(metadata["done"])
        trainer.losses = [float(loss) for loss in metadata["steps"]]
        if len(trainer.losses) != trainer.done or not 0 < trainer.done <= trainer.recipe.steps:
            raise _other(path, "training")
        trainer.seconds = float(metadata["seconds"])
    except _UNFIT as exc:
        raise _other(path, "training") from exc
    trainer.model.train()
    return True


def _fits(shape: DalleShape, tensors: Tensors) -> bool:
    """Whether a header's numbers are those of the tensors, before a model is made of them."""
    return (
        all(type(count) is int and count > 0 for count in asdict(shape).values())
        and tensors["word.weight"].shape == (shape.words, shape.width)
        and tensors["code.weight"].shape == (shape.codes, shape.width)
        and len(tensors["body.wpe.weight"]) == shape.text_length + shape.image_length
        and shape.width % shape.heads == 0
        and shape.depth <= len(tensors)
    )


def _is_whole(states: Mapping[int, Tensors], parameters: Sequence[torch.Tensor]) -> bool:
    """Whether an optimizer has a memory of each parameter, in its shape; torch looks at neither."""
    return states.keys() == set(range(len(parameters))) and all(
        value.shape in {parameters[index].shape, torch.Size()}
        for index, state in states.items()
        for value in state.values()
    )


def _metadata(recipe: TrainingRecipe, data: EncodedPictures, trained: Trained) -> dict[str, Any]:
    return {
        "recipe": asdict(recipe),
        "shape": asdict(trained.model.shape),
        "words": data.text_tokenizer.text,
        "tokenizer": data.tokenizer,
        "seen": sorted(trained.seen),
        "losses": list(trained.losses),
        "seconds": trained.seconds,
        "captions": list(trained.captions),
    }


def _below(tensors: Tensors, prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _check_tokenizer(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise CheckpointError(
            f"{path}: expected a model of the tokenizer {expected[:12]}, found one of "
            f"{found[:12]}; its tokens mean other pictures: give its own tokenizer, or train again"
        )


def _other(path: Path, kind: CheckpointKind) -> CheckpointError:
    return CheckpointError(
        f"{path}: expected a whole {kind} of this version, found a damaged or another file; "
        "if it is of this run, delete it and run the same command again"
    )


def _write(
    path: Path,
    kind: CheckpointKind,
    tensors: Tensors,
    metadata: Mapping[str, Any],
) -> None:
    header = {"whence": json.dumps({"format": _FORMAT, "kind": kind, **metadata})}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file(
                {name: one.contiguous().cpu() for name, one in tensors.items()}, temporary, header
            )
    except (OSError, SafetensorError) as exc:
        reason = reason_of(exc) if isinstance(exc, OSError) else str(exc)
        raise CheckpointError(f"{path}: expected to write a {kind}, found {reason}") from exc


def _read(path: Path, kind: CheckpointKind) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _other(path, kind)
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {})["whence"])
            if metadata["format"] != _FORMAT or metadata["kind"] != kind:
                raise _other(path, kind)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    except OSError as exc:
        raise CheckpointError(
            f"{path}: expected a {kind}, found {reason_of(exc)}; make it with `attribute validate "
            "train`"
        ) from exc
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as exc:
        raise _other(path, kind) from exc
    return tensors, cast("dict[str, Any]", metadata)
