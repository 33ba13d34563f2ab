"""This is the second half of a DALL·E: a causal transformer over text tokens and image tokens.

Ramesh et al., "Zero-Shot Text-to-Image Generation" (2021, arXiv 2102.12092), at small size: one
stream of text and image tokens, each kind with its own part of the vocabulary, the loss of text
weighing an eighth. The blocks are GPT-2's of `transformers`. A tenth of the captions is left out in
training, so that classifier-free guidance (Ho & Salimans, 2022) has something to lean on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from transformers import GPT2Config, GPT2Model

from attribution.validation.model.text_tokenizer import PAD

_AT_ONCE = 128
TEXT_SHARE = 1 / 8
"""What the text's loss weighs."""


class TokenModel(Protocol):
    """Anything that says which image token comes next: a model, or several of them."""

    def image_logits(self, text: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Captions (n, l) and codes (n, t) → (n, t, codes): row i is said before code i is seen."""
        ...

    def next_logits(
        self, text: torch.Tensor, code: torch.Tensor | None, memory: Any
    ) -> tuple[torch.Tensor, Any]:
        """The next token's logits (n, codes) and the memory to go on with.

        Called first with no code and no memory, then with the code (n,) that was chosen.
        """
        ...


@dataclass(frozen=True, slots=True)
class DalleShape:
    """What a model is made of.

    Attributes:
        words, codes: tokens of text and of pictures.
        text_length, image_length: tokens of a caption and of a picture.
    """

    words: int
    codes: int
    text_length: int = 8
    image_length: int = 64
    width: int = 96
    depth: int = 2
    heads: int = 4


class Dalle(nn.Module):
    """The transformer; in evaluation it is a `TokenModel`."""

    def __init__(self, shape: DalleShape) -> None:
        super().__init__()
        self.shape = shape
        self.word = nn.Embedding(shape.words, shape.width)
        self.code = nn.Embedding(shape.codes, shape.width)
        self.body = GPT2Model(
            GPT2Config(
                vocab_size=1,
                n_positions=shape.text_length + shape.image_length,
                n_embd=shape.width,
                n_layer=shape.depth,
                n_head=shape.heads,
                activation_function="gelu",
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=None,
                eos_token_id=None,
            )
        )
        del self.body.wte  # the embeddings are given
        self.to_word = nn.Linear(shape.width, shape.words, bias=False)
        self.to_code = nn.Linear(shape.width, shape.codes, bias=False)
        for table in (self.word, self.code, self.to_word, self.to_code):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, text: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Captions (n, l) and codes (n, t) → (n, l + t - 1, width), the states before the heads."""
        x = torch.cat([self.word(text), self.code(codes[:, :-1])], 1)
        states: torch.Tensor = self.body(inputs_embeds=x, use_cache=False).last_hidden_state
        return states

    def image_logits(self, text: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """As `TokenModel` says."""
        logits: torch.Tensor = self.to_code(self(text, codes)[:, text.shape[1] - 1 :])
        return logits

    def next_logits(
        self, text: torch.Tensor, code: torch.Tensor | None, memory: Any
    ) -> tuple[torch.Tensor, Any]:
        """As `TokenModel` says."""
        x = self.word(text) if code is None else self.code(code)[:, None]
        output = self.body(inputs_embeds=x, past_key_values=memory, use_cache=True)
        return self.to_code(output.last_hidden_state[:, -1]), output.past_key_values

    def loss(self, text: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What training lowers, and of it the pictures' part in nats a token."""
        states = self(text, codes)
        edge = text.shape[1] - 1
        image = functional.cross_entropy(self.to_code(states[:, edge:]).mT, codes)
        words = functional.cross_entropy(
            self.to_word(states[:, :edge]).mT, text[:, 1:], ignore_index=PAD, reduction="sum"
        ) / max(int((text[:, 1:] != PAD).sum()), 1)
        return image + TEXT_SHARE * words, image.detach()


def picture_losses(model: TokenModel, text: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Captions (n, l) and codes (n, t) → (n,) mean negative log-likelihoods, nats a token."""
    logits = model.image_logits(text, codes)
    return functional.cross_entropy(logits.mT.float(), codes, reduction="none").mean(1)


@torch.no_grad()
def losses_of(model: TokenModel, text: torch.Tensor, codes: torch.Tensor) -> NDArray[np.float32]:
    """As `picture_losses`, of any number of pictures, without gradients: (n,) float32."""
    parts = [
        picture_losses(model, *batch)
        for batch in zip(torch.split(text, _AT_ONCE), torch.split(codes, _AT_ONCE), strict=True)
        if len(batch[0])
    ]
    return torch.cat(parts).numpy().astype(np.float32) if parts else np.empty(0, np.float32)


Together = Literal["logits", "evidence"]
"""How an ensemble speaks: `logits` averages them, as SISA does. `evidence` mixes the members'
probabilities, each weighing what it gave to the tokens before: who knows the picture leads."""


class Ensemble(nn.Module):
    """Several models that speak as one; a `TokenModel`.

    But: averaged logits of members that know different pictures say nothing: most know nothing of
    any picture, and outvote the one that does.
    """

    def __init__(self, members: Sequence[Dalle], together: Together = "logits") -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.together = together

    def image_logits(self, text: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """As `TokenModel` says."""
        logits = torch.stack([member.image_logits(text, codes) for member in self._dalles])
        if self.together == "logits":
            return logits.mean(0)
        chances = logits.log_softmax(-1)
        own = chances.gather(-1, codes.expand(len(chances), *codes.shape)[..., None])[..., 0]
        before = functional.pad(own.cumsum(-1)[..., :-1], (1, 0))
        return _mixed(chances, before)

    def next_logits(
        self, text: torch.Tensor, code: torch.Tensor | None, memory: Any
    ) -> tuple[torch.Tensor, Any]:
        """As `TokenModel` says."""
        memories, last, before = memory or ([None] * len(self.members), None, None)
        outputs = [
            member.next_logits(text, code, own)
            for member, own in zip(self._dalles, memories, strict=True)
        ]
        memories = [own for _, own in outputs]
        logits = torch.stack([one for one, _ in outputs])
        if self.together == "logits":
            return logits.mean(0), (memories, None, None)
        chances = logits.log_softmax(-1)
        if before is None:
            before = torch.zeros(chances.shape[:2])
        if code is not None and last is not None:
            before = before + last.gather(-1, code.expand(len(last), -1)[..., None])[..., 0]
        return _mixed(chances, before), (memories, chances, before)

    @property
    def _dalles(self) -> list[Dalle]:
        return [member for member in self.members if isinstance(member, Dalle)]


def _mixed(chances: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of members (m, …, codes), weighed by what they gave before (m, …)."""
    return (chances + before.log_softmax(0)[..., None]).logsumexp(0)
