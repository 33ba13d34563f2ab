"""The commands of `attribute evaluate`: what they take and print.

Part of the shell, as `attribution.cli.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from attribution.cli.evaluate_inputs import ask_all, opened
from attribution.cli.inputs import read_jobs
from attribution.cli.prepare import PATH, Backbones, BackgroundFile
from harvester.cli.console import (
    AsJson,
    Verbose,
    given_path,
    new_app,
    print_json,
    set_up_logging,
    stderr,
    write_out,
)

evaluate_app = new_app(no_args_is_help=True)


@evaluate_app.callback()
def evaluate() -> None:
    """Measure how well sources are found, and how often something is found that is none.

    Example: attribute evaluate copies ~/pictures
    """


GalleryPath = Annotated[
    Path,
    typer.Argument(
        help="Dataset of candidates, or any folder of pictures.",
        parser=given_path,
        metavar="GALLERY",
    ),
]
WorkFolder = Annotated[
    Path | None,
    typer.Option(
        "--work",
        help="Where a folder's pictures are kept as a dataset, with descriptors, for the next "
        "time; nowhere unless given.",
        **PATH,
    ),
]
SameList = Annotated[
    Path | None,
    typer.Option(
        "--same",
        help="csv file, columns image and source, of pictures of the gallery that are the same "
        "and were not recognised; they are no false alarms.",
        **PATH,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all draws; 1 unless given.")]
Peers = Annotated[
    bool,
    typer.Option("--peers/--no-peers", help="Ask imagededup and plain cosine too; yes by default."),
]
Published = Annotated[
    int,
    typer.Option(
        "--published",
        min=0,
        help="Queries that the formula of Aivalis & Klampanos 2025 is asked, seconds each; 12.",
    ),
]


@evaluate_app.command()
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
    peers: Peers = True,
    published: Published = 12,
    backbone: Backbones = None,
    background: BackgroundFile = None,
    work: WorkFolder = None,
    same: SameList = None,
    seed: Seed = 1,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Edit a gallery's pictures, and see who finds them again.

    Example: attribute evaluate copies ~/pictures --queries 2
    """
    set_up_logging(verbose=verbose)
    from attribution.evaluate.figures import figures_of_found
    from attribution.evaluate.suites import check_edits, make_copies
    from attribution.evaluate.tables import found_text, record

    check_edits(edit or [])
    with opened(gallery, work, backbone, background) as (candidates, method):
        suite = make_copies(
            candidates, edits=edit or [], queries=queries, same=_same(same), seed=seed
        )
        figures = figures_of_found(suite, ask_all(suite, method, peers=peers, published=published))
    _print(record(figures), found_text(figures), as_json=as_json)


@evaluate_app.command()
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
    peers: Peers = True,
    published: Published = 12,
    backbone: Backbones = None,
    background: BackgroundFile = None,
    work: WorkFolder = None,
    same: SameList = None,
    seed: Seed = 1,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """See who tells what a picture's own prompt found from what other prompts did.

    Example: attribute evaluate prompts data/candidates jobs.csv
    """
    set_up_logging(verbose=verbose)
    from attribution.evaluate.figures import figures_of_prompts
    from attribution.evaluate.suites import make_folder_prompts, make_prompts
    from attribution.evaluate.tables import prompts_text, record

    if jobs is not None and same is not None:
        raise typer.BadParameter("expected no list beside JOBS, found one", param_hint="--same")
    waiting = None if jobs is None else list(read_jobs(jobs).jobs)
    with opened(gallery, work, backbone, background) as (candidates, method):
        suite = (
            make_folder_prompts(candidates, same=_same(same), seed=seed)
            if waiting is None
            else make_prompts(candidates, waiting, seed=seed)
        )
        answers = ask_all(suite, method, peers=peers, published=published, standardised=True)
        figures = figures_of_prompts(suite, answers)
    _print(record(figures), prompts_text(figures), as_json=as_json)


@evaluate_app.command()
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
    peers: Peers = True,
    published: Published = 12,
    backbone: Backbones = None,
    background: BackgroundFile = None,
    work: WorkFolder = None,
    same: SameList = None,
    seed: Seed = 1,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """See who finds the known sources of generated pictures.

    Example: attribute evaluate pairs pairs.csv data/candidates
    """
    set_up_logging(verbose=verbose)
    from attribution.evaluate.figures import figures_of_found
    from attribution.evaluate.ground_truth import read_pairs
    from attribution.evaluate.suites import make_pairs
    from attribution.evaluate.tables import found_text, record

    with opened(gallery, work, backbone, background) as (candidates, method):
        truth = read_pairs(known, candidates.ids)
        suite = make_pairs(candidates, truth, same=_same(same), seed=seed)
        figures = figures_of_found(suite, ask_all(suite, method, peers=peers, published=published))
    _print(record(figures), found_text(figures), as_json=as_json)


@evaluate_app.command()
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
    backbone: Backbones = None,
    background: BackgroundFile = None,
    work: WorkFolder = None,
    same: SameList = None,
    seed: Seed = 1,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """See what is found for pictures whose source is not there.

    A picture's own sub-folder is no part of its gallery, and neither are its near copies.

    Example: attribute evaluate null ~/pictures --split
    """
    set_up_logging(verbose=verbose)
    from attribution.evaluate.null import figures_of_null
    from attribution.evaluate.suites import make_null
    from attribution.evaluate.tables import null_text, record
    from harvester.progress.display import Counting

    with opened(gallery, work, backbone, background) as (candidates, method):
        suite = make_null(candidates, queries=queries, same=_same(same), seed=seed)
        ways = (True, False) if split else (False,)  # what may be refused comes first
        with Counting(stderr(), "asking", len(ways) * len(suite.cases)) as counting:
            found = [
                figures_of_null(suite, method, split=way, step=counting.advance) for way in ways
            ][::-1]
    _print({"backgrounds": record(found)}, null_text(found), as_json=as_json)


def _same(path: Path | None) -> dict[str, set[str]]:
    from attribution.evaluate.ground_truth import read_same

    return read_same(path) if path is not None else {}


def _print(figures: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(figures)
    else:
        write_out(text)
