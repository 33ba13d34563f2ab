"""These are the systems under test: whence's channels and fusion, peers, the published ranker.

A system is a function from a query to rows of scores by name, each (n,) over the gallery: higher is
closer, NaN where a candidate was not compared. Queries are opened one at a time, and asked of every
system while they are open.

But: the published ranker describes all candidates anew for each query, which takes seconds, so it
is asked some of the queries only; its row says how many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from attribution.baselines import aivalis2025
from attribution.baselines.peers import Peer
from attribution.calibration.verdicts import Verdict
from attribution.descriptors.hashes import BITS, agreement
from attribution.evaluate.suites import Suite
from attribution.ranking.comparison import Comparison, compare, compare_texts
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import Query
from attribution.ranking.scores import embed_query, score_images
from harvester.pictures.decode import open_picture

FUSION = "fusion"
"""The score that candidates are ranked by, regions and texts included."""
FUSED_IMAGES = "fused images"
"""The fusion of the image channels alone: no hashes, regions, texts."""
PUBLISHED = "aivalis2025"
RUNGS = tuple(Verdict)
"""A verdict's number in `Answers.verdicts` is its place here, the strongest first."""
_DESCRIBED_AT_ONCE = 128
ScoreRow = NDArray[np.float32]
Step = Callable[[], None]
"""Called when one more picture is done."""


@dataclass(frozen=True)
class OwnAnswer:
    """What whence says to one query.

    Attributes:
        scores: by system, (n,).
        verdicts: (n,) int8, places in `RUNGS`.
        compared: what the fusion and the verdicts stand on: the order, and shares of the influence.
    """

    scores: Mapping[str, ScoreRow]
    verdicts: NDArray[np.int8]
    compared: Comparison = field(repr=False)


@dataclass(frozen=True)
class System:
    """Another way to answer.

    Attributes:
        name: what its row in a table is called.
        answer: a query's scores (n,).
        case_numbers: of the cases that it answers; all if None.
    """

    name: str
    answer: Callable[[Query], ScoreRow] = field(repr=False)
    case_numbers: frozenset[int] | None = None


@dataclass(frozen=True)
class Answers:
    """All answers to a suite of m cases over n candidates.

    Attributes:
        scores: by system, (m, n) float32; rows of NaN where a case was not asked.
        verdicts: (m, n) int8, places in `RUNGS`.
        seconds: by system, for all its queries together.
    """

    scores: Mapping[str, NDArray[np.float32]]
    verdicts: NDArray[np.int8]
    seconds: Mapping[str, float]


def run_systems(
    suite: Suite,
    setup: RankingSetup,
    systems: Sequence[System] = (),
    *,
    standardised: bool = False,
    step: Step | None = None,
) -> Answers:
    """Ask every system about every case.

    Args:
        suite: the cases.
        setup: of whence's own answers.
        systems: others that are asked too.
        standardised: also give the channels' z-scores.
        step: called after each case.

    Raises:
        QueryImageError: if a query cannot be read.
        GalleryError: if a candidate is gone from its dataset.
    """
    shape = len(suite.cases), len(suite.gallery.ids)
    scores: dict[str, NDArray[np.float32]] = {}
    verdicts = np.empty(shape, np.int8)
    seconds: dict[str, float] = {}
    for number, case in enumerate(suite.cases):
        query = case.open()
        started = time.perf_counter()
        own = own_answer(query, suite.gallery, setup, standardised=standardised)
        rows = dict(own.scores)
        verdicts[number] = own.verdicts
        started = _clock(seconds, "whence", started)
        for system in systems:
            if system.case_numbers is None or number in system.case_numbers:
                rows[system.name] = system.answer(query)
                started = _clock(seconds, system.name, started)
        for name, row in rows.items():
            scores.setdefault(name, np.full(shape, np.nan, np.float32))[number] = row
        if step is not None:
            step()
    return Answers(scores, verdicts, seconds)


def own_answer(
    query: Query, gallery: Gallery, setup: RankingSetup, *, standardised: bool = False
) -> OwnAnswer:
    """Whence's own answers: the fusion, each channel, hashes and texts.

    Raises:
        GalleryError: if a candidate is gone from its dataset.
    """
    query_vectors = embed_query(query, setup.embedders, setup.channels)
    compared = compare(query, gallery, setup, query_vectors=query_vectors)
    # Over all candidates, and not the pool alone: a channel by itself has no pool.
    images = score_images(query_vectors, gallery.vectors, setup.background, setup.channels)
    fused = np.full(len(gallery.ids), -np.inf, np.float32)
    # By log-odds, as the order is: scores of the surest are all 1.
    fused[compared.rows] = np.where(
        compared.is_copy, 1e6 + np.nan_to_num(compared.pdq), compared.log_odds
    )
    verdicts = np.full(len(gallery.ids), RUNGS.index(Verdict.NO_EVIDENCE), np.int8)
    verdicts[compared.rows] = [RUNGS.index(verdict) for verdict in compared.verdicts()]
    scores: dict[str, ScoreRow] = {
        FUSION: fused,
        FUSED_IMAGES: setup.fusion.log_odds(images.z),
        **images.raw,
    }
    if standardised:
        scores |= {f"{name} z": row for name, row in images.z.items()}
    scores |= {**_texts(query, gallery), **_hashes(query, gallery)}
    return OwnAnswer(scores, verdicts, compared)


def peer_systems(
    peers: Sequence[Peer], gallery: Gallery, step: Callable[[int], None] | None = None
) -> list[System]:
    """Peers that have described the gallery's pictures.

    Args:
        peers: as `peers.PEERS` makes them.
        gallery: whose pictures are read and decoded once for all of them.
        step: called with how many more pictures are described.

    Raises:
        GalleryError: if a candidate is gone from its dataset.
    """
    described: dict[str, list[NDArray[np.generic]]] = {peer.name: [] for peer in peers}
    for pictures in _pictures(gallery) if peers else ():
        for peer in peers:
            described[peer.name].append(peer.describe(pictures))
        if step is not None:
            step(len(pictures))
    return [_peer_system(peer, np.concatenate(described[peer.name])) for peer in peers]


def published_system(
    gallery: Gallery, mapper: aivalis2025.Mapper, cases: int, *, queries: int, seed: int
) -> System:
    """The ranker of Aivalis & Klampanos 2025; `queries` of the cases, drawn, are asked of it."""
    drawn = np.random.default_rng(seed).permutation(cases)[:queries]
    row_of = {name: row for row, name in enumerate(gallery.ids)}

    def answer_published(query: Query) -> ScoreRow:
        scores = np.full(len(gallery.ids), np.nan, np.float32)
        for match in aivalis2025.rank([query], gallery, mapper, k=len(gallery.ids)).matches:
            scores[row_of[match.candidate_id]] = match.score
        return scores

    return System(PUBLISHED, answer_published, frozenset(drawn.tolist()))


def _peer_system(peer: Peer, described: NDArray[np.generic]) -> System:
    def answer_peer(query: Query) -> ScoreRow:
        own = peer.describe([query.views[0].picture])
        scores: ScoreRow = peer.compare(own, described)[0]
        return scores

    return System(peer.name, answer_peer)


def _pictures(gallery: Gallery) -> Iterator[list[NDArray[np.uint8]]]:
    for start in range(0, len(gallery.ids), _DESCRIBED_AT_ONCE):
        ids = gallery.ids[start : start + _DESCRIBED_AT_ONCE]
        picked = gallery.pick(ids)
        yield [open_picture(picked[name].image or b"").rgb for name in ids]


def _texts(query: Query, gallery: Gallery) -> dict[str, ScoreRow]:
    """By channel, where the prompt asks for something and something is written."""
    if not any(text.body or text.creator for text in gallery.texts):
        return {}
    return compare_texts(query, gallery)


def _hashes(query: Query, gallery: Gallery) -> dict[str, ScoreRow]:
    """By channel, the best agreement of a query's views in their eight turns."""
    scores: dict[str, ScoreRow] = {}
    for name, bits in BITS.items():
        words, there = gallery.hashes[name]
        turns = [turn for view in query.views for turn in view.hashes[name]]
        scores[name] = agreement(turns, words, there, bits)
    return scores


def _clock(seconds: dict[str, float], name: str, started: float) -> float:
    now = time.perf_counter()
    seconds[name] = seconds.get(name, 0.0) + now - started
    return now
