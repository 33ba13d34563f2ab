"""These are the commands of `attribute validate` for one model: train, generate, sheet.

Part of the shell, as `attribution.cli.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attribution.cli.prepare import PATH
from attribution.cli.validate_options import (
    RUN,
    STOPPED,
    Datasets,
    RunFolder,
    Size,
    SizeOption,
    TokenizerFrom,
    check_installed,
    counted,
    settings_of,
    tell,
)
from harvester.cli.console import AsJson, Verbose, interruptible, set_up_logging


def train(
    datasets: Datasets,
    *,
    tokenizer_from: TokenizerFrom = None,
    out: RunFolder = RUN,
    size: SizeOption = Size.SMALL,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**31 - 1, help="Of the model; 0 unless given.")
    ] = 0,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Of training; the size's unless given.")
    ] = None,
    without: Annotated[
        Path | None,
        typer.Option(
            "--without", help="List of ids, one a line, of pictures to leave out.", **PATH
        ),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Train one model, with a sheet of what it makes as it learns; goes on where it stopped.

    Example: attribute validate train data/twitter data/google --out data/validation
    """
    set_up_logging(verbose=verbose)
    check_installed()
    from attribution.validation.experiments.train_one import learn, read_ids

    settings = settings_of(size)
    if steps is not None:
        settings = settings.with_recipe(steps=steps)
    settings = settings.with_recipe(seed=seed)
    removed = read_ids(without) if without is not None else frozenset()
    with interruptible(STOPPED):
        trained = learn(datasets, tokenizer_from or [], out, settings, removed, counted=counted)
    summary = {
        "model": str(trained.path),
        "sheet": str(trained.sheet),
        "pictures": trained.pictures,
        "loss": round(trained.loss, 4),
        "seconds": round(trained.seconds, 1),
    }
    tell(summary, as_json=as_json)


def generate(
    prompt: Annotated[
        list[str], typer.Option("--prompt", help="What to make; repeatable.", metavar="TEXT")
    ],
    out: Annotated[Path, typer.Option("--image", help="Picture to write, PNG.", **PATH)] = Path(
        "gen.png"
    ),
    *,
    model: Annotated[
        Path, typer.Option("--model", help="Model that `train` or `run` wrote.", **PATH)
    ] = RUN / "models" / "base-0.safetensors",
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer", help="Its image tokenizer; that of its run unless given.", **PATH
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the picture.")] = 0,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.0, max=5.0, help="0 takes the likeliest.")
    ] = 0.25,
    guidance: Annotated[
        float, typer.Option("--guidance", min=0.0, max=20.0, help="Towards the prompt; 1 is none.")
    ] = 1.0,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make pictures of prompts with a trained model, enlarged; several stand side by side.

    Example: attribute validate generate --prompt "red apple" --image gen.png
    """
    set_up_logging(verbose=verbose)
    check_installed()
    from attribution.validation.experiments.generate_one import make

    written = make(
        model,
        tokenizer or model.parent.parent / "tokenizer.safetensors",
        prompt,
        out,
        seed=seed,
        temperature=temperature,
        guidance=guidance,
    )
    tell({"image": str(written)}, as_json=as_json)


def sheet(
    out: RunFolder = RUN,
    *,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Model; the run's first unless given.", **PATH),
    ] = None,
    image: Annotated[Path, typer.Option("--image", help="Sheet to write, PNG.", **PATH)] = Path(
        "sheet.png"
    ),
    count: Annotated[int, typer.Option("--count", min=1, max=400, help="Prompts to show.")] = 48,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the pictures.")] = 0,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show what a model makes of the captions that it learnt.

    Example: attribute validate sheet --out data/validation --image sheet.png
    """
    set_up_logging(verbose=verbose)
    check_installed()
    from attribution.validation.experiments.generate_one import show

    written = show(
        model or out / "models" / "base-0.safetensors",
        out / "tokenizer.safetensors",
        image,
        count=count,
        seed=seed,
    )
    tell({"sheet": str(written)}, as_json=as_json)
