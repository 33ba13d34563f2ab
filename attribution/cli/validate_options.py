"""What the commands of `attribute validate` have in common: options, and how they tell.

Part of the shell, as `attribution.cli.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attribution.cli.prepare import PATH
from attribution.errors import PeerMissingError
from harvester.cli.console import given_place, print_json, stderr, write_out
from harvester.distribution import install_command
from harvester.sanitize import clean

if TYPE_CHECKING:
    from attribution.validation.experiments.settings import Settings
    from harvester.progress.display import Counting


RUN = Path("data/validation")
STOPPED = (
    "what is done is kept (a half-trained image tokenizer is not); run the same command again to "
    "go on"
)


class Size(StrEnum):
    """How much is done."""

    TINY = "tiny"
    SMALL = "small"
    FULL = "full"


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
        help="small: minutes on two cores; full: some three hours, for figures; tiny: seconds, "
        "shows nothing.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Models trained side by side; one a core."),
]


def settings_of(size: Size) -> Settings:
    """What a size means."""
    from attribution.validation.experiments.settings import SIZES

    return SIZES[size.value]


def command_line() -> str:
    """As a person would type it; what is given on the command line is theirs."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


@contextmanager
def counted(what: str | Callable[[], str], total: int | None) -> Iterator[Counting]:
    """Shows how far some work is."""
    from harvester.progress.display import Counting

    with Counting(stderr(), what, total) as counting:
        yield counting


def check_installed() -> None:
    """The model's packages are an extra: who only ranks needs none of them.

    Raises:
        PeerMissingError: if one is missing.
    """
    needed = ("transformers", "vector_quantize_pytorch", "tokenizers", "matplotlib")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise PeerMissingError(
            f"expected the packages of the local model, found no {', '.join(missing)}; install "
            f"them with `{install_command('validate')}`"
        )


def finite(value: Any) -> Any:
    """Numbers that are none become null: JSON has no NaN."""
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def tell(told: dict[str, Any], *, as_json: bool) -> None:
    """Names and values: a line each, or one JSON object."""
    if as_json:
        print_json(told)
    else:
        write_out("\n".join(f"{name}: {clean(str(value))}" for name, value in told.items()))
