"""This is the classifier of failed downloads: HTTP codes and library errors → one `FetchStatus`.

httpx's own error is too coarse to tell causes apart (its aiohttp transport calls a lost connection
a `ConnectTimeout`, and a missing name a `ConnectError` like a refused port), so the whole chain of
causes is looked through, and the most telling of them decides.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import ssl
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError

from harvester.fetch.guard import AddressError
from harvester.schema import FailureClass, FetchStatus

NETWORK_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    aiohttp.ClientError,
    HttpProcessingError,
    AddressError,
    OSError,
    EOFError,
    ValueError,  # a header or an address that a library cannot even represent
    zlib.error,
)
"""Everything that a server, a name server or an address can make the libraries raise."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""HTTP status codes that lead to another address."""
_EXPIRED = b"this content is no longer available"
_NO_SUCH_NAME = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)
_TELLING: tuple[tuple[tuple[type[BaseException], ...], FetchStatus, str], ...] = (
    ((ssl.SSLError,), FetchStatus.TLS, "a trusted TLS connection"),
    ((socket.gaierror,), FetchStatus.DNS, "the host's name to resolve"),
    # The transport raises no RemoteProtocolError: it is httpx's word for a malformed redirect.
    (
        (httpx.InvalidURL, aiohttp.InvalidURL, httpx.RemoteProtocolError),
        FetchStatus.BAD_URL,
        "an http or https address",
    ),
    ((zlib.error,), FetchStatus.UNDECODABLE, "a body in gzip"),
    ((aiohttp.ClientPayloadError,), FetchStatus.TRUNCATED, "the whole body"),
    ((TimeoutError, asyncio.TimeoutError), FetchStatus.TIMEOUT, "an answer in time"),
)
"""Errors that name a cause, what they mean, and what was expected instead; the first that fits."""


class FetchError(Exception):
    """One download that failed; the text is a one-line reason.

    Attributes:
        status: what the row will say.
        retry_after_s: the pause that the server asked for, in seconds.
        mendable: False where another try within the minute cannot help, although one in a later
            run may (a name that does not exist today, a certificate that is wrong today).
    """

    def __init__(
        self,
        status: FetchStatus,
        reason: str,
        *,
        retry_after_s: float | None = None,
        mendable: bool = True,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s
        self.mendable = mendable

    @property
    def worth_another_try(self) -> bool:
        """Whether to ask again in this run."""
        passing = {FailureClass.TRANSIENT, FailureClass.THROTTLED}
        return self.mendable and self.status.failure_class in passing


def judge_answer(code: int, head: bytes, retry_after_s: float | None) -> FetchError | None:
    """What an HTTP status code says; None for an answer whose body is the picture.

    Args:
        code: 200 to 599.
        head: the first bytes of a 404's body, where Discord says that a link has expired.
        retry_after_s: what the answer asks for, in seconds.
    """
    if 200 <= code < 300:
        return None
    if code in {404, 410}:
        if _EXPIRED in head.lower():
            return FetchError(
                FetchStatus.EXPIRED, f"expected a picture, found an expired link ({code})"
            )
        status = FetchStatus.NOT_FOUND
    elif code in {401, 403, 451}:
        status = FetchStatus.FORBIDDEN
    elif code in {429, 503}:
        status = FetchStatus.THROTTLED
    elif code >= 500:
        status = FetchStatus.SERVER_ERROR
    else:
        status = FetchStatus.REFUSED
    return FetchError(status, f"expected a picture, found HTTP {code}", retry_after_s=retry_after_s)


def explain_error(exc: Exception) -> FetchError:
    """The fault behind an error of `NETWORK_ERRORS`."""
    chain = list(_causes(exc))
    for cause in chain:
        if isinstance(cause, AddressError):
            return FetchError(cause.status, str(cause))
    for cause in chain:
        for kinds, status, expected in _TELLING:
            if isinstance(cause, kinds):
                reason = f"expected {expected}, found {_describe(cause)}"
                return FetchError(status, reason, mendable=not _is_lasting(cause))
    return FetchError(
        FetchStatus.CONNECTION, f"expected an HTTP answer, found {_describe(chain[-1])}"
    )


def _is_lasting(cause: BaseException) -> bool:
    if isinstance(cause, socket.gaierror):
        return cause.errno in _NO_SUCH_NAME
    return isinstance(cause, ssl.SSLCertVerificationError)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException | None] = [exc]
    while pending:
        cause = pending.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending += [cause.__cause__, cause.__context__, getattr(cause, "os_error", None)]


def _describe(cause: BaseException) -> str:
    code = cause.errno if isinstance(cause, OSError) else None
    # Positive numbers are the system's; those of TLS and of name look-ups are not.
    if code and code > 0 and not isinstance(cause, ssl.SSLError):
        return os.strerror(code)
    text = getattr(cause, "strerror", None) or " ".join(str(cause).split())
    return text[:160] or type(cause).__name__


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds to wait by a `Retry-After` header; None where it is missing or makes no sense.

    Args:
        value: whole seconds, or an HTTP date.
        now: the moment that a date is counted from, in UTC.

    Source: RFC 9110, section 10.2.3.
    """
    if value is None:
        return None
    text = value.strip()[:64]
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait_s = (moment - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, float(math.ceil(wait_s)))
