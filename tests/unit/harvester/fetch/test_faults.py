"""Causes of failed downloads are told apart; pauses and slots of hosts are kept."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta

import aiohttp
import httpx
import pytest

from harvester.fetch.faults import explain_error, judge_answer, read_retry_after
from harvester.fetch.transport import name_agent
from harvester.schema import FetchStatus

NOW = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)


def wrapped(cause: Exception) -> httpx.ConnectError:
    """The cause as httpx's transport hands it on."""
    error = httpx.ConnectError("")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "status", "again"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "try again"), FetchStatus.DNS, True),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), FetchStatus.DNS, False),
        (ssl.SSLCertVerificationError("self-signed"), FetchStatus.TLS, False),
        (ssl.SSLError("handshake"), FetchStatus.TLS, True),
        (aiohttp.ServerDisconnectedError(), FetchStatus.CONNECTION, True),
        (ConnectionResetError(104, "reset"), FetchStatus.CONNECTION, True),
        (TimeoutError(), FetchStatus.TIMEOUT, True),
        (aiohttp.ClientPayloadError("half"), FetchStatus.TRUNCATED, True),
        (httpx.InvalidURL("no"), FetchStatus.BAD_URL, False),
    ],
)
def test_the_cause_decides_and_not_the_wrapping(cause, status, again):
    fault = explain_error(wrapped(cause))
    assert (fault.status, fault.worth_another_try) == (status, again)
    assert str(fault).startswith("expected ")


def test_a_circle_of_causes_ends():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert explain_error(first).status is FetchStatus.CONNECTION


@pytest.mark.parametrize("code", [200, 203, 299])
def test_good_answers_are_no_faults(code):
    assert judge_answer(code, b"", None) is None


def test_a_throttled_answer_keeps_its_pause():
    fault = judge_answer(429, b"", 7.0)
    assert fault is not None
    assert (fault.status, fault.retry_after_s) == (FetchStatus.THROTTLED, 7.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0665", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Sat, 01 Mar 2025 12:00:30 GMT", 30.0),
        ("Sat, 01 Mar 2025 11:00:00 GMT", 0.0),
        ("Sat, 01 Mar 2025 12:00:30 -0000", 30.0),
        ("Sat, 99 Mar 2025 12:00:30 GMT", None),
        ("9" * 60, float("9" * 60)),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert read_retry_after(value, now=NOW) == seconds


def test_a_date_is_counted_from_now():
    soon = datetime.now(UTC) + timedelta(seconds=90)
    seconds = read_retry_after(f"{soon:%a, %d %b %Y %H:%M:%S} GMT")
    assert seconds is not None
    assert 88 <= seconds <= 90


def test_the_agent_names_itself_and_a_contact():
    assert name_agent().startswith("whence/")
    assert name_agent("mailto:a@example.org").endswith("mailto:a@example.org)")
    with pytest.raises(ValueError, match="printable"):
        name_agent("a\r\nX-Other: b")
