"""These are the commands that look after a dataset: `status`, `retry` and `compact`.

Registered on `harvest` by `register`. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import Annotated

import typer

from harvester.cli.console import (
    AsJson,
    Dataset,
    Verbose,
    interruptible,
    make,
    print_harvest,
    print_json,
    say,
    set_up_logging,
    stderr,
    write_out,
)
from harvester.cli.options import NetworkOptions, StoringOptions, takes
from harvester.sanitize import clean
from harvester.schema import Retry


def register(app: typer.Typer) -> None:
    """Add the commands to `harvest`."""
    for command in (status, retry, compact):
        app.command()(command)


def status(dataset: Dataset, *, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Say what a dataset holds, what failed and where, and what is left to retry.

    It may be written to meanwhile. Each address counts once, by how it ended last.

    Example: harvest status data/candidates
    """
    from harvester.cli.status_text import describe_status
    from harvester.maintenance.status import read_status

    set_up_logging(verbose=verbose)
    with interruptible("nothing was changed"):
        report = read_status(dataset)
    if as_json:
        print_json({"dataset": str(dataset), **report.record()})
    else:
        write_out(describe_status(report, str(dataset), width=shutil.get_terminal_size().columns))


@takes(NetworkOptions)
@takes(StoringOptions)
def retry(
    dataset: Dataset,
    *,
    which: Annotated[
        Retry | None,
        typer.Option(
            "--class",
            help="Failures to ask for again; all adds what failed for good, but never an opt-out. "
            "Unless given: transient and throttled.",
        ),
    ] = None,
    options: NetworkOptions,
    storing: StoringOptions,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Ask once more for the addresses of a dataset that failed.

    Opt-outs and addresses of private networks are never asked for again.

    Example: harvest retry data/candidates --class throttled
    """
    from harvester.api.harvest import harvest_found
    from harvester.maintenance.retry import FailedFindings

    set_up_logging(verbose=verbose)
    with FailedFindings(dataset, which) as failed:
        if failed.local:
            say(
                f"{failed.local:,} pictures of folders are left out: `harvest folder` with the "
                "same folder reads them again"
            )
        if not failed.addresses:
            say(f"{dataset}: nothing to retry{_what_else(which)}")
            return
        say(f"{dataset}: {failed.addresses:,} addresses to ask for again")
        plan = storing.settings(options).plan()
        made = harvest_found(failed, dataset, plan, lambda: failed.findings, is_retry=True)
        print_harvest(make(made, log_json=storing.log_json), dataset, as_json=as_json)


def compact(dataset: Dataset, *, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Make few full shards of many small ones, and drop rows that later ones replaced.

    Nothing that counts is lost: of each picture, finding and search the last row stays.

    Example: harvest compact data/candidates
    """
    from harvester.maintenance import compaction as compacting
    from harvester.progress.display import Counting

    set_up_logging(verbose=verbose)
    message = "the dataset is whole; run the same command again to go on"
    with interruptible(message), Counting(stderr(), "compacting") as counting:
        report = compacting.compact(dataset, progress=counting.advance)
    if as_json:
        print_json({"dataset": str(dataset), **asdict(report)})
        return
    dropped = ", ".join(f"{n:,} {kind}" for kind, n in report.dropped.items() if n)
    write_out(
        f"{report.before:,} shards of {report.bytes_before / 1e6:,.1f} MB before, "
        f"{report.after:,} of {report.bytes_after / 1e6:,.1f} MB now"
        + (f"\nrows dropped that later ones replaced: {dropped}" if dropped else "")
        + f"\ndataset: {clean(str(dataset))}"
    )


def _what_else(which: Retry | None) -> str:
    if which is Retry.ALL:
        return ""
    return "; --class all asks for what failed for good, too" if which is None else f" ({which})"
