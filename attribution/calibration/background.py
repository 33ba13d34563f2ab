"""The background (null): pictures that nobody suspects, as descriptors, for what chance gives.

Two halves that share no picture. The *reference* half says how near a query or a candidate is to
anything at all, which is taken off its similarities. The *null* half is treated as candidates are;
where a candidate stands among it is its p-value. Pictures themselves are not kept.

A small background is part of the package (`weights/README.md` says of what); `attribute background`
fits one on any dataset. The more it resembles the unrelated candidates of a gallery, the better
the p-values hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from attribution.calibration.significance import hubness
from attribution.descriptors.embedder import Embedder
from attribution.descriptors.whitening import with_derived
from attribution.errors import BackgroundError
from attribution.matching.geometry import threshold
from attribution.packaged import packaged
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of
from harvester.paths import beginning_of

SHIPPED = packaged("background.safetensors")
FEWEST = 200
"""Pictures below which a background says nothing: a p-value of .01 needs a null of a hundred."""
MOST = 4000
"""Pictures that are kept; more would make every ranking slower and no p-value better."""
_FORMAT = 1
_MAX_BYTES = 1 << 30
_LONGEST_HEADER = 1 << 20
_OFF_LENGTH = 0.02
"""Of a vector kept as float16."""


@dataclass(frozen=True)
class Background:
    """Descriptors of background pictures, by channel.

    Attributes:
        name: what it was fitted on, for a person.
        digest: sha256 of the file, or of the arrays where there is no file.
        versions: by channel, what its vectors depend on beside the pictures.
        reference, null: by channel, (N, d) float32 unit rows; two halves.
        inliers: by method of `regions`, (pairs,) int: points in which unrelated pictures agree.
    """

    name: str
    digest: str
    versions: Mapping[str, str]
    reference: Mapping[str, NDArray[np.float32]]
    null: Mapping[str, NDArray[np.float32]]
    inliers: Mapping[str, NDArray[np.int64]]

    @cached_property
    def hubs(self) -> Mapping[str, NDArray[np.float32]]:
        """By channel, (N,) the null's own hubness."""
        return {
            channel: hubness(rows @ self.reference[channel].T)
            for channel, rows in self.null.items()
        }

    @cached_property
    def thresholds(self) -> Mapping[str, int]:
        """By method of `regions`, the fewest inliers that are more than chance."""
        return {method: threshold(counts) for method, counts in self.inliers.items()}

    def __len__(self) -> int:
        return sum(len(next(iter(half.values()))) for half in (self.reference, self.null))

    def check(self, embedders: Sequence[Embedder]) -> None:
        """Refuse vectors of another model; the first one's must be there, others may be missing.

        Raises:
            BackgroundError: naming the channel, and what to do.
        """
        if embedders and embedders[0].channel not in self.null:
            raise BackgroundError(
                f"{self.name}: expected a background described by {embedders[0].channel}, found "
                f"{', '.join(self.null)}; fit it again with `attribute background`"
            )
        for one in embedders:
            have = self.versions.get(one.channel, one.version)
            if have != one.version:
                raise BackgroundError(
                    f"{self.name}: expected a background described by {one.channel}@{one.version}, "
                    f"found {one.channel}@{have}; fit it again with `attribute background`"
                )
            if one.channel in self.null and self.null[one.channel].shape[1] != one.dimension:
                raise BackgroundError(
                    f"{self.name}: expected {one.dimension} numbers in each vector of "
                    f"{one.channel}, found {self.null[one.channel].shape[1]}; fit it again with "
                    "`attribute background`"
                )


def fit_background(
    name: str,
    ids: Sequence[str],
    vectors: Mapping[str, NDArray[np.float32]],
    versions: Mapping[str, str],
    inliers: Mapping[str, NDArray[np.int64]],
) -> Background:
    """A background of pictures by their vectors (n, d), rows in the order of `ids`.

    Which half a picture falls into, and which are kept of too many, its id decides, so that the
    draw is the same each time.

    Raises:
        BackgroundError: if there are fewer than 200 pictures.
    """
    if len(ids) < FEWEST:
        raise too_few(name, len(ids))
    halves = draw_halves(ids)
    reference, null = (
        {
            channel: rows[half].astype(np.float16).astype(np.float32)
            for channel, rows in vectors.items()
        }
        for half in halves
    )
    background = Background(name, "", dict(versions), reference, null, dict(inliers))
    digest = hashlib.sha256(_to_bytes(background)).hexdigest()
    # As if it were read from its file, with what follows from the vectors that are kept.
    return replace(
        background, digest=digest, reference=with_derived(reference), null=with_derived(null)
    )


def draw_halves(ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the reference half and of the null half, ascending."""
    drawn = sorted(range(len(ids)), key=lambda row: _draw(ids[row]))[:MOST]
    return np.array(sorted(drawn[::2])), np.array(sorted(drawn[1::2]))


def too_few(name: str, count: int) -> BackgroundError:
    """What is said where a background has too few pictures."""
    return BackgroundError(
        f"{name}: expected at least {FEWEST} different pictures for a background, found {count:,}; "
        "harvest more, of many subjects, with `harvest ddg --prompts` or `harvest folder`"
    )


def write_background(path: Path, background: Background) -> None:
    """Write a background, whole or not at all.

    Raises:
        BackgroundError: if the file cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(_to_bytes(background))
    except OSError as exc:
        raise BackgroundError(
            f"{path}: expected to write the background, found {reason_of(exc)}; give another --out"
        ) from exc


def is_background(path: Path) -> bool:
    """Whether a file is a background, of any format; raises OSError or ValueError."""
    size = int.from_bytes(beginning_of(path, 8), "little")
    header = json.loads(beginning_of(path, 8 + min(size, _LONGEST_HEADER))[8:])
    try:
        metadata = json.loads(header["__metadata__"]["whence"])
    except (KeyError, TypeError):
        return False
    return isinstance(metadata, dict) and metadata.keys() >= {"format", "name", "versions"}


def read_background(path: Path = SHIPPED) -> Background:
    """A background from a file.

    Raises:
        BackgroundError: if it is missing, damaged, of another format, or too small.
    """
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size > _MAX_BYTES:
                raise ValueError(f"more than {_MAX_BYTES:,} bytes")  # noqa: TRY301  # one place says what is wrong
            body = stream.read()
        arrays, metadata = load(body), _metadata(body)
        halves = [
            {channel: _rows(arrays[f"{channel}/{half}"]) for channel in metadata["versions"]}
            for half in ("reference", "null")
        ]
        background = Background(  # with what follows from the vectors that are kept
            name=str(metadata["name"]),
            digest=hashlib.sha256(body).hexdigest(),
            versions={str(key): str(value) for key, value in metadata["versions"].items()},
            reference=with_derived(halves[0]),
            null=with_derived(halves[1]),
            inliers={
                name.removeprefix("inliers/"): _counts(counts)
                for name, counts in arrays.items()
                if name.startswith("inliers/")
            },
        )
        _check(background)
    except (
        OSError,
        SafetensorError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as exc:
        found = reason_of(exc) if isinstance(exc, OSError) else f"another file ({exc})"
        raise BackgroundError(
            f"{path}: expected a background, found {found}; fit one with `attribute background`"
        ) from exc
    if len(background) < FEWEST:
        raise BackgroundError(
            f"{path}: expected a background of at least {FEWEST} pictures, found "
            f"{len(background)}; fit a larger one with `attribute background`"
        )
    return background


def _check(background: Background) -> None:
    if not background.versions:
        raise ValueError("no channel")
    for half in (background.reference, background.null):
        sizes = {len(rows) for rows in half.values()}
        if len(sizes) != 1 or any(
            rows.ndim != 2 or not rows.size or not np.isfinite(rows).all() for rows in half.values()
        ):
            raise ValueError("arrays that do not fit together")
    if any(
        rows.shape[1] != background.null[one].shape[1] for one, rows in background.reference.items()
    ):
        raise ValueError("halves that do not fit together")


def _rows(array: NDArray[np.generic]) -> NDArray[np.float32]:
    """Vectors as float32, if their lengths are 1 but for rounding, or 0 of a flat picture."""
    rows = array.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1) if rows.ndim == 2 else np.full(1, np.nan)
    if not ((np.abs(lengths - 1) < _OFF_LENGTH) | (lengths == 0)).all():
        raise ValueError("vectors whose length is not 1")
    return rows


def _counts(array: NDArray[np.generic]) -> NDArray[np.int64]:
    """Counts of agreeing points, one or more."""
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError("points that are not counted")
    return array.astype(np.int64)


def _draw(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _to_bytes(background: Background) -> bytes:
    arrays: dict[str, NDArray[np.generic]] = {
        f"inliers/{name}": counts.astype(np.int64) for name, counts in background.inliers.items()
    }
    for half, vectors in (("reference", background.reference), ("null", background.null)):
        arrays |= {
            f"{channel}/{half}": vectors[channel].astype(np.float16)
            for channel in background.versions
        }
    metadata = {
        "format": _FORMAT,
        "name": background.name,
        "versions": dict(background.versions),
    }
    return save(arrays, metadata={"whence": json.dumps(metadata, sort_keys=True)})


def _metadata(body: bytes) -> dict[str, dict[str, str]]:
    """The header's own words: safetensors' reader of bytes returns the arrays alone."""
    length = int.from_bytes(body[:8], "little")
    metadata = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["whence"])
    if metadata["format"] != _FORMAT:
        raise ValueError(f"format {metadata['format']}, not {_FORMAT}")
    checked: dict[str, dict[str, str]] = metadata
    return checked
