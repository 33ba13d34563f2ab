"""Descriptors of a dataset's candidates: those on disk, and those that are missing, computed.

A picture is decoded once for all the embedders that have not seen it. What is computed is written
every few hundred pictures, so that an interruption costs no more than these.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.embedder import Embedder
from attribution.descriptors.store import descriptor_folder, read_vectors, write_vectors
from harvester.dataset import shards
from harvester.dataset.storage import Location
from harvester.errors import ShardError
from harvester.pictures.decode import try_open
from harvester.schema import Candidate

log = logging.getLogger(__name__)
DESCRIBED_AT_ONCE = 256
"""Candidates between two writes: what an interruption costs."""
Progress = Callable[[int, int], None]
"""Called with how many candidates are described and how many there are."""
Vectors = dict[str, dict[str, NDArray[np.float16]]]
"""By channel and candidate id, vectors of a channel's dimension."""


def describe_dataset(
    folder: Location,
    candidates: Collection[str],
    embedders: Sequence[Embedder],
    progress: Progress | None = None,
) -> Vectors:
    """The vectors of some candidates of a dataset; one that cannot be decoded has none.

    Raises:
        DescriptorMismatchError: if descriptors on disk are of another model.
        GalleryError: if they cannot be read.
        SchemaError, ShardError: if the folder holds something else, or a damaged shard.
    """
    where = {one.channel: descriptor_folder(folder, one.channel, one.version) for one in embedders}
    vectors = {one.channel: read_vectors(where[one.channel], one.dimension) for one in embedders}
    missing = {name: set(candidates) - vectors[name].keys() for name in where}
    waiting = set[str]().union(*missing.values())
    done, run, keeps = len(candidates) - len(waiting), uuid4().hex[:12], True
    for number, (ids, pictures) in enumerate(_pictures(folder, waiting)):
        for embedder in embedders:
            fresh = _embed_missing(embedder, ids, pictures, missing[embedder.channel])
            vectors[embedder.channel] |= fresh
            try:
                if keeps and fresh:
                    write_vectors(
                        where[embedder.channel] / f"part-{run}-{number:05d}.parquet",
                        list(fresh),
                        np.stack(list(fresh.values())),
                    )
            except ShardError as exc:
                keeps = False
                log.warning("descriptors are not kept for the next run: %s", exc)
        done += len(ids)
        if progress is not None:
            progress(done, len(candidates))
    return vectors


def _embed_missing(
    embedder: Embedder,
    ids: Sequence[str],
    pictures: Sequence[NDArray[np.uint8]],
    missing: Collection[str],
) -> Mapping[str, NDArray[np.float16]]:
    places = [place for place, name in enumerate(ids) if name in missing]
    fresh = embedder.embed([pictures[place] for place in places]).astype(np.float16)
    return {ids[place]: vector for place, vector in zip(places, fresh, strict=True)}


def _pictures(
    folder: Location, wanted: set[str]
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
                here, pool.map(try_open, (body for _, body in here)), strict=True
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
