"""The commands of `harvest` that ask several search engines, or one with an API.

`search` asks several in one run; `openverse` and `commons` are the same with one. Only what a
command needs is imported, and only when it runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.options import NetworkOptions, StoringOptions, takes
from harvester.shell import (
    CANDIDATES,
    AsJson,
    Out,
    PerPrompt,
    SearchProxy,
    Verbose,
    given_place,
    harvesting,
    print_harvest,
    set_up_logging,
)

if TYPE_CHECKING:
    from harvester.budget import Budget
    from harvester.searching import ImageSearch

SOURCES = ("ddg", "openverse", "commons")
_WITH_LICENSES = ("openverse", "commons")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What is searched for, and how politely; for every command here."""

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
        from harvester import run_search
        from harvester.sources.prompt_list import read_prompts

        if not (self.prompts or self.prompt or self.generations):
            raise typer.BadParameter("expected --prompt, --prompts or --generations, found none")
        wanted = list(self.prompt or ())
        if self.prompts:
            wanted += [job.prompt for job in read_prompts(self.prompts) if job.prompt]
        if self.generations:
            wanted += run_search.prompts_of(self.generations)
        run_search.check_prompts(wanted)
        return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How engines are asked; `budgets` as `--budget` has them."""

    licenses: Sequence[str] = ()
    budgets: Sequence[str] = ()
    region: str = "us-en"
    safesearch: str = "moderate"
    proxy: str | None = None
    ca_file: Path | None = None
    contact: str | None = None


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (search, openverse, commons):
        app.command()(command)


@takes(NetworkOptions)
@takes(StoringOptions)
@takes(SearchOptions)
def search(
    *,
    sources: Annotated[
        str,
        typer.Option("--sources", help="Engines: ddg, openverse, commons, with commas between."),
    ] = ",".join(SOURCES),
    region: Annotated[str, typer.Option("--region", help="DuckDuckGo's region.")] = "us-en",
    safesearch: Annotated[
        str, typer.Option("--safesearch", help="DuckDuckGo's filter: on, moderate, off.")
    ] = "moderate",
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
    _search(named, wanted, storing, network, region=region, safesearch=safesearch)


@takes(NetworkOptions)
@takes(StoringOptions)
@takes(SearchOptions)
def openverse(*, wanted: SearchOptions, storing: StoringOptions, network: NetworkOptions) -> None:
    """Search Openverse's openly licensed pictures, each with its maker and license.

    WHENCE_OPENVERSE_TOKEN, the token of a registered application, allows 10,000 requests a day
    instead of 100.

    Example: harvest openverse --prompt "a fishing boat at dawn" --license by,by-sa,cc0
    """
    _search(("openverse",), wanted, storing, network)


@takes(NetworkOptions)
@takes(StoringOptions)
@takes(SearchOptions)
def commons(*, wanted: SearchOptions, storing: StoringOptions, network: NetworkOptions) -> None:
    """Search Wikimedia Commons' free pictures, each with its maker and license.

    Example: harvest commons --prompt "a fishing boat at dawn" --contact you@example.org
    """
    _search(("commons",), wanted, storing, network)


def _search(
    sources: Sequence[str],
    wanted: SearchOptions,
    storing: StoringOptions,
    network: NetworkOptions,
    *,
    region: str = "us-en",
    safesearch: str = "moderate",
) -> None:
    from harvester import run_search
    from harvester.loops import run_loop

    set_up_logging(verbose=wanted.verbose)
    prompts = wanted.read_prompts()
    plan = storing.plan(network)
    asking = Asking(
        licenses=_listed(wanted.licenses),
        budgets=wanted.budget or (),
        region=region,
        safesearch=safesearch,
        proxy=wanted.search_proxy,
        ca_file=network.ca_file,
        contact=network.contact,
    )
    expected = len(prompts) * wanted.per_prompt * len(sources)
    with (
        open_engines(sources, asking) as engines,
        harvesting(expected, **storing.shown(plan, wanted.out, *wanted.lists)) as progress,
    ):
        tally = run_loop(
            run_search.run_search(
                prompts,
                engines,
                wanted.out,
                plan,
                progress.update,
                per_prompt=wanted.per_prompt,
                pause_s=wanted.pause,
            )
        )
    print_harvest(tally, wanted.out, as_json=wanted.as_json)


def read_sources(text: str, *, licenses: Sequence[str] = ()) -> tuple[str, ...]:
    """The engines of `--sources`, each once, as ordered there.

    Raises:
        typer.BadParameter: if one is not known, or tells no licenses where some are wanted.
    """
    named = tuple(dict.fromkeys(_listed(text)))
    unknown = [name for name in named if name not in SOURCES]
    if unknown or not named:
        found = repr(unknown[0]) if unknown else "none"
        raise typer.BadParameter(
            f"expected some of {', '.join(SOURCES)}, found {found}", param_hint="--sources"
        )
    without = [name for name in named if name not in _WITH_LICENSES]
    if licenses and without:
        raise typer.BadParameter(
            f"expected sources that tell licenses, as --license needs, found {without[0]}; give "
            f"--sources {','.join(_WITH_LICENSES)}",
            param_hint="--sources",
        )
    return named


@contextmanager
def open_engines(sources: Sequence[str], asking: Asking) -> Iterator[list[ImageSearch]]:
    """The engines, each with its budget of the day, for the block.

    Raises:
        InputError: if an option cannot be used.
    """
    from harvester.sources.commons import Commons
    from harvester.sources.json_api import open_api_client
    from harvester.sources.openverse import TOKEN_ENVIRONMENT, Openverse

    token = os.environ.get(TOKEN_ENVIRONMENT) or None
    budget = open_budget(asking.budgets, has_token=token is not None)
    with open_api_client(
        contact=asking.contact, ca_file=asking.ca_file, proxy=_http_only(asking.proxy, sources)
    ) as client:
        makers: Mapping[str, Callable[[Callable[[], None]], ImageSearch]] = {
            "ddg": lambda spend: _open_duckduckgo(asking, spend),
            "openverse": lambda spend: Openverse(
                client, token=token, licenses=asking.licenses, before_request=spend
            ),
            "commons": lambda spend: Commons(
                client, licenses=asking.licenses, before_request=spend
            ),
        }
        yield [makers[name](partial(budget.spend, name)) for name in sources]


def open_budget(given: Sequence[str] = (), *, has_token: bool = False) -> Budget:
    """The user's budget of requests a day; raises as `read_budgets` does."""
    from harvester.budget import REQUESTS_A_DAY, WITH_TOKEN, Budget, budget_path, read_budgets

    limits = {**REQUESTS_A_DAY, **(WITH_TOKEN if has_token else {}), **read_budgets(given)}
    return Budget(budget_path(Path(typer.get_app_dir("whence"))), limits)


def _open_duckduckgo(asking: Asking, spend: Callable[[], None]) -> ImageSearch:
    from harvester.sources.duckduckgo import DuckDuckGo

    return DuckDuckGo(
        proxy=asking.proxy,
        verify=str(asking.ca_file) if asking.ca_file else True,
        region=asking.region,
        safesearch=asking.safesearch,
        before_request=spend,
    )


def _http_only(proxy: str | None, sources: Sequence[str]) -> str | None:
    """The proxy for the APIs; DuckDuckGo alone can also be asked through a socks5 one."""
    return None if set(sources) == {"ddg"} else proxy


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in (text or "").split(",") if part.strip())
