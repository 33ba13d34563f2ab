"""Whitening against scikit-learn's, its ridge accounted for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.descriptors.whitening import (
    BASE,
    CHANNEL,
    DIMENSION,
    fit_whitening,
    load_whitening,
    with_derived,
    write_whitening,
)
from attribution.errors import WeightsMissingError


def unit_rows(count: int = 600, dimension: int = 40) -> np.ndarray:
    """Directions of very different variance, as embeddings have."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(count, dimension)) * np.geomspace(3, 0.05, dimension) + 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_fit_is_principal_components_over_their_ridged_deviations():
    rows = unit_rows()
    reference = PCA(12, whiten=True, svd_solver="full").fit(rows.astype(np.float64))
    variances = reference.explained_variance_ * (len(rows) - 1) / len(rows)
    shrunk = np.sqrt(reference.explained_variance_ / (variances + 0.1 * variances.mean()))
    expected = reference.transform(rows.astype(np.float64)) * shrunk
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = fit_whitening(rows, 12)(rows)
    signs = np.sign((found * expected).sum(axis=0))
    assert found.dtype == np.float32
    assert found.shape == (600, 12)
    np.testing.assert_allclose(found * signs, expected, atol=4e-3)  # kept as float16
    cosines = (found * signs * expected).sum(axis=1)
    assert cosines.min() > 0.9999


def test_rows_have_length_one_and_the_mean_itself_stays_finite():
    fit = fit_whitening(unit_rows(), 12)
    np.testing.assert_allclose(np.linalg.norm(fit(unit_rows()), axis=1), 1, atol=1e-5)
    assert np.abs(fit(fit.mean[None])).max() == 0


def test_a_fit_comes_back_from_its_file(tmp_path):
    fit = fit_whitening(unit_rows(), 12)
    write_whitening(tmp_path / "w.safetensors", fit)
    again = load_whitening(tmp_path / "w.safetensors")
    assert again.digest == fit.digest
    np.testing.assert_array_equal(again(unit_rows()), fit(unit_rows()))


@pytest.mark.parametrize("body", [None, b"", b"no safetensors at all", b"\xff" * 64])
def test_a_file_that_is_no_fit_is_refused(tmp_path, body):
    path = tmp_path / "w.safetensors"
    if body is not None:
        path.write_bytes(body)
    with pytest.raises(WeightsMissingError, match="expected the fitted whitening") as caught:
        load_whitening(path)
    assert "\n" not in str(caught.value)


def test_the_shipped_fit_is_of_the_embeddings_dimension():
    fit = load_whitening()
    assert fit.mean.shape == (ResNet50Gem.dimension,)
    assert fit.projection.shape == (ResNet50Gem.dimension, DIMENSION)
    # Principal directions are at right angles; numbers in another order are not.
    lengths = np.linalg.norm(fit.projection, axis=0)
    cosines = fit.projection.T @ fit.projection / np.outer(lengths, lengths)
    assert np.abs(cosines - np.eye(DIMENSION)).max() < 1e-3
    rows = np.random.default_rng(1).random((3, ResNet50Gem.dimension), np.float32)
    derived = with_derived({BASE: rows})
    assert derived.keys() == {BASE, CHANNEL}
    np.testing.assert_array_equal(derived[BASE], rows)
    assert with_derived({"other": rows}).keys() == {"other"}
