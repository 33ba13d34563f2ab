"""The entry points: both commands, and errors as exit codes; what `attribute` takes and prints.

Nothing heavy is imported before a command runs, so that `--help` answers at once. The commands of
`harvest` are in `harvester.commands`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attribution.errors import RankingError
from harvester.commands import harvest_app, harvest_prompt
from harvester.errors import HarvestError
from harvester.printable import clean
from harvester.schema import SchemaError
from harvester.shell import (
    CANDIDATES,
    INTERRUPTED,
    AllowPrivate,
    AsJson,
    CaFile,
    PerPrompt,
    SearchProxy,
    Verbose,
    Version,
    given_path,
    interruptible,
    print_json,
    refuse_lost_options,
    say,
    set_up_logging,
    stderr,
    whence_version,
    write_out,
)

if TYPE_CHECKING:
    from attribution.batch import BatchJob
    from attribution.embeddings import ResNet50Gem
    from attribution.gallery import Gallery
    from attribution.query import Query
    from attribution.ranking import Ranking
    from harvester.schema import Candidate


FAILURES_SAID = 20
PATH: dict[str, Any] = {"parser": given_path, "metavar": "PATH"}


class Ranker(StrEnum):
    """How candidates are put in order."""

    WHENCE = "whence"
    AIVALIS2025 = "aivalis2025"


class Grid(StrEnum):
    """Whether a picture is four tiles."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


attribute_app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

Candidates = Annotated[
    list[Path] | None,
    typer.Option(
        "--candidates", help=f"Dataset of candidates; repeatable; {CANDIDATES} unless given."
    ),
]
Top = Annotated[int, typer.Option("--top", "-k", min=1, max=1000, help="Candidates to show.")]
GridOption = Annotated[
    Grid, typer.Option("--grid", help="Rank a 2x2 grid tile by tile: by its looks, always, never.")
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
    grid: GridOption = Grid.AUTO,
    ranker: Annotated[
        Ranker,
        typer.Option(
            "--ranker",
            help="Order by whence's evidence, or by the formula of Aivalis & Klampanos 2025.",
        ),
    ] = Ranker.WHENCE,
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
    queries = _open_queries(image, prompt, grid)
    prompt = queries[0].prompt
    folders = candidates or [CANDIDATES]
    if prompt and not offline:
        harvest_prompt(
            prompt,
            folders,
            is_default=candidates is None,
            per_prompt=per_prompt,
            search_proxy=search_proxy,
            allow_private=allow_private,
            ca_file=ca_file,
        )

    gallery, embedder = _open_gallery(folders)
    ranking = _rank(queries, gallery, embedder, ranker, top)
    found = gallery.pick([match.candidate_id for match in ranking.matches])
    _print_ranking(ranking, found, as_json=as_json)
    if report is not None:
        from attribution.report.html import made_now, render_report, write_report

        write_report(
            report, render_report([(ranking, found)], made_now(folders, embedder, whence_version()))
        )
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
    grid: GridOption = Grid.AUTO,
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
    from attribution.batch import Batch, check_ranked
    from attribution.report.folder import ReportFolder
    from attribution.report.html import made_now
    from harvester.progress import Counting
    from harvester.sources.midjourney_prompt import words_of

    folders = candidates or [CANDIDATES]
    waiting, expected = _read_jobs(jobs)
    gallery, embedder = _open_gallery(folders)
    pages = ReportFolder(report, made_now(folders, embedder, whence_version())) if report else None
    counts = {"ranked": 0, "failed": 0, "known": 0}
    again = "finished jobs are kept; run the same command again to go on"
    with (
        interruptible(again),
        Batch(
            out, gallery, embedder, k=top, grid=grid.value, restart=restart, words_of=words_of
        ) as work,
        Counting(stderr(), "ranking", expected) as counting,
    ):
        for done in work.run(waiting):
            counts[done.outcome] += 1
            counting.advance()
            if done.error and counts["failed"] <= FAILURES_SAID:
                say(f"job {done.job.id}: {done.error}")
            if pages is not None and done.ranking is not None:
                pages.add(done.job.id, done.ranking, done.candidates or {})
        if counts["failed"] > FAILURES_SAID:
            say(f"and {counts['failed'] - FAILURES_SAID:,} more, with their errors in {out}")
        made = {"rankings": str(out)}
        if pages is not None:
            made["report"] = str(pages.finish(work.best()))
            if pages.missing:
                say(f"{pages.missing:,} jobs of an earlier run have no page; --restart makes them")
    if as_json:
        print_json({**counts, **made})
    else:
        text = " · ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
        write_out("\n".join([text, *(f"{key}: {clean(value)}" for key, value in made.items())]))
    check_ranked(counts, out)


@attribute_app.command()
def index(
    candidates: Annotated[
        list[Path], typer.Argument(help="Datasets of candidates to describe.", metavar="DATASET…")
    ],
    *,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Compute the descriptors of a dataset's candidates ahead of the first ranking.

    Example: attribute index data/candidates
    """
    set_up_logging(verbose=verbose)
    gallery, embedder = _open_gallery(candidates)
    record = {"candidates": len(gallery.ids), "channel": f"{embedder.channel}@{embedder.version}"}
    if as_json:
        print_json(record)
    else:
        write_out(f"{record['candidates']:,} candidates described by {record['channel']}")


def harvest() -> None:
    """The `harvest` console script."""
    _run(harvest_app)


def attribute() -> None:
    """The `attribute` console script."""
    _run(attribute_app)


def _run(app: typer.Typer) -> None:
    """Run a command; the errors that the rooms foresee become one line and an exit code."""
    try:
        app()
    except KeyboardInterrupt:  # before or between the parts that say what they keep
        say("stopped")
        sys.exit(INTERRUPTED)
    except (HarvestError, RankingError, SchemaError) as exc:
        say(f"error: {clean(str(exc))}")
        sys.exit(exc.exit_code)


def _open_gallery(folders: Sequence[Path]) -> tuple[Gallery, ResNet50Gem]:
    from attribution.embeddings import ResNet50Gem
    from attribution.gallery import load_gallery
    from harvester.progress import Counting

    embedder = ResNet50Gem()
    kept = "descriptors computed so far are kept; run the same command again to go on"
    with interruptible(kept), Counting(stderr(), "describing candidates") as counting:
        return load_gallery(folders, embedder, counting.advance), embedder


def _rank(
    queries: Sequence[Query], gallery: Gallery, embedder: ResNet50Gem, ranker: Ranker, top: int
) -> Ranking:
    if ranker is Ranker.AIVALIS2025:
        from attribution import aivalis2025

        return aivalis2025.rank(queries, gallery, embedder, k=top)
    from attribution.ranking import rank

    return rank(queries[0], gallery, embedder, k=top)


def _open_queries(images: Sequence[Path], prompt: str | None, grid: Grid) -> list[Query]:
    """The pictures to rank; without a prompt, the first file's own is taken for all."""
    from attribution.query import open_query, with_own_prompt
    from harvester.sources.midjourney_prompt import words_of

    queries = [open_query(one, prompt, grid=grid.value, words=words_of(prompt)) for one in images]
    told = with_own_prompt(queries[0], words_of)
    if told.prompt != prompt:
        said = next(claim for claim in told.origin.claims if "prompt" in claim.facts)
        say(f"prompt out of the file ({said.where}): {(told.prompt or '')[:200]}")
    return [replace(query, prompt=told.prompt, words=told.words) for query in queries]


def _read_jobs(jobs: str) -> tuple[Iterator[BatchJob], int]:
    """The jobs of a list or of a generations dataset, and how many there are.

    Raises:
        InputError: if there is none.
    """
    from attribution.batch import BatchJob, jobs_of_dataset
    from harvester.schema import Generation
    from harvester.shards import count_rows
    from harvester.sources.midjourney_prompt import words_of
    from harvester.sources.prompt_list import read_image_jobs

    if Path(jobs).is_dir():
        return jobs_of_dataset(Path(jobs)), count_rows(Path(jobs), Generation)
    listed = read_image_jobs(jobs)
    made = (
        BatchJob(job.id, job.prompt, job.image, str(job.image or ""), words_of(job.prompt))
        for job in listed
    )
    return made, len(listed)


def _print_ranking(ranking: Ranking, candidates: Mapping[str, Candidate], *, as_json: bool) -> None:
    from attribution.report.terminal import json_lines, ranking_text

    if as_json:
        for line in json_lines(ranking, candidates):
            write_out(line)
    else:
        write_out(ranking_text(ranking, candidates))
