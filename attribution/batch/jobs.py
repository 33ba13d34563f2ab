"""Many pictures ranked one after another, lazily: a picture that fails is a result like any other.

Pictures are opened in threads ahead of the one that is ranked. What is done with a result is the
caller's: `run` keeps them in files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from attribution.baselines import aivalis2025
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.errors import QueryImageError
from attribution.prompt import PromptParts, from_midjourney, from_plain
from attribution.provenance.origin import Origin
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import GridMode, Picture, Query, open_query, with_own_prompt
from attribution.ranking.rank import Ranking, rank
from harvester.dataset import shards
from harvester.dataset.storage import Location
from harvester.schema import Candidate, Generation

ReadPrompt = Callable[[str, Origin], PromptParts]
"""A prompt, and what the file that it was read from says of itself → what it asks for."""
AHEAD = 4
"""Queries opened ahead of the one that is ranked."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One picture to rank.

    Attributes:
        prompt_parts: what the prompt asks for; None for all its words.
        id: unique in a batch; a job whose id is done is not done again.
        image: a file, or the picture in memory; a job without one fails.
        name: what results call the picture.
    """

    id: str
    prompt: str | None
    image: Picture | None
    name: str
    prompt_parts: PromptParts | None = None


def jobs_of_dataset(folder: Location, parse_prompt: ReadPrompt = from_plain) -> Iterator[BatchJob]:
    """The generations of a dataset that have a picture, each id once.

    Args:
        folder: the dataset.
        parse_prompt: tells whom a prompt names; its parts and references are in the dataset.

    Raises:
        SchemaError, ShardError: as `shards.rows` does.
    """
    seen: set[str] = set()
    for row in shards.rows(folder, Generation):
        if row.image is not None and row.id not in seen:
            seen.add(row.id)
            yield job_of(row, parse_prompt)


def job_of(row: Generation, parse_prompt: ReadPrompt = from_plain) -> BatchJob:
    """The job of one generation; its prompt was read when it was harvested, but for the names."""
    named = parse_prompt(row.prompt, Origin())
    prompt_parts = from_midjourney(row, artists=named.artists, titles=named.titles)
    return BatchJob(row.id, row.prompt, row.image, f"{row.id}.jpg", prompt_parts)


def open_job(job: BatchJob, grid: GridMode = "auto") -> Query:
    """The picture of a job, to be ranked.

    Raises:
        QueryImageError: if it has none, or one that cannot be read.
    """
    if job.image is None:
        raise QueryImageError("expected a picture, found none; fill in the column image")
    name = None if isinstance(job.image, str | Path) else job.name
    return open_query(job.image, job.prompt, name=name, grid=grid, prompt_parts=job.prompt_parts)


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one job ended.

    Attributes:
        ranking: None where the job failed, or was done by an earlier run.
        candidates: those of its matches by id, pictures included.
        error: why it failed, in one line.
        was_known: whether an earlier run had done it.
    """

    job: BatchJob
    ranking: Ranking | None = None
    candidates: dict[str, Candidate] | None = None
    error: str | None = None
    was_known: bool = False

    @property
    def outcome(self) -> Literal["ranked", "failed", "known"]:
        """In a word."""
        if self.was_known:
            return "known"
        return "failed" if self.ranking is None else "ranked"


class JobRanker:
    """Ranks one gallery's candidates against the picture of each job.

    Args:
        published: order by `aivalis2025`, each job by itself, in place of the setup's evidence.
        parse_prompt: reads a prompt that was found in a picture's file.
    """

    def __init__(
        self,
        gallery: Gallery,
        setup: RankingSetup,
        *,
        k: int = 10,
        grid: GridMode = "auto",
        published: bool = False,
        parse_prompt: ReadPrompt = from_plain,
    ) -> None:
        self._parse_prompt = parse_prompt
        self._mapper = ResNet50Gem() if published else None
        self._gallery, self._setup = gallery, setup
        self._k, self._grid = k, grid

    def run(self, jobs: Iterable[BatchJob], known: Collection[str] = ()) -> Iterator[JobResult]:
        """Do the jobs in their order, as their results are asked for.

        Args:
            jobs: read a few ahead.
            known: ids of those that are not done again.

        Raises:
            GalleryError: if the candidates' dataset changes meanwhile.
        """
        with ThreadPoolExecutor(os.cpu_count(), "query") as pool:
            ahead: deque[tuple[BatchJob, Future[Query] | None]] = deque()
            try:
                for job in jobs:
                    future = None if job.id in known else pool.submit(open_job, job, self._grid)
                    ahead.append((job, future))
                    if len(ahead) > AHEAD:
                        yield self._rank(*ahead.popleft())
                while ahead:
                    yield self._rank(*ahead.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _rank(self, job: BatchJob, opened: Future[Query] | None) -> JobResult:
        if opened is None:
            return JobResult(job, was_known=True)
        try:
            query = with_own_prompt(opened.result(), self._parse_prompt)
        except QueryImageError as exc:
            return JobResult(job, error=str(exc))
        if self._mapper is not None:
            ranking = aivalis2025.rank([query], self._gallery, self._mapper, k=self._k)
        else:
            ranking = rank(query, self._gallery, self._setup, k=self._k)
        picked = self._gallery.pick([match.candidate_id for match in ranking.matches])
        return JobResult(job, ranking, picked)
