"""This is DuckDuckGo's image search.

Follows the engine `DuckduckgoImages` of ddgs (its token, payload, headers and HTTP client), but:
not through `DDGS`, which reports a block as nothing found, ranks rows anew and mixes in other
engines; and not through the engine's result class, which rewrites addresses, so that signed
links break. Nothing of ddgs is patched: other users of it in the process see no change.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable
from typing import Any

import primp
from ddgs.engines.duckduckgo_images import DuckduckgoImages
from ddgs.exceptions import DDGSException
from ddgs.http_client import HttpClient, Response

from harvester.errors import (
    InputError,
    RateLimitedError,
    SourceChangedError,
    SourceError,
    reason_of,
)
from harvester.fetch.faults import read_retry_after
from harvester.schema import Finding
from harvester.search.session import Page, QueryProgress
from harvester.urls import hide_credentials

SOURCE = "ddg"
# 202 is DuckDuckGo's challenge page; a redirect that is left over leads to one too.
_BLOCKS = frozenset({202, 301, 302, 303, 307, 308, 403, 418, 429, 503})
_CHALLENGE = re.compile(rb"anomaly|captcha|challenge", re.IGNORECASE)


class DuckDuckGo:
    """The image search of duckduckgo.com, one request at a time.

    Args:
        proxy: `http://`, `https://` or `socks5://` address; None for the environment's.
        verify: False, or the path of a PEM file with the authority to trust.
        region: DuckDuckGo's code, such as `us-en`; `wt-wt` for none.
        safesearch: `on`, `moderate` or `off`.
        timeout_s: for each request; a search of one page makes two.
        before_request: called before each request; what it raises is raised here.

    Raises:
        InputError: if one of these cannot be used.
    """

    source = SOURCE
    pause_s = 1.0

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str = True,
        region: str = "us-en",
        safesearch: str = "moderate",
        timeout_s: float = 10.0,
        before_request: Callable[[], None] | None = None,
    ) -> None:
        if safesearch not in ("on", "moderate", "off"):
            raise InputError(
                f"safesearch: expected on, moderate or off, found {safesearch!r}; give one of them"
            )
        try:
            timeout = math.ceil(timeout_s)  # primp counts whole seconds
            self._engine = DuckduckgoImages(proxy=proxy, timeout=timeout, verify=verify)
            self._client = _StrictClient(proxy=proxy, timeout=timeout, verify=verify)
        except (primp.PrimpError, OSError, ValueError, OverflowError) as exc:
            given = [f"the proxy {hide_credentials(proxy)}"] if proxy is not None else []
            given += [f"the certificate file {verify}"] if isinstance(verify, str) else []
            raise InputError(
                "search: expected a proxy, a certificate file and a time limit that can be used, "
                f"found {reason_of(exc)}; check {' and '.join(given) or 'the time limit'}"
            ) from exc
        self._client.client.headers_update(dict(self._engine.headers_update))
        self._client.before_request = before_request
        self._engine.http_client = self._client
        self._region = region
        self._safesearch = safesearch
        self.scope = f"{region} {safesearch}"
        self._lock = threading.Lock()

    def search(self, query: str, *, query_prompt: str, limit: int = 100) -> list[Finding]:
        """The pictures found for a query, page after page, each address once.

        Addresses come as the engine sent them, byte for byte. The rank is the place among all
        rows sent, so that a duplicate leaves a gap.

        Raises:
            RateLimitedError: if the search is blocked, which is not the same as nothing found.
            SourceChangedError: if the answer has another shape than the one known here.
            SourceError: if there is no answer.
        """
        gathering = QueryProgress(query, query_prompt, limit, SOURCE, self.scope)
        while limit > 0 and not gathering.is_over:
            gathering.add(self.search_page(query, gathering.pages + 1))
        return gathering.findings

    def search_page(self, query: str, page: int) -> Page:
        """One page of about 100 rows, counted from 1; raises as `search` does."""
        with self._lock:
            try:
                payload = self._engine.build_payload(
                    query, self._region, self._safesearch, None, page
                )
            except DDGSException as exc:  # there is no token in the page
                raise _no_token(self._client.last) from exc
            answer = self._client.request("GET", self._engine.search_url, params=payload)
        return _parse_page(answer.content)


class _StrictClient(HttpClient):
    """ddgs's HTTP client, except that a refusal is an error and never an empty result."""

    last: bytes = b""
    before_request: Callable[[], None] | None = None

    def request(self, *args: Any, **kwargs: Any) -> Response:
        if self.before_request is not None:
            self.before_request()
        try:
            answer = self.client.request(*args, **kwargs)
            response = Response(answer)
        except primp.PrimpError as exc:
            raise SourceError(
                f"duckduckgo.com: expected an answer, found {reason_of(exc)}; "
                "check the network and the proxy, then run the same command again"
            ) from exc
        self.last = response.content
        status = response.status_code
        if status in _BLOCKS or (status == 200 and not response.content.strip()):
            pause = read_retry_after(answer.headers.get("retry-after"))
            raise _blocked(f"status {status}" if status != 200 else "an empty page", pause)
        if status != 200:
            raise SourceError(
                f"duckduckgo.com: expected status 200, found {status}; try again later"
            )
        return response


def _parse_page(body: bytes) -> Page:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _blocked("a page that is no JSON") from exc
    rows = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise _changed("no list of results in the JSON")
    records = [row for row in rows if isinstance(row, dict)]
    if rows and not any(isinstance(row.get("image"), str) for row in records):
        raise _changed("results without the address of a picture")
    return Page(rows=records, is_last=not answer.get("next"))


def _no_token(page: bytes) -> SourceError:
    if _CHALLENGE.search(page):
        return _blocked("a page that asks for a person")
    return _changed("a search page without its token (vqd)")


def _blocked(found: str, retry_after_s: float | None = None) -> RateLimitedError:
    pause = "some minutes" if retry_after_s is None else f"{retry_after_s:.0f} s"
    return RateLimitedError(
        f"duckduckgo.com: expected search results, found {found}: the search is blocked; wait "
        f"{pause}, then run the same command again, with a longer pause or by another proxy",
        retry_after_s=retry_after_s,
    )


def _changed(found: str) -> SourceChangedError:
    return SourceChangedError(
        f"duckduckgo.com: expected search results as they were, found {found}; update whence and "
        "ddgs, or use `harvest urls` meanwhile"
    )
