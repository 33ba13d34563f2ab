"""This is the text tokenizer: byte-pair encoding, learnt from the captions themselves.

Sennrich, Haddow & Birch, "Neural Machine Translation of Rare Words with Subword Units" (2016), as
the `tokenizers` package has it. Words of the captions are mostly one token; others are spelled.

The vocabulary is learnt once from all captions and kept when pictures are forgotten: it holds
words, and nothing of any picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from attribution.errors import CheckpointError

PAD = 0
_PAD, _UNKNOWN = "[PAD]", "[UNK]"


@dataclass(frozen=True)
class TextTokenizer:
    """A vocabulary.

    Attributes:
        text: the tokenizer as the package writes it down, JSON.
        length: tokens of a caption; longer ones are cut, shorter ones padded.
    """

    text: str
    length: int

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            return Tokenizer.from_str(self.text)
        except Exception as exc:  # the package raises bare ones
            raise CheckpointError(
                "expected a vocabulary in the checkpoint, found another text; train again"
            ) from exc

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, captions: Sequence[str]) -> NDArray[np.int64]:
        """Captions → (n, length) int64."""
        rows = np.full((len(captions), self.length), PAD, np.int64)
        # A lone surrogate, as from bytes of a command line, has no UTF-8.
        plain = [caption.encode("utf-8", "replace").decode() for caption in captions]
        for row, encoding in zip(rows, self._tokenizer.encode_batch(plain), strict=True):
            ids = encoding.ids[: self.length]
            row[: len(ids)] = ids
        return rows


def fit_text_tokenizer(
    captions: Iterable[str], *, size: int = 2048, length: int = 8
) -> TextTokenizer:
    """The vocabulary of some captions, of at most `size` tokens; the order makes no difference."""
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[_PAD, _UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(sorted(captions), trainer)
    return TextTokenizer(tokenizer.to_str(), length)
