"""These are the arms of the counterfactual test: each scores all training pictures for a query.

An arm is a way to order the training pictures, of which the first K are then removed: whence as it
ranks, its image and its text channels alone, every channel by itself, plain cosine, and the formula
of Aivalis & Klampanos (arXiv 2504.01771). Whence, its channels and the cosine are what
`evaluate.systems` measures elsewhere. Whence's score and its shares stand beside, and the shares
that single channels would give: as orders they are arms already.

A picture is enlarged before it is shown: a model of 32 px is asked about, and the channels are made
for pictures of the web.

But: where an arm compares no more than a pool or a shortlist, the rest stands below, one step of
float32 under the last (the published formula: by its text score), so that every arm has a place
for every picture. The prompt's words are those of a caption, without a grammar and without names.
Models that embed texts (`--backbone`) take part in `whence` alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.baselines import aivalis2025
from attribution.baselines.peers import PlainCosine
from attribution.calibration import fusion
from attribution.calibration.significance import shares
from attribution.descriptors.hashes import BITS, agreement
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.descriptors.whitening import derived_from
from attribution.errors import ProofError
from attribution.evaluate.systems import (
    FUSED_IMAGES,
    FUSION,
    PUBLISHED,
    ScoreRow,
    Step,
    System,
    own_answer,
    peer_systems,
)
from attribution.prompt import PromptParts
from attribution.ranking.comparison import Comparison, compare, compare_texts
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import Query, query_from_bytes
from attribution.ranking.scores import ImageChannel, embed_query, score_images
from attribution.validation.methods.scores import Scored
from attribution.validation.model.dataset import enlarged
from attribution.validation.results import AS_SHARES, LOG_ODDS, SCORE

WHENCE = "whence"
"""The order of `rank.rank`: fused log-odds with regions and texts, near copies above."""
IMAGE = "image"
TEXT = "text"
COSINE = "cosine"
Z = " z"
"""Ends the names of standardised channels in `evaluate.systems`."""
TIMED = 3
"""Queries that every arm answers once more by itself, for its cost."""
_ENOUGH_S = 3.0
"""Seconds after which an arm's cost is known well enough, of however few queries."""
_LOWEST = np.float32(-np.inf)
_OF_WORDS = frozenset({TEXT, "bm25", "tfidf"})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rankers:
    """Training pictures, described for every arm; made by `open_rankers`."""

    gallery: Gallery
    setup: RankingSetup
    mapper: aivalis2025.Mapper
    cosine: System

    def score(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        prompts: Sequence[str],
        *,
        step: Step | None = None,
        timed: bool = True,
    ) -> Scored:
        """Ask every arm about every generated picture.

        Args:
            pictures: (h, w, 3) uint8 RGB each, as generated.
            prompts: of each picture its own; may be empty.
            step: called when whence and the cosine have answered to one more.
            timed: also ask arms alone, for their cost.

        Returns:
            The gallery's pictures; seconds are of a query asked of an arm alone, the mean over the
            first `TIMED`, or of as many as take three seconds; none unless timed. What is described
            once for all queries is not counted.

        Raises:
            ProofError: if there is no picture, one is of another shape or type, or prompts lack.
            GalleryError: if a training picture is gone from its dataset.
        """
        if not pictures or len(pictures) != len(prompts):
            raise ProofError(
                f"expected generated pictures and a prompt for each, found {len(pictures):,} "
                f"pictures and {len(prompts):,} prompts; generate them first"
            )
        queries = [
            show(picture, prompt, f"generation {number}")
            for number, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True), 1)
        ]
        shape = len(queries), len(self.gallery.ids)
        by_arm: dict[str, NDArray[np.float32]] = {}
        for number, query in enumerate(queries):
            for arm, row in self._rows(query).items():
                by_arm.setdefault(arm, np.full(shape, np.nan, np.float32))[number] = row
            if step is not None:
                step()
        by_arm[PUBLISHED] = self._published(queries)
        for rows in by_arm.values():
            _fill(rows)
        z = {name.removesuffix(Z): by_arm.pop(name) for name in list(by_arm) if name.endswith(Z)}
        if not timed:
            return Scored(by_arm, z, {})
        first = list(zip(pictures, prompts, strict=True))[:TIMED]
        opening = _clocked(lambda pair: show(*pair, "timed"), first)
        seconds = self._seconds(queries[:TIMED], opening)
        return Scored(by_arm, z, {arm: seconds[arm] for arm in by_arm})

    def _rows(self, query: Query) -> dict[str, ScoreRow]:
        own = own_answer(query, self.gallery, self.setup, standardised=True)
        rows = {
            WHENCE: as_ranked(own.compared),
            IMAGE: own.scores[FUSED_IMAGES],
            TEXT: _fused(own.scores, self.gallery, self.setup),
            **{name: own.scores[name] for name in own.scores if name not in {FUSION, FUSED_IMAGES}},
            COSINE: self.cosine.answer(query),
        }
        return rows | self._numbers(own.compared, rows[TEXT])

    def _numbers(self, compared: Comparison, text: ScoreRow) -> dict[str, ScoreRow]:
        """Whence's score and log-odds, and what is shared out, of which nothing is outside."""

        def over_all(inside: NDArray[np.floating], outside: float = 0.0) -> ScoreRow:
            row = np.full(len(self.gallery.ids), outside, np.float32)
            row[compared.rows] = inside
            return row

        def shared(log_odds: ScoreRow) -> ScoreRow:
            return shares(log_odds.astype(np.float64), 0.0)[0].astype(np.float32)

        by_method = {
            WHENCE: compared.odds_shares()[0],
            **compared.shares_by_images(),
        }
        return {
            SCORE: over_all(compared.score),
            LOG_ODDS: over_all(compared.log_odds, math.nan),
            **{f"{name}{AS_SHARES}": over_all(one) for name, one in by_method.items()},
            # Of these the log-odds of chance are known to be none.
            f"pdq{AS_SHARES}": shared(compared.hashed),
            f"{TEXT}{AS_SHARES}": shared(text),
        }

    def _published(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Minus the distance; what was not compared is below all that was, by its text score."""
        rows = -aivalis2025.distances(queries, self.gallery, self.mapper)
        for row, query in zip(rows, queries, strict=True):
            rest = np.isnan(row)
            text = self.gallery.tfidf_index.scores(query.words or "")
            row[rest] = row[~rest].min() - 2 + text[rest]  # a text score is 1 at most
        return rows.astype(np.float32)

    def _seconds(self, queries: Sequence[Query], opening: float) -> dict[str, float]:
        """By arm; those that look at the picture open it."""
        seconds = {arm: _clocked(ask, queries) for arm, ask in self._alone().items()}
        seconds[SCORE] = seconds[LOG_ODDS] = seconds[WHENCE]  # one comparison gives all
        by_arm = {arm: one + (0 if arm in _OF_WORDS else opening) for arm, one in seconds.items()}
        return by_arm | {f"{arm}{AS_SHARES}": one for arm, one in by_arm.items()}

    def _alone(self) -> dict[str, Callable[[Query], object]]:
        """Each arm as if it were the only one."""
        gallery, setup = self.gallery, self.setup

        def images(query: Query) -> object:
            query_vectors = embed_query(query, setup.embedders, setup.channels)
            scored = score_images(query_vectors, gallery.vectors, setup.background, setup.channels)
            return setup.fusion.log_odds(scored.z)

        return {
            WHENCE: lambda query: compare(query, gallery, setup),
            IMAGE: images,
            TEXT: lambda query: _fused(compare_texts(query, gallery), gallery, setup),
            "bm25": lambda query: gallery.text_scorers["bm25"].scores(
                query.prompt_parts or PromptParts()
            ),
            "tfidf": lambda query: gallery.tfidf_index.scores(query.words or ""),
            **{one.name: partial(self._nearest, one) for one in setup.channels},
            **{name: partial(self._agreeing, name) for name in BITS},
            COSINE: self.cosine.answer,
            PUBLISHED: lambda query: aivalis2025.distances([query], gallery, self.mapper),
        }

    def _nearest(self, channel: ImageChannel, query: Query) -> object:
        space = channel.space
        known = {one: {one.channel, *derived_from(one.channel)} for one in self.setup.embedders}
        embedders = [one for one, spaces in known.items() if space in spaces]
        rows = embed_query(query, embedders, [channel]).rows[space, channel.crop]
        return (rows @ self.gallery.vectors[space].T).max(axis=0)

    def _agreeing(self, name: str, query: Query) -> object:
        return agreement(query.views[0].hashes[name], *self.gallery.hashes[name], BITS[name])


def open_rankers(gallery: Gallery, setup: RankingSetup) -> Rankers:
    """Check the training pictures' hashes, and describe them for plain cosine.

    Raises:
        GalleryError: if a training picture is gone from its dataset.
    """
    # Whence corrects hashes as it goes: what it says must not depend on what was asked before.
    gallery.check_hashes(range(len(gallery.ids)))
    (cosine,) = peer_systems([PlainCosine()], gallery)
    return Rankers(gallery, setup, ResNet50Gem(), cosine)


def show(picture: NDArray[np.uint8], prompt: str, name: str) -> Query:
    """A generated picture (h, w, 3) uint8 RGB as rankers see it: `SHOWN_SIDE` pixels a side.

    Raises:
        ProofError: if it is of another shape or type.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ProofError(
            f"{name}: expected a picture (h, w, 3) of uint8, found {picture.shape} of "
            f"{picture.dtype}; give the pixels as `sampling` makes them"
        )
    (large,) = enlarged(picture[None])
    body = cv2.imencode(".png", np.ascontiguousarray(large[:, :, ::-1]))[1].tobytes()
    # It is one picture, also where its quarters look like the tiles of a grid.
    return query_from_bytes(body, name, prompt.strip() or None, grid="no")


def as_ranked(compared: Comparison) -> ScoreRow:
    """(n,) over the gallery, finite, in just the order of a comparison: equal where that ties.

    Log-odds, but for three. Near copies by their hash stand above the best other one, by 1 and
    their agreement. What went out for being of one colour is below all others. What is outside of
    the pool is below all inside.
    """
    order = compared.order()
    odds = compared.log_odds[order]
    lift = np.where(compared.is_copy, 1 + np.nan_to_num(compared.pdq), 0)[order].astype(np.float64)
    others = odds[np.isfinite(odds) & (lift == 0)]
    best, worst = float(others.max(initial=-np.inf)), float(others.min(initial=np.inf))
    if not len(others):
        best = worst = 0.0
    values = np.where(lift > 0, best + lift, np.where(np.isfinite(odds), odds, worst))
    ranked = values.astype(np.float32)
    # In float32 different log-odds may meet, and what was lowered may come to lie above.
    is_tied = (lift[1:] == lift[:-1]) & (odds[1:] == odds[:-1])
    for position, tied in enumerate(is_tied.tolist(), 1):
        below = ranked[position - 1] if tied else np.nextafter(ranked[position - 1], _LOWEST)
        ranked[position] = below if tied else min(ranked[position], below)
    scores = np.full(len(compared.gallery.ids), np.nextafter(ranked[-1], _LOWEST), np.float32)
    scores[compared.rows[order]] = ranked
    return scores


def order(scores: NDArray[np.float32], ids: Sequence[str], k: int) -> tuple[str, ...]:
    """The ids of the k highest scores (n,), best first, ties by id; all where there are fewer.

    Raises:
        ProofError: if there is not a score for each id, or one is no number, or k is below 0.
    """
    if scores.shape != (len(ids),) or np.isnan(scores).any() or k < 0:
        raise ProofError(
            f"expected scores of {len(ids):,} pictures and a K of 0 or more, found {scores.shape}, "
            f"{int(np.isnan(scores).sum()):,} of them no numbers, and K = {k}; score them again"
        )
    best = np.lexsort((np.array(ids, dtype=np.str_), -scores))[:k]
    return tuple(ids[row] for row in best.tolist())


def _fused(scores: Mapping[str, ScoreRow], gallery: Gallery, setup: RankingSetup) -> ScoreRow:
    """What words add to the log-odds; 0 where nothing is asked for, or nothing is written."""
    texts = {name: scores[name] for name in _OF_WORDS & scores.keys()}
    return (
        fusion.from_texts(texts, setup.fusion.texts)
        if texts
        else np.zeros(len(gallery.ids), np.float32)
    )


def _fill(rows: NDArray[np.float32]) -> None:
    """Put what is no number (q, n) one step of float32 below the rest of its row; 0 if all is."""
    for row in rows:
        there = np.isfinite(row)
        row[~there] = np.nextafter(row[there].min(), _LOWEST) if there.any() else 0


def _clocked(ask: Callable[[T], object], items: Sequence[T]) -> float:
    """Mean seconds."""
    seconds: list[float] = []
    for item in items:
        started = time.perf_counter()
        ask(item)
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > _ENOUGH_S:
            break
    return sum(seconds) / len(seconds)
