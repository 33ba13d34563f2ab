"""This is the record of one retrained model: what it answers after training without some pictures.

It is a file of a run, whose name says what the model was: the settings, the training seed, and
what was removed. So the same removal by two arms is trained once, and a run that was stopped goes
on from the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attribution.validation.parquet import reading_table, write_table

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
    identity = "\0".join([base, str(seed), *sorted(removed)])
    return f"{seed}-{len(removed)}-{hashlib.sha256(identity.encode()).hexdigest()[:20]}.parquet"


def write_outcome(path: Path, outcome: RetrainingOutcome) -> None:
    """Write it down, whole or not at all.

    Raises:
        ProofError: if it cannot be written.
    """
    # The fields are the columns.
    row = vars(outcome) | {"codes": list(outcome.codes)}
    write_table(path, [row], _SCHEMA, "an outcome")


def read_outcome(path: Path) -> RetrainingOutcome:
    """Read one.

    Raises:
        ProofError: if it is missing or holds something else.
    """
    with reading_table(path, _SCHEMA, "an outcome of this run") as rows:
        (row,) = rows
        return RetrainingOutcome(
            seed=row["seed"],
            removed=tuple(row["removed"]),
            query_losses=np.array(row["query_losses"], np.float32),
            picture_losses=np.array(row["picture_losses"], np.float32),
            codes=np.array(row["codes"], np.int32),
            training_loss=row["training_loss"],
            seconds=row["seconds"],
        )
