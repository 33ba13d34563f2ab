"""The report of a batch: a folder with a page a job, and an index that leads to them.

One page for a whole batch would grow without end. Here each job's page stands alone, and the index
is written from the rankings, so that it is whole after a resumed run too.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.ranking.rank import Ranking
from attribution.report.html import Provenance, is_report, render_index, render_report, write_report
from attribution.report.page import rung_style
from attribution.report.safe_text import cut
from harvester.paths import beginning_of, check_output
from harvester.pictures.decode import encode_jpeg, try_open
from harvester.sanitize import clean
from harvester.schema import Candidate

JOBS_PER_INDEX = 200
_THUMB = 96
_THUMB_MARK = "data:image/jpeg;base64,"
_WELL = (241, 238, 232)


def page_name(job_id: str) -> str:
    """A file name for a job's page: readable where the id is, and never outside the folder."""
    if re.fullmatch(r"[A-Za-z0-9]{1,60}", job_id) and not job_id.startswith("index"):
        return f"{job_id}.html"
    # What is taken out, or cut, could make two ids one; the digest keeps them apart.
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", job_id).strip("._")[:60] or "job"
    digest = hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{safe}-{digest}.html"


def check_folder(folder: Path) -> None:
    """Refuse a folder whose index is another program's, before any work.

    Raises:
        InputError: naming it.
    """
    check_output(folder / _index_name(1), is_report, option="--report")


class ReportFolder:
    """Writes a batch's pages as its jobs end, and at last their index.

    Args:
        folder: made with the first page.

    Attributes:
        missing: jobs that the index names and that have no page, because an earlier run ranked
            them without a report.

    Raises:
        InputError: by every method, if another program's file has the name of one of its own.
    """

    def __init__(self, folder: Path, provenance: Provenance) -> None:
        self._folder = folder
        self._provenance = provenance
        self.missing = 0

    def add(self, job_id: str, ranking: Ranking, candidates: Mapping[str, Candidate]) -> None:
        """Write one job's page, and the small picture that the index shows of it.

        Raises:
            ReportError: if they cannot be written.
        """
        page = render_report([(ranking, candidates)], self._provenance)
        self._write(page_name(job_id), page)
        best = candidates.get(ranking.matches[0].candidate_id) if ranking.matches else None
        pair = np.hstack([_square(ranking.query.views[0].picture), _square(_picture_of(best))])
        encoded = base64.b64encode(encode_jpeg(pair, quality=70)).decode()
        check_output(self._thumb(job_id), _is_thumb, option="--report")
        write_report(self._thumb(job_id), f"{_THUMB_MARK}{encoded}")

    def finish(self, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Write the index from the first row of each job in `batch.table.SCHEMA`; returns its path.

        A long batch has several index pages, each with links to its neighbours.

        Raises:
            ReportError: if they cannot be written.
        """
        parts = iter(_chunks(rows))
        part, number = next(parts, []), 1
        while True:
            following = next(parts, None)
            jobs = [self._listed(row) for row in part]
            page = render_index(
                jobs,
                self._provenance,
                before=_index_name(number - 1) if number > 1 else None,
                after=_index_name(number + 1) if following is not None else None,
            )
            self._write(_index_name(number), page)
            if following is None:
                return self._folder / _index_name(1)
            part, number = following, number + 1

    def _write(self, name: str, page: str) -> None:
        check_output(self._folder / name, is_report, option="--report")
        write_report(self._folder / name, page)

    def _listed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        job_id = str(row["job_id"])
        name = page_name(job_id)
        has_page = (self._folder / name).exists()
        verdict = row["ranking_verdict"]
        self.missing += row["status"] == "ok" and not has_page
        return {
            "name": cut(clean(row["image"] or job_id), 80),
            "prompt": cut(clean(row["prompt"] or ""), 160),
            "verdict": verdict or ("order only" if row["status"] == "ok" else "failed"),
            "style": rung_style(verdict),
            "title": cut(clean(row["title"] or ""), 80),
            "error": cut(clean(row["error"] or ""), 300),
            "score": row["score"],
            "href": name if has_page else None,
            "thumb": self._read_thumb(job_id),
        }

    def _thumb(self, job_id: str) -> Path:
        return (self._folder / "thumbs" / page_name(job_id)).with_suffix(".txt")

    def _read_thumb(self, job_id: str) -> str | None:
        try:
            text = self._thumb(job_id).read_text("ascii")
        except (OSError, ValueError):
            return None
        return text if re.fullmatch(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", text) else None


def _is_thumb(path: Path) -> bool:
    return beginning_of(path, len(_THUMB_MARK)) == _THUMB_MARK.encode()


def _index_name(number: int) -> str:
    return "index.html" if number == 1 else f"index-{number}.html"


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    iterator = iter(rows)
    while part := list(itertools.islice(iterator, JOBS_PER_INDEX)):
        yield part


def _picture_of(candidate: Candidate | None) -> NDArray[np.uint8]:
    pixels = try_open(candidate.image if candidate else None, max_side=_THUMB)
    # Where there is none, the page itself says so.
    return np.full((1, 1, 3), _WELL, np.uint8) if pixels is None else pixels


def _square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture fitted into a square of `_THUMB` pixels, on the page's quiet ground."""
    height, width = picture.shape[:2]
    scale = _THUMB / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    square = np.full((_THUMB, _THUMB, 3), _WELL, np.uint8)
    top, left = (_THUMB - small.shape[0]) // 2, (_THUMB - small.shape[1]) // 2
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square
