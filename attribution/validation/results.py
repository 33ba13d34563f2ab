"""These are the tables of results of a validation run, one dataclass for each kind of row.

Each kind is a Parquet file of the run, and a table of its report. Losses and effects are in nats a
token of the generated picture; an effect is a loss after forgetting minus the loss before.
Intervals are of 95 %. NaN stands where there is no figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pyarrow as pa

from attribution.validation.parquet import reading_table, write_table

SCORE = "score"
"""The method that is whence's score as it is shown, 0 to 1, near copies above; as an order it is
whence's."""
LOG_ODDS = "whence, log-odds"
"""Likewise, its log-odds as they are before near copies are put above and scores are made."""
ALONE = "whence, one prompt"
"""The arm of whence's ranking for one prompt at a time: as many trainings as there are prompts."""
WHOLE_ARTIST = "the artist "
"""Begins the name of the request to forget everything of one artist."""
AS_SHARES = ", shares"
"""Ends the name of a method whose numbers are shares of the influence, above 0 for what is above
chance alone; of a channel, as if whence had no other. They are no order of their own."""
AGAIN = "the halves, trained again"
"""The method that knows what models of another seed did on the same halves."""


def is_shares(method: str) -> bool:
    """Whether its numbers are shares of the influence, and not what it ranks by."""
    return method.endswith(AS_SHARES)


@dataclass(frozen=True, slots=True)
class Effect:
    """What removing the first K of one arm does, over all prompts and seeds.

    Attributes:
        arm: the ranking that chose what is removed.
        k: pictures for each prompt; removed: of all prompts together, the mean over seeds; of one
            prompt, where each has a training of its own.
        effect, low, high: the generated pictures' loss rises by so much.
        equivalent: how many random removals do the same, with its interval; `at_least` where the
            largest random removal that was tried does less.
        multiple: equivalent over removed, with its interval; `largest` over removed at most.
        largest: how many were removed at random at most.
        pixels, features, cosine: how far the same seeds' new pictures are from the old ones:
            mean squared difference of pixels (0 to 1), LPIPS-like distance, cosine of ResNet-50
            features as in Aivalis & Klampanos.
        drift: rise of the loss of pictures that should not change, in nats a token.
        own: share of prompts whose own picture was among the removed.
    """

    arm: str
    k: int
    prompts: int
    seeds: int
    removed: float
    effect: float
    low: float
    high: float
    equivalent: float
    equivalent_low: float
    equivalent_high: float
    at_least: bool
    multiple: float
    multiple_low: float
    multiple_high: float
    pixels: float
    features: float
    cosine: float
    drift: float
    own: float
    largest: float = math.nan

    @property
    def ceiling(self) -> float:
        """The largest multiple that the random removals can tell."""
        return self.largest / self.removed


@dataclass(frozen=True, slots=True)
class RandomEffect:
    """What removing pictures at random does; a point of the curve that others are held against."""

    removed: int
    share: float
    repeats: int
    effect: float
    low: float
    high: float
    drift: float


@dataclass(frozen=True, slots=True)
class Paired:
    """One arm's effect minus another's, prompt by prompt.

    Attributes:
        p: of Wilcoxon's signed-rank test, two-sided.
    """

    k: int
    arm: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    prompts: int


@dataclass(frozen=True, slots=True)
class Datamodelling:
    """A method's linear datamodeling score.

    Attributes:
        method: ends in `AS_SHARES` where it is of shares.
        looks_inside: whether it needs the model, as no closed generator's user has it.
        seconds: a query.
        above: by how much whence is above it, with its interval of the same queries and subsets:
            whence's shares where the method is one of shares or looks inside, else its score. NaN
            for whence.
    """

    method: str
    looks_inside: bool
    lds: float
    low: float
    high: float
    queries: int
    subsets: int
    seconds: float
    above: float = math.nan
    above_low: float = math.nan
    above_high: float = math.nan


@dataclass(frozen=True, slots=True)
class ExemplarFound:
    """How well a method finds the one picture that a model was tuned on.

    Attributes:
        mean_ap: mean average precision, 0 to 1: of one exemplar, the mean of 1 / rank.
    """

    method: str
    exemplars: int
    gallery: int
    recall_1: float
    recall_10: float
    recall_10_low: float
    recall_10_high: float
    mean_ap: float
    mean_ap_low: float
    mean_ap_high: float


@dataclass(frozen=True, slots=True)
class Forgot:
    """What one way of forgetting did to one request.

    Attributes:
        way: retrain, sisa-random, sisa-artist, ascent, fisher; of SISA also how its shards speak
            together, where not by averaged logits.
        request: what was to be forgotten, for a person.
        seconds: of one core; speedup: retraining's seconds over these, infinite where nothing had
            to be trained.
        share, expected: of the pictures' passes of training anew that it took, and what the
            formula says; NaN where none holds.
        forgotten_before, forgotten_after: loss of the pictures to be forgotten.
        retained_before, retained_after: loss of the others.
        recognisable: share of retained prompts whose picture is nearest to their own caption.
        prompts_drift: rise of the loss of the pictures that the model made of these before.
        prompts_changed: share of tokens (0 to 1) by which the same seeds' pictures differ now.
        exact: whether no surviving weight has touched what was to be forgotten.
    """

    way: str
    request: str
    removed: int
    seconds: float
    speedup: float
    share: float
    expected: float
    forgotten_before: float
    forgotten_after: float
    retained_before: float
    retained_after: float
    recognisable_before: float
    recognisable_after: float
    prompts_drift: float
    prompts_changed: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Recognisable:
    """Of generated pictures, how many are nearest to a training picture of their own caption.

    Attributes:
        share, low, high: of all training prompts.
        ceiling: the same of the training pictures themselves after a turn through the tokenizer.
    """

    seed: int
    prompts: int
    share: float
    low: float
    high: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class Refitted:
    """The fusion's weights, fitted on one set of pictures and tried on another's.

    Attributes:
        weights: `channel=weight`, in order.
    """

    fitted_on: str
    tried_on: str
    before: float
    after: float
    difference: float
    low: float
    high: float
    weights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture of pictures, PNG, for the report.

    Attributes:
        title: what its rows are, for a person.
    """

    name: str
    title: str
    png: bytes


AnyRow = TypeVar("AnyRow")


@dataclass(frozen=True, slots=True)
class Proof:
    """All that a proof found; a part that was not run is empty.

    Attributes:
        told: what to repeat it with, by name: command, seeds, versions, pictures, digests.
    """

    told: dict[str, str]
    recognisable: tuple[Recognisable, ...] = ()
    effects: tuple[Effect, ...] = ()
    random: tuple[RandomEffect, ...] = ()
    paired: tuple[Paired, ...] = ()
    datamodelling: tuple[Datamodelling, ...] = ()
    exemplars: tuple[ExemplarFound, ...] = ()
    forgetting: tuple[Forgot, ...] = ()
    refitted: tuple[Refitted, ...] = ()
    sheets: tuple[Sheet, ...] = ()


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """One kind of row as a Parquet file, whole or not at all; at least one row.

    Raises:
        ProofError: if it cannot be written.
    """
    write_table(path, [asdict(row) for row in rows], _schema(type(rows[0])), "results")


def read_rows(path: Path, kind: type[AnyRow]) -> tuple[AnyRow, ...]:
    """The rows of a file that `write_rows` wrote; none where there is no file.

    Raises:
        ProofError: if it holds something else.
    """
    if not path.exists():
        return ()
    with reading_table(path, _schema(kind), f"results of {kind.__name__}") as rows:
        return tuple(
            kind(
                **{
                    name: tuple(cell) if isinstance(cell, list) else cell
                    for name, cell in row.items()
                }
            )
            for row in rows
        )


_ARROW = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.binary(),
    tuple[str, ...]: pa.list_(pa.string()),
}


def _schema(kind: type[Any]) -> pa.Schema:
    hints = get_type_hints(kind)
    return pa.schema([(field.name, _ARROW[hints[field.name]]) for field in fields(kind)])
