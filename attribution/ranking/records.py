"""The columns of a match: its name, Arrow type and value, one row each, for every kind of output.

A table of rankings (`batch.table`) and JSON Lines (`report.records`) are both made from
`MATCH_COLUMNS`, so that a new column is one new row here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from attribution.ranking.rank import Match

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class MatchColumn:
    """One column of a match.

    Attributes:
        name: in a table, and as a key of JSON.
        value: of a match; None where the ranker has none.
        is_rounded: in JSON, to six digits behind the point.
    """

    name: str
    type: pa.DataType
    value: Callable[[Match], Any]
    is_rounded: bool = False


MATCH_COLUMNS = (
    MatchColumn("rank", pa.int32(), lambda match: match.rank),
    MatchColumn("candidate_id", pa.string(), lambda match: match.candidate_id),
    MatchColumn("score", pa.float32(), lambda match: number(match.score), is_rounded=True),
    MatchColumn("verdict", pa.string(), lambda match: match.verdict and match.verdict.value),
    MatchColumn("tile", pa.int8(), lambda match: match.tile),
    MatchColumn("p", pa.float64(), lambda match: number(match.p)),
    MatchColumn("q", pa.float64(), lambda match: number(match.q)),
    MatchColumn(
        "share",
        pa.float32(),
        lambda match: None if match.verdict is None else number(match.share),
        is_rounded=True,
    ),
    MatchColumn("ratio", pa.float32(), lambda match: number(match.ratio), is_rounded=True),
)


def match_record(match: Match) -> dict[str, Any]:
    """A match for JSON, but for what has no column of its own."""
    values = ((column, column.value(match)) for column in MATCH_COLUMNS)
    return {column.name: rounded(value) if column.is_rounded else value for column, value in values}


def region_records(match: Match) -> list[dict[str, Any]]:
    """Where a match agrees with the query, for JSON; boxes rounded to four decimals."""
    return [
        {
            "method": region.method,
            "inliers": region.inliers,
            "mirrored": region.mirrored,
            "query": {side: round(place, 4) for side, place in asdict(region.query).items()},
            "candidate": {
                side: round(place, 4) for side, place in asdict(region.candidate).items()
            },
        }
        for region in match.regions
    ]


def number(value: float) -> float | None:
    """A number, or None for one that is none."""
    return value if math.isfinite(value) else None


def rounded(value: float | None) -> float | None:
    """The same for JSON, to six digits behind the point."""
    return None if value is None or not math.isfinite(value) else round(float(value), _DIGITS)
