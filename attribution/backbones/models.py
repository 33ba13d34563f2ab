"""The picture models behind `--backbone`: pictures to rows of length 1.

From timm any picture model, by its own pooling: DINOv2 (Oquab et al. 2023) gives its class token.
From TorchScript files SSCD (Pizzi et al. 2022), at 288 pixels and with ImageNet's means.

As for the embedded ResNet-50, pictures are squeezed to a square, so that nothing is cropped away;
means, deviations and the square's side are the model's own. Only vision transformers for more than
256 pixels (DINOv2: 518) get 224, a fifth of the work.

But: on the processor alone, and a TorchScript model of another side than 288 is not known here.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch.nn import functional

from attribution.backbones.spec import Backbone
from attribution.backbones.weights import find_weights, package
from attribution.descriptors.embedder import Precision
from attribution.descriptors.resnet50 import BATCH, halves
from attribution.errors import WeightsMissingError
from harvester.errors import reason_of

SSCD_SIDE = 288
TRANSFORMER_SIDE = 224
_LARGEST_SIDE = 256
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_Given = TypeVar("_Given")  # pictures or prompts
_UNREADABLE = (
    RuntimeError,  # names and shapes of another model; no TorchScript
    OSError,
    SafetensorError,
    UnpicklingError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,  # a text tower that needs yet another library
)
"""What the libraries raise for a file that is none, or another model's."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes a model's input; part of the version of its vectors."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    variant: str = ""

    def version(self, sha256: str) -> str:
        """The weights' 12 digits, the side, and 4 digits for all else that the vectors hang on."""
        mark = hashlib.sha256(repr((self.mean, self.std, self.variant)).encode()).hexdigest()
        return f"{sha256[:12]}-{self.side}-{mark[:4]}"

    def inputs(self, pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        """Pictures (h, w, 3) uint8 RGB → (n, 3, side, side) float32."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        table = ((np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - mean) / std)[None]
        stacked = np.stack([cv2.LUT(self._square(picture), table) for picture in pictures])
        return torch.from_numpy(stacked).permute(0, 3, 1, 2)

    def _square(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        shrinks = min(picture.shape[:2]) > self.side
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        square = cv2.resize(picture, (self.side, self.side), interpolation=how)
        return cast("NDArray[np.uint8]", square)


class TimmEmbedder:
    """A picture model of timm.

    Args:
        backbone: of kind `timm`; a file must hold all of the model's weights, classifier too.
        precision: as for `resnet50.ResNet50Gem`.

    Raises:
        WeightsMissingError: on construction, as `load_backbone`; at the first use, if the file
            does not hold this model.
    """

    def __init__(self, backbone: Backbone, *, precision: Precision = "auto") -> None:
        timm = package("timm", backbone)
        if not timm.is_model(backbone.model):
            raise unknown(backbone, "model of timm", backbone.model, timm.list_models())
        name = f"{backbone.model}.{backbone.tag}" if backbone.tag else backbone.model
        if backbone.tag and not timm.models.is_model_pretrained(name):
            tags = timm.list_models(f"{backbone.model}.*", pretrained=True)
            raise unknown(backbone, "model of timm", name, tags)
        published = timm.get_pretrained_cfg(name)
        file = published.hf_hub_filename
        names = [file] if file else ["model.safetensors", "pytorch_model.bin"]
        self.channel = backbone.channel
        self._backbone = backbone
        self._name = name
        self._weights = find_weights(backbone, published.hf_hub_id or "", names)
        self._native = published.input_size[-1]
        side = _side(name, self._native, fixed=published.fixed_input_size)
        self._recipe = Preprocessing(side, tuple(published.mean), tuple(published.std))
        self.version = self._recipe.version(self._weights.sha256)
        self._half = halves(precision)

    @cached_property
    def dimension(self) -> int:
        """Length of a vector; loads the model."""
        return cast("int", self._model.head_hidden_size)

    @cached_property
    def _model(self) -> Any:
        timm = package("timm", self._backbone)
        file = {"file": str(self._weights.path), "hf_hub_id": None}
        with loading(self._backbone):
            # All classes, though none are wanted: only then does timm refuse a file that lacks some
            # of the weights, instead of leaving those at random.
            model = timm.create_model(self._name, pretrained=True, pretrained_cfg_overlay=file)
        model.reset_classifier(0)
        if self._recipe.side != self._native:
            model.set_input_size((self._recipe.side, self._recipe.side))
        return model.eval().requires_grad_(requires_grad=False)

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, dimension) float32, each row of length 1."""
        return embed_batches(
            pictures,
            lambda batch: self._model(self._recipe.inputs(batch)),
            self.dimension,
            half=self._half,
        )


class TorchScriptEmbedder:
    """A picture model from a TorchScript file, which is a program: see `backbones`.

    Args:
        backbone: of kind `sscd` or `torchscript`. The model takes (n, 3, 288, 288) float32, with
            ImageNet's means and deviations, and gives (n, d), or (n, d, 1, 1).
        precision: as for `resnet50.ResNet50Gem`.

    Raises:
        WeightsMissingError: as `TimmEmbedder`.
    """

    def __init__(self, backbone: Backbone, *, precision: Precision = "auto") -> None:
        self.channel = backbone.channel
        self._backbone = backbone
        self._weights = find_weights(backbone)
        self._recipe = Preprocessing(SSCD_SIDE, *_IMAGENET)
        self.version = self._recipe.version(self._weights.sha256)
        self._half = halves(precision)

    @cached_property
    def dimension(self) -> int:
        """Length of a vector; loads the model and tries it on a grey picture."""
        with torch.inference_mode():
            return self._forward([np.full((8, 8, 3), 128, np.uint8)]).shape[1]

    @cached_property
    def _model(self) -> Any:
        path = self._weights.path
        with loading(self._backbone):
            program = path.read_bytes()
            # Hashed again: what runs are these bytes, whatever became of the file meanwhile.
            if hashlib.sha256(program).hexdigest() != self._weights.sha256:
                raise WeightsMissingError(
                    f"{path}: expected the file that was hashed before, found it changed since; "
                    "it was not loaded, start again"
                )
            return torch.jit.load(io.BytesIO(program), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def _forward(self, pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        model = self._model
        with loading(self._backbone):
            found = model(self._recipe.inputs(pictures))
        is_rows = isinstance(found, torch.Tensor) and found.ndim in (2, 4)
        if not is_rows or found.shape[0] != len(pictures) or found[0].numel() != found.shape[1]:
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise WeightsMissingError(
                f"{self._backbone.text}: expected a row of numbers for each of {len(pictures)} "
                f"pictures, found {shape}; give a model that describes whole pictures"
            )
        return cast("torch.Tensor", found.flatten(1))

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, dimension) float32, each row of length 1."""
        return embed_batches(pictures, self._forward, self.dimension, half=self._half)


def embed_batches(
    given: Sequence[_Given],
    forward: Callable[[list[_Given]], torch.Tensor],
    dimension: int,
    *,
    half: bool,
) -> NDArray[np.float32]:
    """Pictures or prompts → (n, dimension) float32, each row of length 1, a few at a time."""
    parts = [np.empty((0, dimension), np.float32)]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for start in range(0, len(given), BATCH):
            rows = forward(list(given[start : start + BATCH])).float()
            parts.append(functional.normalize(rows).numpy())
    return np.concatenate(parts)


def _side(name: str, native: int, *, fixed: bool) -> int:
    # Only these can be told to take a picture of another size than they were trained with.
    adapts = fixed and name.startswith("vit_") and "patch" in name
    return TRANSFORMER_SIDE if adapts and native > _LARGEST_SIDE else native


def unknown(backbone: Backbone, what: str, found: str, known: Iterable[str]) -> WeightsMissingError:
    """The error for a name that a library does not know, with those that are like it."""
    near = difflib.get_close_matches(found, list(known), 3, 0.3)
    hint = f"the nearest are {', '.join(near)}" if near else "nothing there is like it"
    return WeightsMissingError(f"{backbone.text}: expected a {what}, found {found!r}; {hint}")


@contextmanager
def loading(backbone: Backbone) -> Iterator[None]:
    """A library at work on a file: its errors become one line, its hints to programmers none.

    Raises:
        WeightsMissingError: if the file does not hold the model's weights.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _UNREADABLE as exc:
        where = backbone.file or "the hub's file"
        raise WeightsMissingError(
            f"{where}: expected the weights of {backbone.text}, found {_said(exc)}; "
            "name the model that they are of, or give another file"
        ) from exc


def _said(exc: Exception) -> str:
    return reason_of(type(exc)(" ".join(str(exc).split())))
