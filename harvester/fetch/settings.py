"""These are the network settings of a harvest, as one value that can go to another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harvester.consent.signals import ConsentPolicy
from harvester.errors import InputError, reason_of
from harvester.fetch.download import FetchLimits
from harvester.fetch.fetcher import Fetcher
from harvester.fetch.pace import Pace
from harvester.fetch.transport import name_agent, trusting
from harvester.shutdown import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How pictures are downloaded.

    Attributes:
        allow_private: also from private and loopback addresses.
        ca_file: PEM file of an authority to trust besides the system's.
        concurrency: downloads at once.
        contact: told to every host, so that its owner can write to whoever runs this.
        policy: which opt-outs are obeyed.
        limits: of each download.
    """

    allow_private: bool = False
    ca_file: Path | None = None
    concurrency: int = 64
    contact: str | None = None
    policy: ConsentPolicy = ConsentPolicy.STRICT
    limits: FetchLimits = field(default_factory=FetchLimits)

    def fetcher(
        self,
        *,
        crawls: bool = True,
        pace: Pace | None = None,
        stop: Stop | None = None,
        is_opted_out: Callable[[str], bool] = lambda _: False,
    ) -> Fetcher:
        """A fetcher, to be entered.

        Args:
            crawls: whether addresses come by the list or the search, so that sites' rules for
                programs hold; not for what the user names one by one.
            pace: of each host; None gives the fetcher one of its own.
            stop: once it is set no download is begun any more.
            is_opted_out: whether no redirect to an address is followed, whose owner said no before.

        Raises:
            InputError: if the authority's file or the contact cannot be used.
        """
        try:
            context = trusting(self.ca_file) if self.ca_file is not None else None
        except OSError as exc:  # ssl.SSLError among them
            raise InputError(
                f"{self.ca_file}: expected a PEM file of certificates, found {reason_of(exc)}; "
                "check --ca-file"
            ) from exc
        try:
            agent = name_agent(self.contact)
        except ValueError as exc:
            raise InputError(f"--contact: {exc}; give an address or page") from exc
        return Fetcher(
            self.limits,
            concurrency=self.concurrency,
            allow_private=self.allow_private,
            user_agent=agent,
            ssl_context=context,
            policy=self.policy,
            site_rules=crawls,
            pace=pace,
            stop=stop,
            is_opted_out=is_opted_out,
        )
