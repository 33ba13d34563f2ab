"""This is the rule of which row holds, where several of a dataset tell of one id or address.

Rows are only ever added, so an address that was asked again has several. Whoever reads them asks
here: the index of what was seen, `harvest status`, `harvest retry`, `harvest compact` and a run
that goes on. `RULE` is the same rule for readers of the files, as docs/datasets.md has it.

But: it orders rows by their status and by which came later. Of two pictures of one address the
index takes the lower id (`dedup.keys.supersedes`), so that their order does not matter there.
"""

from __future__ import annotations

from collections.abc import Mapping

from harvester.schema import FetchStatus

RULE = (
    "Of several rows of an id or an address (a failure that was tried again) the last one holds, "
    "except that an opt-out holds for ever and a stored picture is not undone by a later failure."
)
_RANKS = {FetchStatus.OPTED_OUT: 2, FetchStatus.OK: 1}


def rank_of(status: FetchStatus | str) -> int:
    """The higher rank holds, and of rows of one rank the last: 0 for all failures, at most 2."""
    return _RANKS.get(FetchStatus(status), 0)


def rank_sql(column: str, codes: Mapping[FetchStatus, int]) -> str:
    """`rank_of` in SQL, for a column that holds a number for each status."""
    whens = " ".join(f"WHEN {codes[status]} THEN {rank}" for status, rank in _RANKS.items())
    return f"CASE {column} {whens} ELSE 0 END"
