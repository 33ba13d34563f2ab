"""These are attribution methods that look inside the model: TRAK, D-TRAK and gradient products.

Each asks how a picture's gradient of some output f of the model lies to the generated picture's.
With φ the gradient of f by all parameters, projected at random, and Φ (n, k) those of all pictures:

- `trak`: Park et al., "TRAK: Attributing Model Behavior at Scale" (2023, arXiv 2303.14186, section
  3.2, steps 1 to 4): φ(z)ᵀ(ΦᵀΦ + λI)⁻¹φ(xᵢ) · (1 − pᵢ), both factors averaged over the models
  before they are multiplied. f is the log-odds log(p / (1 − p)) of each token, summed over a
  picture's tokens, each a choice among all codes; pᵢ is the mean of its tokens' p.
- `d-trak`: Zheng et al., "Intriguing Properties of Data Attribution on Diffusion Models" (2024,
  arXiv 2311.00500): f has nothing to do with the loss, and the factor (1 − pᵢ) goes. Their squared
  norm of the noise that a diffusion model predicts, averaged over its elements and over time steps,
  is here that of the logits, averaged over codes and tokens.
- `grad-dot`: Pruthi et al., "Estimating Training Data Influence by Tracing Gradient Descent" (2020,
  arXiv 2002.08484), at the last checkpoint alone: ∇L(z)ᵀ∇L(xᵢ), L the pictures' part of the loss.

Higher: the picture made the generated one more likely. The projection is a sparse
Johnson–Lindenstrauss transform (Kane & Nelson, "Sparser Johnson–Lindenstrauss Transforms", 2014)
in the place of a dense one: it is held in memory at once, and costs less than the gradient. One
picture's gradient is there at a time: batches by `torch.func.vmap` gain little on a CPU.

The authors' own package, `traker`, gives the same scores for a linear model, up to one factor. It
is not used: it has no output for sequences of tokens, and its dense projections want a GPU.

But: the captions' part of the loss is left out; TRAK's soft threshold too, for all pictures are
ranked; λ is given relative to the gradients, since no constant would fit models of several sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg, sparse
from torch import nn
from torch.nn import functional

from attribution.errors import ProofError
from attribution.validation.model.dalle import Dalle, TokenModel
from attribution.validation.model.process_pool import one_thread
from attribution.validation.model.training import EncodedPictures

DIMENSION = 1024
"""Numbers that are left of a gradient."""
DAMPING = 0.1
"""λ, in mean squared lengths of a training picture's projected gradient.

Between 0.0001 and 1, the linear datamodeling score of a small model hardly depends on it.
"""
_NONZERO = 4
"""Numbers of the projected gradient that each parameter goes into."""
_BATCH = 64
Output = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Logits (t, codes) and codes (t,) → one number."""


def log_odds(logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """TRAK's output: Σ log(p / (1 − p)) over the tokens."""
    return _margins(logits, codes).sum()


def mean_square(logits: torch.Tensor, _codes: torch.Tensor) -> torch.Tensor:
    """D-TRAK's output: the logits' squared norm over their number."""
    return logits.square().mean()


def likelihood(logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Mean log-likelihood of the tokens, nats: what training raises."""
    return -functional.cross_entropy(logits, codes)


@dataclass(frozen=True, slots=True)
class GradientMethod:
    """A ranking by gradients.

    Attributes:
        output: of the model, whose gradients are compared.
        damping: λ, above 0, in mean squared lengths of a training picture's projected gradient;
            None for plain products.
        doubts: whether the factor (1 − p) belongs to it.

    Raises:
        ValueError: if the damping does not fit.
    """

    output: Output
    damping: float | None = DAMPING
    doubts: bool = False

    def __post_init__(self) -> None:
        if self.damping is not None and not 0 < self.damping < math.inf:
            raise ValueError(f"expected a damping above 0, found {self.damping}")

    def __call__(
        self,
        models: Sequence[Dalle],
        data: EncodedPictures,
        queries_text: torch.Tensor,
        queries_codes: torch.Tensor,
        *,
        dimension: int = DIMENSION,
        seed: int = 0,
    ) -> NDArray[np.float32]:
        """Scores of training pictures for generated ones.

        Args:
            models: trained on all of `data`, by several seeds; at least one.
            data: n pictures.
            queries_text: captions (q, l) int64 that were asked for.
            queries_codes: (q, t) int64 that were generated.
            dimension: of the projection; from the number of parameters on, nothing is projected.
            seed: of the projections; each model has its own.

        Returns:
            (q, n) float32, higher where the picture made the generated one more likely.

        Raises:
            ValueError: without models, or if a shape or the dimension does not fit.
            ProofError: if a gradient is not finite, as those of a model that diverged.
        """
        queries = queries_text, queries_codes
        pairs = _pairs(models, data, queries, self.output, dimension=dimension, seed=seed)
        scores = _mean(
            [
                z @ x.T if self.damping is None else ridge_kernel(z, x, self.damping)
                for z, x in pairs
            ]
        )
        if self.doubts:
            scores = scores * _mean([_doubts(model, data) for model in models])
        return np.asarray(scores, np.float32)


METHODS = {
    "trak": GradientMethod(log_odds, doubts=True),
    "d-trak": GradientMethod(mean_square),
    "grad-dot": GradientMethod(likelihood, damping=None),
}


def projection(parameters: int, dimension: int, seed: Sequence[int]) -> sparse.csc_array:
    """A matrix (dimension, parameters) float32 that keeps scalar products in the mean.

    Each column has a few numbers ±1/√few, one in each of as many equal parts of the rows; from as
    many rows as columns on, it is the identity instead. The same seed gives the same matrix.
    """
    if dimension >= parameters:
        return sparse.eye_array(parameters, dtype=np.float32, format="csc")
    draw = np.random.default_rng(seed)
    few = min(_NONZERO, dimension)
    edges = np.arange(few + 1) * dimension // few
    rows = draw.integers(edges[:-1], edges[1:], (parameters, few), dtype=np.int32)
    signs = draw.integers(0, 2, (parameters, few), dtype=np.int8).astype(np.float32) * 2 - 1
    starts = np.arange(0, parameters * few + 1, few, dtype=np.int32)
    values = signs.ravel() / np.float32(few**0.5)
    return sparse.csc_array((values, rows.ravel(), starts), shape=(dimension, parameters))


def project_gradients(
    model: TokenModel,
    output: Output,
    text: torch.Tensor,
    codes: torch.Tensor,
    project: sparse.csc_array,
) -> NDArray[np.float32]:
    """Gradients of a model's output for each of n pictures, projected: (n, k) float32.

    The model is not changed, whether its parameters are frozen or not.

    Raises:
        ProofError: if one is not finite.
    """
    losses = _QueryLosses(model, output)
    leaves = {name: p.detach().requires_grad_() for name, p in losses.named_parameters()}
    gradients = np.empty((len(text), project.shape[0]), np.float32)
    with one_thread():
        for row in range(len(text)):
            value = torch.func.functional_call(losses, leaves, (text[row], codes[row]))
            parts = torch.autograd.grad(value, list(leaves.values()), materialize_grads=True)
            gradients[row] = project @ torch.cat([part.flatten() for part in parts]).numpy()
    broken = np.flatnonzero(~np.isfinite(gradients).all(1))
    if len(broken):
        raise ProofError(
            f"expected finite gradients of {len(gradients):,} pictures, found NaN or infinity in "
            f"those of {len(broken):,} (the first in row {broken[0]}); the model diverged: delete "
            "the run's models and bases, and take another --size"
        )
    return gradients


def ridge_kernel(
    queries: NDArray[np.floating], training: NDArray[np.floating], damping: float
) -> NDArray[np.float64]:
    """Φ_z (ΦᵀΦ + λI)⁻¹ Φᵀ of queries (q, k) and training (n, k): (q, n).

    λ is the damping times the mean squared length of the rows of `training`. Where there are fewer
    rows than columns, the same is solved as Φ_z Φᵀ (ΦΦᵀ + λI)⁻¹.
    """
    z, x = queries.astype(np.float64), training.astype(np.float64)
    ridge = damping * float(np.square(x).sum()) / max(len(x), 1)
    if not ridge:
        return np.zeros((len(z), len(x)))
    if x.shape[1] <= len(x):
        solved = linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T, assume_a="pos")
        return np.asarray(z @ solved)
    return np.asarray(linalg.solve(x @ x.T + ridge * np.eye(len(x)), x @ z.T, assume_a="pos").T)


class _QueryLosses(nn.Module):
    """A model and an output of it as one function of its parameters and a picture."""

    def __init__(self, model: TokenModel, output: Output) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, text: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return self.output(self.model.image_logits(text[None], codes[None])[0], codes)


def _pairs(
    models: Sequence[Dalle],
    data: EncodedPictures,
    queries: tuple[torch.Tensor, torch.Tensor],
    output: Output,
    *,
    dimension: int,
    seed: int,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Of each model, the queries' (q, k) and the data's (n, k) projected gradients."""
    text, codes = queries
    if not models:
        raise ValueError("expected at least one model, found none")
    if dimension < 1:
        raise ValueError(f"expected a dimension of at least 1, found {dimension}")
    for name, given, known in (("text", text, data.text), ("codes", codes, data.codes)):
        if given.shape != (len(text), known.shape[1]):
            raise ValueError(
                f"expected {name} of shape {(len(text), known.shape[1])}, as the data has it, "
                f"found {tuple(given.shape)}"
            )
    for number, model in enumerate(models):
        count = sum(p.numel() for p in model.parameters())
        project = projection(count, dimension, [seed, number])
        yield (
            project_gradients(model, output, text, codes, project),
            project_gradients(model, output, data.text, data.codes, project),
        )


@torch.no_grad()
def _doubts(model: TokenModel, data: EncodedPictures) -> NDArray[np.float64]:
    """1 − p of each picture, averaged over its tokens: (n,)."""
    rows = []
    for at in range(0, len(data.text), _BATCH):
        codes = data.codes[at : at + _BATCH]
        margins = _margins(model.image_logits(data.text[at : at + _BATCH], codes), codes)
        rows.append(torch.sigmoid(-margins).mean(1))
    return np.asarray(torch.cat(rows).double().numpy())


def _margins(logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """log(p / (1 − p)) of each token, without forming p: in float32 it is soon 1."""
    own = codes[..., None]
    others = logits.scatter(-1, own, -torch.inf).logsumexp(-1)
    return logits.gather(-1, own)[..., 0] - others


def _mean(parts: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    return np.asarray(np.mean(parts, axis=0), np.float64)
