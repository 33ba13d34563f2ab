"""This is the report of `harvest status`: what a dataset holds, readable at 80 columns.

Names of hosts and sources were written by strangers: they go through `sanitize.clean`, and into a
`rich.text.Text`, which no markup acts on.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvester.maintenance.status import DatasetStatus, RunSummary
from harvester.progress.snapshot import duration
from harvester.sanitize import clean
from harvester.schema import FetchStatus, class_of

_SHOWN = 10
_LONGEST = 60  # characters of a name


def describe_status(status: DatasetStatus, dataset: str, *, width: int = 80) -> str:
    """The facts, one a line, then a table each of statuses, hosts and sources.

    Args:
        status: as it was read.
        dataset: its path or address.
        width: columns of the terminal.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        for line in _facts(status, dataset):
            console.print(Text(line))
        for table in _tables(status):
            console.print(table)
    lines = (line.rstrip() for line in captured.get().splitlines())
    return "\n".join(lines).rstrip()


def _facts(status: DatasetStatus, dataset: str) -> Iterable[str]:
    served = "" if status.picture_bytes is None else f", {_size(status.picture_bytes)} as served"
    kind = "generations" if status.kind == "generation" else "candidates"
    yield f"{clean(dataset)}: {kind}"
    yield f"{status.pictures:,} pictures{served}"
    what = "posts" if status.kind == "generation" else "addresses"
    ways = f", found in {status.findings:,} ways" if status.findings else ""
    yield f"{status.addresses:,} {what} have ended{ways}"
    if status.merged:
        yield f"{status.merged:,} of them led to a picture that was stored already"
    yield f"{status.shards:,} shards, {_size(status.shard_bytes)} on disk"
    if status.searches:
        counts = ", ".join(f"{count:,} {name}" for name, count in status.searches.items())
        yield f"searches: {counts}"
    left = sum(status.left.values())
    if left:
        counts = ", ".join(f"{count:,} {name}" for name, count in status.left.items() if count)
        again = "harvest retry" if status.kind == "candidate" else "run the same harvest again"
        yield f"left to retry: {left:,} ({counts}): {again}"
    if status.runs:
        yield f"{len(status.runs):,} runs, {_last_run(status.runs[-1])}"


def _last_run(run: RunSummary) -> str:
    """In words; what was written into the settings is shown as it is stored, and cut."""
    parts = [f"the last {'' if run.started_at is None else f'began {run.started_at}'}".rstrip()]
    if run.rows is not None:
        parts.append(f"{run.rows:,} rows")
    if run.per_s is not None and run.rows is not None:
        parts.append(f"{run.per_s:,.1f} a second for {duration(run.rows / run.per_s)}")
    settings = ", ".join(f"{name} {value}" for name, value in run.settings.items())
    return ", ".join(parts) + (f" ({_cut(settings, 200)})" if settings else "")


def _tables(status: DatasetStatus) -> Iterable[Table]:
    if status.statuses:
        rows = [
            (name, class_of(FetchStatus(name)) or "", f"{count:,}")
            for name, count in status.statuses.items()
        ]
        yield _table(("status", "class", "addresses"), rows)
    if status.hosts:
        worst = [
            (_cut(one.host, _LONGEST), f"{one.failures:,}", f"mostly {one.status}")
            for one in status.hosts[:_SHOWN]
        ]
        yield _table(("host", "failures", ""), worst, numbers=1)
    if status.sources:
        sources = [
            (_cut(one.source, _LONGEST), f"{one.ok:,}", f"{one.failed:,}")
            for one in status.sources[:_SHOWN]
        ]
        yield _table(("source", "ok", "failed"), sources, numbers=1)


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int | None = None
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(header):
        is_number = column == 2 if numbers is None else column >= numbers and name != ""
        table.add_column(
            name,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _cut(text: str, most: int) -> str:
    shown = clean(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


_UNITS: Mapping[str, float] = {"GB": 1e9, "MB": 1e6, "kB": 1e3}


def _size(count: int) -> str:
    for name, unit in _UNITS.items():
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count:,} bytes"
