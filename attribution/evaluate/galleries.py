"""This is what a suite has to know of a gallery: parts, twins, where its pictures were found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from attribution.descriptors.hashes import BITS, hamming, near_copies
from attribution.ranking.gallery import Gallery
from harvester.dataset import shards
from harvester.schema import Finding


def only(gallery: Gallery, rows: Collection[int]) -> Gallery:
    """A gallery of some rows, in their order."""
    indices = np.array(sorted(rows), np.int64)
    return replace(
        gallery,
        ids=tuple(gallery.ids[row] for row in indices),
        texts=tuple(gallery.texts[row] for row in indices),
        found_by={
            prompt: np.flatnonzero(np.isin(indices, matches))
            for prompt, matches in gallery.found_by.items()
        },
        hashes={
            name: (words[indices], there[indices])
            for name, (words, there) in gallery.hashes.items()
        },
        pdq_quality=gallery.pdq_quality[indices],
        vectors={space: vectors[indices] for space, vectors in gallery.vectors.items()},
        _checked=set(),
        _indexes={},
    )


Same = Mapping[str, Collection[str]]
"""By candidate id, the ids of pictures that a person found to be the same."""


def twins(gallery: Gallery, row: int, same: Same) -> list[int]:
    """Other rows that are as good as one: near copies as they stand, or found to be by a person."""
    named = same.get(gallery.ids[row], ())
    alike = {other for other, name in enumerate(gallery.ids) if named and name in named}
    return sorted((alike | set(_near_copies_of(gallery, row))) - {row})


def _near_copies_of(gallery: Gallery, row: int) -> list[int]:
    words, there = gallery.hashes["pdq"]
    if not there[row]:
        return []
    agreement = 1 - hamming(words[row : row + 1], words)[0].astype(np.float32) / BITS["pdq"]
    near = there & near_copies(agreement, gallery.pdq_quality, int(gallery.pdq_quality[row]))
    alike: list[int] = np.flatnonzero(near).tolist()
    return alike


def folders_of(gallery: Gallery) -> dict[str, list[int]]:
    """Rows by the sub-folder that they were harvested from; empty if there is one at most."""
    row_of = {name: row for row, name in enumerate(gallery.ids)}
    by_folder: dict[str, dict[int, None]] = {}
    for record in _findings(gallery):
        row, path = row_of.get(record["candidate_id"] or ""), _path_of(record)
        if path is not None and row is not None:
            by_folder.setdefault(path.rpartition("/")[0], {})[row] = None
    return {name: sorted(rows) for name, rows in by_folder.items()} if len(by_folder) > 1 else {}


def paths_of(gallery: Gallery) -> list[str]:
    """By row, the path below the folder that it was harvested from; its id where there is none."""
    names = {name: name for name in gallery.ids}
    for record in _findings(gallery):
        name, path = record["candidate_id"] or "", _path_of(record)
        if path is not None and names.get(name) == name:
            names[name] = path
    return [names[name] for name in gallery.ids]


def _path_of(record: Mapping[str, str | None]) -> str | None:
    if record["source"] != "folder":
        return None
    # `file:pictures/cats/1.jpg`: what stands behind the folder's own name.
    return (record["url"] or "").partition("/")[2]


def prompts_of(gallery: Gallery) -> list[set[str]]:
    """By row, the prompts whose searches led to it."""
    found_by: dict[str, set[str]] = {name: set() for name in gallery.ids}
    for record in _findings(gallery):
        if record["query_prompt"] and record["candidate_id"] in found_by:
            found_by[record["candidate_id"]].add(record["query_prompt"])
    return [found_by[name] for name in gallery.ids]


def _findings(gallery: Gallery) -> list[dict[str, str | None]]:
    columns = ["candidate_id", "query_prompt", "source", "url"]
    return [
        record
        for folder in gallery.folders
        for records in shards.records(folder, Finding, columns)
        for record in records
    ]
