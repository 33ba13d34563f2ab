"""The BM25 channel: a prompt's words in what is written about each candidate.

Robertson & Zaragoza 2009, as the `bm25s` library computes it (Lucene's variant), over titles and
captions. Words are runs of two or more letters or digits of any script, in lower case, without
English stop words.
"""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.text import CandidateText
from attribution.prompt import PromptParts


class Bm25Scorer:
    """A `TextScorer`.

    Args:
        texts: one a candidate, empty where nothing is written about it.
    """

    name = "bm25"

    def __init__(self, texts: Sequence[CandidateText]) -> None:
        self._count = len(texts)
        tokens = _words([text.body for text in texts])
        self._bm25: bm25s.BM25 | None = None
        if any(tokens):
            self._bm25 = bm25s.BM25()
            self._bm25.index(tokens, show_progress=False)

    def is_asked(self, prompt_parts: PromptParts) -> bool:
        """Whether the prompt asks for words."""
        return bool(prompt_parts.parts)

    def scores(self, prompt_parts: PromptParts) -> NDArray[np.float32]:
        """BM25 by parts: what is wanted adds up, what is to be left out is taken off.

        Each part counts in the proportion of its weight to the largest. A word that is wanted too
        is not held against a candidate: `a dog --no dog collar` leaves out the collar.

        Returns:
            (n,) float32, without bounds: above 0 with the words that are wanted, below 0 with more
            of those to be left out, 0 where no word of either is written.
        """
        scores = np.zeros(self._count, np.float32)
        largest = max((abs(part.weight) for part in prompt_parts.parts), default=1.0)
        words = _words([part.text for part in prompt_parts.parts])
        wanted = {
            word
            for part, here in zip(prompt_parts.parts, words, strict=True)
            if part.weight > 0
            for word in here
        }
        for part, here in zip(prompt_parts.parts, words, strict=True):
            kept = here if part.weight > 0 else [word for word in here if word not in wanted]
            known = [word for word in kept if self._knows(word)]
            if self._bm25 is not None and known:
                scores += np.float32(part.weight / largest) * self._bm25.get_scores(known)
        return scores

    def _knows(self, word: str) -> bool:
        return self._bm25 is not None and word in self._bm25.vocab_dict


def _words(texts: Sequence[str]) -> list[list[str]]:
    if not texts:
        return []
    tokens: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="en", return_ids=False, show_progress=False
    )
    return tokens
