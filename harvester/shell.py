"""What both commands share on the command line: options, the console, logging, interruption.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harvester.progress import HarvestProgress
    from harvester.run import Tally
    from harvester.sources.duckduckgo import DuckDuckGo

CANDIDATES = Path("data/candidates")
INTERRUPTED = 130

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more while working.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Out = Annotated[Path, typer.Option("--out", help="Dataset folder to write to; made if missing.")]
AllowPrivate = Annotated[
    bool,
    typer.Option("--allow-private", help="Also download from private and loopback addresses."),
]
CaFile = Annotated[
    Path | None,
    typer.Option("--ca-file", help="PEM file of a further authority to trust for TLS."),
]
Contact = Annotated[
    str | None,
    typer.Option("--contact", help="Told to every host: where its owner can write to you."),
]
SearchProxy = Annotated[
    str | None,
    typer.Option("--search-proxy", help="Proxy for the search engine: http://host:port or socks5."),
]
PerPrompt = Annotated[
    int, typer.Option("--per-prompt", min=1, max=1000, help="Pictures to find for each prompt.")
]


def stderr() -> Console:
    """The console for everything that is no result: progress, warnings, errors."""
    from rich.console import Console

    global _stderr  # noqa: PLW0603  # one console, made when it is first needed
    if _stderr is None:
        _stderr = Console(stderr=True)
    return _stderr


_stderr: Console | None = None


def whence_version() -> str:
    """The installed version."""
    from importlib.metadata import version

    return version("whence")


def _print_version(*, wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"whence {whence_version()}\n")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=lambda wanted: _print_version(wanted=wanted),
        is_eager=True,
        help="Print the version and end.",
    ),
]


def set_up_logging(*, verbose: bool) -> None:
    """Warnings, or everything whence says, to standard error."""
    from rich.logging import RichHandler

    handler = RichHandler(console=stderr(), show_time=False, show_path=False)
    # Libraries set levels of their own; what they say below a warning is not for a person here.
    rooms = ("harvester", "attribution")
    handler.addFilter(
        lambda record: record.levelno >= logging.WARNING or record.name.startswith(rooms)
    )
    logging.getLogger("stamina").setLevel(logging.ERROR)  # each retry is a line of its own there
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    for room in rooms:
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.WARNING)


def say(text: str) -> None:
    """One line on standard error; the text may come from anywhere and is never markup."""
    stderr().print(text, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def interruptible(message: str) -> Iterator[None]:
    """Ends with `message` and exit code 130 at Ctrl-C; what was done by then is kept."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped: {message}")
        raise typer.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def harvesting(
    expected: int | None = None, position: Callable[[], int] | None = None
) -> Iterator[HarvestProgress]:
    """A harvest's progress on standard error, and its end at Ctrl-C; see `HarvestProgress`."""
    from harvester.progress import HarvestProgress

    again = "what was fetched is stored; run the same command again to go on"
    with interruptible(again), HarvestProgress(stderr(), expected, position) as progress:
        yield progress


def open_engine(proxy: str | None, ca_file: Path | None, **settings: Any) -> DuckDuckGo:
    """The search engine; raises as it does."""
    from harvester.sources.duckduckgo import DuckDuckGo

    verify = str(ca_file) if ca_file else True
    return DuckDuckGo(proxy=proxy, verify=verify, **settings)


def print_harvest(
    tally: Tally, out: Path, *, as_json: bool, messages: Mapping[str, Any] | None = None
) -> None:
    """What a harvest came to, on standard output; raises as `run.check_reached` does."""
    from harvester.progress import summarise
    from harvester.run import check_reached

    if as_json:
        record = tally.record() | {"dataset": str(out)}
        print_json(record | ({"messages": dict(messages)} if messages else {}))
    else:
        sys.stdout.write("\n".join([*summarise(tally), f"dataset: {out}"]) + "\n")
    check_reached(tally)


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object on a line of standard output."""
    sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
