"""These are the parts that both commands share: options, console, logging, interruption.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from harvester.distribution import VERSION
from harvester.errors import OutputError, reason_of
from harvester.sanitize import clean
from harvester.shutdown import Stop, listening

if TYPE_CHECKING:
    from rich.console import Console

    from harvester.api.harvest import Harvest
    from harvester.dataset.storage import Location
    from harvester.progress.display import HarvestProgress
    from harvester.progress.snapshot import Hosts
    from harvester.progress.tally import Tally


CANDIDATES = Path("data/candidates")


class _WholeSentences(TyperGroup):
    """Help that cuts no subcommand's sentence short."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(200)) for n, c in commands if c])


def new_app(*, no_args_is_help: bool = False) -> typer.Typer:
    """A command with subcommands, whose help is plain: what draws boxes takes .1 s to import."""
    return typer.Typer(
        cls=_WholeSentences,
        no_args_is_help=no_args_is_help,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def given_path(text: str | Path) -> Path:
    """A path from the command line; an empty one would stand for the folder one is in.

    Raises:
        typer.BadParameter: if it is empty, as `--out "$UNSET"` makes it.
    """
    if not str(text).strip():
        raise typer.BadParameter("expected a path, found an empty one")
    return Path(text)


def given_place(text: str | Path) -> Location:
    """A dataset's place from the command line: a path, or an address such as s3://bucket/path.

    Raises:
        typer.BadParameter: if it is empty.
        ShardError: if it is an address that nothing here can open.
    """
    path = given_path(text)
    if "://" not in str(text):
        return path
    from harvester.dataset.storage import location_of

    return location_of(str(text))


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more while working.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Out = Annotated[
    Any,  # a Place, whose module is too heavy to be imported for --help
    typer.Option(
        "--out",
        parser=given_place,
        metavar="PATH",
        help="Dataset to write to, made if missing: a folder, or an address as s3://bucket/path.",
    ),
]
AllowPrivate = Annotated[
    bool,
    typer.Option("--allow-private", help="Also download from private and loopback addresses."),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        parser=given_path,
        metavar="PATH",
        help="PEM file of a further authority to trust for TLS.",
    ),
]
Contact = Annotated[
    str | None,
    typer.Option("--contact", help="Told to every host: where its owner can write to you."),
]
SearchProxy = Annotated[
    str | None,
    typer.Option("--search-proxy", help="Proxy for the search engine: http://host:port or socks5."),
]
Dataset = Annotated[
    Any,  # a Place, whose module is too heavy to be imported for --help
    typer.Argument(metavar="DATASET", parser=given_place, help="Dataset that a harvest wrote."),
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


def _print_version(*, wanted: bool) -> None:
    if wanted:
        write_out(f"whence {VERSION}")
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
    handler.setFormatter(_PrintableFormatter())
    # Libraries set levels of their own; what they say below a warning is not for a person here.
    rooms = ("harvester", "attribution")
    handler.addFilter(
        lambda record: record.levelno >= logging.WARNING or record.name.startswith(rooms)
    )
    logging.getLogger("stamina").setLevel(logging.ERROR)  # each retry is a line of its own there
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for room in rooms:
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.WARNING)


class _PrintableFormatter(logging.Formatter):
    """Names of files and libraries' errors come from anywhere: a record is one printable line.

    A traceback, which tells of a bug, keeps its lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        return clean(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's own name
        lines = super().formatException(ei).splitlines()
        return "\n".join(" " * (len(line) - len(line.lstrip())) + clean(line) for line in lines)


def say(text: str) -> None:
    """One line on standard error; the text may come from anywhere and is never markup."""
    stderr().print(clean(text), markup=False, highlight=False, soft_wrap=True)


def write_out(text: str) -> None:
    """Write a result to standard output, with a line's end: the one way there.

    What the terminal's encoding cannot write becomes `?`. Nothing is written where there is no
    standard output, and no more is where its reader has seen enough (`| head`): the command goes
    on without it, and ends with the exit code that it earns.

    Args:
        text: lines; what strangers wrote in them has been through `clean`.

    Raises:
        OutputError: if it cannot be written, as on a full disk.
    """
    if sys.stdout is None:
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as exc:
        _drop_output()
        if not isinstance(exc, BrokenPipeError):
            raise OutputError(
                f"standard output: expected to write the result, found {reason_of(exc)}; what was "
                "stored is safe: make room, or send the output elsewhere"
            ) from exc


def _drop_output() -> None:
    """Let what is left in the buffer go nowhere, or Python tries once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def refuse_lost_options(context: typer.Context) -> None:
    """Refuse options before a subcommand: they would have no effect, and nobody would notice.

    Raises:
        BadParameter: naming the first.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"expected it behind {context.invoked_subcommand}, found it before",
                param_hint=parameter.opts[0],
            )


@contextlib.contextmanager
def interruptible(message: str | Callable[[], str], stop: Stop | None = None) -> Iterator[None]:
    """Ends with `message` at Ctrl-C or when told to end; what was done by then is kept.

    The exit code is 130 for Ctrl-C, 143 for SIGTERM and 129 for a terminal that went away.

    Args:
        message: said at the end, behind "stopped: "; or what makes it then.
        stop: set at the first signal, for work that looks at it and ends by itself; the second
            signal ends it at once. Without, the first does.
    """
    with listening(stop, _say_from_handler) as received:
        try:
            yield
        except KeyboardInterrupt:
            received.append(signal.SIGINT)
        if received:
            say(f"stopped: {message if isinstance(message, str) else message()}")
            raise typer.Exit(128 + received[0])


def _say_from_handler(text: str) -> None:
    try:
        say(text)
    except RuntimeError:  # the signal came while something else was being written there
        os.write(2, f"{text}\n".encode())


@contextlib.contextmanager
def harvesting(
    expected: int | None = None,
    position: Callable[[], int] | None = None,
    *,
    out: Location | None = None,
    stop: Stop | None = None,
    hosts: Hosts | None = None,
    log_json: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    inputs: Sequence[str | Path] = (),
) -> Iterator[HarvestProgress]:
    """A harvest's progress on standard error, and its end at Ctrl-C.

    Args:
        expected: as `HarvestProgress` has it, and so are `position` and `hosts`.
        position: how much of that is done.
        hosts: how the hosts are doing.
        out: the dataset, for what is said at Ctrl-C.
        stop: as `interruptible` has it; to be handed to the run, which looks at it.
        log_json: where events are written, as `--log-json` has it; on standard error they stand
            in for the lines that a person reads.
        settings: how this harvest was called, for those events.
        inputs: files that it reads: events are never written to them.

    Raises:
        InputError: if the events cannot be written where they should be, or must not be.
    """
    from harvester.progress.display import HarvestProgress
    from harvester.progress.event_log import STANDARD_ERROR, EventLog
    from harvester.progress.snapshot import describe_stop
    from harvester.shutdown import how_to_go_on

    log = None if log_json is None else EventLog(str(log_json), inputs)
    if log is not None:
        log.start({"out": out, **(settings or {})})
    wish = stop or Stop()
    progress = HarvestProgress(
        None if str(log_json) == STANDARD_ERROR else stderr(),
        expected,
        position,
        hosts=hosts,
        log=log,
        is_stopping=wish.is_set,
    )

    def message() -> str:
        return f"{describe_stop(progress.facts(), out)}; {how_to_go_on(sys.argv)}"

    with interruptible(message, stop), progress:
        yield progress


def make(
    harvest: Harvest, *, log_json: Path | None = None, inputs: Sequence[str | Path] = ()
) -> Tally:
    """Make a harvest, its progress shown as `harvesting` does; raises as going through it does.

    Args:
        harvest: not begun.
        log_json: where events are written.
        inputs: files that it reads beside its own.
    """
    messages, plan = harvest.messages, harvest.plan
    with harvesting(
        harvest.expected,
        (lambda: messages.messages) if messages else None,
        out=harvest.out,
        stop=plan.stop,
        hosts=plan.pace.snapshot,
        log_json=log_json,
        settings=None if messages else plan.settings,
        inputs=[*harvest.inputs, *inputs],
    ) as progress:
        return run_loop(follow(harvest, progress))


async def follow(harvest: Harvest, progress: HarvestProgress) -> Tally:
    """Go through a harvest and show how far it is; raises as going through it does."""
    async for outcome in harvest:
        progress.update(harvest.tally, outcome)
    return harvest.tally


def print_harvest(
    tally: Tally, out: Location, *, as_json: bool, **records: Mapping[str, Any]
) -> None:
    """What a harvest came to, on standard output; raises as `run.check_reached` does.

    With `as_json`, the `records` of its source stand beside what every harvest tells.
    """
    from harvester.pipeline.run import check_reached
    from harvester.progress.display import summarise

    if as_json:
        print_json(tally.record() | {"dataset": str(out)} | records)
    else:
        write_out("\n".join([*summarise(tally), f"dataset: {clean(str(out))}"]))
    check_reached(tally)


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object on a line of standard output, in ASCII: escapes cannot act on a terminal."""
    # Surrogates without a partner, as names of files have, stop strict readers of JSON.
    whole = json.dumps(record, ensure_ascii=False).encode("utf-16", "surrogatepass")
    write_out(json.dumps(json.loads(whole.decode("utf-16", "replace"))))


Result = TypeVar("Result")


def run_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end as `asyncio.run` does, and let it open as many files as it may."""
    import asyncio  # `--help` needs no loop

    # A thousand downloads are as many files; Windows has neither this limit nor uvloop.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
