"""The nine terms of the published ranker, `aivalis2025`, which says where they come from. Pure.

But: followed to the letter, faults included; they are listed there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

WEIGHTS: Mapping[str, float] = {
    "mse": 1e-4,
    "mae": 1e-2,
    "cosine": -1.0,
    "ssim": -1.0,
    "emb_cosine": -1.0,
    "emb_mse": 1.0,
    "emb_kl": 1e-5,
    "emb_manhattan": 1e-5,
    "emb_l2": 1e-3,
}
"""Each term's weight, in the order of every array of terms: four of pixels, five of maps."""
RAW = 4
"""How many of the terms are of pixels."""
KL_FLOOR = 1e-10
_SSIM_WINDOW = 7


def combine(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (n,) from terms (n, 9) in the order of `WEIGHTS`."""
    distances: NDArray[np.float64] = terms @ np.array(list(WEIGHTS.values()))
    return distances


def common_size(shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """The mean width and height of pictures (h, w, …), cut to whole pixels.

    At least 7 by 7, which is what SSIM looks at.
    """
    height, width = np.array([shape[:2] for shape in shapes]).mean(axis=0).astype(int)
    return max(int(width), _SSIM_WINDOW), max(int(height), _SSIM_WINDOW)


def raw_terms(generation: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(4,) MSE, MAE, cosine and SSIM of two pictures (h, w, 3) uint8 RGB of one size.

    The cosine with a black picture is 0.
    """
    pixels = generation.shape[0] * generation.shape[1]
    squares = cv2.norm(generation, candidate, cv2.NORM_L2SQR)
    lengths = cv2.norm(generation, cv2.NORM_L2SQR), cv2.norm(candidate, cv2.NORM_L2SQR)
    product = (lengths[0] + lengths[1] - squares) / 2  # exact: all three are whole numbers
    scale = np.sqrt(lengths[0] * lengths[1])
    left = cv2.subtract(generation, candidate)  # 0 where the candidate is lighter
    grey = np.asarray(cv2.cvtColor(left, cv2.COLOR_RGB2GRAY), np.uint8)
    return np.array(
        [
            squares / pixels,
            cv2.norm(generation, candidate, cv2.NORM_L1) / (3 * pixels),
            product / scale if scale else 0.0,
            _ssim_with_black(grey),
        ]
    )


def latent_terms(
    generation: NDArray[np.float32], candidates: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(n, 5) cosine, MSE, KL, Manhattan and L2 of a map (d,) and maps (n, d), 0 or more.

    The cosine with a map of zeros is 0.
    """
    difference = candidates - generation
    squares = np.einsum("nd,nd->n", difference, difference).astype(np.float64)
    lengths = np.linalg.norm(candidates, axis=1) * np.linalg.norm(generation)
    # Where the generation's activation is 0, KL's term is 0 whatever the candidate's.
    active = np.flatnonzero(generation)
    mass = generation[active].astype(np.float64)
    logarithms = np.log(np.maximum(candidates[:, active], KL_FLOOR), dtype=np.float64)
    return np.stack(
        [
            np.divide(
                candidates @ generation, lengths, out=np.zeros_like(lengths), where=lengths > 0
            ),
            squares / len(generation),
            mass @ np.log(mass) - logarithms @ mass,
            np.abs(difference).sum(axis=1, dtype=np.float64),
            np.sqrt(squares),
        ],
        axis=1,
    )


def _ssim_with_black(grey: NDArray[np.uint8]) -> float:
    """SSIM (Wang et al. 2004) of a grey picture (h, w) with black, as scikit-image computes it.

    7 by 7 windows of equal weight that lie whole in the picture, sample variance, a range of 255.
    All of black's means and variances are 0, which leaves two factors of four.
    """
    window, area = (_SSIM_WINDOW, _SSIM_WINDOW), _SSIM_WINDOW**2
    luminance, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean = cv2.boxFilter(grey, cv2.CV_64F, window)
    mean_of_squares = cv2.sqrBoxFilter(grey, cv2.CV_64F, window)
    squared = mean**2
    variance = area / (area - 1) * (mean_of_squares - squared)
    similarity = luminance * contrast / ((squared + luminance) * (variance + contrast))
    rim = _SSIM_WINDOW // 2
    return float(similarity[rim:-rim, rim:-rim].mean())
