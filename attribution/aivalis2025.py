"""The ranker that whence set out from, as it was published; the baseline of every comparison.

Aivalis & Klampanos, "Enhancing Interpretability in Generative AI Through Search-Based Data
Influence Analysis" (arXiv 2504.01771), and the scripts of their experiments. The 100 candidates
whose texts are nearest to the prompt (TF-IDF) are compared with each generation of it in nine
terms. Their weighted sum, averaged over the generations, is a distance: lower is closer.

Followed to the letter, faults included, for a baseline that is mended is another method:

- MSE is summed over the three colours: three times the usual mean.
- SSIM does not compare the two pictures. It compares black with the grey of what is left of the
  generation when the candidate is taken from it, and where the candidate is lighter nothing is.
- KL is taken of raw activations, which are no probabilities; it can be negative. It is of the
  generation from the candidate, the candidate's activations raised to at least 1e-10; without that
  floor any two real pictures are infinitely far apart.
- Terms are not normalised, and candidates that share no word with the prompt fill the list up to
  100. Something is always first: there is no verdict.
- Pictures are brought to one size without smoothing: bilinear to the mean size of all that are
  compared, nearest pixel for the network.

A picture that is the generation itself has the distance -3, and none can be nearer: each of the
nine terms is then at its best but for KL, and KL plus Manhattan, of equal weight, is never below 0.

But: pictures and texts are those of the gallery (pictures at most 512 pixels a side, upright, in
sRGB; titles beside captions). The prompt's flags and links are not looked for.
The network computes in the precision of the embedding channel. Ties stand by id. Without a prompt
every candidate is compared, as in their own web search. Grids are compared whole, as theirs were.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.errors import GalleryError
from attribution.gallery import Gallery
from attribution.query import Query
from attribution.ranking import Match, Ranking
from attribution.tfidf import TfidfIndex
from harvester.images import PictureError, open_picture

log = logging.getLogger(__name__)

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

SHORTLIST = 100
"""Candidates that the text lets through."""

KL_FLOOR = 1e-10

_MAP_SIDE = 224
_SSIM_WINDOW = 7
_PICKED_AT_ONCE = 256
_COMPARED_AT_ONCE = 16
"""A map is 400 kB: no more than these are in memory, beside those of the generations."""


class Mapper(Protocol):
    """Anything that turns pictures into maps of activations, each 0 or more."""

    def maps(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, d) float32, one flattened map a row."""
        ...


def rank(generations: Sequence[Query], gallery: Gallery, mapper: Mapper, *, k: int = 10) -> Ranking:
    """The k candidates nearest to all generations of one prompt, which is the first one's.

    A match's score is the distance with its sign turned, and so are the channels that are
    distances, so that higher is closer here too.

    Raises:
        GalleryError: if a candidate is gone from its dataset, or no picture can be decoded.
    """
    rows = shortlist([text.body for text in gallery.texts], generations[0].words)
    terms = _compare([query.views[0].picture for query in generations], rows, gallery, mapper)
    usable = np.isfinite(terms).all(axis=1)
    rows, terms = rows[usable], terms[usable]
    distances = combine(terms)
    # The rows are in the order of ids, and the sort is stable: ties stand by id.
    best = np.argsort(distances, kind="stable")[:k]
    first = generations[0]
    query = replace(first, name=_name(generations), views=first.views[:1])
    matches = [
        Match(
            candidate_id=gallery.ids[rows[place]],
            rank=number,
            score=-float(distances[place]),
            verdict=None,
            tile=None,
            channels={
                name: float(value if WEIGHTS[name] < 0 else -value)
                for name, value in zip(WEIGHTS, terms[place], strict=True)
            },
        )
        for number, place in enumerate(best, 1)
    ]
    return Ranking(query, tuple(matches), len(gallery.ids), found=None)


def _name(generations: Sequence[Query]) -> str:
    more = len(generations) - 1
    return generations[0].name + (f" and {more:,} more" if more else "")


def shortlist(texts: Sequence[str], prompt: str | None) -> NDArray[np.int64]:
    """Rows of the `SHORTLIST` texts nearest to a prompt, ascending; all without a prompt.

    Equally near ones are taken in their order.
    """
    if prompt is None or len(texts) <= SHORTLIST:
        return np.arange(len(texts))
    return np.sort(np.argsort(-TfidfIndex(texts).scores(prompt), kind="stable")[:SHORTLIST])


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


def _compare(
    generations: Sequence[NDArray[np.uint8]],
    rows: NDArray[np.int64],
    gallery: Gallery,
    mapper: Mapper,
) -> NDArray[np.float64]:
    """Terms (n, 9) of candidates, averaged over the generations; NaN where there is no picture.

    Candidates are read twice: the size that pixels are compared at is known after the first time.
    Equal pictures get equal terms: what stands beside a picture in the network's batch changes its
    map's last digits, and they must tie.
    """
    ids = [gallery.ids[row] for row in rows]
    first: dict[bytes, int] = {}
    same_as = np.arange(len(ids))
    terms = np.full((len(ids), len(WEIGHTS)), np.nan)
    shapes = [picture.shape for picture in generations]
    maps = mapper.maps([_nearest(picture) for picture in generations])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for places, pictures in _opened(ids, gallery, pool):
            shapes += [picture.shape for picture in pictures]
            digests = pool.map(_digest, pictures)
            same_as[places] = [first.setdefault(d, p) for d, p in zip(digests, places, strict=True)]
            here = mapper.maps(list(pool.map(_nearest, pictures)))
            terms[places, RAW:] = np.mean([latent_terms(one, here) for one in maps], axis=0)
        size = common_size(shapes)
        queries = [_resized(picture, size) for picture in generations]

        def compare_pixels(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
            resized = _resized(picture, size)
            found: NDArray[np.float64] = np.mean([raw_terms(q, resized) for q in queries], axis=0)
            return found

        for places, pictures in _opened(ids, gallery, pool):
            terms[places, :RAW] = list(pool.map(compare_pixels, pictures))
    if ids and np.isnan(terms).all():
        raise GalleryError(
            f"{gallery.folders[0]}: expected pictures, found none that can be decoded; harvest "
            "the candidates again"
        )
    equal: NDArray[np.float64] = terms[same_as]
    return equal


def _opened(
    ids: Sequence[str], gallery: Gallery, pool: ThreadPoolExecutor
) -> Iterator[tuple[list[int], list[NDArray[np.uint8]]]]:
    """Candidates' pictures, a few at a time, with their places in `ids`."""
    for begin in range(0, len(ids), _PICKED_AT_ONCE):
        picked = gallery.pick(ids[begin : begin + _PICKED_AT_ONCE])
        end = min(begin + _PICKED_AT_ONCE, len(ids))
        for first in range(begin, end, _COMPARED_AT_ONCE):
            places = range(first, min(first + _COMPARED_AT_ONCE, end))
            opened = pool.map(_open, (picked[ids[place]].image for place in places))
            both = [(p, one) for p, one in zip(places, opened, strict=True) if one is not None]
            if len(both) < len(places):
                log.warning(
                    "%d stored pictures cannot be decoded; left out", len(places) - len(both)
                )
            if both:
                yield [place for place, _ in both], [picture for _, picture in both]


def _open(body: bytes | None) -> NDArray[np.uint8] | None:
    try:
        return open_picture(body or b"").rgb
    except PictureError:
        return None


def _digest(picture: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _nearest(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At the network's size, each pixel the one nearest to its middle, as Keras loads pictures."""
    size = (_MAP_SIDE, _MAP_SIDE)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


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
