"""OpenCLIP behind `--backbone`: pictures and prompts to rows of length 1 in one space.

Both towers (Radford et al. 2021; weights of Cherti et al. 2023), so that a prompt can be compared
with the candidates' pictures themselves and not with their captions alone.

But: it reads the first 77 tokens of a prompt, some fifty words, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.backbones.models import (
    TRANSFORMER_SIDE,
    Preprocessing,
    embed_batches,
    loading,
    unknown,
)
from attribution.backbones.spec import Backbone
from attribution.backbones.weights import find_weights, package
from attribution.descriptors.embedder import Precision
from attribution.descriptors.resnet50 import halves


class OpenClipEmbedder:
    """A CLIP of open_clip: an `Embedder`, and a `TextTower` in the same space.

    Args:
        backbone: of kind `openclip`. Its tag, with a file too, says how the weights were trained
            (means, kind of GELU); without one they are read as OpenAI's means and the model's
            plain GELU.
        precision: as for `resnet50.ResNet50Gem`.

    Raises:
        WeightsMissingError: as `TimmEmbedder`.
    """

    def __init__(self, backbone: Backbone, *, precision: Precision = "auto") -> None:
        open_clip = package("open_clip", backbone)
        known = open_clip.list_models()
        if backbone.model not in known:
            raise unknown(backbone, "model of open_clip", backbone.model, known)
        tags = open_clip.list_pretrained_tags_by_model(backbone.model)
        if backbone.tag and backbone.tag not in tags:
            raise unknown(backbone, f"weights of {backbone.model}", backbone.tag, tags)
        tag = open_clip.get_pretrained_cfg(backbone.model, backbone.tag) if backbone.tag else {}
        repository, _, file = tag.get("hf_hub", "").rpartition("/")
        names = [file] if file else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
        config = open_clip.get_model_config(backbone.model)
        self.channel = backbone.channel
        self.text_channel = f"{backbone.channel}-text"
        self.dimension = cast("int", config["embed_dim"])
        self._backbone = backbone
        self._weights = find_weights(backbone, repository, names)
        self._quick_gelu = bool(tag.get("quick_gelu"))
        self._recipe = Preprocessing(
            _side_of(config["vision_cfg"].get("image_size", TRANSFORMER_SIDE)),
            tuple(tag.get("mean", open_clip.OPENAI_DATASET_MEAN)),
            tuple(tag.get("std", open_clip.OPENAI_DATASET_STD)),
            "quick-gelu" if self._quick_gelu else "",
        )
        self.version = self._recipe.version(self._weights.sha256)
        self._half = halves(precision)

    @cached_property
    def _model(self) -> Any:
        open_clip = package("open_clip", self._backbone)
        with loading(self._backbone):
            model = open_clip.create_model(
                self._backbone.model,
                str(self._weights.path),
                force_quick_gelu=self._quick_gelu,
                require_pretrained=True,
            )
        return model.eval().requires_grad_(requires_grad=False)

    @cached_property
    def _tokenizer(self) -> Callable[[list[str]], torch.Tensor]:
        open_clip = package("open_clip", self._backbone)
        with loading(self._backbone):
            tokenizer = open_clip.get_tokenizer(self._backbone.model)
        return cast("Callable[[list[str]], torch.Tensor]", tokenizer)

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, dimension) float32, each row of length 1."""
        return embed_batches(
            pictures,
            lambda batch: self._model.encode_image(self._recipe.inputs(batch)),
            self.dimension,
            half=self._half,
        )

    def embed_texts(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Prompts → (n, dimension) float32, each row of length 1; what exceeds 77 tokens is cut."""
        return embed_batches(
            prompts,
            lambda batch: self._model.encode_text(self._tokenizer(batch)),
            self.dimension,
            half=self._half,
        )


def _side_of(size: int | Sequence[int]) -> int:
    return size if isinstance(size, int) else size[0]
