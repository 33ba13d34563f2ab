"""The store of embeddings: Parquet files beside the candidates that they describe.

`descriptors/<channel>@<version>/part-<run>-<n>.parquet`, two columns: id, and the vector as
float16 (cosine to float32 above .99999). A vector is computed once, and one model's vectors are
never read as another's: the folder's name and each file's metadata say whose they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from attribution.errors import DescriptorMismatchError, GalleryError
from harvester.dataset.links import refuse_link
from harvester.dataset.shards import write_shard
from harvester.dataset.storage import Location
from harvester.errors import reason_of
from harvester.paths import user_cache


def descriptor_folder(dataset: Location, channel: str, version: str) -> Path:
    """Where a dataset's vectors of one model are kept: beside it, if it is on a local disk.

    Those of another are kept in the user's cache, by a digest of its address: vectors of a
    candidate that is gone do no harm, since ids are digests of what was served.
    """
    beside = dataset if isinstance(dataset, Path) else _cache(dataset)
    return beside / "descriptors" / f"{channel}@{version}"


def _cache(dataset: Location) -> Path:
    digest = hashlib.sha256(str(dataset).encode("utf-8", "surrogatepass")).hexdigest()
    return user_cache() / digest[:32]


def read_vectors(folder: Path, dimension: int) -> dict[str, NDArray[np.float16]]:
    """All vectors of one folder by candidate id; empty where there are none yet.

    Raises:
        DescriptorMismatchError: if a file was written by another model.
        GalleryError: if a file cannot be read.
    """
    vectors: dict[str, NDArray[np.float16]] = {}
    for path in sorted(folder.glob("part-*.parquet")):
        try:
            table = pq.read_table(pa.BufferReader(path.read_bytes()))
        except (OSError, pa.ArrowException) as exc:
            raise GalleryError(
                f"{path}: expected descriptors, found a file that cannot be read "
                f"({reason_of(exc)}); delete it, they are computed again"
            ) from exc
        if table.schema.metadata != _stamp(folder) or table.schema.types != _types(dimension):
            raise DescriptorMismatchError(
                f"{path}: expected vectors of {folder.name}, {dimension} numbers each, found those "
                "of another model; delete the file, they are computed again"
            )
        flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if len(flat) != table.num_rows * dimension or not np.isfinite(flat).all():
            raise GalleryError(
                f"{path}: expected a number in every place of every vector, found none in some; "
                "delete the file, they are computed again"
            )
        vectors |= zip(table.column("id").to_pylist(), flat.reshape(-1, dimension), strict=True)
    return vectors


def write_vectors(path: Path, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write the vectors (n, d) of n candidates as one new file below a `descriptor_folder`.

    Raises:
        ShardError: as `write_shard`, and as `refuse_link` where links lead out of the dataset.
    """
    refuse_link(path.parent, path.parents[2])
    id_type, vector_type = _types(vectors.shape[1])
    flat = pa.array(vectors.astype(np.float16).ravel())
    table = pa.table(
        {
            "id": pa.array(ids, id_type),
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]).cast(vector_type),
        },
        metadata=_stamp(path.parent),
    )
    write_shard(path, table)


def _types(dimension: int) -> list[pa.DataType]:
    return [pa.string(), pa.list_(pa.float16(), dimension)]


def _stamp(folder: Path) -> dict[bytes, bytes]:
    return {b"whence": json.dumps({"descriptors": folder.name}).encode()}
