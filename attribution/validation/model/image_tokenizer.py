"""This is the first half of a DALL·E: it turns pictures into a grid of discrete tokens, and back.

A small convolutional autoencoder with finite scalar quantization (Mentzer et al., "Finite Scalar
Quantization: VQ-VAE Made Simple", 2023, arXiv 2309.15505, as vector-quantize-pytorch has it) in the
place of the discrete VAE of Ramesh et al. 2021 (arXiv 2102.12092): it needs no codebook, so that
none can collapse while it learns from a thousand pictures.

It has to be trained on other pictures than the ones that are to be forgotten: what it has seen it
could not forget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from vector_quantize_pytorch import FSQ

from attribution.validation.model.process_pool import one_thread

PATCH = 4
"""Pixels of a side that become one token."""
Step = Callable[[int, int, float], None]
"""Called with how many steps are done, of how many, and the loss."""


@dataclass(frozen=True, slots=True)
class TokenizerShape:
    """What a tokenizer is made of.

    Attributes:
        levels: values that each latent can take; their product is the number of codes.
        width: channels inside.
    """

    levels: tuple[int, ...] = (8, 5, 5, 5)
    width: int = 96


@dataclass(frozen=True, slots=True)
class TokenizerRecipe:
    """How a tokenizer is trained."""

    steps: int = 1600
    batch: int = 32
    rate: float = 4e-3
    seed: int = 0


class ImageTokenizer(nn.Module):
    """Pictures (n, s, s, 3) uint8 RGB ↔ codes (n, s/4 · s/4) int64, row by row."""

    def __init__(self, shape: TokenizerShape | None = None) -> None:
        super().__init__()
        self.shape = shape or TokenizerShape()
        width, latents = self.shape.width, len(self.shape.levels)
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, PATCH, PATCH),
            _Residual(width),
            _Residual(width),
            nn.SiLU(),
            nn.Conv2d(width, latents, 1),
        )
        self.quantizer = FSQ(list(self.shape.levels))
        self.decoder = nn.Sequential(
            nn.Conv2d(latents, width, 3, padding=1),
            *(_Residual(width) for _ in range(3)),
            nn.SiLU(),
            nn.Conv2d(width, 64, 1),
            nn.PixelShuffle(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return int(np.prod(self.shape.levels))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 3, s, s), 0 to 1 → the same after a turn through the tokens, and the codes."""
        latent = self.encoder(x * 2 - 1).permute(0, 2, 3, 1)
        count, side, _, width = latent.shape
        quantized, codes = self.quantizer(latent.reshape(count, side * side, width))
        return self._decoded(quantized, side), codes

    @torch.no_grad()
    def encode(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Pictures (n, s, s, 3) → codes (n, s/4 · s/4) int64."""
        parts = [self(_to_input(pixels[at : at + 128]))[1] for at in range(0, len(pixels), 128)]
        return torch.cat(parts).long()

    @torch.no_grad()
    def decode(self, codes: torch.Tensor) -> NDArray[np.uint8]:
        """Codes (n, t · t) → pictures (n, 4t, 4t, 3) uint8."""
        side = round(codes.shape[1] ** 0.5)
        rgb = self._decoded(self.quantizer.indices_to_codes(codes), side).clamp(0, 1)
        whole = (rgb * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return np.ascontiguousarray(whole.numpy())

    def _decoded(self, quantized: torch.Tensor, side: int) -> torch.Tensor:
        grid = quantized.reshape(len(quantized), side, side, -1).permute(0, 3, 1, 2)
        rgb: torch.Tensor = self.decoder(grid) / 2 + 0.5
        return rgb


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = x + self.mix(functional.silu(self.wide(functional.silu(x))))
        return added


def train_tokenizer(
    pixels: NDArray[np.uint8],
    shape: TokenizerShape | None = None,
    recipe: TokenizerRecipe | None = None,
    step: Step | None = None,
) -> ImageTokenizer:
    """Learn to reproduce pictures (n, s, s, 3), shifted, mirrored and with their colours swapped.

    The same pictures and seed give the same weights on the same machine.
    """
    recipe = recipe or TokenizerRecipe()
    torch.manual_seed(recipe.seed)
    draw = np.random.default_rng(recipe.seed)
    model = ImageTokenizer(shape)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps)
    with one_thread():
        for number in range(1, recipe.steps + 1):
            x = _varied(_to_input(pixels[draw.integers(0, len(pixels), recipe.batch)]), draw)
            decoded, _ = model(x)
            difference = decoded - x
            loss = difference.abs().mean() + 2 * difference.square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            if step is not None:
                step(number, recipe.steps, float(loss.detach()))
    return model.eval().requires_grad_(requires_grad=False)


def _to_input(pixels: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255


def _varied(x: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
    """A batch in other colours, mirrored, shifted: a thousand pictures are few."""
    if draw.random() < 0.5:
        x = x[:, draw.permutation(3).tolist()]
    if draw.random() < 0.5:
        x = x.flip(3)
    return torch.roll(x, draw.integers(-3, 4, 2).tolist(), (2, 3))
