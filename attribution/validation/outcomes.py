"""What became of one model that was trained without some pictures, as a file of a run.

A file's name says what the model was: the settings, the training seed, and what was removed. The
same removal by two arms is trained once, and a run that was stopped goes on from the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from attribution.errors import ProofError
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of

_SCHEMA = pa.schema(
    [
        ("seed", pa.int64()),
        ("removed", pa.list_(pa.string())),
        ("query_losses", pa.list_(pa.float32())),
        ("picture_losses", pa.list_(pa.float32())),
        ("codes", pa.list_(pa.list_(pa.int32()))),
        ("training_loss", pa.float32()),
        ("seconds", pa.float64()),
    ]
)


@dataclass(frozen=True)
class RetrainingOutcome:
    """One model's answers.

    Attributes:
        seed: of its training.
        removed: ids of the pictures that it never saw, ascending.
        query_losses: (q,) float32, of every generated picture of the run, nats a token.
        picture_losses: (n,) float32, of every picture, seen or not.
        codes: (p, t) int32, what it makes of the test's prompts with this seed.
        training_loss: of its last steps.
        seconds: of one core, training alone.
    """

    seed: int
    removed: tuple[str, ...]
    query_losses: NDArray[np.float32]
    picture_losses: NDArray[np.float32]
    codes: NDArray[np.int32]
    training_loss: float
    seconds: float


def outcome_name(base: str, seed: int, removed: Collection[str]) -> str:
    """The name of an outcome's file: of what the run is made of, the seed and the removal."""
    told = "\0".join([base, str(seed), *sorted(removed)])
    return f"{seed}-{len(removed)}-{hashlib.sha256(told.encode()).hexdigest()[:20]}.parquet"


def write_outcome(path: Path, outcome: RetrainingOutcome) -> None:
    """Write it down, whole or not at all.

    Raises:
        ProofError: if it cannot be written.
    """
    row = {
        "seed": outcome.seed,
        "removed": list(outcome.removed),
        "query_losses": outcome.query_losses,
        "picture_losses": outcome.picture_losses,
        "codes": list(outcome.codes),
        "training_loss": outcome.training_loss,
        "seconds": outcome.seconds,
    }
    try:
        with replacing(path) as temporary:
            pq.write_table(pa.Table.from_pylist([row], schema=_SCHEMA), temporary)
    except OSError as exc:
        raise ProofError(f"{path}: expected to write an outcome, found {reason_of(exc)}") from exc


def read_columns(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """The rows of a file of exactly these columns; pyarrow would make up those that are missing.

    Raises:
        OSError, ValueError, ArrowException: if it holds anything else.
    """
    with path.open("rb") as file:  # whose errors say what is wrong; pyarrow's name the path
        table = pq.read_table(file)
    if table.schema != schema or any(column.null_count for column in table.columns):
        raise ValueError("other columns, or fields without a value")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def read_outcome(path: Path) -> RetrainingOutcome:
    """Read one.

    Raises:
        ProofError: if it is missing or holds something else.
    """
    try:
        (row,) = read_columns(path, _SCHEMA)
        return RetrainingOutcome(
            seed=row["seed"],
            removed=tuple(row["removed"]),
            query_losses=np.array(row["query_losses"], np.float32),
            picture_losses=np.array(row["picture_losses"], np.float32),
            codes=np.array(row["codes"], np.int32),
            training_loss=row["training_loss"],
            seconds=row["seconds"],
        )
    except (OSError, TypeError, ValueError, pa.ArrowException) as exc:
        found = reason_of(exc) if isinstance(exc, OSError) else "another or a damaged file"
        raise ProofError(
            f"{path}: expected an outcome of this run, found {found}; delete it and run the same "
            "command again"
        ) from exc
