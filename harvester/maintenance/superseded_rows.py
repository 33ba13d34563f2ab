"""This finds the rows that later ones replace, by sorting digests in temporary files.

Of the rows of one key one holds, by `dataset.precedence`; of searches the last that came to an end:

- candidates: by id; and a failure gives way to the row of its address that holds, while each
  picture stays, which findings may name;
- generations: by id;
- findings: by address, source, prompt and query;
- searches: by prompt, query, source and scope.

Memory does not grow with the dataset: 25 bytes a key go to disk, in parts of about a million that
are sorted one by one, and a byte a row says what became of it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harvester.dataset.precedence import rank_of
from harvester.schema import Candidate, FetchStatus, Finding, Generation, Row, Search, SearchStatus

_KEY = np.dtype([("high", "<u8"), ("low", "<u8"), ("rank", "<i8"), ("yields", "?")])
"""rank: the higher replaces the lower; the row's number is in its lower bits."""
_NUMBER_BITS = 48
_KEYS_A_PART = 1 << 20
_MOST_PARTS = 256
_KEYS_A_ROW = 2
_Key = tuple[str, int, bool]
"""What two rows have in common, its weight, and whether the row gives way to one of higher rank."""


def _of_candidate(record: Mapping[str, Any]) -> Iterator[_Key]:
    rank = rank_of(record["status"])
    yield f"id\0{record['id']}", rank, True
    yield f"url\0{record['url']}", rank, record["status"] != FetchStatus.OK


def _of_generation(record: Mapping[str, Any]) -> Iterator[_Key]:
    yield record["id"], rank_of(record["status"]), True


def _of_finding(record: Mapping[str, Any]) -> Iterator[_Key]:
    yield _joined(record, "url", "source", "query_prompt", "query"), 0, True


def _of_search(record: Mapping[str, Any]) -> Iterator[_Key]:
    has_ended = record["status"] in {SearchStatus.OK, SearchStatus.EMPTY}
    yield _joined(record, "query_prompt", "query", "source", "scope"), int(has_ended), True


def _joined(record: Mapping[str, Any], *names: str) -> str:
    return "\0".join(record[name] or "" for name in names)


_KEYS_OF: Mapping[type[Row], Callable[[Mapping[str, Any]], Iterator[_Key]]] = {
    Candidate: _of_candidate,
    Generation: _of_generation,
    Finding: _of_finding,
    Search: _of_search,
}
COLUMNS: Mapping[type[Row], list[str]] = {
    Candidate: ["id", "url", "status"],
    Generation: ["id", "status"],
    Finding: ["url", "source", "query_prompt", "query"],
    Search: ["query_prompt", "query", "source", "scope", "status"],
}
"""What has to be read of each kind of row."""


class SupersededRows:
    """The rows that are replaced, by their numbers in reading order; a context manager.

    Args:
        row_type: of all rows.
        rows: how many there are at most.
    """

    def __init__(self, row_type: type[Row], rows: int) -> None:
        self._keys_of = _KEYS_OF[row_type]
        self._parts = min(_MOST_PARTS, 1 + rows * _KEYS_A_ROW // _KEYS_A_PART)
        self._number = 0
        self._rows = rows
        self._temporary = tempfile.TemporaryDirectory(prefix="whence-compact-")
        self._folder = Path(self._temporary.name)
        self._dropped: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dropped = np.zeros(0, np.bool_)
        self._temporary.cleanup()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows, of the columns in `COLUMNS`; raises OSError where a disk is full."""
        digests: list[bytes] = []
        ranks: list[int] = []
        yields: list[bool] = []
        for record in batch.to_pylist():
            for text, weight, gives_way in self._keys_of(record):
                digests.append(hashlib.blake2b(text.encode(), digest_size=16).digest())
                ranks.append(weight << _NUMBER_BITS | self._number)
                yields.append(gives_way)
            self._number += 1
        keys = np.empty(len(digests), _KEY)
        halves = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        keys["high"], keys["low"] = halves[:, 0], halves[:, 1]
        keys["rank"], keys["yields"] = ranks, yields
        part = keys["high"] % np.uint64(self._parts)
        for number in np.unique(part):
            with (self._folder / str(number)).open("ab") as file:
                file.write(keys[part == number].tobytes())

    def settle(self) -> None:
        """Find what is replaced, when all rows are there; raises OSError where a disk is full."""
        size = max(1, self._number)
        self._dropped = np.memmap(self._folder / "dropped", np.bool_, "w+", shape=(size,))
        for part in range(self._parts):
            path = self._folder / str(part)
            if not path.exists():
                continue
            keys = np.fromfile(path, _KEY)
            keys = keys[np.lexsort((keys["rank"], keys["low"], keys["high"]))]
            is_last = np.ones(len(keys), np.bool_)
            is_last[:-1] = (keys["high"][1:] != keys["high"][:-1]) | (
                keys["low"][1:] != keys["low"][:-1]
            )
            gone = keys["rank"][~is_last & keys["yields"]] & ((1 << _NUMBER_BITS) - 1)
            self._dropped[gone] = True
            path.unlink()

    def dropped(self, start: int, count: int) -> NDArray[np.bool_]:
        """(count,) bool: whether the rows from number `start` on are replaced."""
        return np.array(self._dropped[start : start + count])
