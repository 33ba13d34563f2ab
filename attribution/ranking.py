"""Query and gallery → ranked matches, each with the scores that it stands on.

Two stages, as in Aivalis & Klampanos (arXiv 2504.01771): the candidates whose texts or features are
nearest make a pool, and the pool is compared in every channel. But: theirs took the texts alone
for the first stage, so that a source without a caption could not be found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.embeddings import Embedder
from attribution.fusion import blend, likeness, relevance
from attribution.gallery import Gallery
from attribution.hashes import BITS, agreement
from attribution.query import Query
from attribution.verdicts import Verdict, near_copies

POOL = 1000
"""Candidates that each of the two ways into the pool lets in at most."""


@dataclass(frozen=True, slots=True)
class Match:
    """One candidate's place.

    Attributes:
        rank: 1-based; equal scores stand in the order of their ids.
        score: 0 to 1 from likeness and text; a near copy stands above all, with 1 + its PDQ
            agreement.
        tile: the tile of a grid that this candidate is nearest to; None for the whole picture.
        channels: raw scores by channel, higher is closer (`descriptors.CHANNELS` explains them);
            NaN where a candidate has none.
    """

    candidate_id: str
    rank: int
    score: float
    verdict: Verdict
    tile: int | None
    channels: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The matches of one query, best first.

    Attributes:
        gallery_size: how many candidates were searched.
        near_copies: how many of all those are near copies, shown or not; None where the ranker
            does not look for them.
    """

    query: Query
    matches: tuple[Match, ...]
    gallery_size: int
    near_copies: int | None

    @property
    def conclusion(self) -> str:
        """What the whole ranking amounts to, in a sentence or two."""
        searched = (
            f"{self.gallery_size:,} candidate{'' if self.gallery_size == 1 else 's'} searched"
        )
        subject = "the generated picture"
        if self.query.is_grid:
            subject += " or of one of its tiles"
        if self.near_copies is None:
            return (
                f"An order and no evidence: {searched}, none of them tested for being a copy. "
                "This ranker always puts one first."
            )
        if not self.near_copies:
            return (
                f"No evidence: among {searched} there is no near copy of {subject}. "
                "They are listed by likeness and words, which alone are no evidence."
            )
        one = self.near_copies == 1
        found = "there is a near copy" if one else f"there are {self.near_copies:,} near copies"
        return f"Among {searched} {found} of {subject}."


def rank(query: Query, gallery: Gallery, embedder: Embedder, *, k: int = 10) -> Ranking:
    """The k candidates nearest to a query, over its tiles where it is a grid.

    Deterministic: depends neither on the order in which candidates were harvested nor on which
    others are in the gallery, but for the text channel's scale.
    """
    queries = embedder.embed([view.picture for view in query.views])
    text = gallery.text_index.scores(query.words) if query.words else None
    scored = _score(query, gallery, queries, text, k)
    # What is shown, or called a copy, must hold: its hash is compared with its picture's.
    while gallery.check_hashes({*scored.pool[scored.best], *np.flatnonzero(scored.copies)}):
        scored = _score(query, gallery, queries, text, k)
    pool, best = scored.pool, scored.best
    channels = {"pdq": scored.pdq[pool], gallery.embedding: scored.cosines}
    channels |= {name: _best_agreement(query, gallery, name, pool) for name in ("phash", "dhash")}
    if text is not None:
        channels["bm25"] = text[pool]
    matches = [
        Match(
            candidate_id=gallery.ids[pool[place]],
            rank=number,
            score=float(scored.score[place]),
            verdict=Verdict.NEAR_COPY if scored.copies[pool[place]] else Verdict.LIKENESS,
            tile=query.views[scored.view[place]].tile,
            channels={name: float(values[place]) for name, values in channels.items()},
        )
        for number, place in enumerate(best, 1)
    ]
    return Ranking(query, tuple(matches), len(gallery.ids), int(scored.copies.sum()))


@dataclass(frozen=True, slots=True)
class _Scored:
    """A query's scores: pdq and copies over the gallery, the rest over the pool.

    Attributes:
        pool: rows of the gallery, ascending.
        view: which of the query's views each candidate is nearest to.
        best: places in the pool, best first.
    """

    pdq: NDArray[np.float32]
    copies: NDArray[np.bool_]
    pool: NDArray[np.int64]
    cosines: NDArray[np.float32]
    score: NDArray[np.float32]
    view: NDArray[np.int64]
    best: NDArray[np.int64]


def _score(
    query: Query,
    gallery: Gallery,
    queries: NDArray[np.float32],
    text: NDArray[np.float32] | None,
    k: int,
) -> _Scored:
    pdq, copies, copy_view = _compare_pdq(query, gallery)
    pool = _pool(gallery, queries, text, copies)
    cosines = queries @ gallery.vectors[pool].T
    relevances = None if text is None else relevance(text[pool], float(text.max()))
    blended = blend(likeness(cosines.max(axis=0)), relevances)
    score = np.where(copies[pool], 1 + pdq[pool], blended)
    # The pool is in the order of ids, and the sort is stable: ties stand by id.
    return _Scored(
        pdq=pdq,
        copies=copies,
        pool=pool,
        cosines=cosines.max(axis=0),
        score=score,
        view=np.where(copies[pool], copy_view[pool], cosines.argmax(axis=0)),
        best=np.argsort(-score, kind="stable")[:k],
    )


def _compare_pdq(
    query: Query, gallery: Gallery
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """Over the whole gallery: best PDQ agreement, which are near copies, and of which view."""
    words, there = gallery.hashes["pdq"]
    scores = np.stack(
        [agreement(view.hashes["pdq"], words, there, BITS["pdq"]) for view in query.views]
    )
    copies = np.stack(
        [
            near_copies(row, gallery.pdq_quality, view.pdq_quality)
            for row, view in zip(scores, query.views, strict=True)
        ]
    )
    # A view without structure agrees with much and proves nothing: where any view makes a near
    # copy, the nearest such view speaks, and else the best agreement of all.
    proven = np.where(copies, scores, np.float32(-math.inf))
    is_copy: NDArray[np.bool_] = np.logical_or.reduce(copies)
    best: NDArray[np.float32] = np.where(is_copy, proven.max(axis=0), np.fmax.reduce(scores))
    return best, is_copy, proven.argmax(axis=0)


def _best_agreement(
    query: Query, gallery: Gallery, channel: str, pool: NDArray[np.int64]
) -> NDArray[np.float32]:
    words, there = gallery.hashes[channel]
    turns = [turn for view in query.views for turn in view.hashes[channel]]
    return agreement(turns, words[pool], there[pool], BITS[channel])


def _pool(
    gallery: Gallery,
    queries: NDArray[np.float32],
    text: NDArray[np.float32] | None,
    copies: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Rows of the candidates that are compared, ascending: near copies, neighbours, texts."""
    if len(gallery.ids) <= POOL:
        return np.arange(len(gallery.ids))
    chosen = [np.flatnonzero(copies), gallery.vector_index.nearest(queries, POOL).ravel()]
    if text is not None:
        top = np.argsort(-text, kind="stable")[:POOL]
        chosen.append(top[text[top] > 0])
    return np.unique(np.concatenate(chosen))
