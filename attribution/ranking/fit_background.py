"""The fit of a background on datasets: near-duplicates out, descriptors in two halves, inliers.

Near-duplicates go because a picture that stands twice in the background is chance twice, and
because two of them agree place by place as unrelated pictures never do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from attribution.calibration.background import FEWEST, Background, fit_background, too_few
from attribution.descriptors.embedder import CellEmbedder, Embedder
from attribution.descriptors.hashes import hamming
from attribution.descriptors.whitening import DERIVED
from attribution.matching.geometry import inlier_counts
from attribution.ranking.gallery import Gallery, load_gallery
from attribution.ranking.verification import describe_all, describe_queries
from harvester.dataset.storage import Location
from harvester.pictures.decode import open_picture

DUPLICATE_BITS = 60
"""PDQ bits of 256 within which two pictures of a background are one; 94 was the least that 93,224
unrelated pairs had."""
PLACED = 240
"""Pictures that are compared place by place for the null of `matching.geometry`."""
PAIRS_EACH = 12
Progress = Callable[[int, int], None]


def fit_on_datasets(
    folders: Sequence[Location],
    embedders: Sequence[Embedder],
    cells: CellEmbedder,
    *,
    name: str,
    described: Progress | None = None,
    placed: Progress | None = None,
) -> Background:
    """A background of the candidates of some datasets.

    Args:
        folders: datasets of pictures of many subjects, none of which is ranked later.
        embedders: of the channels that are to be calibrated.
        cells: as in `RankingSetup`.
        name: what it is called in reports.
        described: told how many pictures are described.
        placed: told how many are compared place by place.

    Raises:
        BackgroundError: if fewer than 200 different pictures are there.
        GalleryError, SchemaError, ShardError, DescriptorMismatchError: as `load_gallery` does.
    """
    gallery = load_gallery(folders, embedders, described)
    rows = different(gallery.hashes["pdq"][0])
    if len(rows) < FEWEST:
        raise too_few(", ".join(map(str, folders)), len(rows))
    ids = [gallery.ids[row] for row in rows]
    return fit_background(
        name,
        ids,
        {
            channel: vectors[rows]
            for channel, vectors in gallery.vectors.items()
            if channel not in DERIVED
        },
        gallery.versions,
        unrelated_inliers(gallery, ids, cells, placed),
    )


def different(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows of packed PDQ hashes (n, 4) that are no near-duplicate of an earlier one, ascending."""
    kept: list[int] = []
    for row in range(len(words)):
        if not kept or int(hamming(words[row : row + 1], words[kept]).min()) > DUPLICATE_BITS:
            kept.append(row)
    return np.array(kept, np.int64)


def unrelated_inliers(
    gallery: Gallery, ids: Sequence[str], cells: CellEmbedder, progress: Progress | None = None
) -> dict[str, NDArray[np.int64]]:
    """By method of `matching.geometry`, in how many points pairs of different pictures agree.

    Which pictures, and which with which, their ids decide.
    """
    drawn = sorted(ids, key=lambda name: hashlib.sha256(b"placed" + name.encode()).digest())[
        :PLACED
    ]
    candidates = gallery.pick(drawn)
    pictures = [open_picture(candidates[name].image or b"").rgb for name in drawn]
    features = describe_all(pictures, cells)
    counts: dict[str, list[NDArray[np.int64]]] = {}
    for index, picture in enumerate(pictures):
        query = describe_queries([picture], cells)[0]
        others = [features[(index + 1 + n) % len(drawn)] for n in range(PAIRS_EACH)]
        for method, values in inlier_counts((query, other) for other in others).items():
            counts.setdefault(method, []).append(values)
        if progress is not None:
            progress(index + 1, len(drawn))
    return {method: np.concatenate(values) for method, values in counts.items()}
