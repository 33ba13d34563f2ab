"""The settings of a harvest from code: one frozen value in place of the commands' options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harvester.consent.signals import ConsentPolicy
from harvester.errors import SettingError
from harvester.fetch.download import FetchLimits
from harvester.fetch.settings import Network
from harvester.pipeline.run import EngineName, Plan
from harvester.search.registry import ENGINES, EngineOptions

_CHOICES = {
    "consent": (*ConsentPolicy,),
    "near_duplicates": ("merge", "keep"),
    "engine": (*EngineName,),
}
_LEAST = {"concurrency": 1, "timeout_s": 0.1, "max_bytes": 1, "max_side": 64, "per_prompt": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestSettings:
    """How a harvest is made; every setting has the command's default.

    Attributes:
        consent: opt-outs that are obeyed: all, those against search, or none.
        contact: told to every host: where its owner can write to you.
        concurrency: downloads at once.
        timeout_s: seconds for one try of a download.
        max_bytes: of one picture as served.
        allow_private: also download from private and loopback addresses.
        ca_file: PEM file of a further authority to trust for TLS.
        max_side: pixels of a stored picture's longest side; unless given 512, of generations 1024.
        near_duplicates: merge them (one stored picture, all findings) or keep each; unless given,
            those of a folder are kept, for two states of one work are two works to their maker.
        engine: on this machine, or on a Ray cluster; `address`: of the cluster, None for a new one.
        per_prompt: pictures to find for each prompt, of each search engine.
        pause_s: seconds between two pages; each engine's own unless given.
        licenses: search for these alone: by, by-sa, cc0, pdm, …
        budgets: requests a UTC day, as `openverse=500`.
        region: DuckDuckGo's; `safesearch`: its filter: on, moderate, off.
        search_proxy: for the search engines: http://host:port or socks5.

    Raises:
        SettingError: if a value is none that the setting can have.
    """

    consent: Literal["strict", "search-only", "record"] = "strict"
    contact: str | None = None
    concurrency: int = 64
    timeout_s: float = 30.0
    max_bytes: int = 32 << 20
    allow_private: bool = False
    ca_file: Path | None = None
    max_side: int | None = None
    near_duplicates: Literal["merge", "keep"] | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    per_prompt: int = 100
    pause_s: float | None = None
    licenses: Sequence[str] = ()
    budgets: Sequence[str] = ()
    region: str = "us-en"
    safesearch: str = "moderate"
    search_proxy: str | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            given = getattr(self, name)
            if given not in choices and not (given is None and name == "near_duplicates"):
                is_pair = name == "near_duplicates"
                expected = " or ".join(choices) if is_pair else f"one of {', '.join(choices)}"
                raise SettingError(f"expected {expected}, found {given!r}", setting=name)
        for name, least in _LEAST.items():
            given = getattr(self, name)
            if given is not None and not given >= least:
                raise SettingError(f"{name}: expected {least} or more, found {given}", setting=name)

    def plan(self, *, max_side: int = 512, merge_near: bool = True) -> Plan:
        """The same as the pipeline takes it, with a wish to stop that nobody has yet.

        Args:
            max_side: of a source whose pictures are another size by default.
            merge_near: likewise, whether near-duplicates are merged by default.
        """
        limits = FetchLimits(
            max_bytes=self.max_bytes,
            deadline_s=self.timeout_s,
            answer_s=min(self.timeout_s, FetchLimits().answer_s),
            connect_s=min(self.timeout_s, FetchLimits().connect_s),
        )
        network = Network(
            allow_private=self.allow_private,
            ca_file=self.ca_file,
            concurrency=self.concurrency,
            contact=self.contact,
            policy=ConsentPolicy(self.consent),
            limits=limits,
        )
        if self.near_duplicates is not None:
            merge_near = self.near_duplicates == "merge"
        return Plan(
            network=network,
            max_side=self.max_side or max_side,
            merge_near=merge_near,
            engine=EngineName(self.engine),
            address=self.address,
        )

    def asking(self) -> EngineOptions:
        """The same as the search engines take it."""
        return EngineOptions(
            licenses=self.licenses,
            budgets=self.budgets,
            region=self.region,
            safesearch=self.safesearch,
            proxy=self.search_proxy,
            ca_file=self.ca_file,
            contact=self.contact,
        )


DEFAULT_SETTINGS = HarvestSettings()


def check_engines(names: Sequence[str], licenses: Sequence[str] = ()) -> None:
    """Refuse search engines that are not known, or that tell no licenses where some are wanted.

    Raises:
        SettingError: naming the first.
    """
    unknown = [name for name in names if name not in ENGINES]
    if unknown or not names:
        found = repr(unknown[0]) if unknown else "none"
        raise SettingError(
            f"expected some of {', '.join(ENGINES)}, found {found}", setting="engines"
        )
    telling = [name for name, engine in ENGINES.items() if "licenses" in engine.options]
    without = [name for name in names if name not in telling]
    if licenses and without:
        raise SettingError(
            f"expected sources that tell licenses, as --license needs, found {without[0]}; give "
            f"--sources {','.join(telling)}",
            setting="engines",
        )
