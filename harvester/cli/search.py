"""These are the commands that search the web: `search`, and one for each search engine.

`search` asks several engines in one run; the others are the same search with one, made from its
row in `search.registry`. Only what a command needs is imported, and only when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from harvester.cli.console import (
    CANDIDATES,
    AsJson,
    Out,
    PerPrompt,
    SearchProxy,
    Verbose,
    given_place,
    make,
    print_harvest,
    set_up_logging,
)
from harvester.cli.options import NetworkOptions, StoringOptions, as_options, takes
from harvester.search.registry import ENGINES, SearchEngine

_NOT_EVERYWHERE = frozenset().union(*(engine.options for engine in ENGINES.values()))
"""Options of a search that some engines do not understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What is searched for, and how politely; a command leaves out what its engine cannot."""

    prompts: Annotated[
        str | None,
        typer.Option("--prompts", help="List: .txt (a prompt a line), .csv, .jsonl, .parquet; -."),
    ] = None
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="One prompt; repeatable.")
    ] = None
    generations: Annotated[
        Any,
        typer.Option(
            "--generations",
            parser=given_place,
            metavar="PATH",
            help="Dataset that `harvest midjourney` made.",
        ),
    ] = None
    out: Out = CANDIDATES
    licenses: Annotated[
        str | None,
        typer.Option("--license", help="Only these: by, by-sa, cc0, pdm, …, with commas between."),
    ] = None
    per_prompt: PerPrompt = 100
    pause: Annotated[
        float | None,
        typer.Option(
            "--pause", min=0.0, help="Seconds between two pages; each engine's own unless given."
        ),
    ] = None
    budget: Annotated[
        list[str] | None,
        typer.Option("--budget", help="Requests a UTC day, as openverse=500; repeatable."),
    ] = None
    region: Annotated[str, typer.Option("--region", help="DuckDuckGo's region.")] = "us-en"
    safesearch: Annotated[
        str, typer.Option("--safesearch", help="DuckDuckGo's filter: on, moderate, off.")
    ] = "moderate"
    search_proxy: SearchProxy = None
    as_json: AsJson = False
    verbose: Verbose = False

    @property
    def lists(self) -> list[str]:
        """The files that prompts are read from."""
        return [self.prompts] if self.prompts else []

    def read_prompts(self) -> list[str]:
        """The prompts of all that was given.

        Raises:
            typer.BadParameter: if nothing was.
            HarvestError: as the readers do.
        """
        from harvester.pipeline import search as run_search
        from harvester.sources.prompt_list import read_prompts

        if not (self.prompts or self.prompt or self.generations):
            raise typer.BadParameter("expected --prompt, --prompts or --generations, found none")
        wanted = list(self.prompt or ())
        if self.prompts:
            wanted += [job.prompt for job in read_prompts(self.prompts) if job.prompt]
        if self.generations:
            wanted += run_search.prompts_of(self.generations)
        return wanted


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.command()(search)
    for engine in ENGINES.values():
        help_text = f"{engine.help}\n\nExample: harvest {engine.name} {engine.example}"
        app.command(engine.name, help=help_text)(_command_of(engine))


@takes(NetworkOptions)
@takes(StoringOptions)
@takes(SearchOptions)
def search(
    *,
    sources: Annotated[
        str,
        typer.Option("--sources", help="Engines: ddg, openverse, commons, with commas between."),
    ] = ",".join(ENGINES),
    wanted: SearchOptions,
    storing: StoringOptions,
    network: NetworkOptions,
) -> None:
    """Search with several engines for each prompt and download what is found.

    --per-prompt pictures are wanted of each engine. One that blocks, or whose requests of the day
    are spent, does not stop the others; run the same command again later to go on.

    Example: harvest search --prompts prompts.txt --sources ddg,openverse,commons --per-prompt 30
    """
    named = read_sources(sources, licenses=_listed(wanted.licenses))
    _search(named, wanted, storing, network)


def _command_of(engine: SearchEngine) -> Callable[..., None]:
    """The search that asks one engine alone, with the options that it understands."""

    @takes(NetworkOptions)
    @takes(StoringOptions)
    @takes(SearchOptions, without=_NOT_EVERYWHERE - engine.options)
    def command(*, wanted: SearchOptions, storing: StoringOptions, network: NetworkOptions) -> None:
        _search((engine.name,), wanted, storing, network)

    return command


def _search(
    names: Sequence[str],
    wanted: SearchOptions,
    storing: StoringOptions,
    network: NetworkOptions,
) -> None:
    from harvester.api.harvest import harvest_search

    set_up_logging(verbose=wanted.verbose)
    prompts = wanted.read_prompts()
    settings = storing.settings(
        network,
        per_prompt=wanted.per_prompt,
        pause_s=wanted.pause,
        licenses=_listed(wanted.licenses),
        budgets=wanted.budget or (),
        region=wanted.region,
        safesearch=wanted.safesearch,
        search_proxy=wanted.search_proxy,
    )
    made = harvest_search(prompts, wanted.out, engines=names, settings=settings)
    tally = make(made, log_json=storing.log_json, inputs=wanted.lists)
    print_harvest(tally, wanted.out, as_json=wanted.as_json)


def read_sources(text: str, *, licenses: Sequence[str] = ()) -> tuple[str, ...]:
    """The engines of `--sources`, each once, as ordered there.

    Raises:
        typer.BadParameter: if one is not known, or tells no licenses where some are wanted.
    """
    from harvester.api.settings import check_engines

    named = tuple(dict.fromkeys(_listed(text)))
    with as_options("--sources"):
        check_engines(named, licenses)
    return named


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in (text or "").split(",") if part.strip())
