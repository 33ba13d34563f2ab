"""Opt-outs in headers: those that mean us are obeyed, all of them are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.consent import read_consent


def refusal_of(value: str) -> str | None:
    return read_consent([("X-Robots-Tag", value)]).refusal


@pytest.mark.parametrize(
    "value",
    [
        "noai",
        "NoAI",
        " noimageai ",
        "noindex, noai",
        "noml",
        "none",
        "*: noai",
        "whence: noai",
        "Whence : none",
        "otherbot: noindex, whence: noimageai",
        "max-image-preview:large, noai",
        "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, noai",
        "unavailable_after: Wednesday, 03-Dec-25 13:09:53 GMT,noai",
        "unavailable_after: 2025-12-03T13:09:53Z, noai",
        "whence: unavailable_after: 25 Jun 2010 15:00:00 PST, noai",
        ": noai",
    ],
)
def test_words_against_machine_learning_refuse(value):
    assert refusal_of(value) is not None


@pytest.mark.parametrize(
    "value",
    [
        "",
        ", ,",
        "all",
        "noindex",
        "noindex, nofollow, noimageindex, nosnippet",
        "otherbot: noai",
        "otherbot: noindex, noai",
        "noindex, otherbot: none",
        "otherbot: unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, noai",
        "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT",
        "unavailable_after: Wed",
        "noaim",
        "max-snippet: none",
    ],
)
def test_other_words_and_other_agents_do_not(value):
    assert refusal_of(value) is None


def test_another_agent_can_be_named():
    headers = [("x-robots-tag", "otherbot: noai")]
    assert read_consent(headers, agent="otherbot").refusal == "X-Robots-Tag: noai"


def test_the_tdm_protocol_is_obeyed():
    headers = [("TDM-Reservation", "1"), ("tdm-policy", "https://example.org/tdm.json")]
    consent = read_consent(headers)
    assert consent.refusal == "TDM-Reservation: 1"
    assert consent.rights == ("TDM-Reservation: 1", "TDM-Policy: https://example.org/tdm.json")
    assert read_consent([("TDM-Reservation", "0")]).refusal is None


def test_signals_are_kept_once_as_written_and_other_headers_are_not():
    headers = [
        ("Content-Type", "image/jpeg"),
        ("X-Robots-Tag", "otherbot:  noai"),
        ("x-robots-tag", "otherbot: noai"),
        ("X-Robots-Tag", "noindex"),
    ]
    consent = read_consent(headers)
    assert consent.rights == ("X-Robots-Tag: otherbot: noai", "X-Robots-Tag: noindex")
    assert consent.refusal is None


def test_the_first_refusal_is_the_one_told():
    headers = [("X-Robots-Tag", "noml"), ("TDM-Reservation", "1"), ("X-Robots-Tag", "none")]
    assert read_consent(headers).refusal == "X-Robots-Tag: noml"


def test_a_flood_of_signals_is_bounded_and_still_heard():
    headers = [("X-Robots-Tag", f"noindex{n}" + "x" * 9999) for n in range(500)]
    consent = read_consent([*headers, ("X-Robots-Tag", "noai")])
    assert consent.refusal == "X-Robots-Tag: noai"
    assert sum(map(len, consent.rights)) < 5000


@given(st.text(max_size=80))
def test_any_header_can_be_read(value):
    consent = read_consent([("X-Robots-Tag", value)])
    assert all("\n" not in right for right in consent.rights)
