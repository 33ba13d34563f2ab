"""Many jobs against one gallery: resumable, and no job ends the run.

What is finished is kept in `checkpoint`. Run again with the same settings, a batch goes on where it
stopped, tries again what failed, and adds the jobs that are new in the list.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from attribution.baselines import aivalis2025
from attribution.batch.checkpoint import BatchCheckpoint
from attribution.batch.table import failure_row, match_rows
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.errors import QueryImageError
from attribution.prompt import PromptParts, from_midjourney, from_plain
from attribution.provenance.origin import Origin
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import GridMode, Query, open_query, query_from_bytes, with_own_prompt
from attribution.ranking.rank import Ranking, rank
from harvester.dataset import shards
from harvester.dataset.storage import Location
from harvester.schema import Candidate, Generation

JOBS_PER_PART = 200
PART_AGE_S = 20.0
ReadPrompt = Callable[[str, Origin], PromptParts]
"""A prompt, and what the file that it was read from says of itself → what it asks for."""
AHEAD = 4
"""Queries opened ahead of the one that is ranked."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One picture to rank.

    Attributes:
        prompt_parts: what the prompt asks for; None for all its words.
        id: unique in the batch; a job whose id is done is not done again.
        image: a file, or the picture's bytes; a job without one fails.
        name: what results call the picture.
    """

    id: str
    prompt: str | None
    image: Path | bytes | None
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
            named = parse_prompt(row.prompt, Origin())
            prompt_parts = from_midjourney(row, artists=named.artists, titles=named.titles)
            yield BatchJob(row.id, row.prompt, row.image, f"{row.id}.jpg", prompt_parts)


@dataclass(frozen=True, slots=True)
class Done:
    """How one job ended.

    Attributes:
        ranking: None where the job failed, or was done by an earlier run.
        error: why it failed.
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


class Batch:
    """A batch at work, alone on its output; a context manager.

    Args:
        out: a .parquet, .csv or .jsonl file.
        restart: forget what earlier runs did.
        published: order by `aivalis2025`, each job by itself, in place of the method's evidence.
        parse_prompt: reads a prompt that was found in a picture's file.
        was_number: as `BatchCheckpoint` has it.

    Raises:
        JobError: on entering, as `BatchCheckpoint` does.
    """

    def __init__(
        self,
        out: Path,
        gallery: Gallery,
        setup: RankingSetup,
        *,
        k: int = 10,
        grid: GridMode = "auto",
        restart: bool = False,
        published: bool = False,
        parse_prompt: ReadPrompt = from_plain,
        was_number: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._parse_prompt = parse_prompt
        self._mapper = ResNet50Gem() if published else None
        self._gallery, self._setup = gallery, setup
        self._k, self._grid = k, grid
        settings = {
            "candidates": hashlib.sha256("\n".join(gallery.ids).encode()).hexdigest(),
            "method": "aivalis2025" if published else setup.described,
            "k": k,
            "grid": grid,
        }
        self._parts = BatchCheckpoint(out, settings, restart=restart, was_number=was_number)

    def __enter__(self) -> Self:
        self._parts.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._parts.__exit__(kind, value, traceback)

    def run(self, jobs: Iterable[BatchJob]) -> Iterator[Done]:
        """Do the jobs that are not done; yields each as it ends, known ones too.

        Stop at any time: what was yielded is kept, and the next run goes on after it.

        Raises:
            JobError: if results cannot be written.
            ShardError: likewise, for a part.
            GalleryError: if the candidates' dataset changes meanwhile.
        """
        rows: list[dict[str, Any]] = []
        jobs_waiting, oldest = 0, time.monotonic()
        try:
            for job, opened in self._opened(jobs):
                if opened is None:
                    yield Done(job, was_known=True)
                    continue
                done = self._rank(job, opened)
                rows += self._rows(done)
                jobs_waiting += 1
                yield done
                if jobs_waiting >= JOBS_PER_PART or time.monotonic() - oldest >= PART_AGE_S:
                    self._parts.add(rows)
                    rows, jobs_waiting, oldest = [], 0, time.monotonic()
        finally:
            self._parts.add(rows)
        self._parts.join()

    @property
    def forgotten(self) -> int:
        """Jobs of an earlier version's run that are done again; see `BatchCheckpoint`."""
        return self._parts.forgotten

    def best(self) -> Iterator[dict[str, Any]]:
        """The first row of every job that is done, as in `batch.table.SCHEMA`."""
        return self._parts.best()

    def _opened(self, jobs: Iterable[BatchJob]) -> Iterator[tuple[BatchJob, Future[Query] | None]]:
        """Jobs with their query being opened in a thread; None for those done before."""
        with ThreadPoolExecutor(os.cpu_count(), "query") as pool:
            ahead: deque[tuple[BatchJob, Future[Query] | None]] = deque()
            try:
                for job in jobs:
                    future = (
                        None if job.id in self._parts.finished else pool.submit(self._open, job)
                    )
                    ahead.append((job, future))
                    if len(ahead) > AHEAD:
                        yield ahead.popleft()
                while ahead:
                    yield ahead.popleft()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _open(self, job: BatchJob) -> Query:
        if job.image is None:
            raise QueryImageError("expected a picture, found none; fill in the column image")
        if isinstance(job.image, bytes):
            return query_from_bytes(
                job.image, job.name, job.prompt, grid=self._grid, prompt_parts=job.prompt_parts
            )
        return open_query(job.image, job.prompt, grid=self._grid, prompt_parts=job.prompt_parts)

    def _rank(self, job: BatchJob, opened: Future[Query]) -> Done:
        try:
            query = with_own_prompt(opened.result(), self._parse_prompt)
        except QueryImageError as exc:
            return Done(job, error=str(exc))
        if self._mapper is not None:
            ranking = aivalis2025.rank([query], self._gallery, self._mapper, k=self._k)
        else:
            ranking = rank(query, self._gallery, self._setup, k=self._k)
        picked = self._gallery.pick([match.candidate_id for match in ranking.matches])
        return Done(job, ranking, picked)

    @staticmethod
    def _rows(done: Done) -> list[dict[str, Any]]:
        job = done.job
        if done.ranking is None:
            return [failure_row(job.id, job.name, job.prompt, done.error or "")]
        return match_rows(job.id, job.name, done.ranking, done.candidates or {})


def check_ranked(counts: Mapping[str, int], out: Path) -> None:
    """Refuse to call a batch done that had jobs and ranked none.

    Raises:
        QueryImageError: saying where the reasons are.
    """
    if counts["failed"] and not counts["ranked"] + counts["known"]:
        raise QueryImageError(
            f"expected pictures to rank, found none in {counts['failed']:,} jobs; each one's "
            f"error is in {out}"
        )
