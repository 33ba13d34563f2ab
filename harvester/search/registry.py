"""The registry of search engines: a row each with what it needs, and how engines are opened.

Nothing but the engines asked for is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvester.search.budget import Budget
    from harvester.search.session import ImageSearch


SOURCES = ("ddg", "openverse", "commons")
WITH_LICENSES = ("openverse", "commons")


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


@contextmanager
def open_engines(
    sources: Sequence[str], asking: EngineOptions, *, app_folder: Path
) -> Iterator[list[ImageSearch]]:
    """The engines, each with its budget of the day, for the block.

    Args:
        sources: names of `SOURCES`.
        asking: what they are told.
        app_folder: where the user's budgets are kept.

    Raises:
        InputError: if an option cannot be used.
    """
    from harvester.search.commons import Commons
    from harvester.search.json_api import open_api_client
    from harvester.search.openverse import TOKEN_ENVIRONMENT, Openverse

    token = os.environ.get(TOKEN_ENVIRONMENT) or None
    budget = open_budget(asking.budgets, app_folder, has_token=token is not None)
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


def open_budget(given: Sequence[str], app_folder: Path, *, has_token: bool) -> Budget:
    """The user's budget of requests a day; raises as `read_budgets` does."""
    from harvester.search.budget import (
        REQUESTS_A_DAY,
        WITH_TOKEN,
        Budget,
        budget_path,
        read_budgets,
    )

    limits = {**REQUESTS_A_DAY, **(WITH_TOKEN if has_token else {}), **read_budgets(given)}
    return Budget(budget_path(app_folder), limits)


def _open_duckduckgo(asking: EngineOptions, spend: Callable[[], None]) -> ImageSearch:
    from harvester.search.duckduckgo import DuckDuckGo

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
