"""The candidates searched, with everything that ranking needs of them in memory.

Pictures stay on disk. A candidate without a vector is described on the way, once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from attribution.descriptors.describe import Progress, Vectors, describe_dataset
from attribution.descriptors.embedder import Embedder
from attribution.descriptors.hashes import BITS, PDQ_QUALITY, hamming, pack
from attribution.descriptors.text import CandidateText, TextScorer
from attribution.descriptors.tfidf import TfidfIndex
from attribution.descriptors.whitening import with_derived
from attribution.errors import GalleryError
from attribution.ranking.method import TEXT_SCORERS
from attribution.ranking.vector_index import VectorIndex
from harvester.dataset import shards
from harvester.dataset.storage import Location
from harvester.pictures.decode import PictureError, compute_hashes, open_picture
from harvester.schema import Candidate, FetchStatus, Finding

log = logging.getLogger(__name__)
_STORING_BITS = 16
_STORING_QUALITY = 20
"""What storing a picture as JPEG may change of its PDQ hash, and far less than a forger needs."""


@dataclass(frozen=True)
class Gallery:
    """Candidates in the order of their ids; row n of every array is candidate n.

    Attributes:
        texts: what is written about each. The queries that found it are no text about it: by these
            a candidate would agree with a prompt because it was searched for.
        found_by: by prompt, the rows that searches for it led to, ascending.
        hashes: by channel, packed words and which of them are there, as `hashes.pack` gives.
        pdq_quality: (n,) int16, 0 to 100.
        vectors: by space, (n, d) float32 unit rows; d is the space's own.
        versions: by channel, what its vectors depend on beside the pictures.
    """

    folders: tuple[Location, ...]
    ids: tuple[str, ...]
    texts: tuple[CandidateText, ...]
    found_by: Mapping[str, NDArray[np.int64]]
    hashes: Mapping[str, tuple[NDArray[np.uint64], NDArray[np.bool_]]]
    pdq_quality: NDArray[np.int16]
    vectors: Mapping[str, NDArray[np.float32]]
    versions: Mapping[str, str]
    _checked: set[int] = field(default_factory=set)
    _indexes: dict[str, VectorIndex] = field(default_factory=dict)

    @cached_property
    def text_scorers(self) -> dict[str, TextScorer]:
        """The text channels by name, over the texts."""
        scorers = [make_scorer(self.texts) for make_scorer in TEXT_SCORERS]
        return {scorer.name: scorer for scorer in scorers}

    @cached_property
    def tfidf_index(self) -> TfidfIndex:
        """TF-IDF of plain texts over the same, as rankers of words alone need it."""
        return TfidfIndex([text.body for text in self.texts])

    def nearest(self, space: str, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Rows of the k nearest to any of some queries (m, d), each once."""
        if space not in self._indexes:
            self._indexes[space] = VectorIndex(self.vectors[space])
        return np.unique(self._indexes[space].nearest(queries, k))

    def check_hashes(self, rows: Iterable[int]) -> bool:
        """Compute some candidates' PDQ from their pictures; True where one had to be put right.

        A dataset may come from anybody, and a hash that is not its picture's would make a near
        copy, or hide one. A picture that cannot be decoded has no hash. Each is checked once.

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
            try:
                true = compute_hashes(open_picture(body).rgb)
            except PictureError as exc:
                log.warning("candidate %s: %s; its hash is not used", self.ids[row], exc)
                there[row], self.pdq_quality[row], was_wrong = False, 0, True
                continue
            packed, _ = pack([true.pdq], BITS["pdq"])
            distance = int(hamming(packed, words[row : row + 1])[0, 0])
            shift = abs(int(self.pdq_quality[row]) - true.pdq_quality)
            if distance > _STORING_BITS or shift > _STORING_QUALITY:
                # Without structure a hash is noise that storing changes, and nobody forged it.
                if max(int(self.pdq_quality[row]), true.pdq_quality) >= PDQ_QUALITY:
                    log.warning(
                        "candidate %s: its hash is not its picture's; put right", self.ids[row]
                    )
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
    folders: Sequence[Location], embedders: Sequence[Embedder], progress: Progress | None = None
) -> Gallery:
    """The candidates of some datasets, described; one found in several is taken once.

    A candidate whose picture cannot be decoded is left out.

    Raises:
        GalleryError: if there is no candidate with a picture.
        SchemaError, ShardError: if a folder holds something else, or a damaged shard.
        DescriptorMismatchError: if descriptors on disk are of another model.
    """
    vectors: Vectors = {one.channel: {} for one in embedders}
    records: dict[str, dict[str, str | int | None]] = {}
    texts: dict[str, dict[str, dict[str, None]]] = {}
    found_by: dict[str, set[str]] = {}
    for folder in folders:
        here = _candidates(folder)
        for channel, found in describe_dataset(folder, here, embedders, progress).items():
            vectors[channel] |= found
        records = here | records
        _collect_texts(folder, texts, found_by)
    ids = tuple(
        sorted(name for name in records if all(name in found for found in vectors.values()))
    )
    if not ids:
        where = ", ".join(str(folder) for folder in folders)
        raise GalleryError(
            f"{where}: expected candidates with pictures, found none; harvest some with "
            "`harvest ddg --prompt` or `harvest folder`"
        )
    kept = [records[name] for name in ids]
    return Gallery(
        folders=tuple(folders),
        ids=ids,
        texts=tuple(_candidate_text(texts.get(name, {})) for name in ids),
        found_by=_rows_by_prompt(found_by, ids),
        hashes={
            channel: pack([_text(record[channel]) for record in kept], bits)
            for channel, bits in BITS.items()
        },
        pdq_quality=np.array([record["pdq_quality"] or 0 for record in kept], np.int16),
        vectors=with_derived(
            {channel: _unit_rows(found, ids) for channel, found in vectors.items()}
        ),
        versions={one.channel: one.version for one in embedders},
    )


def _unit_rows(
    vectors: Mapping[str, NDArray[np.float16]], ids: Sequence[str]
) -> NDArray[np.float32]:
    rows = np.stack([vectors[name] for name in ids]).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-6)
    return rows


def _candidates(folder: Location) -> dict[str, dict[str, str | int | None]]:
    table = shards.read(folder, Candidate, ["id", *BITS, "pdq_quality", "status"])
    usable = table.filter(pc.equal(table.column("status"), FetchStatus.OK.value))
    return {record["id"]: record for record in usable.to_pylist()}


def _rows_by_prompt(
    found_by: Mapping[str, set[str]], ids: Sequence[str]
) -> dict[str, NDArray[np.int64]]:
    row_of = {name: row for row, name in enumerate(ids)}
    return {
        prompt: np.array(sorted(row_of[name] for name in names if name in row_of), np.int64)
        for prompt, names in found_by.items()
    }


def _collect_texts(
    folder: Location,
    texts: dict[str, dict[str, dict[str, None]]],
    found_by: dict[str, set[str]],
) -> None:
    """Add what a dataset says of each candidate; a dict keeps the order and drops repeats."""
    told = [field.name for field in fields(CandidateText)]
    for row_type, key in ((Candidate, "id"), (Finding, "candidate_id")):
        for batch in shards.batches(folder, row_type, [key, "query_prompt", *told]):
            for record in batch.to_pylist():
                if record["query_prompt"]:
                    found_by.setdefault(record["query_prompt"], set()).add(record[key])
                words = texts.setdefault(record[key], {})
                for name in told:
                    if record[name]:
                        words.setdefault(name, {})[record[name]] = None


def _candidate_text(words: Mapping[str, Mapping[str, None]]) -> CandidateText:
    return CandidateText(**{name: "\n".join(values) for name, values in words.items()})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
