"""The commands of `attribute validate`: what they take and print.

Part of the shell, as `attribution.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attribution.preparing import PATH
from harvester.printable import clean
from harvester.shell import (
    AsJson,
    Verbose,
    given_place,
    interruptible,
    print_json,
    set_up_logging,
    stderr,
    write_out,
)

if TYPE_CHECKING:
    from attribution.counterfactual.settings import Settings
    from attribution.gallery import Gallery
    from attribution.method import Method
    from harvester.progress import Counting

validate_app = typer.Typer(no_args_is_help=True)

RUN = Path("data/validation")


class Size(StrEnum):
    """How much is done."""

    TINY = "tiny"
    SMALL = "small"
    FULL = "full"


class Part(StrEnum):
    """What is found out."""

    COUNTERFACTUAL = "counterfactual"
    LDS = "lds"
    EXEMPLARS = "exemplars"
    FORGETTING = "forgetting"


@validate_app.callback()
def validate() -> None:
    """Train a small text-to-image model, make it forget, and see whose ranking was right.

    Example: attribute validate run data/captions --size small
    """


Datasets = Annotated[
    list[Any],  # Places, whose module is too heavy to be imported for --help
    typer.Argument(
        help="Datasets of captioned pictures that models learn from.",
        metavar="DATASET…",
        parser=given_place,
    ),
]
TokenizerFrom = Annotated[
    list[Any] | None,
    typer.Option(
        "--tokenizer-from",
        help="Dataset for the image tokenizer alone; repeatable. It always learns from pictures "
        "of DATASET that no model sees.",
        parser=given_place,
        metavar="PATH",
    ),
]
RunFolder = Annotated[
    Path,
    typer.Option("--out", help="The run's folder: models, results, report.", **PATH),
]
SizeOption = Annotated[
    Size,
    typer.Option(
        "--size",
        help="small: minutes on two cores; full: hours, for figures; tiny: seconds, shows nothing.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Models trained side by side; one a core."),
]


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
    _check_installed()
    from dataclasses import asdict

    from attribution.counterfactual.proof import Wanted, prove
    from attribution.counterfactual.report import proof_text, write_proof

    def describe() -> tuple[Gallery, Method]:
        from attribution.opening import open_gallery

        return open_gallery(datasets, None, None)

    wanted = Wanted(
        folders=datasets,
        tokenizer_folders=tokenizer_from or [],
        out=out,
        settings=_settings(size),
        command=_command(),
        workers=workers,
        parts=frozenset(one.value for one in part or Part),
    )
    with interruptible("what is done is kept; run the same command again to go on"):
        proof = prove(wanted, describe, _counted)
    write_proof(out / "report.html", proof)
    if as_json:
        told = asdict(proof)
        told["sheets"] = [sheet["name"] for sheet in told["sheets"]]
        print_json(_finite(told))
    else:
        write_out(proof_text(proof))
        write_out(f"report: {clean(str(out / 'report.html'))}")


@validate_app.command()
def train(
    datasets: Datasets,
    *,
    tokenizer_from: TokenizerFrom = None,
    out: RunFolder = RUN,
    size: SizeOption = Size.SMALL,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the model; 0 unless given.")] = 0,
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
    _check_installed()
    from attribution.counterfactual.learning import learn, read_ids

    settings = _settings(size)
    if steps is not None:
        settings = settings.with_recipe(steps=steps)
    settings = settings.with_recipe(seed=seed)
    removed = read_ids(without) if without is not None else frozenset()
    kept = "checkpoints are kept; run the same command again to go on"
    with interruptible(kept), _counted("training the image tokenizer", None) as first:
        learnt = learn(
            datasets,
            tokenizer_from or [],
            out,
            settings,
            removed,
            tokenizer_step=lambda done, total, _: first.advance(done, total),
            counted=_counted,
        )
    told = {
        "model": str(learnt.path),
        "sheet": str(learnt.sheet),
        "pictures": learnt.pictures,
        "loss": round(learnt.loss, 4),
        "seconds": round(learnt.seconds, 1),
    }
    _tell(told, as_json=as_json)


@validate_app.command()
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
    """Make pictures of prompts with a trained model; several stand side by side.

    Example: attribute validate generate --prompt "red apple" --image gen.png
    """
    set_up_logging(verbose=verbose)
    _check_installed()
    from attribution.counterfactual.learning import make

    made = make(
        model,
        tokenizer or model.parent.parent / "tokenizer.safetensors",
        prompt,
        out,
        seed=seed,
        temperature=temperature,
        guidance=guidance,
    )
    _tell({"image": str(made)}, as_json=as_json)


@validate_app.command()
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
    _check_installed()
    from attribution.counterfactual.learning import show

    made = show(
        model or out / "models" / "base-0.safetensors",
        out / "tokenizer.safetensors",
        image,
        count=count,
        seed=seed,
    )
    _tell({"sheet": str(made)}, as_json=as_json)


def _settings(size: Size) -> Settings:
    from attribution.counterfactual.settings import SIZES

    return SIZES[size.value]


def _command() -> str:
    """As a person would type it; what is given on the command line is theirs."""
    import shlex

    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


@contextmanager
def _counted(what: str, total: int | None) -> Iterator[Counting]:
    from harvester.progress import Counting

    with Counting(stderr(), what, total) as counting:
        yield counting


def _check_installed() -> None:
    """The model's packages are an extra: who only ranks needs none of them.

    Raises:
        PeerMissingError: if one is missing.
    """
    from importlib.util import find_spec

    from attribution.errors import PeerMissingError

    needed = ("transformers", "vector_quantize_pytorch", "tokenizers", "matplotlib")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise PeerMissingError(
            f"expected the packages of the local model, found no {', '.join(missing)}; install "
            "them with `pip install 'whence[validate]'`"
        )


def _finite(value: Any) -> Any:
    """Numbers that are none become null: JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        write_out("\n".join(f"{name}: {clean(str(value))}" for name, value in told.items()))
