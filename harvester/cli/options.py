"""These are groups of options that several commands share, each taken as one value."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from harvester.cli.console import AllowPrivate, CaFile, Contact, given_path

if TYPE_CHECKING:
    from harvester.dataset.storage import Location
    from harvester.fetch.settings import Network
    from harvester.pipeline.run import Plan


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
Choice = TypeVar("Choice", bound=StrEnum)


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

    def network(self) -> Network:
        """The same as the harvest takes it.

        Raises:
            BadParameter: if the policy is none.
        """
        from harvester.consent.signals import ConsentPolicy
        from harvester.fetch.download import FetchLimits
        from harvester.fetch.settings import Network

        policy = _choice(ConsentPolicy, self.consent, "--consent")
        limits = FetchLimits(
            max_bytes=self.max_bytes,
            deadline_s=self.timeout,
            answer_s=min(self.timeout, FetchLimits().answer_s),
            connect_s=min(self.timeout, FetchLimits().connect_s),
        )
        return Network(
            allow_private=self.allow_private,
            ca_file=self.ca_file,
            concurrency=self.concurrency,
            contact=self.contact,
            policy=policy,
            limits=limits,
        )


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

    def plan(self, network: NetworkOptions) -> Plan:
        """The same as the harvest takes it, with a wish to stop that nobody has yet.

        Raises:
            BadParameter: if an engine, or what becomes of near-duplicates, is none that is known.
        """
        from harvester.pipeline.run import EngineName, Plan

        if self.near_duplicates not in {"merge", "keep"}:
            raise typer.BadParameter(
                f"expected merge or keep, found {self.near_duplicates!r}",
                param_hint="--near-duplicates",
            )
        return Plan(
            network=network.network(),
            max_side=self.max_side,
            merge_near=self.near_duplicates == "merge",
            engine=_choice(EngineName, self.engine, "--engine"),
            address=self.address,
        )

    def shown(self, plan: Plan, out: Location, *inputs: str | Path) -> dict[str, Any]:
        """What `console.harvesting` is told of a harvest by this plan, which reads these files."""
        return {
            "out": out,
            "stop": plan.stop,
            "hosts": plan.pace.snapshot,
            "log_json": self.log_json,
            "settings": plan.settings,
            "inputs": inputs,
        }


def _choice(choices: type[Choice], given: str, option: str) -> Choice:
    try:
        return choices(given)
    except ValueError as exc:
        raise typer.BadParameter(
            f"expected one of {', '.join(choices)}, found {given!r}", param_hint=option
        ) from exc
