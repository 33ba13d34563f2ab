"""This is the sampler: a model turns captions into pictures, token by token, by a seed.

The chance of a token is drawn as Gumbel noise from the seed and the caption alone. Two models that
are asked for one caption by one seed share it, so that their pictures differ where the models do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from attribution.validation.model.dalle import TokenModel

TEMPERATURE = 0.25


@torch.no_grad()
def sample(
    model: TokenModel,
    text: torch.Tensor,
    seeds: Sequence[int],
    *,
    length: int,
    temperature: float = TEMPERATURE,
    guidance: float = 1.0,
) -> torch.Tensor:
    """Captions as tokens (n, l), with a seed each → codes (n, length) int64.

    Args:
        model: anything that says which token comes next.
        text: captions, as a `TextTokenizer` gives them.
        seeds: of the chances, one a caption.
        length: tokens of a picture.
        temperature: 0 always takes the likeliest token; 1 draws as the model says.
        guidance: how far to go from what any caption would give towards this one; 1 is the model
            alone.
    """
    captions, memory = text, None
    if guidance != 1:
        captions = torch.cat([text, torch.zeros_like(text)])
    noise: torch.Tensor | None = None
    code: torch.Tensor | None = None
    chosen: list[torch.Tensor] = []
    for position in range(length):
        logits, memory = model.next_logits(captions, code, memory)
        if guidance != 1:
            own, anyone = logits.chunk(2)
            logits = anyone + guidance * (own - anyone)
        if temperature:
            if noise is None:
                noise = _noise(text, seeds, length, logits.shape[1])
            logits = logits + temperature * noise[:, position]
        chosen.append(logits.argmax(1))
        code = torch.cat([chosen[-1]] * (2 if guidance != 1 else 1))
    return torch.stack(chosen, 1)


def _noise(text: torch.Tensor, seeds: Sequence[int], length: int, codes: int) -> torch.Tensor:
    """(n, length, codes) of standard Gumbel noise."""
    rows = []
    for tokens, seed in zip(text, seeds, strict=True):
        digest = hashlib.sha256(tokens.numpy().tobytes() + str(seed).encode()).digest()
        draw = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        rows.append(draw.gumbel(size=(length, codes)).astype(np.float32))
    return torch.from_numpy(np.stack(rows))
