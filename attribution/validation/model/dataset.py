"""These are the training pictures: a captioned dataset as small squares with their captions.

Any dataset in the Parquet contract will do. A picture's prompt is its caption, else its title; its
artist is the creator; its category is the sub-folder that it came from, else the prompt that it was
searched by.

But: the middle square of each picture is taken, so that what stands at the sides of a wide one is
never learnt. And all pictures of a dataset are in memory, some 5 kB each, before some are chosen: a
million take 5 GB.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.errors import ProofError
from harvester.dataset import shards
from harvester.dataset.storage import Location
from harvester.pictures.decode import PictureError, open_picture
from harvester.sanitize import clean
from harvester.schema import Candidate, FetchStatus, Finding, category_of

log = logging.getLogger(__name__)
SHOWN_SIDE = 224
"""Pixels that a generated picture is enlarged to, to be looked at: the networks' own side."""
FEWEST = 24
"""Pictures below which no model is trained: it could not tell one prompt from another."""
_SHOWN = 5


@dataclass(frozen=True)
class TrainingPictures:
    """Captioned pictures in the order of their ids; row n of everything is picture n.

    Attributes:
        creators, categories: empty where nothing is known.
        pixels: (n, side, side, 3) uint8 RGB.
    """

    ids: tuple[str, ...]
    captions: tuple[str, ...]
    creators: tuple[str, ...]
    categories: tuple[str, ...]
    pixels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def digest(self) -> str:
        """sha256 of everything that a model learns from them."""
        digest = hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes())
        for texts in (self.ids, self.captions):
            digest.update("\0".join(texts).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def rows(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """The rows of some ids, ascending, each once.

        Raises:
            ProofError: if one is not there.
        """
        return rows_of(ids, self.row_of)

    def chosen(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Some of them, in the order of their ids."""
        ascending = sorted({int(row) for row in rows})
        return type(self)(
            ids=tuple(self.ids[row] for row in ascending),
            captions=tuple(self.captions[row] for row in ascending),
            creators=tuple(self.creators[row] for row in ascending),
            categories=tuple(self.categories[row] for row in ascending),
            pixels=self.pixels[ascending],
        )


def rows_of(ids: Iterable[str], row_of: Mapping[str, int]) -> NDArray[np.int64]:
    """The rows of some ids, ascending, each once.

    Raises:
        ProofError: if one is not there.
    """
    distinct = set(ids)
    unknown = sorted(distinct - row_of.keys())
    if unknown:
        shown = ", ".join(clean(name)[:20] for name in unknown[:_SHOWN])
        raise ProofError(
            f"expected ids of the {len(row_of):,} pictures, found {len(unknown):,} unknown "
            f"({shown}); see the column id of the dataset"
        )
    return np.array(sorted(row_of[name] for name in distinct), np.int64)


def read_pictures(folders: Sequence[Location], *, side: int) -> TrainingPictures:
    """All pictures of some datasets that have a caption; one found in several is taken once.

    Pictures without a caption, or that cannot be decoded, are left out, and their number logged.

    Raises:
        ProofError: if there is no such folder, or fewer than `FEWEST` are left.
        SchemaError, ShardError: if a folder holds something else, or a damaged shard.
    """
    by_id: dict[str, tuple[str, str, str, NDArray[np.uint8]]] = {}
    silent = broken = 0
    for folder in folders:
        if isinstance(folder, Path) and not folder.is_dir():
            there = "a file" if folder.is_file() else "no such folder"
            raise ProofError(f"{folder}: expected a dataset, found {there}; check the path")
        findings = _findings(folder)
        for rows in shards.records(
            folder,
            Candidate,
            ["id", "status", "caption", "title", "creator", "url", "query_prompt", "image"],
        ):
            for row in rows:
                if row["status"] != FetchStatus.OK.value or row["id"] in by_id:
                    continue
                caption, creator, category = _texts([row, *findings.get(row["id"], [])])
                if not caption:
                    silent += 1
                    continue
                try:
                    body = (row["image"] or {}).get("bytes") or b""
                    rgb = open_picture(body, max_side=None).rgb
                except PictureError:
                    broken += 1
                    continue
                by_id[row["id"]] = caption, creator, category, to_square(rgb, side)
    where = ", ".join(str(folder) for folder in folders)
    if silent or broken:
        log.warning(
            "%s: left out %d without a caption, %d that cannot be decoded", where, silent, broken
        )
    if len(by_id) < FEWEST:
        raise ProofError(
            f"{where}: expected at least {FEWEST} pictures with captions, found {len(by_id)} "
            f"({silent} without a caption, {broken} that cannot be decoded); harvest more with "
            "`harvest captions` or `harvest folder`"
        )
    ids = sorted(by_id)
    return TrainingPictures(
        ids=tuple(ids),
        captions=tuple(by_id[name][0] for name in ids),
        creators=tuple(by_id[name][1] for name in ids),
        categories=tuple(by_id[name][2] for name in ids),
        pixels=np.stack([by_id[name][3] for name in ids]),
    )


def to_square(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Pixels (h, w, 3) of any size → the middle square at (side, side, 3)."""
    height, width = rgb.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = rgb[top : top + short, left : left + short]
    shrinks = short > side
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (side, side), interpolation=interpolation), np.uint8)


def enlarged(pixels: NDArray[np.uint8], side: int = SHOWN_SIDE) -> list[NDArray[np.uint8]]:
    """Pictures (n, s, s, 3) as large as networks and rankers take them."""
    return [
        np.asarray(cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
        for one in pixels
    ]


def choose_rows(pictures: TrainingPictures, *, most: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most so many pictures, drawn by seed.

    Pictures that share a caption are drawn together: a caption is then there from every artist
    that has it, or from none. One that more than `most` have is left out.
    """
    if len(pictures) <= most:
        return np.arange(len(pictures))
    groups: dict[str, list[int]] = {}
    for row, caption in enumerate(pictures.captions):
        groups.setdefault(caption, []).append(row)
    order = np.random.default_rng(seed).permutation(len(groups))
    all_groups = list(groups.values())
    shuffled = [all_groups[number] for number in order if len(all_groups[number]) <= most]
    # The captions that most artists share come first.
    shuffled.sort(key=len, reverse=True)
    rows: list[int] = []
    for group in shuffled:
        if len(rows) + len(group) > most:
            break
        rows += group
    return np.array(sorted(rows), np.int64)


def _findings(folder: Location) -> dict[str, list[dict[str, str | None]]]:
    by_candidate: dict[str, list[dict[str, str | None]]] = {}
    names = ["candidate_id", "caption", "title", "creator", "url", "query_prompt"]
    for rows in shards.records(folder, Finding, names):
        for row in rows:
            if row["candidate_id"]:
                by_candidate.setdefault(row["candidate_id"], []).append(row)
    return by_candidate


def _texts(rows: Sequence[dict[str, str | None]]) -> tuple[str, str, str]:
    """Caption, creator and category out of a candidate and its findings; empty where unknown."""
    caption = _first(rows, "caption") or _first(rows, "title")
    category = next(filter(None, (category_of(row["url"] or "") for row in rows)), "")
    return caption, _first(rows, "creator"), category or _first(rows, "query_prompt")


def _first(rows: Sequence[dict[str, str | None]], name: str) -> str:
    for row in rows:
        text = " ".join((row[name] or "").split())
        if text:
            return text
    return ""
