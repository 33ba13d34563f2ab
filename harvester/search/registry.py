"""This is the registry of image search engines: a row each, from which its command is made.

A row says what an engine is called, how many requests a day it is sent, which options of a search
it understands, how it is opened, and what its command's help says. To add one: its module here,
and a row. Nothing but the engines asked for is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

    from harvester.search.budget import Budget
    from harvester.search.session import ImageSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How engines are asked; `budgets` as `--budget` has them."""

    licenses: Sequence[str] = ()
    budgets: Sequence[str] = ()
    region: str = "us-en"
    safesearch: str = "moderate"
    proxy: str | None = None
    ca_file: Path | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEngine:
    """One row of the registry.

    Attributes:
        name: of its command, of `--sources` and of the column `source`.
        requests_a_day: that it is sent without a token.
        requests_with_token: and with the one that the variable `token_variable` holds.
        options: of `EngineOptions` those that not every engine has.
        open: makes the engine, which calls the last argument before each request; what has to be
            closed in the end is put on the stack.
        help, example: of its command.
    """

    name: str
    requests_a_day: int
    requests_with_token: int = 0
    token_variable: str | None = None
    options: frozenset[str]
    open: Callable[[EngineOptions, ExitStack, Callable[[], None]], ImageSearch]
    help: str
    example: str

    @property
    def limit(self) -> int:
        """Requests a day, with the token if there is one."""
        has_token = self.token_variable is not None and os.environ.get(self.token_variable)
        return self.requests_with_token if has_token else self.requests_a_day


def _open_duckduckgo(
    options: EngineOptions, _: ExitStack, before_request: Callable[[], None]
) -> ImageSearch:
    from harvester.search.duckduckgo import DuckDuckGo

    return DuckDuckGo(
        proxy=options.proxy,
        verify=str(options.ca_file) if options.ca_file else True,
        region=options.region,
        safesearch=options.safesearch,
        before_request=before_request,
    )


def _open_openverse(
    options: EngineOptions, closing: ExitStack, before_request: Callable[[], None]
) -> ImageSearch:
    from harvester.search.openverse import TOKEN_ENVIRONMENT, Openverse

    return Openverse(
        _api_client(options, closing),
        token=os.environ.get(TOKEN_ENVIRONMENT) or None,
        licenses=options.licenses,
        before_request=before_request,
    )


def _open_commons(
    options: EngineOptions, closing: ExitStack, before_request: Callable[[], None]
) -> ImageSearch:
    from harvester.search.commons import Commons

    client = _api_client(options, closing)
    return Commons(client, licenses=options.licenses, before_request=before_request)


def _api_client(options: EngineOptions, closing: ExitStack) -> httpx.Client:
    from harvester.search.json_api import open_api_client

    return closing.enter_context(
        open_api_client(contact=options.contact, ca_file=options.ca_file, proxy=options.proxy)
    )


_ROWS = (
    SearchEngine(
        name="ddg",
        requests_a_day=2_000,
        options=frozenset({"region", "safesearch"}),
        open=_open_duckduckgo,
        help="""Search DuckDuckGo's images for each prompt and download what is found.

Searches that an earlier run finished are not made again, pictures are not fetched twice.""",
        example='--prompt "a village by Ralph Steadman" --per-prompt 30',
    ),
    SearchEngine(
        name="openverse",
        requests_a_day=100,
        requests_with_token=10_000,
        token_variable="WHENCE_OPENVERSE_TOKEN",  # noqa: S106  # the variable's name
        options=frozenset({"licenses"}),
        open=_open_openverse,
        help="""Search Openverse's openly licensed pictures, each with its maker and license.

WHENCE_OPENVERSE_TOKEN, the token of a registered application, allows 10,000 requests a day
instead of 100.""",
        example='--prompt "a fishing boat" --license by,by-sa,cc0',
    ),
    SearchEngine(
        name="commons",
        requests_a_day=5_000,
        options=frozenset({"licenses"}),
        open=_open_commons,
        help="Search Wikimedia Commons' free pictures, each with its maker and license.",
        example='--prompt "a fishing boat at dawn" --contact you@example.org',
    ),
)
ENGINES: Mapping[str, SearchEngine] = {row.name: row for row in _ROWS}


@contextmanager
def open_engines(
    names: Sequence[str], options: EngineOptions, *, app_folder: Path
) -> Iterator[list[ImageSearch]]:
    """The engines, each with its budget of the day, for the block.

    Args:
        names: of `ENGINES`.
        options: what they are told.
        app_folder: where the user's budgets are kept.

    Raises:
        InputError: if an option cannot be used.
    """
    budget = open_budget(options.budgets, app_folder)
    with ExitStack() as closing:
        yield [ENGINES[name].open(options, closing, partial(budget.spend, name)) for name in names]


def open_budget(given: Sequence[str], app_folder: Path) -> Budget:
    """The user's budget of requests a day; raises as `read_budgets` does."""
    from harvester.search.budget import Budget, budget_path, read_budgets

    limits = {name: engine.limit for name, engine in ENGINES.items()}
    return Budget(budget_path(app_folder), limits | read_budgets(given, ENGINES))
