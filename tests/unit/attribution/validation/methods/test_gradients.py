"""Rankings by gradients: closed forms, leaving one out for real, and a small DALL·E."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from attribution.errors import ProofError
from attribution.validation.methods.gradients import (
    METHODS,
    GradientMethod,
    likelihood,
    log_odds,
    mean_square,
    project_gradients,
    projection,
    ridge_kernel,
)
from attribution.validation.model.text_tokenizer import TextTokenizer, fit_text_tokenizer
from attribution.validation.model.training import EncodedPictures, TrainingRecipe, train

COUNT, LENGTH, CODES = 24, 9, 40
TRAK, D_TRAK, GRAD_DOT = METHODS.values()


class Linear(torch.nn.Module):
    """Logits (codes) of one token that are linear in the features of the one word of a caption."""

    def __init__(self, features, weight):
        super().__init__()
        self.register_buffer("features", torch.tensor(features, dtype=torch.float32))
        self.weight = torch.nn.Parameter(torch.tensor(weight, dtype=torch.float32))

    def image_logits(self, text, _codes):
        return (self.features[text[:, 0]] @ self.weight.T)[:, None]


def encoded(text, codes, words=None, code_count=2):
    return EncodedPictures(
        ids=tuple(f"{row:03d}" for row in range(len(text))),
        text=torch.as_tensor(text),
        codes=torch.as_tensor(codes),
        text_tokenizer=words or TextTokenizer("", 1),
        code_count=code_count,
        tokenizer="made by hand",
    )


@pytest.fixture(scope="module")
def points():
    """40 points in 4 dimensions, two classes that overlap."""
    draw = np.random.default_rng(5)
    x = draw.normal(size=(40, 4))
    classes = (x @ [0.8, -0.5, 0.3, 0.0] + draw.logistic(size=40) > 0).astype(np.int64)
    return x, classes


@pytest.fixture(scope="module")
def learnt():
    """A small DALL·E that knows 24 pictures of random tokens, and what it learnt from."""
    draw = np.random.default_rng(1)
    captions = [f"{colour} {thing}" for colour in "red blue teal".split() for thing in "abcdefgh"]
    words = fit_text_tokenizer(captions, length=3)
    codes = draw.integers(0, CODES, (COUNT, LENGTH))
    data = encoded(words.encode(captions), codes, words, CODES)
    recipe = TrainingRecipe(width=32, depth=1, heads=2, steps=60, batch=12)
    return train(data, np.arange(COUNT), recipe).model, data


def fitted(x, signs, ridge=1e-6):
    """Logistic regression by Newton's steps."""
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-signs * (x @ w)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge * np.eye(len(w))
        w += np.linalg.solve(hessian, x.T @ (signs * (1 - p)) - ridge * w)
    return w


def test_ridge_kernel_of_the_data_itself_is_the_hat_matrix():
    x = np.random.default_rng(0).normal(size=(30, 5))
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    assert ridge_kernel(x, x, 1e-12) == pytest.approx(hat, abs=1e-9)
    assert np.trace(ridge_kernel(x, x, 1e-12)) == pytest.approx(5)


@pytest.mark.parametrize("shape", [(30, 5), (5, 30), (8, 8)])
def test_ridge_kernel_is_its_formula_for_tall_and_wide_gradients(shape):
    draw = np.random.default_rng(0)
    x, z = draw.normal(size=shape), draw.normal(size=(3, shape[1]))
    ridge = 0.3 * (x**2).sum(1).mean()
    expected = z @ np.linalg.inv(x.T @ x + ridge * np.eye(shape[1])) @ x.T
    assert ridge_kernel(z, x, 0.3) == pytest.approx(expected)


def test_ridge_kernel_without_any_gradient_says_nothing():
    assert not ridge_kernel(np.ones((2, 3)), np.zeros((4, 3)), 0.1).any()


def test_trak_of_a_logistic_regression_is_the_closed_form(points):
    """Two codes: the log-odds are ±xᵀ(w₁ - w₀), and their gradients ±x, once for each weight."""
    x, classes = points
    w = np.random.default_rng(2).normal(size=(2, 4))
    rows = np.arange(40)[:, None]
    data = encoded(rows, classes[:, None])
    trak = replace(TRAK, damping=0.05)
    found = trak([Linear(x, w)], data, data.text[:7], data.codes[:7], dimension=99)

    signed = x * (2 * classes - 1)[:, None]
    margins = signed @ (w[1] - w[0])
    phi = np.hstack([-signed, signed])
    ridge = 0.05 * (phi**2).sum(1).mean()
    kernel = phi[:7] @ np.linalg.inv(phi.T @ phi + ridge * np.eye(8)) @ phi.T
    assert found.dtype == np.float32
    assert found == pytest.approx(kernel / (1 + np.exp(margins)), rel=1e-4, abs=1e-6)


def test_trak_predicts_what_leaving_each_point_out_does(points):
    """Refitted without a point, a query's log-odds fall the more, the higher the point scored.

    TRAK leaves the weights p(1 - p) out of the kernel, so that it is not exact.
    """
    x, classes = points
    signs = 2.0 * classes - 1
    w = fitted(x, signs)
    data = encoded(np.arange(40)[:, None], classes[:, None])
    model = Linear(x, np.stack([np.zeros(4), w]))
    trak = replace(TRAK, damping=1e-6)
    found = trak([model], data, data.text[:10], data.codes[:10], dimension=99)
    agreement = []
    for query in range(10):
        true = [
            signs[query] * x[query] @ (w - fitted(np.delete(x, row, 0), np.delete(signs, row)))
            for row in range(40)
        ]
        agreement.append(spearmanr(found[query], true).statistic)
    assert min(agreement) > 0.7
    assert np.mean(agreement) > 0.9


def test_d_trak_of_a_linear_regression_is_a_weighted_leverage(points):
    """One code: the squared prediction's gradient is 2(xᵀw)x, and no label has a part in it."""
    x, _ = points
    w = np.array([[0.5, -1.0, 2.0, 0.3]])
    data = encoded(np.arange(40)[:, None], np.zeros((40, 1), np.int64), code_count=1)
    d_trak = replace(D_TRAK, damping=1e-7)
    found = d_trak([Linear(x, w)], data, data.text[:5], data.codes[:5])
    phi = 2 * (x @ w[0])[:, None] * x
    hat = phi @ np.linalg.inv(phi.T @ phi) @ phi.T
    assert found == pytest.approx(hat[:5], abs=1e-4)


def test_grad_dot_of_a_softmax_model_is_the_closed_form(points):
    x, classes = points
    w = np.random.default_rng(3).normal(size=(2, 4))
    data = encoded(np.arange(40)[:, None], classes[:, None])
    found = GRAD_DOT([Linear(x, w)], data, data.text[:6], data.codes[:6])
    p = np.exp(x @ w.T) / np.exp(x @ w.T).sum(1, keepdims=True)
    apart = np.eye(2)[classes] - p
    assert found == pytest.approx(((apart @ apart.T) * (x @ x.T))[:6], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("output", [log_odds, mean_square, likelihood])
def test_gradients_of_a_transformer_are_its_differences(learnt, output):
    """Along a random direction, the gradient is what a small step changes."""
    model, data = learnt
    parameters = [p.detach() for p in model.parameters()]
    count = sum(p.numel() for p in parameters)
    torch.manual_seed(0)
    ways = [torch.randn_like(p) * 1e-4 for p in parameters]
    whole = projection(count, count, [0])
    found = project_gradients(model, output, data.text[:1], data.codes[:1], whole)[0]

    def value(share):
        moved = {
            name: p + share * way
            for (name, p), way in zip(model.named_parameters(), ways, strict=True)
        }
        other = copy.deepcopy(model)
        other.load_state_dict(moved)
        with torch.no_grad():
            logits = other.double().image_logits(data.text[:1], data.codes[:1])[0]
            return float(output(logits, data.codes[0]))

    predicted = float(torch.cat([way.flatten() for way in ways]).double().numpy() @ found)
    assert predicted == pytest.approx((value(1) - value(-1)) / 2, rel=2e-2)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_generation_that_is_a_training_picture_has_itself_first(learnt, method):
    model, data = learnt
    found = method([model], data, data.text, data.codes)
    assert found.shape == (COUNT, COUNT)
    assert found.argmax(1).tolist() == list(range(COUNT))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_seed_gives_the_same_scores_and_another_others(learnt, method):
    model, data = learnt
    asked = data.text[:3], data.codes[:3]
    once = method([model], data, *asked, dimension=64, seed=4)
    assert np.array_equal(once, method([model], data, *asked, dimension=64, seed=4))
    assert not np.allclose(once, method([model], data, *asked, dimension=64, seed=5))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_how_many_are_asked_at_once_makes_no_difference(learnt, method):
    model, data = learnt
    together = method([model], data, data.text[:4], data.codes[:4])
    alone = [
        method([model], data, data.text[i : i + 1], data.codes[i : i + 1])[0] for i in range(4)
    ]
    # A score is a sum of products that cancel: its rounding is that of the largest of them, and
    # a score of a picture for itself is a sum of squares, which is as large as they come.
    rounding = 64 * float(np.finfo(np.float32).eps * np.abs(together).max())
    assert np.array(alone) == pytest.approx(together, rel=1e-5, abs=rounding)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_order_of_the_pictures_makes_no_difference(learnt, method):
    model, data = learnt
    order = np.random.default_rng(0).permutation(COUNT)
    turned = replace(data, text=data.text[order], codes=data.codes[order])
    straight = method([model], data, data.text[:4], data.codes[:4])
    shuffled = method([model], turned, data.text[:4], data.codes[:4])
    assert shuffled == pytest.approx(straight[:, order], rel=1e-4, abs=1e-6)


def test_batches_of_probabilities_make_no_difference(learnt, monkeypatch):
    model, data = learnt
    whole = TRAK([model], data, data.text[:2], data.codes[:2])
    monkeypatch.setattr("attribution.validation.methods.gradients._BATCH", 7)
    assert TRAK([model], data, data.text[:2], data.codes[:2]) == pytest.approx(whole, rel=1e-5)


def test_models_are_averaged_before_the_factors_are_multiplied(points):
    x, classes = points
    data = encoded(np.arange(40)[:, None], classes[:, None])
    draw = np.random.default_rng(8)
    models = [Linear(x, draw.normal(size=(2, 4)) * scale) for scale in (0.1, 3)]
    asked = data.text[:5], data.codes[:5]
    alone = [TRAK([model], data, *asked, dimension=99) for model in models]
    signed = x * (2 * classes - 1)[:, None]
    doubts = []
    for model in models:
        w = model.weight.detach().numpy()
        doubts.append(1 / (1 + np.exp(signed @ (w[1] - w[0]))))
    kernels = [one / doubt for one, doubt in zip(alone, doubts, strict=True)]
    expected = np.mean(kernels, 0) * np.mean(doubts, 0)
    assert TRAK(models, data, *asked, dimension=99) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dimension", [1, 3, 250, 1024])
def test_projection_keeps_lengths_in_the_mean(dimension):
    matrix = projection(5000, dimension, [0])
    assert matrix.shape == (dimension, 5000)
    assert np.asarray((matrix**2).sum(0)) == pytest.approx(1)
    draw = np.random.default_rng(1)
    x = draw.normal(size=(5000, 200))
    lengths = ((matrix @ x) ** 2).sum(0) / (x**2).sum(0)
    assert lengths.mean() == pytest.approx(1, abs=0.2 / dimension**0.5 + 0.03)


def test_projection_onto_as_many_numbers_is_none():
    assert np.array_equal(projection(6, 6, [0]).toarray(), np.eye(6))
    assert np.array_equal(projection(6, 99, [0]).toarray(), np.eye(6))


def test_projected_scores_are_close_to_the_whole_ones(learnt):
    model, data = learnt
    whole = TRAK([model], data, data.text, data.codes, dimension=10**9)
    near = TRAK([model], data, data.text, data.codes, dimension=2048)
    assert np.corrcoef(whole.ravel(), near.ravel())[0, 1] > 0.98


def test_a_frozen_model_is_scored_and_left_as_it_was(learnt):
    model, data = learnt
    free = D_TRAK([model], data, data.text[:2], data.codes[:2])
    frozen = copy.deepcopy(model).requires_grad_(requires_grad=False)
    assert np.array_equal(D_TRAK([frozen], data, data.text[:2], data.codes[:2]), free)
    assert not any(p.requires_grad for p in frozen.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, frozen.state_dict()[name])


def test_nothing_asked_gives_nothing(learnt):
    model, data = learnt
    assert TRAK([model], data, data.text[:0], data.codes[:0]).shape == (0, COUNT)


def test_a_model_that_diverged_is_an_error(points):
    x, classes = points
    data = encoded(np.arange(40)[:, None], classes[:, None])
    with pytest.raises(ProofError, match=r"those of 40 \(the first in row 0\); the model diverged"):
        TRAK([Linear(x, np.full((2, 4), np.nan))], data, data.text, data.codes)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"models": []}, "at least one model"),
        ({"queries_codes": torch.zeros((2, LENGTH + 1), dtype=torch.int64)}, "expected codes"),
        ({"queries_codes": torch.zeros((3, LENGTH), dtype=torch.int64)}, "expected codes"),
        ({"queries_text": torch.zeros((2, 99), dtype=torch.int64)}, "expected text"),
        ({"dimension": 0}, "dimension"),
    ],
)
def test_what_does_not_fit_is_said(learnt, method, changed, told):
    model, data = learnt
    asked = {
        "models": [model],
        "data": data,
        "queries_text": data.text[:2],
        "queries_codes": data.codes[:2],
    }
    with pytest.raises(ValueError, match=told):
        method(**(asked | changed))


@pytest.mark.parametrize("damping", [0.0, -1.0, float("nan"), float("inf")])
def test_a_damping_that_cannot_be_is_refused(damping):
    with pytest.raises(ValueError, match="expected a damping above 0"):
        GradientMethod(log_odds, damping)
