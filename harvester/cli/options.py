"""These are groups of options that several commands share, each taken as one value."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from harvester.cli.console import AllowPrivate, CaFile, Contact, given_path

if TYPE_CHECKING:
    from harvester.api.settings import HarvestSettings


LogJson = Annotated[
    Path | None,
    typer.Option(
        "--log-json",
        parser=given_path,
        metavar="PATH",
        help="File for a JSON object an event; - for standard error.",
    ),
]
Options = TypeVar("Options")


def takes(
    options: type[Options], *, without: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a command take a dataclass's fields as options of its own.

    The command has a parameter of that type; on the command line the fields stand in its place,
    with their annotations and defaults; those in `without` keep their defaults there.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command)
        hints = typing.get_type_hints(command, include_extras=True)
        every = typing.get_type_hints(options, include_extras=True)
        fields = {name: hint for name, hint in every.items() if name not in without}
        taken = next(name for name, hint in hints.items() if hint is options)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in signature.parameters.items()
            if name != taken
        ]
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=fields[field.name],
            )
            for field in dataclasses.fields(options)  # type: ignore[arg-type]  # a dataclass
            if field.name in fields
        ]

        @wraps(command)
        def wrapper(**given: Any) -> Any:
            values = {name: given.pop(name) for name in fields}
            return command(**given, **{taken: options(**values)})

        wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]  # what typer reads
            parameters=[
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
                for parameter in (*own, *shared)
            ]
        )
        wrapper.__annotations__ = {one.name: one.annotation for one in (*own, *shared)}
        return wrapper

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """How pictures are fetched, for every command that fetches any."""

    consent: Annotated[
        str,
        typer.Option(
            "--consent",
            help="Opt-outs that are obeyed: strict (all), search-only (those against search), "
            "record (none).",
        ),
    ] = "strict"
    contact: Contact = None
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=1024, help="Downloads at once.")
    ] = 64
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds for one try of a download.")
    ] = 30.0
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", min=1, help="Bytes of one picture as served, at most.")
    ] = 32 << 20
    allow_private: AllowPrivate = False
    ca_file: CaFile = None

    def settings(self, **more: Any) -> HarvestSettings:
        """The same as the library takes it, with what other options say.

        Raises:
            BadParameter: if a choice is none that is known.
        """
        from harvester.api.settings import HarvestSettings

        given = asdict(self)
        with as_options():
            return HarvestSettings(timeout_s=given.pop("timeout"), **given, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoringOptions:
    """What is kept of a picture, where the work is done, and who is told of it."""

    max_side: Annotated[
        int, typer.Option("--max-side", min=64, help="Longest side of stored pictures, in pixels.")
    ] = 512
    near_duplicates: Annotated[
        str,
        typer.Option(
            "--near-duplicates",
            help="merge (one stored picture, all findings) or keep each.",
        ),
    ] = "merge"
    engine: Annotated[
        str, typer.Option("--engine", help="local (this machine) or ray (a cluster).")
    ] = "local"
    address: Annotated[
        str | None,
        typer.Option("--address", help="Of the Ray cluster; none starts one on this machine."),
    ] = None
    log_json: LogJson = None

    def settings(self, network: NetworkOptions, **more: Any) -> HarvestSettings:
        """The same as the library takes it; raises as `NetworkOptions.settings` does."""
        return network.settings(
            max_side=self.max_side,
            near_duplicates=self.near_duplicates,
            engine=self.engine,
            address=self.address,
            **more,
        )


@contextmanager
def as_options(option: str | None = None) -> Iterator[None]:
    """Settings that are refused in the block are refused as the options that stand for them.

    Args:
        option: that stands for all of them; each one's own name unless given.

    Raises:
        BadParameter: naming the option.
    """
    from harvester.errors import SettingError

    try:
        yield
    except SettingError as exc:
        named = option or f"--{exc.setting.replace('_', '-')}"
        raise typer.BadParameter(str(exc), param_hint=named) from exc
