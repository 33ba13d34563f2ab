"""The comparison of one query with a gallery: the pool, every score in it, and their fusion."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from attribution.calibration import fusion
from attribution.calibration.shares import shares_of
from attribution.calibration.significance import (
    false_discovery_rates,
    follow_gallery,
    memorisation_ratio,
    p_values,
    shares,
)
from attribution.calibration.verdicts import Verdict, judge
from attribution.descriptors.hashes import BITS, agreement, is_flat, near_copies, trusted_hashes
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import Query
from attribution.ranking.scores import QueryVectors, embed_query, score_images, score_prompt
from attribution.ranking.verification import LocalMatch, explained_area, places_in, verify

_EXPLAINING = frozenset({Verdict.NEAR_COPY, Verdict.ALTERED, Verdict.REPLICATION, Verdict.TEMPLATE})
POOL = 1000
"""Candidates that each of the two ways into the pool lets in at most."""


COPIES = 100
"""Near copies by their hash that are compared place by place, beside the head of the order."""


def compare(
    query: Query,
    gallery: Gallery,
    setup: RankingSetup,
    *,
    checked: int = 0,
    query_vectors: QueryVectors | None = None,
) -> Comparison:
    """Compare a query with a gallery in every channel, and with the best place by place.

    Args:
        query: the generated picture.
        gallery: the candidates.
        setup: what they are compared by.
        checked: at least how many of the best must have hashes that are their pictures'.
        query_vectors: the query as vectors, where it was described before.

    Raises:
        GalleryError: if a candidate is gone from its dataset.
    """
    query_vectors = query_vectors or embed_query(query, setup.embedders, setup.channels)
    while True:
        compared = Comparison(query, gallery, setup, query_vectors)
        best = compared.order()[: max(setup.verified, checked)]
        # What is shown, or called a copy, must hold: its hash is compared with its picture's.
        if not gallery.check_hashes({*compared.rows[best], *np.flatnonzero(compared.copies)}):
            break
    if not compared.is_flat:
        copies = np.flatnonzero(compared.is_copy)[:COPIES]
        compared.verify(np.union1d(best[: setup.verified], copies))
    return compared


class Comparison:
    """A query's scores over its pool: rows of the gallery, ascending, as all arrays are.

    Attributes:
        rows: the pool.
        copies: over the whole gallery, which are near copies by their hash.
        hashed: likewise, what hashes add to the log-odds.
        is_copy, pdq: over the pool, near copies, by their hash until they are verified, and the PDQ
            agreement.
        view: the number of the query's view that each candidate is nearest to.
        scores: of the image channels.
        null: (N,) log-odds of background pictures by the image channels, as the gallery moves them.
        log_odds: of all channels, and of regions once they are verified.
        p, q, ratio: as in `rank.Match`.
        verified: by place in the pool.
        is_flat: the query is of one colour, so that nothing can be said.
    """

    def __init__(
        self, query: Query, gallery: Gallery, setup: RankingSetup, query_vectors: QueryVectors
    ) -> None:
        self.query, self.gallery, self._setup = query, gallery, setup
        self.is_flat = is_flat(query.views[0].picture)
        pdq, self.copies, self.hashed, copy_view = _compare_pdq(query, gallery)
        space = setup.neighbourhood.space
        near = {crop: rows for (other, crop), rows in query_vectors.rows.items() if other == space}
        texts = compare_texts(query, gallery)
        self.rows = _pool(
            query,
            gallery,
            space=space,
            queries=np.concatenate(list(near.values())),
            text=texts.get("bm25"),
            hashed=self.hashed,
        )
        self.is_copy, self.pdq = self.copies[self.rows], pdq[self.rows]
        vectors = {name: rows[self.rows] for name, rows in gallery.vectors.items()}
        self.scores = score_images(query_vectors, vectors, setup.background, setup.channels)
        if query.words:
            self.scores = score_prompt(
                self.scores, query.words, setup.embedders, vectors, setup.background
            )
        nearest = (near["whole"] @ gallery.vectors[space][self.rows].T).argmax(axis=0)
        hashed = self.hashed[self.rows]
        self.view = np.where(
            hashed > 0, copy_view[self.rows], query_vectors.view[space, "whole"][nearest]
        )
        self.ratio = self._ratios(near["whole"])
        image, null = (
            setup.fusion.log_odds(scores) for scores in (self.scores.z, self.scores.null)
        )
        self.null = self._followed(null, image)
        self.p = p_values(image, self.null)
        self.q = false_discovery_rates(self.p, len(gallery.ids))
        self.log_odds = image.astype(np.float64) + hashed
        self._proven = self.log_odds.copy()
        self._texts = {name: scores[self.rows] for name, scores in texts.items()}
        if texts:
            self.log_odds += fusion.from_texts(texts, setup.fusion.texts)[self.rows]
        if self.is_flat:  # what is near to one colour is near to nothing
            self.p, self.q = np.ones_like(self.p), np.ones_like(self.q)
            self.ratio = np.full_like(self.ratio, math.nan)
            self.log_odds = np.full_like(self.log_odds, -math.inf)
        self.verified: dict[int, LocalMatch] = {}

    def verify(self, indices: NDArray[np.int64]) -> None:
        """Compare some candidates place by place, and count what agrees."""
        views = [self.query.views[number] for number in self.view[indices]]
        local_matches = verify(views, self.gallery, self.rows[indices], self._setup)
        for index, local_match in zip(indices.tolist(), local_matches, strict=True):
            if local_match is None:  # of one colour, or not decodable: nothing was compared
                self.p[index] = self.q[index] = 1.0
                self.ratio[index] = math.nan
                self.log_odds[index] = self._proven[index] = -math.inf
                continue
            self.verified[index] = local_match
            # A hash sees neither colour nor words, and no crop: what lies over the query decides.
            self.is_copy[index] = self._is_near(index)
            self.log_odds[index] += self._setup.fusion.from_regions(local_match.inliers)
            accepted: dict[str, int] = {
                region.method: region.inliers for region in local_match.regions
            }
            self._proven[index] += self._setup.fusion.from_regions(accepted)

    def order(self) -> NDArray[np.int64]:
        """Places in the pool, best first; the sort is stable, so that ties stand by id.

        By log-odds: scores of the surest are all 1 as float32.
        """
        lift = np.where(self.is_copy, np.nan_to_num(self.pdq), -1)
        return np.lexsort((-self.log_odds, -lift))

    @property
    def score(self) -> NDArray[np.float32]:
        """0 to 1; near copies above, with 1 and their PDQ agreement."""
        copies = 1 + np.nan_to_num(self.pdq)
        return np.where(self.is_copy, copies, fusion.probability(self.log_odds)).astype(np.float32)

    def verdicts(self) -> list[Verdict]:
        """Of every candidate in the pool; those outside have no evidence."""
        if self.is_flat:
            return [Verdict.NO_EVIDENCE] * len(self.rows)
        return [self._verdict(index) for index in range(len(self.rows))]

    def _verdict(self, index: int) -> Verdict:
        verified = self.verified.get(index)
        return judge(
            alignment=verified.alignment if verified else None,
            is_alike=verified is not None
            and (bool(verified.regions) or bool(self.copies[self.rows[index]])),
            q=float(self.q[index]),
        )

    def _is_near(self, index: int) -> bool:
        return self._verdict(index) is Verdict.NEAR_COPY

    def shares(self) -> tuple[NDArray[np.float64], float]:
        """Of the influence, and what is left unattributed."""
        shares = np.zeros(len(self.rows))
        if self.is_flat:
            return shares, 1.0
        explaining, areas, is_template = [], [], []
        for index, verified in self.verified.items():
            verdict = self._verdict(index)
            if verdict not in _EXPLAINING:
                continue
            explaining.append(index)
            view = self.query.views[self.view[index]]
            areas.append(explained_area(verified, view, is_whole=verdict is Verdict.NEAR_COPY))
            is_template.append(verdict is Verdict.TEMPLATE)
        content = places_in(self.query.content)
        shares[explaining], rest = shares_of([area[content] for area in areas], is_template)
        return shares, rest

    def odds_shares(self) -> tuple[NDArray[np.float64], float]:
        """What the log-odds make of the influence: a soft maximum, for the proof on a model.

        Words and points that chance explains have no part: unrelated candidates that were searched
        for by the prompt have them as well, and the background's pictures have no words.
        """
        if self.is_flat:
            return np.zeros(len(self.rows)), 1.0
        return shares(self._proven, float(self.null.max()))

    def shares_by_images(self) -> dict[str, NDArray[np.float64]]:
        """By image channel what `shares` gives where nothing else is looked at; none is proven."""
        if self.is_flat:
            return {name: np.zeros(len(self.rows)) for name in self.scores.z}
        by_channel = {}
        for name, scores in self.scores.z.items():
            weight = self._setup.fusion.weights.get(name) or fusion.PRIOR_WEIGHT
            odds, null = (
                weight * np.clip(z, -fusion.Z_LIMIT, fusion.Z_LIMIT)
                for z in (scores, self.scores.null[name])
            )
            chance = float(self._followed(null, odds).max())
            by_channel[name] = shares(odds.astype(np.float64), chance)[0]
        return by_channel

    def channels(self, index: int) -> dict[str, float]:
        """One candidate's raw scores."""
        row = self.rows[index]
        by_index = {"pdq": self.pdq, **self.scores.raw, **self._texts}
        verified = self.verified.get(index)
        parts = verified.parts if verified else None
        scores = {name: float(values[index]) for name, values in by_index.items()}
        for name in ("phash", "dhash"):
            scores[name] = _best_agreement(self.query, self.gallery, name, int(row))
        if parts is not None:
            scores["crop-resistant"] = parts
        return scores

    def _followed(
        self, null: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The null, moved to this gallery.

        To what most have, and then to what most of those have that were searched for by this
        prompt: however many others are in the gallery, their common subject is no evidence.
        """
        for bulk in (_sample(len(self.gallery.ids)), _searched_for(self.query, self.gallery)):
            null = follow_gallery(null, scores[np.isin(self.rows, bulk)])
        return null

    def _ratios(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        space = self._setup.neighbourhood.space
        background = self._setup.background
        around = [
            self.gallery.vectors[space][self.rows],
            background.reference[space],
            background.null[space],
        ]
        own, *others = (_distances(queries, rows) for rows in around)
        return memorisation_ratio(own, np.concatenate([own, *others]))


def compare_texts(query: Query, gallery: Gallery) -> dict[str, NDArray[np.float32]]:
    """Over the whole gallery, by text channel; none where the prompt asks for no words."""
    parts = query.prompt_parts
    if parts is None:
        return {}
    scorers = gallery.text_scorers.items()
    return {name: scorer.scores(parts) for name, scorer in scorers if scorer.is_asked(parts)}


def _distances(queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distance of each of some unit rows (n, d) to the nearest of the queries."""
    cosines = (queries @ rows.T).max(axis=0)
    distances: NDArray[np.float32] = np.sqrt(np.maximum(2 - 2 * cosines, 0))
    return distances


def _compare_pdq(
    query: Query, gallery: Gallery
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32], NDArray[np.int64]]:
    """Over the whole gallery: best PDQ agreement, near copies, log-odds, and of which view."""
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
    hashed = np.stack(
        [
            fusion.from_hashes(row, trusted_hashes(gallery.pdq_quality, view.pdq_quality))
            for row, view in zip(scores, query.views, strict=True)
        ]
    )
    # A view without structure agrees with much and proves nothing: where any view proves
    # something the nearest such view speaks, and else the best agreement of all.
    proven = np.where(hashed > 0, scores, np.float32(-math.inf))
    best: NDArray[np.float32] = np.where(
        (hashed > 0).any(axis=0), proven.max(axis=0), np.fmax.reduce(scores)
    )
    return best, np.logical_or.reduce(copies), hashed.max(axis=0), proven.argmax(axis=0)


def _best_agreement(query: Query, gallery: Gallery, channel: str, row: int) -> float:
    words, there = gallery.hashes[channel]
    turns = [turn for view in query.views for turn in view.hashes[channel]]
    one = slice(row, row + 1)
    return float(agreement(turns, words[one], there[one], BITS[channel])[0])


def _pool(
    query: Query,
    gallery: Gallery,
    *,
    space: str,
    queries: NDArray[np.float32],
    text: NDArray[np.float32] | None,
    hashed: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Rows of the candidates that are compared, ascending.

    Those with near hashes, neighbours, texts, and a sample that says what the gallery is like.
    """
    if len(gallery.ids) <= POOL:
        return np.arange(len(gallery.ids))
    chosen = [
        np.flatnonzero(hashed),
        gallery.nearest(space, queries, POOL),
        _sample(len(gallery.ids)),
        _searched_for(query, gallery),
    ]
    if text is not None:
        top = np.argsort(-text, kind="stable")[:POOL]
        chosen.append(top[text[top] > 0])
    return np.unique(np.concatenate(chosen))


def _sample(size: int) -> NDArray[np.int64]:
    """Rows at even steps, at most `POOL` of them: ids are hashes, so that this is a draw."""
    return np.unique(np.linspace(0, size - 1, min(size, POOL)).astype(np.int64))


def _searched_for(query: Query, gallery: Gallery) -> NDArray[np.int64]:
    """Rows that searches for the query's own prompt led to; at most `POOL` of them."""
    nothing = np.empty(0, np.int64)
    rows = gallery.found_by.get(query.prompt or "", nothing)
    return (rows if len(rows) else gallery.found_by.get(query.words or "", nothing))[:POOL]
