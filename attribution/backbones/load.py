"""Further embedding channels, named by one line of text: `--backbone dinov2`.

::

    timm:MODEL[=FILE]                 any picture model of timm, by default with its hub's weights
    openclip:MODEL/WEIGHTS[=FILE]     a CLIP of open_clip: its picture tower and its text tower
    openclip:MODEL=FILE               the same, with weights that were never published
    sscd:FILE                         SSCD (Pizzi et al. 2022), which knows copies best of all
    torchscript:FILE                  any other model that takes what SSCD takes
    dinov2, openclip                  short for the usual model of each; also dinov2=FILE

Each may end in `#sha256:HEX`, at least 12 digits of the hash that the weights must have.

But: a TorchScript file is a program, which runs with all your rights as soon as it is loaded.
Load only one from people you trust, and name its sha256: then it is that file and no other. State
dictionaries (.safetensors, .pth, .pt, .bin) are read as numbers alone and can do nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attribution.backbones.spec import Backbone
from harvester.distribution import needs_extra

if TYPE_CHECKING:
    from attribution.backbones.models import TimmEmbedder, TorchScriptEmbedder
    from attribution.backbones.openclip import OpenClipEmbedder


def load_backbone(backbone: Backbone) -> TimmEmbedder | OpenClipEmbedder | TorchScriptEmbedder:
    """Find the weights, on the hub if need be, and check them; the model loads when first used.

    Returns:
        An `embedder.Embedder`; that of an open_clip model is a `TextTower` too.

    Raises:
        ExtraMissingError: if torch, timm or open_clip is not installed.
        WeightsMissingError: if the model or its weights are unknown, the file is not there, the hub
            does not answer, or the hash is another.
    """
    # Both import torch, which to read a specification takes none of.
    with needs_extra("models", backbone.text):
        from attribution.backbones import models as backbone_models  # noqa: PLC0415
        from attribution.backbones import openclip as backbone_clip  # noqa: PLC0415

    if backbone.kind == "timm":
        return backbone_models.TimmEmbedder(backbone)
    if backbone.kind == "openclip":
        return backbone_clip.OpenClipEmbedder(backbone)
    return backbone_models.TorchScriptEmbedder(backbone)
