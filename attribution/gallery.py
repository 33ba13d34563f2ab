"""The candidates searched, with everything that ranking needs of them in memory.

Pictures stay on disk. A candidate without a vector is described on the way, once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from attribution.embeddings import Embedder
from attribution.errors import GalleryError
from attribution.hashes import BITS, hamming, pack
from attribution.index import VectorIndex
from attribution.text import TextIndex
from attribution.vectors import descriptor_folder, read_vectors, write_vectors
from harvester import shards
from harvester.errors import ShardError
from harvester.images import PictureError, compute_hashes, open_picture
from harvester.schema import Candidate, FetchStatus, Finding

log = logging.getLogger(__name__)

DESCRIBED_AT_ONCE = 256
"""Candidates between two writes: what an interruption costs."""

_STORING_BITS = 16
_STORING_QUALITY = 20
"""What storing a picture as JPEG may change of its PDQ hash, and far less than a forger needs."""

Progress = Callable[[int, int], None]
"""Called with how many candidates are described and how many there are."""


@dataclass(frozen=True)
class Gallery:
    """Candidates in the order of their ids; row n of every array is candidate n.

    Attributes:
        texts: what is written about each: titles, captions, makers, queries.
        hashes: by channel, packed words and which of them are there, as `hashes.pack` gives.
        pdq_quality: (n,) int16, 0 to 100.
        vectors: (n, d) float32 unit rows of the channel `embedding`.
    """

    folders: tuple[Path, ...]
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    hashes: Mapping[str, tuple[NDArray[np.uint64], NDArray[np.bool_]]]
    pdq_quality: NDArray[np.int16]
    vectors: NDArray[np.float32]
    embedding: str
    _checked: set[int] = field(default_factory=set)

    @cached_property
    def text_index(self) -> TextIndex:
        """BM25 over the texts."""
        return TextIndex(self.texts)

    @cached_property
    def vector_index(self) -> VectorIndex:
        """Nearest neighbours among the vectors."""
        return VectorIndex(self.vectors)

    def check_hashes(self, rows: Iterable[int]) -> bool:
        """Compute some candidates' PDQ from their pictures; True where one had to be put right.

        A dataset may come from anybody, and a hash that is not its picture's would make a near
        copy, or hide one. Each candidate is checked once.

        Raises:
            GalleryError: if a candidate is gone from its dataset.
        """
        words, there = self.hashes["pdq"]
        fresh = [row for row in rows if there[row] and row not in self._checked]
        self._checked.update(fresh)
        was_wrong = False
        picked = self.pick([self.ids[row] for row in fresh])
        for row in fresh:
            body = picked[self.ids[row]].image or b""
            true = compute_hashes(open_picture(body).rgb)
            packed, _ = pack([true.pdq], BITS["pdq"])
            distance = int(hamming(packed, words[row : row + 1])[0, 0])
            shift = abs(int(self.pdq_quality[row]) - true.pdq_quality)
            if distance > _STORING_BITS or shift > _STORING_QUALITY:
                log.warning("candidate %s: its hash is not its picture's; put right", self.ids[row])
                words[row], self.pdq_quality[row] = packed[0], true.pdq_quality
                was_wrong = True
        return was_wrong

    def pick(self, ids: Sequence[str]) -> dict[str, Candidate]:
        """The named candidates, pictures included, by id.

        Raises:
            GalleryError: if one is gone from its dataset.
        """
        found: dict[str, Candidate] = {}
        for folder in self.folders:
            missing = [name for name in ids if name not in found]
            found |= shards.pick(folder, Candidate, missing) if missing else {}
        if len(found) < len(set(ids)):
            where = ", ".join(str(folder) for folder in self.folders)
            raise GalleryError(
                f"{where}: expected the candidates that were there when reading began, found some "
                "gone; leave the dataset as it is while it is ranked, and run the command again"
            )
        return found


def load_gallery(
    folders: Sequence[Path], embedder: Embedder, progress: Progress | None = None
) -> Gallery:
    """The candidates of some datasets, described; one found in several is taken once.

    Raises:
        GalleryError: if there is no candidate with a picture.
        SchemaError, ShardError: if a folder holds something else, or a damaged shard.
        DescriptorMismatchError: if descriptors on disk are of another model.
    """
    vectors: dict[str, NDArray[np.float16]] = {}
    records: dict[str, dict[str, str | int | None]] = {}
    texts: dict[str, dict[str, None]] = {}
    for folder in folders:
        here = _candidates(folder)
        vectors |= _described(folder, here, embedder, progress)
        records = here | records
        _collect_texts(folder, texts)
    ids = tuple(sorted(name for name in records if name in vectors))
    if not ids:
        where = ", ".join(str(folder) for folder in folders)
        raise GalleryError(
            f"{where}: expected candidates with pictures, found none; harvest some with "
            "`harvest ddg --prompt` or `harvest folder`"
        )
    kept = [records[name] for name in ids]
    matrix = np.stack([vectors[name] for name in ids]).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True).clip(min=1e-6)
    return Gallery(
        folders=tuple(folders),
        ids=ids,
        texts=tuple(" ".join(texts.get(name, ())) for name in ids),
        hashes={
            channel: pack([_text(record[channel]) for record in kept], bits)
            for channel, bits in BITS.items()
        },
        pdq_quality=np.array([record["pdq_quality"] or 0 for record in kept], np.int16),
        vectors=matrix,
        embedding=embedder.channel,
    )


def _candidates(folder: Path) -> dict[str, dict[str, str | int | None]]:
    table = shards.read(folder, Candidate, ["id", *BITS, "pdq_quality", "status"])
    usable = table.filter(pc.equal(table.column("status"), FetchStatus.OK.value))
    return {record["id"]: record for record in usable.to_pylist()}


def _collect_texts(folder: Path, texts: dict[str, dict[str, None]]) -> None:
    """Add what a dataset says of each candidate; a dict keeps the order and drops repeats."""
    told = ["title", "caption", "creator", "query"]
    for row_type, key in ((Candidate, "id"), (Finding, "candidate_id")):
        for batch in shards.batches(folder, row_type, [key, *told]):
            for record in batch.to_pylist():
                words = texts.setdefault(record[key], {})
                words.update((record[name], None) for name in told if record[name])


def _described(
    folder: Path,
    candidates: Mapping[str, object],
    embedder: Embedder,
    progress: Progress | None,
) -> dict[str, NDArray[np.float16]]:
    """The vectors of a dataset, those that were missing computed and stored."""
    where = descriptor_folder(folder, embedder.channel, embedder.version)
    vectors = read_vectors(where, embedder.dimension)
    missing = candidates.keys() - vectors.keys()
    done, run, keeps = len(candidates) - len(missing), uuid4().hex[:12], True
    for number, (ids, pictures) in enumerate(_pictures(folder, missing)):
        fresh = embedder.embed(pictures)
        vectors |= zip(ids, fresh.astype(np.float16), strict=True)
        done += len(ids)
        if progress is not None:
            progress(done, len(candidates))
        try:
            if keeps:
                write_vectors(where / f"part-{run}-{number:05d}.parquet", ids, fresh)
        except ShardError as exc:
            keeps = False
            log.warning("descriptors are not kept for the next run: %s", exc)
    return vectors


def _pictures(
    folder: Path, wanted: set[str]
) -> Iterator[tuple[list[str], list[NDArray[np.uint8]]]]:
    """The stored pictures of some candidates, decoded, a few hundred at a time."""
    wanted = set(wanted)
    ids: list[str] = []
    pictures: list[NDArray[np.uint8]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in shards.batches(folder, Candidate, ["id", "image"]) if wanted else ():
            here = [
                (name, image["bytes"])
                for name, image in zip(
                    batch.column("id").to_pylist(), batch.column("image").to_pylist(), strict=True
                )
                if name in wanted and image and image["bytes"]
            ]
            wanted.difference_update(name for name, _ in here)
            for (name, _), picture in zip(
                here, pool.map(_decoded, (body for _, body in here)), strict=True
            ):
                if picture is None:
                    log.warning("candidate %s: its stored picture cannot be decoded", name)
                    continue
                ids.append(name)
                pictures.append(picture)
            if len(ids) >= DESCRIBED_AT_ONCE:
                yield ids, pictures
                ids, pictures = [], []
    if ids:
        yield ids, pictures


def _decoded(body: bytes) -> NDArray[np.uint8] | None:
    try:
        return open_picture(body).rgb
    except PictureError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
