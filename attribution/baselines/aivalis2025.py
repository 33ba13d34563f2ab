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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.baselines.aivalis2025_terms import (
    RAW,
    WEIGHTS,
    combine,
    common_size,
    latent_terms,
    raw_terms,
)
from attribution.descriptors.tfidf import TfidfIndex
from attribution.errors import GalleryError
from attribution.ranking.gallery import Gallery
from attribution.ranking.query import Query
from attribution.ranking.rank import Match, Ranking
from harvester.pictures.decode import try_open

log = logging.getLogger(__name__)
SHORTLIST = 100
"""Candidates that the text lets through."""
_MAP_SIDE = 224
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
    pictures = [query.views[0].picture for query in generations]
    group = _Group(pictures, rows, mapper)
    _compare([group], gallery, mapper)
    terms = group.terms
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


def distances(queries: Sequence[Query], gallery: Gallery, mapper: Mapper) -> NDArray[np.float64]:
    """The distance of each query, a single generation of its prompt, to each candidate.

    As `rank` gives, but for the last digits: every candidate is read and described once for all
    queries that compare it, in other company. Each query's map, 400 kB, stays in memory.

    Returns:
        (q, n), lower is closer; NaN where the text did not let a candidate through, or it has no
        picture.

    Raises:
        GalleryError: if a candidate is gone from its dataset, or no picture can be decoded.
    """
    texts = [text.body for text in gallery.texts]
    groups = [
        _Group([one.views[0].picture], shortlist(texts, one.words), mapper) for one in queries
    ]
    _compare(groups, gallery, mapper)
    found = np.full((len(queries), len(gallery.ids)), np.nan)
    for row, group in zip(found, groups, strict=True):
        row[group.rows] = combine(group.terms)
    return found


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


class _Group:
    """Generations of one prompt, and their terms (n, 9) with the candidates in some rows.

    Terms are averaged over the generations; NaN where there is no picture.
    """

    def __init__(
        self, generations: Sequence[NDArray[np.uint8]], rows: NDArray[np.int64], mapper: Mapper
    ) -> None:
        self.rows = rows
        self._terms = np.full((len(rows), len(WEIGHTS)), np.nan)
        self._number_of = {row: number for number, row in enumerate(rows.tolist())}
        self._same_as = np.arange(len(rows))
        self._first: dict[bytes, int] = {}
        self._generations = generations
        self._maps = mapper.maps([_nearest(picture) for picture in generations])
        self._shapes = [picture.shape for picture in generations]

    @property
    def terms(self) -> NDArray[np.float64]:
        """Equal pictures have equal ones.

        What stands beside a picture in the network's batch changes its map's last digits.
        """
        equal: NDArray[np.float64] = self._terms[self._same_as]
        return equal

    def compare_maps(
        self, rows: Sequence[int], pictures: Sequence[_Hashed], maps: NDArray[np.float32]
    ) -> None:
        chosen = [place for place, row in enumerate(rows) if row in self._number_of]
        numbers = [self._number_of[rows[place]] for place in chosen]
        for place, number in zip(chosen, numbers, strict=True):
            shape, digest = pictures[place]
            self._shapes.append(shape)
            self._same_as[number] = self._first.setdefault(digest, number)
        if chosen:
            each = [latent_terms(own, maps[chosen]) for own in self._maps]
            self._terms[numbers, RAW:] = np.mean(each, axis=0)

    def resize(self) -> None:
        """To the size that pixels are compared at; all candidates' maps have been compared."""
        self._size = common_size(self._shapes)
        self._resized = [_resized(picture, self._size) for picture in self._generations]

    def compare_pixels(self, row: int, picture: NDArray[np.uint8]) -> None:
        if row in self._number_of:
            resized = _resized(picture, self._size)
            each = [raw_terms(own, resized) for own in self._resized]
            self._terms[self._number_of[row], :RAW] = np.mean(each, axis=0)


def _compare(groups: Sequence[_Group], gallery: Gallery, mapper: Mapper) -> None:
    """Fill in all groups' terms.

    Candidates are read twice: the size that pixels are compared at is known after the first time.
    """
    rows = sorted({row for group in groups for row in group.rows.tolist()})
    ids = [gallery.ids[row] for row in rows]
    is_any = False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for places, pictures in _opened(ids, gallery, pool):
            is_any = True
            here = [rows[place] for place in places]
            hashed = list(pool.map(_hashed, pictures))
            maps = mapper.maps(list(pool.map(_nearest, pictures)))
            for group in groups:
                group.compare_maps(here, hashed, maps)
        for group in groups:
            group.resize()

        def compare_pixels(place: int, picture: NDArray[np.uint8]) -> None:
            for group in groups:
                group.compare_pixels(rows[place], picture)

        for places, pictures in _opened(ids, gallery, pool):
            list(pool.map(compare_pixels, places, pictures))
    if ids and not is_any:
        raise GalleryError(
            f"{gallery.folders[0]}: expected pictures, found none that can be decoded; harvest "
            "the candidates again"
        )


def _opened(
    ids: Sequence[str], gallery: Gallery, pool: ThreadPoolExecutor
) -> Iterator[tuple[list[int], list[NDArray[np.uint8]]]]:
    """Candidates' pictures, a few at a time, with their places in `ids`."""
    for begin in range(0, len(ids), _PICKED_AT_ONCE):
        picked = gallery.pick(ids[begin : begin + _PICKED_AT_ONCE])
        end = min(begin + _PICKED_AT_ONCE, len(ids))
        for first in range(begin, end, _COMPARED_AT_ONCE):
            places = range(first, min(first + _COMPARED_AT_ONCE, end))
            opened = pool.map(try_open, (picked[ids[place]].image for place in places))
            both = [(p, one) for p, one in zip(places, opened, strict=True) if one is not None]
            if len(both) < len(places):
                log.warning(
                    "%d stored pictures cannot be decoded; left out", len(places) - len(both)
                )
            if both:
                yield [place for place, _ in both], [picture for _, picture in both]


_Hashed = tuple[tuple[int, ...], bytes]
"""A picture's shape, and a hash of both."""


def _hashed(picture: NDArray[np.uint8]) -> _Hashed:
    digest = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()
    return picture.shape, digest


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _nearest(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At the network's size, each pixel the one nearest to its middle, as Keras loads pictures."""
    size = (_MAP_SIDE, _MAP_SIDE)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
