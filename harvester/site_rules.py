"""What a site's own files say of an address: robots.txt and tdmrep.json, asked for once a site."""

from __future__ import annotations

from dataclasses import dataclass

from harvester.consent import Signal
from harvester.faults import FetchError
from harvester.robots import RobotsCache
from harvester.site_files import Get
from harvester.tdmrep import TdmRepCache


@dataclass(frozen=True, slots=True)
class SiteVerdict:
    """What a site says of one address.

    Attributes:
        signals: of both files.
        fault: why robots.txt could not be read, which means no for now (RFC 9309, 2.3.1.4).
        crawl_delay_s: seconds that the site wants between two requests.
    """

    signals: tuple[Signal, ...] = ()
    fault: FetchError | None = None
    crawl_delay_s: float | None = None


_NOTHING = SiteVerdict()


class SiteRules:
    """Both files of every site, remembered.

    Args:
        get: makes one request.
    """

    def __init__(self, get: Get) -> None:
        self._robots = RobotsCache(get)
        self._tdmrep = TdmRepCache(get)

    async def check(self, url: str) -> SiteVerdict:
        """What the site of this address says; two requests for the first address of a site.

        One after the other: a site that cannot be reached, or wants no programs, is not asked for
        the second.

        Args:
            url: as `guard.check_url` gives it back.
        """
        robots = await self._robots.check(url)
        if robots.fault is not None:
            return SiteVerdict(fault=robots.fault)
        reserved = await self._tdmrep.check(url)
        if robots.signal is None and reserved is None and robots.crawl_delay_s is None:
            return _NOTHING
        said = tuple(signal for signal in (robots.signal, reserved) if signal is not None)
        return SiteVerdict(said, crawl_delay_s=robots.crawl_delay_s)

    async def close(self) -> None:
        """Give up the requests that are under way."""
        await self._robots.close()
        await self._tdmrep.close()
