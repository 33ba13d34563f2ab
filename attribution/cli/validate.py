"""These are the commands of `attribute validate`: what they take and print.

Part of the shell, as `attribution.cli.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attribution.cli import validate_model as model_commands
from attribution.cli.prepare import PATH
from attribution.cli.validate_options import (
    RUN,
    STOPPED,
    Datasets,
    RunFolder,
    Size,
    SizeOption,
    TokenizerFrom,
    Workers,
    check_installed,
    command_line,
    counted,
    finite,
    settings_of,
)
from harvester.cli.console import (
    AsJson,
    Verbose,
    given_path,
    interruptible,
    new_app,
    print_json,
    set_up_logging,
    write_out,
)
from harvester.sanitize import clean

if TYPE_CHECKING:
    from attribution.ranking.gallery import Gallery
    from attribution.ranking.method import RankingSetup


validate_app = new_app(no_args_is_help=True)
for _command in (model_commands.train, model_commands.generate, model_commands.sheet):
    validate_app.command()(_command)


class Part(StrEnum):
    """What is found out."""

    COUNTERFACTUAL = "counterfactual"
    LDS = "lds"
    EXEMPLARS = "exemplars"
    FORGETTING = "forgetting"


@validate_app.callback()
def validate() -> None:
    """Train a small text-to-image model, make it forget, and see whose ranking was right.

    Example: attribute validate run data/captions
    """


@validate_app.command()
def run(
    datasets: Datasets,
    *,
    tokenizer_from: TokenizerFrom = None,
    out: RunFolder = RUN,
    size: SizeOption = Size.SMALL,
    part: Annotated[
        list[Part] | None,
        typer.Option("--part", help="Only this; repeatable; everything unless given."),
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Carry out the whole proof, and write its report; goes on where an earlier run stopped.

    Example: attribute validate run data/twitter data/google --size small --out data/validation
    """
    set_up_logging(verbose=verbose)
    check_installed()
    from dataclasses import asdict

    from attribution.report.html import is_report, write_report
    from attribution.validation.experiments.request import ProofRequest
    from attribution.validation.experiments.run import prove
    from attribution.validation.report.page import (
        is_proof_markdown,
        proof_markdown,
        proof_text,
        render_proof,
    )
    from harvester.paths import check_output

    check_output(out / "report.html", is_report, option="--out")
    check_output(out / "tables.md", is_proof_markdown, option="--out")

    def describe() -> tuple[Gallery, RankingSetup]:
        from attribution.cli.inputs import open_gallery, open_setup

        described = open_gallery(datasets, open_setup(None, None))
        return described.gallery, described.setup

    request = ProofRequest(
        folders=datasets,
        tokenizer_folders=tokenizer_from or [],
        out=out,
        settings=settings_of(size),
        command=command_line(),
        workers=workers,
        parts=frozenset(one.value for one in part or Part),
    )
    with interruptible(STOPPED):
        proof = prove(request, describe, counted)
    write_report(out / "report.html", render_proof(proof))
    write_report(out / "tables.md", proof_markdown(proof))
    if as_json:
        content = asdict(proof)
        content["sheets"] = [sheet["name"] for sheet in content["sheets"]]
        print_json(finite(content))
    else:
        write_out(proof_text(proof))
        write_out(f"report: {clean(str(out / 'report.html'))}")


@validate_app.command()
def fit(
    fitted_run: Annotated[
        Path,
        typer.Argument(
            metavar="FITTED_RUN",
            help="Run whose halves weights are fitted on.",
            parser=given_path,
        ),
    ],
    tried_run: Annotated[
        Path,
        typer.Argument(
            metavar="TRIED_RUN",
            help="Run of other pictures, on which they are tried.",
            parser=given_path,
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File of weights to write, JSON; none unless given.", **PATH),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Fit the fusion's weights on one run's halves, and try them on another vendor's pictures.

    Both are runs of `attribute validate run --part lds`. The shipped weights stay unless the other
    pictures are foretold better.

    Example: attribute validate fit data/on-twitter data/on-google --out fusion.json
    """
    set_up_logging(verbose=verbose)
    from dataclasses import asdict

    from attribution.calibration.fusion import is_fusion, load_fusion
    from attribution.validation.experiments import halves, refit
    from attribution.validation.results import write_rows
    from harvester.paths import check_output

    if out is not None:
        check_output(out, is_fusion, option="--out")
    fitted, tried = halves.open_run(fitted_run), halves.open_run(tried_run)
    with counted("fitting weights", None):
        new = refit.refit(fitted, tried, load_fusion())
    # Before a file of weights, which may be refused: that they do not help is a result.
    write_rows(tried.results / refit.REFITTED, [new.tried])
    if out is not None:
        refit.write_fusion(out, new)
    if as_json:
        content = {"improved": new.improved, **asdict(new.tried), "details": new.fusion.fitted_on}
        print_json(finite(content))
    else:
        write_out("\n".join(clean(line) for line in refit.lines_of(new)))
        write_out(f"to have this in the report of {clean(tried.name)}, run its command again")
