"""The batch: many jobs against one gallery, resumable; a job that fails does not end the run.

What is finished is kept in `checkpoint`. Run again with the same settings, a batch goes on where it
stopped, tries again what failed, and adds the jobs that are new in the list.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attribution.batch.checkpoint import BatchCheckpoint
from attribution.batch.jobs import BatchJob, JobRanker, JobResult, ReadPrompt
from attribution.batch.table import failure_row, match_rows
from attribution.errors import QueryImageError
from attribution.prompt import from_plain
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.ranking.query import GridMode

JOBS_PER_PART = 200
PART_AGE_S = 20.0


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
        self._gallery = gallery
        self._ranker = JobRanker(
            gallery, setup, k=k, grid=grid, published=published, parse_prompt=parse_prompt
        )
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

    def run(self, jobs: Iterable[BatchJob]) -> Iterator[JobResult]:
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
            for done in self._ranker.run(jobs, self._parts.finished):
                if done.was_known:
                    yield done
                    continue
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

    @staticmethod
    def _rows(done: JobResult) -> list[dict[str, Any]]:
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
