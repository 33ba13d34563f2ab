"""This is generation with one trained model: pictures of prompts, and a sheet of what it learnt.

Both are written as PNG, with a mark by which whence knows its own picture again and may replace it.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from attribution.errors import CheckpointError, ProofError
from attribution.validation.model.checkpoints import digest_of, load_model, load_tokenizer
from attribution.validation.model.dataset import enlarged
from attribution.validation.model.image_tokenizer import ImageTokenizer
from attribution.validation.model.sampling import sample
from attribution.validation.model.text_tokenizer import TextTokenizer
from attribution.validation.model.training import Trained
from attribution.validation.report.contact_sheet import grid_sheet
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of
from harvester.paths import beginning_of, check_output

_SIGNATURE_AND_SIZE = 33
"""Bytes of a PNG before whatever may follow its header."""
_DATA = b"tEXtwhence\0made by a model that whence trained"
_MARK = struct.pack(">I", len(_DATA) - 4) + _DATA + struct.pack(">I", zlib.crc32(_DATA))
"""A chunk of a PNG (ISO/IEC 15948, 5.3): such a picture may be replaced by another of whence's."""


def make(
    model: Path,
    tokenizer: Path,
    prompts: Sequence[str],
    image: Path,
    *,
    seed: int,
    temperature: float,
    guidance: float,
) -> Path:
    """Generate a picture for each prompt and write them side by side, enlarged.

    Raises:
        CheckpointError: if a file is missing, damaged, or the two do not belong together.
        ProofError: if a prompt is empty, or the picture cannot be written.
        InputError: if another picture is in its place, that whence did not make.
    """
    check_output(image, is_picture, option="--image")
    if not all(prompt.strip() for prompt in prompts):
        raise ProofError("expected a prompt of at least one word, found an empty one")
    trained, text_tokenizer, image_tokenizer = _open(model, tokenizer)
    text = torch.from_numpy(text_tokenizer.encode(list(prompts)))
    codes = sample(
        trained.model,
        text,
        [seed] * len(prompts),
        length=trained.model.shape.image_length,
        temperature=temperature,
        guidance=guidance,
    )
    pixels = enlarged(image_tokenizer.decode(codes))
    write_png(image, _png(np.concatenate(pixels, axis=1)))
    return image


def show(model: Path, tokenizer: Path, image: Path, *, count: int, seed: int) -> Path:
    """A sheet of what a model makes of the prompts of its vocabulary's run.

    Raises:
        CheckpointError, InputError: as `make` does.
        ProofError: if it cannot be written.
    """
    check_output(image, is_picture, option="--image")
    trained, text_tokenizer, image_tokenizer = _open(model, tokenizer)
    if not trained.captions:
        raise CheckpointError(f"{model}: expected a model with captions, found none; train again")
    write_png(
        image, sheet_of(trained, image_tokenizer, text_tokenizer, trained.captions[:count], seed)
    )
    return image


def _open(model: Path, tokenizer: Path) -> tuple[Trained, TextTokenizer, ImageTokenizer]:
    image_tokenizer, _ = load_tokenizer(tokenizer)
    trained, text_tokenizer = load_model(model, digest_of(image_tokenizer))
    return trained, text_tokenizer, image_tokenizer


def sheet_of(
    trained: Trained,
    tokenizer: ImageTokenizer,
    text_tokenizer: TextTokenizer,
    captions: Sequence[str],
    seed: int,
) -> bytes:
    """What a model makes of some captions, at least one, as a PNG."""
    text = torch.from_numpy(text_tokenizer.encode(list(captions)))
    seeds = [seed] * len(captions)
    codes = sample(trained.model, text, seeds, length=trained.model.shape.image_length)
    columns = min(12, math.ceil(len(captions) ** 0.5) + 2)
    return grid_sheet(tokenizer.decode(codes), captions, columns=columns)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def is_picture(path: Path) -> bool:
    """Whether `write_png` wrote a file; raises OSError."""
    return beginning_of(path, _SIGNATURE_AND_SIZE + len(_MARK))[_SIGNATURE_AND_SIZE:] == _MARK


def write_png(path: Path, body: bytes) -> None:
    """Write a picture with a mark of whence's, whole or not at all.

    Raises:
        ProofError: if it cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(body[:_SIGNATURE_AND_SIZE] + _MARK + body[_SIGNATURE_AND_SIZE:])
    except OSError as exc:
        raise ProofError(f"{path}: expected to write a picture, found {reason_of(exc)}") from exc
