"""TF-IDF cosine of a prompt with what is written about each candidate.

Salton & Buckley, "Term-weighting approaches in automatic text retrieval" (1988), with the choices
of scikit-learn's `TfidfVectorizer` as it comes: words are runs of two or more letters, digits or
underscores in lower case, a word's weight is its count times `ln((1 + n) / (1 + df)) + 1`, and each
text's weights have length 1. Written out here, because scikit-learn is 120 MB with SciPy.

But: no stop words, as there; a prompt's `the` counts, though little.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.text import CandidateText
from attribution.prompt import PromptParts

_WORD = re.compile(r"\b\w\w+\b")


class TfidfIndex:
    """The weights of a gallery's texts, a run of candidates for each word.

    Args:
        texts: one a candidate, empty where nothing is written about it.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        self._numbers: dict[str, int] = {}
        rows, words = array("q"), array("q")
        for row, text in enumerate(texts):
            for word in _words(text):
                rows.append(row)
                words.append(self._numbers.setdefault(word, len(self._numbers)))
        # One key a word of a text: sorted, a word's texts stand together and in their order.
        keys, counts = np.unique(
            np.array(words, np.int64) * max(1, self._count) + np.array(rows, np.int64),
            return_counts=True,
        )
        columns, self._rows = np.divmod(keys, max(1, self._count))
        self._starts = np.searchsorted(columns, np.arange(len(self._numbers) + 1))
        self._idf = np.log((1 + self._count) / (1 + np.diff(self._starts))) + 1
        weights = counts * self._idf[columns]
        lengths = np.sqrt(np.bincount(self._rows, weights**2, minlength=self._count))
        self._weights = weights / lengths[self._rows]

    def scores(self, prompt: str) -> NDArray[np.float64]:
        """(n,) from 0 to 1; all 0 where no word of the prompt is written anywhere."""
        known = [self._numbers[word] for word in _words(prompt) if word in self._numbers]
        numbers, counts = np.unique(np.array(known, np.int64), return_counts=True)
        weights = counts * self._idf[numbers]
        length = float(np.linalg.norm(weights))
        scores = np.zeros(self._count)
        for number, weight in zip(numbers, weights, strict=True):
            here = slice(self._starts[number], self._starts[number + 1])
            scores[self._rows[here]] += weight / length * self._weights[here]
        return scores


class TfidfScorer:
    """A `TextScorer` of the words that a prompt wants; what it refuses has no part."""

    name = "tfidf"

    def __init__(self, texts: Sequence[CandidateText]) -> None:
        self._index = TfidfIndex([text.body for text in texts])

    def is_asked(self, prompt_parts: PromptParts) -> bool:
        """Whether the prompt asks for words."""
        return bool(prompt_parts.parts)

    def scores(self, prompt_parts: PromptParts) -> NDArray[np.float32]:
        """(n,) float32 from 0 to 1."""
        return self._index.scores(prompt_parts.words).astype(np.float32)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
