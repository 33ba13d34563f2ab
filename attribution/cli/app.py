"""The commands of `attribute`: what they take and print.

Part of the shell, like `harvester.cli.app`, and so the one module of this room that may import any
of the other. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attribution.cli.evaluate import evaluate_app
from attribution.cli.inputs import open_gallery, open_queries, open_setup, read_jobs
from attribution.cli.prepare import PATH, Backbones, BackgroundFile, background, index
from attribution.cli.validate import validate_app
from harvester.cli.console import (
    CANDIDATES,
    AllowPrivate,
    AsJson,
    CaFile,
    PerPrompt,
    SearchProxy,
    Verbose,
    Version,
    given_place,
    interruptible,
    new_app,
    print_json,
    refuse_lost_options,
    say,
    set_up_logging,
    stderr,
    write_out,
)
from harvester.cli.on_demand import fetch_declared, harvest_prompt
from harvester.sanitize import clean

if TYPE_CHECKING:
    from harvester.dataset.storage import Location


FAILURES_SAID = 20


class Ranker(StrEnum):
    """How candidates are put in order."""

    WHENCE = "whence"
    AIVALIS2025 = "aivalis2025"


class GridChoice(StrEnum):
    """Whether a picture is four tiles."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


attribute_app = new_app()
attribute_app.command()(index)
attribute_app.command()(background)
attribute_app.add_typer(evaluate_app, name="evaluate")
attribute_app.add_typer(validate_app, name="validate")
Candidates = Annotated[
    list[Any] | None,  # Places, whose module is too heavy to be imported for --help
    typer.Option(
        "--candidates",
        help=f"Dataset of candidates; repeatable; {CANDIDATES} unless given.",
        parser=given_place,
        metavar="PATH",
    ),
]
RankerOption = Annotated[
    Ranker,
    typer.Option(
        "--ranker",
        help="Order by whence's evidence, or by the formula of Aivalis & Klampanos 2025.",
    ),
]
Top = Annotated[int, typer.Option("--top", "-k", min=1, max=1000, help="Candidates to show.")]
GridOption = Annotated[
    GridChoice,
    typer.Option("--grid", help="Rank a 2x2 grid tile by tile: by its looks, always, never."),
]


@attribute_app.callback(invoke_without_command=True)
def rank_one(
    context: typer.Context,
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", help="The generated picture; aivalis2025 takes several.", **PATH),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", help="What it was generated from; read from the file unless given."
        ),
    ] = None,
    candidates: Candidates = None,
    *,
    top: Top = 10,
    grid: GridOption = GridChoice.AUTO,
    ranker: RankerOption = Ranker.WHENCE,
    backbone: Backbones = None,
    background: BackgroundFile = None,
    crop_resistant: Annotated[
        bool,
        typer.Option(
            "--crop-resistant", help="Compare the parts' hashes of the nearest too: seconds more."
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="HTML page to write, pictures included.", **PATH),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Never search the web for candidates.")
    ] = False,
    per_prompt: PerPrompt = 100,
    search_proxy: SearchProxy = None,
    allow_private: AllowPrivate = False,
    ca_file: CaFile = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Rank candidates found on the web against a generated picture, with the evidence.

    Without candidates for the prompt, the web is searched for it first (unless --offline).

    Example: attribute --image gen.png --prompt "a fisherman village by Ralph Steadman"
    """
    if context.invoked_subcommand is not None or version:
        refuse_lost_options(context)
        return
    if not image or (len(image) > 1 and ranker is Ranker.WHENCE):
        expected = "one picture (--ranker aivalis2025 takes several)" if image else "a picture"
        raise typer.BadParameter(
            f"expected {expected}, found {len(image) if image else 'none'}", param_hint="--image"
        )
    set_up_logging(verbose=verbose)
    if report is not None:
        from attribution.report.html import is_report
        from harvester.paths import check_output

        check_output(report, is_report, option="--report", inputs=image)
    setup = open_setup(backbone, background, crop_resistant=crop_resistant)
    queries = open_queries(image, prompt, grid.value)
    prompt = queries[0].prompt
    folders: Sequence[Location] = candidates or [CANDIDATES]
    local = [folder for folder in folders if isinstance(folder, Path)]
    # What is elsewhere is ranked as it is.
    if prompt and not offline and len(local) == len(folders):
        harvest_prompt(
            prompt,
            local,
            is_default=candidates is None,
            per_prompt=per_prompt,
            search_proxy=search_proxy,
            allow_private=allow_private,
            ca_file=ca_file,
        )

    references = fetch_declared(
        queries[0].prompt_parts.references if queries[0].prompt_parts else (),
        offline=offline,
        allow_private=allow_private,
        ca_file=ca_file,
    )
    queries[0] = replace(queries[0], fetched_references=references)
    gallery = open_gallery(folders, setup)
    if ranker is Ranker.AIVALIS2025:
        ranking = gallery.rank_published(queries, top=top)
    else:
        ranking = gallery.rank(queries[0], top=top)
    if as_json:
        for record in gallery.to_records(ranking):
            print_json(record)
    else:
        write_out(gallery.to_text(ranking))
    if report is not None:
        gallery.write_report(report, ranking)
        say(f"report: {report}")


@attribute_app.command()
def batch(
    jobs: Annotated[
        str,
        typer.Argument(help="List with prompt and image columns, or a dataset of generations."),
    ],
    candidates: Candidates = None,
    out: Annotated[
        Path,
        typer.Option("--out", help="Rankings to write: .parquet, .csv or .jsonl.", **PATH),
    ] = Path("rankings.parquet"),
    *,
    top: Top = 10,
    grid: GridOption = GridChoice.AUTO,
    ranker: RankerOption = Ranker.WHENCE,
    backbone: Backbones = None,
    background: BackgroundFile = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Folder for an HTML page a job, with an index.", **PATH),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what earlier runs of this batch did.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Rank candidates against each picture of a list; goes on where an earlier run stopped.

    Example: attribute batch jobs.csv --candidates data/candidates --out rankings.parquet
    """
    set_up_logging(verbose=verbose)
    from attribution.api.queries import parse_prompt_parts
    from attribution.batch.run import Batch, check_ranked
    from attribution.batch.table import check_out
    from attribution.report.batch_folder import ReportFolder, check_folder
    from harvester.progress.display import Counting

    folders: Sequence[Location] = candidates or [CANDIDATES]
    check_out(out, [jobs])
    if report is not None:
        check_folder(report)
    listed = read_jobs(jobs)
    gallery = open_gallery(folders, open_setup(backbone, background))
    is_published = ranker is Ranker.AIVALIS2025
    pages = ReportFolder(report, gallery.provenance(published=is_published)) if report else None
    counts = {"ranked": 0, "failed": 0, "known": 0}
    again = "finished jobs are kept; run the same command again to go on"
    with (
        interruptible(again),
        Batch(
            out,
            gallery.gallery,
            gallery.setup,
            k=top,
            grid=grid.value,
            restart=restart,
            published=is_published,
            parse_prompt=parse_prompt_parts,
            was_number=listed.was_number,
        ) as work,
        Counting(stderr(), "ranking", listed.count) as counting,
    ):
        if work.forgotten:
            say(
                f"{work.forgotten:,} jobs of an earlier version were known by the numbers of "
                "their rows, which may be others by now; they are ranked again"
            )
        for done in work.run(listed.jobs):
            counts[done.outcome] += 1
            counting.advance()
            if done.error and counts["failed"] <= FAILURES_SAID:
                say(f"job {done.job.id}: {done.error}")
            if pages is not None and done.ranking is not None:
                pages.add(done.job.id, done.ranking, done.candidates or {})
        if counts["failed"] > FAILURES_SAID:
            say(f"and {counts['failed'] - FAILURES_SAID:,} more, with their errors in {out}")
        written = {"rankings": str(out)}
        if pages is not None:
            written["report"] = str(pages.finish(work.best()))
            if pages.missing:
                say(f"{pages.missing:,} jobs of an earlier run have no page; --restart makes them")
    if as_json:
        print_json({**counts, **written})
    else:
        text = " · ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
        write_out("\n".join([text, *(f"{key}: {clean(value)}" for key, value in written.items())]))
    check_ranked(counts, out)
