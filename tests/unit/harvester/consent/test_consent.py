"""Opt-outs in headers: those that mean us are obeyed as the policy says, all of them are kept."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.consent.signals import (
    ConsentPolicy,
    Signal,
    SignalKind,
    decide,
    read_signals,
    rights_of,
)

STRICT, SEARCH_ONLY, RECORD = ConsentPolicy
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def refusal_of(value: str, policy: ConsentPolicy = STRICT) -> str | None:
    return decide(read_signals([("X-Robots-Tag", value)], now=NOW), policy)


@pytest.mark.parametrize(
    "value",
    [
        "noai",
        "NoAI",
        " noimageai ",
        "all, noai",
        "noml",
        "*: noai",
        "whence: noai",
        "Whence : noml",
        "otherbot: noindex, whence: noimageai",
        "max-image-preview:large, noai",
        "unavailable_after: Wed, 03 Dec 2036 13:09:53 GMT, noai",
        "unavailable_after: Wednesday, 03-Dec-36 13:09:53 GMT,noai",
        "unavailable_after: 2036-12-03T13:09:53Z, noai",
        "whence: unavailable_after: 25 Jun 2036 15:00:00 PST, noai",
        ": noai",
        "nofollow noai",
        "nosnippet; noai",
    ],
)
def test_words_against_machine_learning_refuse_in_strict_alone(value):
    assert refusal_of(value) is not None
    assert refusal_of(value, SEARCH_ONLY) is None
    assert refusal_of(value, RECORD) is None


@pytest.mark.parametrize(
    "value",
    [
        "noindex",
        "noindex, nofollow",
        "noimageindex",
        "none",
        "whence: none",
        "noarchive, whence: noindex, otherbot: all",
        "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT",
        "unavailable_after: Wednesday, 03-Dec-25 13:09:53 GMT",
        "unavailable_after: 2025-12-03T13:09:53Z",
        "unavailable_after: 2025-12-03",
        "whence: unavailable_after: 25 Jun 2010 15:00:00 PST",
    ],
)
def test_words_against_search_refuse_in_strict_and_search_only(value):
    assert refusal_of(value) is not None
    assert refusal_of(value, SEARCH_ONLY) == refusal_of(value)
    assert refusal_of(value, RECORD) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        ", ,",
        "all",
        "nofollow, noarchive, nosnippet",
        "otherbot: noai",
        "otherbot: noindex, noai",
        "nofollow, otherbot: none",
        "otherbot: unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, noai",
        "unavailable_after: Wed, 03 Dec 2036 13:09:53 GMT",
        "unavailable_after: Wed",
        "unavailable_after: 99999-99-99",
        "unavailable_after",
        "noaim",
        "max-snippet: none",
    ],
)
def test_other_words_and_other_agents_refuse_nothing(value):
    assert refusal_of(value) is None


def test_a_refusal_names_the_header_and_the_word():
    assert refusal_of("all, NoIndex") == "X-Robots-Tag: noindex"
    dated = "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT"
    assert refusal_of(dated) == "X-Robots-Tag: unavailable_after: 2025-12-03"


def test_another_agent_can_be_named():
    signals = read_signals([("x-robots-tag", "otherbot: noai")], agent="otherbot")
    assert signals == (Signal("X-Robots-Tag: noai", SignalKind.AI, "X-Robots-Tag: otherbot: noai"),)


def test_the_tdm_protocol_is_obeyed_in_strict():
    headers = [("TDM-Reservation", "1"), ("tdm-policy", "https://example.org/tdm.json")]
    signals = read_signals(headers)
    assert decide(signals, STRICT) == "TDM-Reservation: 1"
    assert decide(signals, SEARCH_ONLY) is None
    assert rights_of(signals) == (
        "TDM-Reservation: 1",
        "TDM-Policy: https://example.org/tdm.json",
    )
    for value in ("0", "2", "", "1, 1"):
        assert decide(read_signals([("TDM-Reservation", value)]), STRICT) is None


@pytest.mark.parametrize(
    ("kind", "search_only"),
    [
        (SignalKind.AI, False),
        (SignalKind.TDM, False),
        (SignalKind.SEARCH, True),
        (SignalKind.ROBOTS, True),
        (SignalKind.ANY, True),
    ],
)
def test_every_kind_of_opt_out_is_weighed_by_the_policy(kind, search_only):
    signals = [Signal("a note", SignalKind.NOTE), Signal("a word", kind)]
    assert decide(signals, STRICT) == "a word"
    assert decide(signals, SEARCH_ONLY) == ("a word" if search_only else None)
    assert decide(signals, RECORD) is None


def test_signals_are_kept_once_as_written_opt_outs_first():
    headers = [
        ("Content-Type", "image/jpeg"),
        ("X-Robots-Tag", "otherbot:  noai"),
        ("x-robots-tag", "otherbot: noai"),
        ("X-Robots-Tag", "noindex, nofollow, noai"),
    ]
    assert rights_of(read_signals(headers)) == (
        "X-Robots-Tag: noindex, nofollow, noai",
        "X-Robots-Tag: otherbot: noai",
    )


def test_the_first_refusal_is_the_one_told():
    headers = [("X-Robots-Tag", "noml"), ("TDM-Reservation", "1"), ("X-Robots-Tag", "none")]
    assert decide(read_signals(headers), STRICT) == "X-Robots-Tag: noml"


def test_a_flood_of_signals_is_bounded_and_still_heard():
    headers = [("X-Robots-Tag", f"word{n}" + "x" * 9999) for n in range(500)]
    dates = ",".join(
        f"unavailable_after: 2001-01-{n % 28 + 1:02}T00:00:0{n % 9}" for n in range(999)
    )
    signals = read_signals([*headers, ("X-Robots-Tag", dates), ("X-Robots-Tag", "noai")])
    assert len(signals) < 32
    assert decide(signals, STRICT) is not None
    rights = rights_of(signals)
    assert "X-Robots-Tag: noai" in rights
    assert sum(map(len, rights)) < 5000


def test_what_could_act_on_a_terminal_is_not_kept():
    (right,) = rights_of(read_signals([("X-Robots-Tag", "\x1b[2Jnoai\x07\u202e")]))
    assert right == "X-Robots-Tag: noai"


@given(st.text(max_size=80))
def test_any_header_can_be_read(value):
    signals = read_signals([("X-Robots-Tag", value), ("TDM-Policy", value)])
    assert all(
        len(right) <= 200 and not set(right) & set("\n\x1b\x9b\u202e")
        for right in rights_of(signals)
    )
    assert decide(signals, RECORD) is None


@given(st.lists(st.sampled_from(["noai", "otherbot:", "whence:", ",", " ", "unavailable_after:",
                                 "Wed", "03 Dec 2025 13:09:53 GMT", "noindex", ":", ";"])))  # fmt: skip
def test_any_order_of_its_words_can_be_read(words):
    for policy in ConsentPolicy:
        refusal = refusal_of("".join(words), policy)
        assert refusal is None or refusal.startswith("X-Robots-Tag: ")
