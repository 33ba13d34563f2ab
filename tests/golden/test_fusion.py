"""The fitted weights against scikit-learn's and SciPy's, and the sum that they make."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from attribution import fusion
from attribution.errors import WeightsMissingError
from attribution.evaluate.fit import RIDGE, Pairs, fit


def made_pairs(slopes: list[float], *, seed: int = 1, count: int = 3000) -> Pairs:
    """Pairs whose true log-odds are a weighted sum of their features."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, len(slopes)))
    odds = features @ np.array(slopes) - 0.7
    return Pairs(
        features,
        rng.random(count) < 1 / (1 + np.exp(-odds)),
        rng.choice([1.0, 0.025], count),
        np.full(count, "edit"),
        rng.random(count) < 0.5,
    )


def test_where_no_bound_holds_the_fit_is_scikit_learns():
    pairs = made_pairs([1.2, 0.4, 0.8])
    keep = ~pairs.held_out
    reference = LogisticRegression(C=1 / (2 * RIDGE), tol=1e-10, max_iter=10_000).fit(
        pairs.features[keep],
        pairs.is_source[keep],
        sample_weight=pairs.weight[keep] / pairs.weight[keep].sum(),
    )
    bias, weights = fit(pairs, ["a", "b", "c"])
    np.testing.assert_allclose(weights, reference.coef_[0], atol=2e-3)
    assert bias == pytest.approx(float(reference.intercept_[0]), abs=2e-3)


def test_a_weight_is_never_negative_and_the_rest_are_the_best_left():
    pairs = made_pairs([1.0, -0.9, 0.5])
    keep = ~pairs.held_out
    x, y = pairs.features[keep], pairs.is_source[keep]
    weight = pairs.weight[keep] / pairs.weight[keep].sum()

    def loss(beta: np.ndarray) -> float:
        odds = beta[0] + x @ beta[1:]
        return float(weight @ (np.logaddexp(0, odds) - y * odds) + RIDGE * (beta[1:] ** 2).sum())

    found = minimize(
        loss,
        np.full(4, 0.1),
        method="SLSQP",
        bounds=[(None, None), *[(0, None)] * 3],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    bias, weights = fit(pairs, ["a", "b", "c"])
    assert weights[1] == 0
    np.testing.assert_allclose([bias, *weights], found.x, atol=3e-3)
    assert loss(np.array([bias, *weights])) <= loss(found.x) + 1e-6


def test_held_out_pairs_have_no_part_in_the_fit():
    pairs = made_pairs([1.0, 0.5])
    spoiled = np.where(pairs.held_out, ~pairs.is_source, pairs.is_source)
    other = Pairs(pairs.features, spoiled, pairs.weight, pairs.kind, pairs.held_out)
    assert fit(pairs, ["a", "b"])[1].tolist() == fit(other, ["a", "b"])[1].tolist()


def test_log_odds_are_a_weighted_sum_of_cut_z_scores():
    z = {name: np.array([-30.0, -1.5, 0.0, 4.0, 99.0], np.float32) for name in ("a", "b", "new")}
    weights = fusion.Fusion(-3.0, {"a": 0.5, "b": 0.0}, {"sift": 0.25}, {})
    expected = [
        -3.0 + sum(w * max(-12.0, min(12.0, value)) for w in (0.5, 0.0, fusion.PRIOR_WEIGHT))
        for value in z["a"].tolist()
    ]
    np.testing.assert_allclose(weights.log_odds(z), expected, rtol=1e-6)
    assert weights.from_regions({"sift": 7, "cells": 100}) == pytest.approx(0.25 * 3)
    assert weights.from_regions({}) == 0


def test_words_add_from_the_best_down_to_what_is_excluded():
    texts = {
        "bm25": np.array([4.0, 1.0, 0.0, -1.0, -9.0], np.float32),
        "names": np.array([1.0, 0.5, 0.0, math.nan, 0.0], np.float32),
    }
    found = fusion.from_texts(texts)
    np.testing.assert_allclose(found, [2 + 1, 0.5 + 0.5, 0, -0.5, -2], atol=1e-6)
    only = {"bm25": np.zeros(3, np.float32), "tfidf": np.ones(3, np.float32)}
    assert not fusion.from_texts(only).any()


def test_the_logistic_stays_within_its_limits():
    log_odds = np.array([-math.inf, -700.0, 0.0, 2.0, 700.0])
    found = fusion.probability(log_odds)
    np.testing.assert_allclose(found, [0, 0, 0.5, 1 / (1 + math.exp(-2)), 1], atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        json.dumps({"bias": 0, "weights": {"a": -0.1}, "regions": {}, "fitted_on": {}}),
        json.dumps({"bias": 0, "weights": {"a": "x"}, "regions": {}, "fitted_on": {}}),
        '{"bias": 0, "weights": {"a": NaN}, "regions": {}, "fitted_on": {}}',
        '{"bias": Infinity, "weights": {"a": 1}, "regions": {}, "fitted_on": {}}',
        "[" * 100_000,
    ],
    ids=["missing", "empty", "list", "bare", "negative", "word", "nan", "infinite", "deep"],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path, text):
    path = tmp_path / "fusion.json"
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(WeightsMissingError, match="expected fitted weights") as caught:
        fusion.load_fusion(path)
    assert "\n" not in str(caught.value)
