"""These are the commands of `attribute evaluate`: what they take and print.

Part of the shell, as `attribution.cli.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from attribution.cli.evaluate_options import STOPPED, GalleryPath, SuiteOptions, SystemOptions
from attribution.cli.inputs import read_jobs
from attribution.cli.prepare import PATH
from harvester.cli.console import given_path, interruptible, new_app, set_up_logging, stderr
from harvester.cli.options import takes

evaluate_app = new_app(no_args_is_help=True)


@evaluate_app.callback()
def evaluate() -> None:
    """Measure how well sources are found, and how often something is found that is none.

    Example: attribute evaluate copies ~/pictures
    """


@evaluate_app.command()
@takes(SuiteOptions)
@takes(SystemOptions)
def copies(
    gallery: GalleryPath,
    *,
    queries: Annotated[
        int, typer.Option("--queries", min=1, help="Pictures for each edit; 10 unless given.")
    ] = 10,
    edit: Annotated[
        list[str] | None,
        typer.Option("--edit", help="One of the edits; repeatable; all unless given."),
    ] = None,
    systems: SystemOptions,
    options: SuiteOptions,
) -> None:
    """Edit a gallery's pictures, and see who finds them again.

    Example: attribute evaluate copies ~/pictures --queries 2
    """
    set_up_logging(verbose=options.verbose)
    from attribution.evaluate.figures import figures_of_found
    from attribution.evaluate.suites import check_edits, make_copies
    from attribution.evaluate.tables import found_text, record

    check_edits(edit or [])
    with options.opened(gallery) as (candidates, setup):
        suite = make_copies(
            candidates, edits=edit or [], queries=queries, same=options.twins(), seed=options.seed
        )
        figures = figures_of_found(suite, systems.ask(suite, setup))
    options.show(record(figures), found_text(figures))


@evaluate_app.command()
@takes(SuiteOptions)
@takes(SystemOptions)
def prompts(
    gallery: GalleryPath,
    jobs: Annotated[
        str | None,
        typer.Argument(
            help="List with prompt and image columns, or a dataset of generations; without it, "
            "names of sub-folders stand in for prompts and one picture of each for a generated "
            "one.",
        ),
    ] = None,
    *,
    systems: SystemOptions,
    options: SuiteOptions,
) -> None:
    """See who tells what a picture's own prompt found from what other prompts did.

    Example: attribute evaluate prompts data/candidates jobs.csv
    """
    set_up_logging(verbose=options.verbose)
    from attribution.evaluate.figures import figures_of_prompts
    from attribution.evaluate.suites import make_folder_prompts, make_prompts
    from attribution.evaluate.tables import prompts_text, record

    if jobs is not None and options.same is not None:
        raise typer.BadParameter("expected no list beside JOBS, found one", param_hint="--same")
    waiting = None if jobs is None else list(read_jobs(jobs).jobs)
    with options.opened(gallery) as (candidates, setup):
        suite = (
            make_folder_prompts(candidates, same=options.twins(), seed=options.seed)
            if waiting is None
            else make_prompts(candidates, waiting, seed=options.seed)
        )
        answers = systems.ask(suite, setup, standardised=True)
        figures = figures_of_prompts(suite, answers)
    options.show(record(figures), prompts_text(figures))


@evaluate_app.command()
@takes(SuiteOptions)
@takes(SystemOptions)
def pairs(
    known: Annotated[
        Path,
        typer.Argument(
            help="csv file with the columns image and source: a path or a candidate's id.",
            parser=given_path,
            metavar="PAIRS",
        ),
    ],
    gallery: GalleryPath,
    *,
    systems: SystemOptions,
    options: SuiteOptions,
) -> None:
    """See who finds the known sources of generated pictures.

    Example: attribute evaluate pairs pairs.csv data/candidates
    """
    set_up_logging(verbose=options.verbose)
    from attribution.evaluate.figures import figures_of_found
    from attribution.evaluate.ground_truth import read_pairs
    from attribution.evaluate.suites import make_pairs
    from attribution.evaluate.tables import found_text, record

    with options.opened(gallery) as (candidates, setup):
        truth = read_pairs(known, candidates.ids)
        suite = make_pairs(candidates, truth, same=options.twins(), seed=options.seed)
        figures = figures_of_found(suite, systems.ask(suite, setup))
    options.show(record(figures), found_text(figures))


@evaluate_app.command()
@takes(SuiteOptions)
def null(
    gallery: GalleryPath,
    *,
    queries: Annotated[
        int, typer.Option("--queries", min=1, help="Pictures to ask for; 100 unless given.")
    ] = 100,
    split: Annotated[
        bool,
        typer.Option("--split", help="Also with half of the gallery as the background."),
    ] = False,
    options: SuiteOptions,
) -> None:
    """See what is found for pictures whose source is not there.

    A picture's own sub-folder is no part of its gallery, and neither are its near copies.

    Example: attribute evaluate null ~/pictures --split
    """
    set_up_logging(verbose=options.verbose)
    from attribution.evaluate.null import figures_of_null
    from attribution.evaluate.suites import make_null
    from attribution.evaluate.tables import null_text, record
    from harvester.progress.display import Counting

    with options.opened(gallery) as (candidates, setup):
        suite = make_null(candidates, queries=queries, same=options.twins(), seed=options.seed)
        splits = (True, False) if split else (False,)  # what may be refused comes first
        with Counting(stderr(), "asking", len(splits) * len(suite.cases)) as counting:
            figures = [
                figures_of_null(suite, setup, split=is_split, step=counting.advance)
                for is_split in splits
            ][::-1]
    options.show({"backgrounds": record(figures)}, null_text(figures))


@evaluate_app.command()
@takes(SuiteOptions, without=("work", "same"))
def lookalikes(
    *,
    each: Annotated[
        int,
        typer.Option(
            "--each", min=2, max=99, help="Pictures to draw of each template; 9 unless given."
        ),
    ] = 9,
    queries: Annotated[
        int, typer.Option("--queries", min=1, help="Pictures of each to ask for; 2 unless given.")
    ] = 2,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            help="Folder for the pictures, made if missing; they are thrown away unless given.",
            **PATH,
        ),
    ] = None,
    options: SuiteOptions,
) -> None:
    """See what is said of pictures that share a template and nothing else.

    They are drawn anew: text cards, charts, flags, calendars and others. No list of pictures is
    needed.

    Example: attribute evaluate lookalikes --keep ~/lookalikes
    """
    set_up_logging(verbose=options.verbose)
    from attribution.evaluate.lookalike_figures import figures_of_lookalikes
    from attribution.evaluate.lookalikes import count_lookalikes, draw_lookalikes
    from attribution.evaluate.suites import make_lookalikes
    from attribution.evaluate.tables import lookalikes_text, record
    from harvester.progress.display import Counting

    with _kept(keep) as folder:
        with (
            interruptible(STOPPED),
            Counting(stderr(), "drawing", count_lookalikes(each)) as counting,
        ):
            draw_lookalikes(folder, each=each, seed=options.seed, step=counting.advance)
        with options.opened(folder) as (candidates, setup):
            suite = make_lookalikes(candidates, queries_each=queries, seed=options.seed)
            with Counting(stderr(), "asking", len(suite.cases)) as counting:
                figures = figures_of_lookalikes(suite, setup, counting.advance)
    options.show(record(figures), lookalikes_text(figures))


@contextmanager
def _kept(keep: Path | None) -> Iterator[Path]:
    """A folder to draw to, which becomes `keep` when all is done, and is gone if it is not.

    So the same command can be given again after Ctrl-C.
    """
    from attribution.errors import SuiteError
    from harvester.errors import reason_of
    from harvester.paths import what_is

    with ExitStack() as stack:
        if keep is None:
            yield Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whence-"))) / "drawn"
            return
        found = what_is(keep)
        try:
            keep = keep.resolve()
            if found == "a folder":
                found = "a folder with files" if any(keep.iterdir()) else "nothing"
            if found == "nothing":
                keep.parent.mkdir(parents=True, exist_ok=True)
                # Beside it, so that it can be renamed.
                beside = tempfile.TemporaryDirectory(prefix=".whence-", dir=keep.parent)
                drawn = Path(stack.enter_context(beside)) / keep.name
        except OSError as exc:
            found = reason_of(exc)
        if found != "nothing":
            raise SuiteError(
                f"{keep}: expected an empty folder or none for the pictures, found {found}; name "
                "another with --keep"
            )
        yield drawn
        if keep.is_dir():
            keep.rmdir()
        drawn.rename(keep)
