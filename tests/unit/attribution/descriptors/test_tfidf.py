"""TF-IDF: in one order with scikit-learn, whatever is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from attribution.descriptors.tfidf import TfidfIndex

TEXTS = [
    "A red barn, a red roof; the RED door",
    "the lighthouse at dusk",
    "",
    "snake_case and 2 x 42 pixels",
    "рыбацкая деревня у моря",
    "富士山 の 風景 red",
    "İstanbul'da bir sokak, café naïve",
]
PROMPTS = [
    "a red red barn at dusk",
    "деревня",
    "風景",
    "the",
    "istanbul café 42",
    "zebra",
    "",
    "a b",
]


def reference(texts, prompt):
    vectorizer = TfidfVectorizer()
    matrix = vectorizer.fit_transform(texts)
    return cosine_similarity(vectorizer.transform([prompt]), matrix)[0]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_scores_are_scikit_learns(prompt):
    np.testing.assert_allclose(
        TfidfIndex(TEXTS).scores(prompt), reference(TEXTS, prompt), atol=1e-12
    )


words = st.lists(st.sampled_from("red barn sea sea. Red a I moor x1".split()), max_size=8)


@given(st.lists(words, min_size=1, max_size=6), words)
def test_scores_are_scikit_learns_for_any_texts(texts, prompt):
    texts = [*(" ".join(text) for text in texts), "one word at least"]
    scores = TfidfIndex(texts).scores(" ".join(prompt))
    np.testing.assert_allclose(scores, reference(texts, " ".join(prompt)), atol=1e-12)


@pytest.mark.parametrize("texts", [[], [""], ["", "a", "!?"]])
def test_galleries_without_a_word_have_no_score(texts):
    """Where scikit-learn refuses an empty vocabulary."""
    scores = TfidfIndex(texts).scores("a red barn")
    assert scores.shape == (len(texts),)
    assert not scores.any()
