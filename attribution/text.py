"""The text channel: BM25 of the prompt over what is written about each candidate.

Robertson & Zaragoza 2009, as the `bm25s` library computes it (Lucene's variant). Words are runs of
two or more letters or digits of any script, in lower case, without English stop words.

But: one channel of several, and never the only gate: a source without a caption must be found too.
"""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray


class TextIndex:
    """BM25 over a gallery's texts.

    Args:
        texts: one a candidate, empty where nothing is written about it.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        tokens = _words(texts)
        self._bm25: bm25s.BM25 | None = None
        if any(tokens):
            self._bm25 = bm25s.BM25()
            self._bm25.index(tokens, show_progress=False)

    def scores(self, prompt: str) -> NDArray[np.float32]:
        """(n,) float32 from 0 up; all 0 where no word of the prompt is written anywhere."""
        words = [word for word in _words([prompt])[0] if self._knows(word)]
        if self._bm25 is None or not words:
            return np.zeros(self._count, np.float32)
        scores: NDArray[np.float32] = self._bm25.get_scores(words)
        return np.maximum(scores, 0).astype(np.float32)

    def _knows(self, word: str) -> bool:
        return self._bm25 is not None and word in self._bm25.vocab_dict


def _words(texts: Sequence[str]) -> list[list[str]]:
    tokens: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="en", return_ids=False, show_progress=False
    )
    return tokens
