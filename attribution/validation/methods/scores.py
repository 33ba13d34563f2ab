"""These are the attribution scores of a run, of every method, as one Parquet file.

A row is one method's scores of all training pictures for one query.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.validation.parquet import reading_table, write_table
from attribution.validation.results import AS_SHARES, LOG_ODDS, SCORE

_SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("query", pa.int64()),
        ("scores", pa.list_(pa.float32())),
        ("seconds", pa.float64()),
    ]
)
_Z = "z of "


@dataclass(frozen=True)
class Scored:
    """What every method says of n training pictures to q generated ones.

    Attributes:
        by_arm: by method, (q, n) float32, finite, higher is closer; the pictures in the order of
            their ids. Within a method and a row numbers may be compared; methods have scales of
            their own.
        z: by calibrated image channel, likewise: what whence's fusion weighs; no methods.
        seconds: a query, by method.
    """

    by_arm: dict[str, NDArray[np.float32]]
    z: dict[str, NDArray[np.float32]]
    seconds: dict[str, float]

    @property
    def arms(self) -> list[str]:
        """Those that orders of removal are made from."""
        numbers = {SCORE, LOG_ODDS}
        return [arm for arm in self.by_arm if arm not in numbers and not arm.endswith(AS_SHARES)]


def write_scores(path: Path, scored: Scored) -> None:
    """Write them down, whole or not at all.

    Raises:
        ProofError: if they cannot be written.
    """
    rows = [
        {
            "method": name,
            "query": number,
            "scores": row,
            "seconds": scored.seconds.get(name, float("nan")),
        }
        for name, scores in [
            *scored.by_arm.items(),
            *((_Z + channel, z) for channel, z in scored.z.items()),
        ]
        for number, row in enumerate(scores)
    ]
    write_table(path, rows, _SCHEMA, "scores")


def read_scores(path: Path) -> Scored:
    """Read them.

    Raises:
        ProofError: if the file holds something else.
    """
    with reading_table(path, _SCHEMA, "scores of this run") as rows:
        by_method: dict[str, list[NDArray[np.float32]]] = {}
        for row in rows:
            by_method.setdefault(row["method"], []).append(np.array(row["scores"], np.float32))
        by_arm = {name: np.stack(scores) for name, scores in by_method.items()}
    z = {name.removeprefix(_Z): by_arm.pop(name) for name in list(by_arm) if name.startswith(_Z)}
    return Scored(by_arm, z, {row["method"]: row["seconds"] for row in rows})
