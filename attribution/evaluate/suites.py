"""These are the test suites of a ranking: queries, the gallery they are asked of, and the truth.

Five suites. *Copies*: seeded edits of the gallery's own pictures. *Prompts*: generated pictures
against what their own prompt found and what others did. *Pairs*: a list of pictures and their known
sources. *Null*: pictures whose source is not there. *Look-alikes*: pictures beside others that
share a template with them and nothing else.

Pictures that are as good as a source (PDQ within its threshold, or in a list that a person made:
most collections hold some twice) are neither sources nor false alarms; how many were passed over is
part of the result. What collages and pastes take beside the source is no candidate.

But: a twin that is cropped, turned or redrawn is not recognised, and counts as a false alarm until
it is listed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.batch.jobs import BatchJob, open_job
from attribution.errors import SuiteError
from attribution.evaluate.compositions import MIN_SIDE
from attribution.evaluate.edits import EDITS, Edit, make_copy, rng_for
from attribution.evaluate.galleries import Same, folders_of, only, paths_of, prompts_of, twins
from attribution.evaluate.lookalikes import kind_of
from attribution.ranking.gallery import Gallery
from attribution.ranking.query import Query, open_query, query_from_bytes
from harvester.pictures.decode import open_picture

log = logging.getLogger(__name__)
SPARE = 12
"""Pictures set aside for collages, grids and pastes to take from."""
_NOTHING = np.empty(0, np.int64)
_NO_SAME: Same = {}


@dataclass(frozen=True)
class Case:
    """One query and what is true of it; rows are the gallery's.

    Attributes:
        name: of the query, for a person.
        kind: the edit's name, the prompt, or the sort of picture.
        group: 0 and up; cases of one group are drawn together when intervals are made.
        open: makes the query; a suite's pictures are not all in memory.
        sources: rows that it is made from.
        passed_over: rows that are neither sources nor false alarms.
        lookalikes: rows that share a template with it and nothing else.
    """

    name: str
    kind: str
    group: int
    open: Callable[[], Query] = field(repr=False)
    sources: NDArray[np.int64]
    passed_over: NDArray[np.int64] = field(default_factory=lambda: _NOTHING)
    lookalikes: NDArray[np.int64] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True)
class Suite:
    """Cases and the gallery that they are asked of."""

    gallery: Gallery
    cases: tuple[Case, ...]
    seed: int

    @property
    def is_source(self) -> NDArray[np.bool_]:
        """(m, n)."""
        return self._mark([case.sources for case in self.cases])

    @property
    def is_passed_over(self) -> NDArray[np.bool_]:
        """(m, n)."""
        return self._mark([case.passed_over for case in self.cases])

    def _mark(self, rows: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
        marked = np.zeros((len(self.cases), len(self.gallery.ids)), np.bool_)
        for case, here in enumerate(rows):
            marked[case, here] = True
        return marked


def make_copies(
    gallery: Gallery,
    *,
    edits: Sequence[str] = (),
    queries: int = 10,
    same: Same = _NO_SAME,
    seed: int = 1,
) -> Suite:
    """Edited copies of the gallery's pictures.

    Args:
        gallery: pictures to edit, and to find again among each other.
        edits: names of `EDITS`; all of them if empty.
        queries: pictures drawn for each edit.
        same: twins beside those that are recognised.
        seed: of all draws.

    Raises:
        SuiteError: on an unknown edit, or too few pictures.
    """
    chosen = check_edits(edits)
    rows = np.random.default_rng(seed).permutation(len(gallery.ids))
    if len(rows) < SPARE + max(queries, 2):
        raise SuiteError(
            f"{_where(gallery)}: expected at least {SPARE + max(queries, 2)} pictures, {SPARE} of "
            f"them for collages to take from, found {len(rows)}; add pictures or ask for fewer "
            "queries"
        )
    others = _pictures(gallery, rows[:SPARE].tolist())
    taken = {
        row for spare in rows[:SPARE] for row in (int(spare), *twins(gallery, int(spare), same))
    }
    rest = only(gallery, [row for row in range(len(rows)) if row not in taken])
    drawn = {
        edit.name: rng_for(seed, edit.name, "sources").permutation(len(rest.ids))[:queries].tolist()
        for edit in chosen
    }
    sources = sorted({row for rows in drawn.values() for row in rows})
    bodies = dict(zip(sources, _bodies(rest, sources), strict=True))
    groups = {row: number for number, row in enumerate(sources)}
    cases = []
    for edit in chosen:
        for row in drawn[edit.name]:
            if min(open_picture(bodies[row]).rgb.shape[:2]) < MIN_SIDE:
                log.warning("candidate %s: too small to be edited; left out", rest.ids[row])
                continue
            make = partial(_copy, bodies[row], edit, seed, rest.ids[row], others)
            name = f"{edit.name} of {rest.ids[row]}"
            alike = np.array(twins(rest, row, same), np.int64)
            cases.append(Case(name, edit.name, groups[row], make, np.array([row]), alike))
    if not cases:
        raise SuiteError(
            f"{_where(gallery)}: expected pictures with sides of {MIN_SIDE} pixels or more, found "
            "none among those drawn; take larger ones"
        )
    return Suite(rest, tuple(cases), seed)


def make_prompts(gallery: Gallery, jobs: Sequence[BatchJob], *, seed: int = 1) -> Suite:
    """Generated pictures; what their own prompt found stands in for their sources.

    Raises:
        SuiteError: if no job has both candidates of its own and others.
        QueryImageError: when a case is opened whose picture cannot be read.
    """
    found_by = prompts_of(gallery)
    cases: list[Case] = []
    for job in jobs:
        own = np.array(
            [row for row, prompts in enumerate(found_by) if job.prompt in prompts], np.int64
        )
        if job.prompt and job.image is not None and 0 < len(own) < len(gallery.ids):
            make = partial(open_job, job)
            cases.append(Case(job.name, job.prompt, len(cases), make, own))
    if not cases:
        raise SuiteError(
            f"{_where(gallery)}: expected candidates found by the jobs' prompts and by others, "
            f"found none for any of {len(jobs)} jobs; harvest them with `harvest ddg --prompts`"
        )
    return Suite(gallery, tuple(cases), seed)


def make_folder_prompts(gallery: Gallery, *, same: Same = _NO_SAME, seed: int = 1) -> Suite:
    """A stand-in for prompts: each sub-folder's name, and one of its pictures as if generated.

    Raises:
        SuiteError: if there are not two folders, one with two pictures or more.
    """
    by_folder = folders_of(gallery)
    cases: list[Case] = []
    for name in sorted(by_folder):
        query = int(rng_for(seed, name, "query").choice(by_folder[name]))
        out = {query, *twins(gallery, query, same)}
        own = np.array([row for row in by_folder[name] if row not in out], np.int64)
        if own.size:
            make = partial(_open_stored, gallery, query, name.replace("_", " "))
            cases.append(
                Case(gallery.ids[query], name, len(cases), make, own, np.array(sorted(out)))
            )
    if len(by_folder) < 2 or not cases:
        raise SuiteError(
            f"{_where(gallery)}: expected a folder of two or more sub-folders of pictures, found "
            f"{len(by_folder)}; give one, or a list of generated pictures with their prompts"
        )
    return Suite(gallery, tuple(cases), seed)


def make_pairs(
    gallery: Gallery, truth: Mapping[Path, Sequence[str]], *, same: Same = _NO_SAME, seed: int = 1
) -> Suite:
    """Pictures with known sources, as `ground_truth.read_pairs` has read them.

    Args:
        gallery: holds all the sources.
        truth: candidate ids by picture.
        same: twins beside those that are recognised.
        seed: of the intervals' draws.
    """
    row_of = {name: row for row, name in enumerate(gallery.ids)}
    cases = []
    for number, (image, ids) in enumerate(truth.items()):
        sources = np.array(sorted({row_of[name] for name in ids}), np.int64)
        alike = {row for source in sources for row in twins(gallery, int(source), same)}
        passed = np.array(sorted(alike - set(sources.tolist())), np.int64)
        cases.append(
            Case(str(image), "pair", number, partial(open_query, image, None), sources, passed)
        )
    return Suite(gallery, tuple(cases), seed)


def make_null(
    gallery: Gallery, *, queries: int = 100, same: Same = _NO_SAME, seed: int = 1
) -> Suite:
    """Pictures of the gallery, each passed over itself, with its folder where there are any.

    Raises:
        SuiteError: if fewer than two pictures would be left for a query.
    """
    folder_of = {row: rows for rows in folders_of(gallery).values() for row in rows}
    cases = []
    drawn = np.random.default_rng(seed).permutation(len(gallery.ids))[:queries].tolist()
    for number, row in enumerate(drawn):
        alike = {row, *twins(gallery, row, same), *folder_of.get(row, ())}
        out = np.array(sorted(alike), np.int64)
        if len(gallery.ids) - len(out) < 2:
            raise SuiteError(
                f"{_where(gallery)}: expected pictures beside a query and its folder, found "
                f"{len(gallery.ids) - len(out)}; give a folder of more pictures"
            )
        make = partial(_open_stored, gallery, row, None)
        cases.append(Case(gallery.ids[row], "null", number, make, _NOTHING, out))
    return Suite(gallery, tuple(cases), seed)


def make_lookalikes(gallery: Gallery, *, queries_each: int = 2, seed: int = 1) -> Suite:
    """Pictures that `lookalikes.draw_lookalikes` drew, each asked beside the rest of its folder.

    Args:
        gallery: harvested from a folder whose sub-folders are families.
        queries_each: pictures drawn of each family.
        seed: of all draws.

    Raises:
        SuiteError: if there are not two families of two pictures or more.
    """
    by_folder, paths = folders_of(gallery), paths_of(gallery)
    cases = []
    for group, folder in enumerate(sorted(by_folder)):
        rows = by_folder[folder]
        pictures = dict(zip(rows, _pictures(gallery, rows), strict=True))
        drawn = rng_for(seed, folder, "queries").permutation(rows)[:queries_each].tolist()
        for row in drawn:
            own = [other for other in rows if np.array_equal(pictures[other], pictures[row])]
            alike = np.array(sorted(set(rows) - set(own)), np.int64)
            if alike.size:
                make, out = partial(_open_stored, gallery, row, None), np.array(own, np.int64)
                kind = kind_of(folder)
                cases.append(Case(paths[row], kind, group, make, _NOTHING, out, alike))
    if len({case.group for case in cases}) < 2:
        raise SuiteError(
            f"{_where(gallery)}: expected two or more sub-folders of different pictures, found "
            f"{len({case.group for case in cases})}; give the folder that look-alikes were drawn to"
        )
    return Suite(gallery, tuple(cases), seed)


def check_edits(names: Sequence[str]) -> list[Edit]:
    """Edits by their names; all of them if there are none.

    Raises:
        SuiteError: on an unknown name, with those that there are.
    """
    unknown = [name for name in names if name not in EDITS]
    if unknown:
        raise SuiteError(
            f"expected names of edits, found {', '.join(unknown)}; there are {', '.join(EDITS)}"
        )
    return [EDITS[name] for name in dict.fromkeys(names)] or list(EDITS.values())


def _bodies(gallery: Gallery, rows: Sequence[int]) -> list[bytes]:
    picked = gallery.pick([gallery.ids[row] for row in rows])
    return [picked[gallery.ids[row]].image or b"" for row in rows]


def _pictures(gallery: Gallery, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
    return [open_picture(body).rgb for body in _bodies(gallery, rows)]


def _copy(
    body: bytes, edit: Edit, seed: int, picture_id: str, others: Sequence[NDArray[np.uint8]]
) -> Query:
    copy = make_copy(open_picture(body).rgb, edit, seed=seed, picture_id=picture_id, others=others)
    # Through a file without loss, so that it is read, and taken for a grid, as any other.
    _, png = cv2.imencode(".png", copy[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return query_from_bytes(png.tobytes(), f"{edit.name}.png", None)


def _open_stored(gallery: Gallery, row: int, prompt: str | None) -> Query:
    return query_from_bytes(_bodies(gallery, [row])[0], gallery.ids[row], prompt, grid="no")


def _where(gallery: Gallery) -> str:
    return ", ".join(str(folder) for folder in gallery.folders)
