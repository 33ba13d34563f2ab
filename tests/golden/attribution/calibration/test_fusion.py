"""The fitted weights against scikit-learn's and SciPy's, and the sum that they make."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from attribution.calibration import fusion
from attribution.errors import WeightsMissingError
from attribution.evaluate.fit_fusion import (
    RIDGE,
    _chosen,
    cross_validate,
    fit,
    fit_fusion,
    fit_images,
)
from attribution.evaluate.fit_pairs import Copies, Pairs


def made_pairs(slopes: list[float], *, seed: int = 1, count: int = 3000) -> Pairs:
    """Pairs whose true log-odds are a weighted sum of their features."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, len(slopes)))
    odds = features @ np.array(slopes) - 0.7
    is_source = rng.random(count) < 1 / (1 + np.exp(-odds))
    return Pairs(
        z=features,
        inliers=np.where(is_source, 4.0, 0.0)[:, None] * rng.random((count, 2)),
        is_source=is_source,
        weight=rng.choice([1.0, 0.025], count),
        query=np.arange(count) // 30,
        fold=np.arange(count) // 30 % 5,
    )


def test_where_no_bound_holds_the_fit_is_scikit_learns():
    pairs = made_pairs([1.2, 0.4, 0.8])
    reference = LogisticRegression(C=1 / (2 * RIDGE), tol=1e-10, max_iter=10_000).fit(
        pairs.z, pairs.is_source, sample_weight=pairs.weight / pairs.weight.sum()
    )
    bias, weights = fit(pairs.z, pairs.is_source, pairs.weight)
    np.testing.assert_allclose(weights, reference.coef_[0], atol=2e-3)
    assert bias == pytest.approx(float(reference.intercept_[0]), abs=2e-3)


def test_a_weight_is_never_negative_and_the_rest_are_the_best_left():
    pairs = made_pairs([1.0, -0.9, 0.5])
    x, y, weight = pairs.z, pairs.is_source, pairs.weight / pairs.weight.sum()

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
    bias, weights = fit(x, y, pairs.weight)
    assert weights[1] == 0
    np.testing.assert_allclose([bias, *weights], found.x, atol=3e-3)
    assert loss(np.array([bias, *weights])) <= loss(found.x) + 1e-6


def made_copies(pairs: Pairs) -> Copies:
    """The same pairs as queries that are asked of 30 pictures each."""
    queries = int(pairs.query.max()) + 1
    z = pairs.z.reshape(queries, 30, -1).astype(np.float32)
    return Copies(pairs, z, pairs.is_source.reshape(queries, 30).argmax(axis=1))


def test_a_query_is_never_scored_by_weights_that_were_fitted_on_it():
    """Told what its fold's labels are, a fit would do better on it than chance."""
    rng = np.random.default_rng(3)
    noise = made_pairs([0.0, 0.0, 0.0, 0.0])
    noise = replace(noise, is_source=np.arange(3000) % 30 < 3, z=rng.normal(size=(3000, 4)))
    kept = np.ones(4, bool)
    found = cross_validate(made_copies(noise), noise, kept)
    assert abs(found.subjects.mean() - 0.5) < 4 * found.subjects.std() / 10
    spoiled = replace(noise, is_source=np.where(noise.fold == 0, ~noise.is_source, noise.is_source))
    one, other = (
        fit_images(made_copies(noise), _chosen(pairs, noise.fold != 0), kept)
        for pairs in (noise, spoiled)
    )
    assert one.tolist() == other.tolist()


def test_a_channel_that_does_not_help_has_no_part():
    copies, subjects = made_pairs([1.5, 0.0]), made_pairs([1.2, 0.0], seed=2)
    fused = fit_fusion(made_copies(copies), subjects, ["good", "dead"])
    told = fused.fitted_on["gain_of_each_channel_and_standard_error"]
    helps = told["dead"]["subjects_auc"][0] > 0 or told["dead"]["copies_among_first_20"][0] > 0
    assert (fused.weights["dead"] > 0) <= helps
    assert fused.weights["good"] > 0.5
    assert told["good"]["subjects_auc"][0] > 0.1
    assert fused.regions["sift"] > 0


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


def test_a_hash_adds_what_the_density_of_unrelated_pairs_falls_by():
    bits = np.array([128, 116, 94, 91, 80, 60, 31, 0])
    pdq = (1 - bits / 256).astype(np.float32)
    found = fusion.from_hashes(pdq, np.ones(8, bool))
    assert found[:3].tolist() == [0, 0, 0]  # as near as the nearest of 93,224 unrelated pairs
    sd = (116 - bits[3:6]) / 8.3
    np.testing.assert_allclose(found[3:6], (sd**2 - 9) / 2, rtol=1e-4)
    assert found[6:].tolist() == [fusion.HASH_MOST, fusion.HASH_MOST]
    assert not fusion.from_hashes(pdq, np.zeros(8, bool)).any()
    assert fusion.from_hashes(np.array([np.nan], np.float32), np.ones(1, bool)).tolist() == [0]


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
