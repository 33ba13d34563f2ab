"""This is the client of JSON APIs: bounded in bytes and seconds, their refusals as errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx

from harvester.errors import (
    InputError,
    RateLimitedError,
    SourceChangedError,
    SourceError,
    reason_of,
)
from harvester.fetch.faults import read_retry_after
from harvester.fetch.transport import name_agent, shared_ssl_context, trusting
from harvester.urls import hide_credentials

_BLOCKS = frozenset({202, 403, 418, 429, 503})
_MOST_BYTES = 8 << 20
_MOST_S = 60.0
_SAID = 160


def open_api_client(
    *,
    contact: str | None = None,
    ca_file: Path | None = None,
    proxy: str | None = None,
    timeout_s: float = 20.0,
) -> httpx.Client:
    """A client for JSON APIs, to be closed: says who asks, keeps no cookies, follows nowhere.

    The environment's proxies are left alone, as for pictures.

    Args:
        contact: where the owner of an API may write to; part of every request.
        ca_file: PEM file of an authority to trust besides the system's.
        proxy: `http://` or `https://` address.
        timeout_s: for each read and connection; a whole answer has a minute.

    Raises:
        InputError: if one of these cannot be used.
    """
    try:
        agent = name_agent(contact)
    except ValueError as exc:
        raise InputError(f"--contact: {exc}; give an address or page") from exc
    try:
        context = trusting(ca_file) if ca_file is not None else shared_ssl_context()
    except OSError as exc:  # ssl.SSLError among them
        raise InputError(
            f"{ca_file}: expected a PEM file of certificates, found {reason_of(exc)}; "
            "check --ca-file"
        ) from exc
    try:
        return httpx.Client(
            headers={"User-Agent": agent, "Accept": "application/json"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=timeout_s,
            verify=context,
            proxy=proxy,
            trust_env=False,
        )
    except (ValueError, ImportError, httpx.InvalidURL) as exc:  # ImportError: a socks proxy
        raise InputError(
            f"search: expected a proxy at an http or https address, found {reason_of(exc)}; check "
            f"the proxy {hide_credentials(proxy or '')}"
        ) from exc


def ask_json(
    client: httpx.Client,
    address: str,
    params: Mapping[str, str],
    *,
    name: str,
    headers: Mapping[str, str] | None = None,
    before_request: Callable[[], None] | None = None,
) -> tuple[dict[str, Any], httpx.Headers]:
    """One GET of a JSON API: the object of its answer, of at most 8 MiB, and the headers.

    `name` is the source's, for messages; `before_request` is called before the request leaves.

    Raises:
        RateLimitedError: if it is blocked: 403, 429, 503, or a page instead of JSON.
        SourceChangedError: if the request is not understood (400, 401, a redirect), or the answer
            is no JSON object.
        SourceError: if there is no answer, or any other than 200.
    """
    written = {key: value.encode("utf-8", "replace").decode() for key, value in params.items()}
    if before_request is not None:
        before_request()
    try:
        with client.stream("GET", address, params=written, headers=headers) as response:
            body = _read_body(response)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as exc:
        raise SourceError(
            f"{name}: expected an answer, found {reason_of(exc)}; check the network and the proxy, "
            "then run the same command again"
        ) from exc
    _check_status(name, response, body)
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise blocked(name, "a page that is no JSON") from exc
    if not isinstance(answer, dict):
        raise changed(name, f"a JSON {type(answer).__name__}")
    return answer, response.headers


def blocked(name: str, found: str, retry_after_s: float | None = None) -> RateLimitedError:
    """The error of a source that refuses for now."""
    pause = "some minutes" if retry_after_s is None else f"{retry_after_s:,.0f} s"
    return RateLimitedError(
        f"{name}: expected search results, found {found}: the search is blocked; wait {pause}, "
        "then run the same command again, with a longer pause",
        retry_after_s=retry_after_s,
    )


def changed(name: str, found: str) -> SourceChangedError:
    """The error of a source that speaks otherwise than it did."""
    return SourceChangedError(
        f"{name}: expected search results as they were, found {found}; update whence, or use "
        "another source meanwhile"
    )


def _read_body(response: httpx.Response) -> bytes:
    until = time.monotonic() + _MOST_S
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise ValueError(f"an answer of more than {_MOST_BYTES:,} bytes")
        if time.monotonic() > until:
            raise TimeoutError(f"an answer that took more than {_MOST_S:.0f} s")
    return bytes(body)


def _check_status(name: str, response: httpx.Response, body: bytes) -> None:
    status = response.status_code
    if status == 200:
        return
    found = f"status {status}{_what_it_says(body)}"
    if status in _BLOCKS:
        raise blocked(name, found, read_retry_after(response.headers.get("retry-after")))
    if status == 401 and "authorization" in response.request.headers:
        raise SourceChangedError(
            f"{name}: expected its token to be taken, found {found}; ask for a new one and set "
            f"WHENCE_{name.upper()}_TOKEN to it, or unset that to ask anonymously"
        )
    if 300 <= status < 400 or status in {400, 401}:
        raise changed(name, found)
    raise SourceError(f"{name}: expected status 200, found {found}; try again later")


def _what_it_says(body: bytes) -> str:
    """The reason that an API's error gives, in brackets; nothing of a web page."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return (
        f" ({reason_of(ValueError(detail[:_SAID]))})" if isinstance(detail, str) and detail else ""
    )
