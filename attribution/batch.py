"""Many jobs against one gallery: resumable, and no job ends the run.

Finished jobs are kept in small parts beside the output, `<out>.parts/`, and joined into it at the
end. Run again with the same settings, a batch goes on where it stopped, tries again what failed,
and adds the jobs that are new in the list. Without the parts it begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attribution.embeddings import Embedder
from attribution.errors import JobError, QueryImageError
from attribution.gallery import Gallery
from attribution.query import Grid, Query, open_query, query_from_bytes
from attribution.ranking import Ranking, rank
from attribution.rankings import (
    check_format,
    failure_row,
    first_rows,
    match_rows,
    to_rankings,
    write_rankings,
)
from harvester.schema import Candidate
from harvester.shards import write_shard

JOBS_PER_PART = 200
PART_AGE_S = 20.0
AHEAD = 4
"""Queries opened ahead of the one that is ranked."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One picture to rank.

    Attributes:
        id: unique in the batch; a job whose id is done is not done again.
        image: a file, or the picture's bytes.
        name: what results call the picture.
    """

    id: str
    prompt: str | None
    image: Path | bytes
    name: str


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
    """A batch's output, with what earlier runs left of it.

    Args:
        out: a .parquet, .csv or .jsonl file.
        restart: forget what earlier runs did.

    Raises:
        JobError: if `out` has another ending, or holds results of other settings.
    """

    def __init__(
        self,
        out: Path,
        gallery: Gallery,
        embedder: Embedder,
        *,
        k: int = 10,
        grid: Grid = "auto",
        restart: bool = False,
    ) -> None:
        check_format(out)
        self._out, self._gallery, self._embedder = out, gallery, embedder
        self._k, self._grid = k, grid
        self._parts = out.with_name(out.name + ".parts")
        self._settings = {
            "candidates": hashlib.sha256("\n".join(gallery.ids).encode()).hexdigest(),
            "embedding": f"{embedder.channel}@{embedder.version}",
            "k": k,
            "grid": grid,
        }
        if restart:
            shutil.rmtree(self._parts, ignore_errors=True)
            out.unlink(missing_ok=True)
        self._number = 0
        self._keep_settings()
        self._finished = self._resume()

    def run(self, jobs: Iterable[BatchJob]) -> Iterator[Done]:
        """Do the jobs that are not done; yields each as it ends, known ones too.

        Stop at any time: what was yielded before the last part was written is done again.

        Raises:
            JobError: if results cannot be written.
            ShardError: likewise, for a part.
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
                    self._write_part(rows)
                    rows, jobs_waiting, oldest = [], 0, time.monotonic()
        finally:
            self._write_part(rows)
        write_rankings(self._out, self._part_files())

    def best(self) -> Iterator[dict[str, Any]]:
        """The first row of every job that is done, as in `rankings.SCHEMA`."""
        return first_rows(self._part_files())

    def _part_files(self) -> list[Path]:
        return sorted(self._parts.glob("part-*.parquet"))

    def _opened(self, jobs: Iterable[BatchJob]) -> Iterator[tuple[BatchJob, Future[Query] | None]]:
        """Jobs with their query being opened in a thread; None for those done before."""
        with ThreadPoolExecutor(os.cpu_count(), "query") as pool:
            ahead: deque[tuple[BatchJob, Future[Query] | None]] = deque()
            try:
                for job in jobs:
                    future = None if job.id in self._finished else pool.submit(self._open, job)
                    ahead.append((job, future))
                    if len(ahead) > AHEAD:
                        yield ahead.popleft()
                while ahead:
                    yield ahead.popleft()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _open(self, job: BatchJob) -> Query:
        if isinstance(job.image, bytes):
            return query_from_bytes(job.image, job.name, job.prompt, grid=self._grid)
        return open_query(job.image, job.prompt, grid=self._grid)

    def _rank(self, job: BatchJob, opened: Future[Query]) -> Done:
        try:
            query = opened.result()
        except QueryImageError as exc:
            return Done(job, error=str(exc))
        ranking = rank(query, self._gallery, self._embedder, k=self._k)
        picked = self._gallery.pick([match.candidate_id for match in ranking.matches])
        return Done(job, ranking, picked)

    @staticmethod
    def _rows(done: Done) -> list[dict[str, Any]]:
        job = done.job
        if done.ranking is None:
            return [failure_row(job.id, job.name, job.prompt, done.error or "")]
        return match_rows(job.id, job.name, done.ranking, done.candidates or {})

    def _write_part(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        write_shard(self._parts / f"part-{self._number:05d}.parquet", to_rankings(rows))
        self._number += 1

    def _keep_settings(self) -> None:
        """Note the settings of a new batch, or refuse those that an earlier one did not have."""
        path = self._parts / "settings.json"
        try:
            found = json.loads(path.read_text("utf-8")) if path.exists() else None
            if found is None:
                self._parts.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(self._settings), "utf-8")
                return
        except (OSError, ValueError) as exc:
            raise JobError(
                f"{path}: expected to keep the batch's settings there, found {exc}; give another "
                "--out, or use --restart"
            ) from exc
        if found != self._settings:
            differing = sorted(
                key for key in self._settings if found.get(key) != self._settings[key]
            )
            raise JobError(
                f"{self._parts}: expected results of the same settings, found others for "
                f"{', '.join(differing)}; use --restart to begin again, or give another --out"
            )

    def _resume(self) -> set[str]:
        """The jobs that earlier runs ranked; what failed is taken out, to be tried again."""
        finished: set[str] = set()
        for path in self._part_files():
            try:
                table = pq.read_table(path, partitioning=None)
                ranked = table.filter(pc.equal(table.column("status"), "ok"))
            except (OSError, KeyError, pa.ArrowException) as exc:
                raise JobError(
                    f"{path}: expected results of an earlier run, found a file that cannot be "
                    f"read ({exc}); use --restart"
                ) from exc
            if ranked.num_rows < table.num_rows:
                write_shard(path, ranked)
            finished.update(ranked.column("job_id").to_pylist())
            self._number = int(path.stem.rpartition("-")[2]) + 1
        return finished
