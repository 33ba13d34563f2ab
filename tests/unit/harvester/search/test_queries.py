"""Prompts become what an image search answers; and nothing hostile takes long."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.search.queries import LONGEST, MOST_QUERIES, plan_queries
from tests.support.patience import cpu_seconds


@pytest.mark.parametrize(
    ("prompt", "absent"),
    [
        ("a house by the sea", "sea"),
        ("a ship lit by moonlight", "moonlight"),
        ("a girl surrounded by butterflies", "butterflies"),
        ("a dog sitting by Lake Geneva", "Lake Geneva"),
        ("a town in anime style", "anime"),
        ("a map in the style of dark fantasy", "dark fantasy"),
    ],
)
def test_what_is_no_artist_is_not_searched_for_alone(prompt, absent):
    assert absent not in plan_queries(prompt)


@pytest.mark.parametrize(
    ("prompt", "artist"),
    [
        ("a ship, painted by Ivan Aivazovsky", "Ivan Aivazovsky"),
        ("a girl in the style of van gogh and moebius", "van gogh"),
        ("un pueblo al estilo de Joaquín Sorolla", "Joaquín Sorolla"),
        ("a winter fair by Pieter Bruegel the Elder", "Pieter Bruegel the Elder"),
        ("Tim Burton style tree", "Tim Burton"),
        ("an owl inspired by the painter Frida Kahlo in blue", "Frida Kahlo"),
        ("a fox by Beatrix Potter in the style of Moebius", "Beatrix Potter"),
    ],
)
def test_artists_are_searched_for_alone_too(prompt, artist):
    assert plan_queries(prompt)[-1] == artist


def test_pushed_away_parts_are_never_searched_for():
    assert plan_queries("dog::-1 wolf::-2") == ()
    queries = plan_queries("a garden:: roses::-0.5 --no people, cars")
    assert queries == ("a garden",)


def test_long_prompts_keep_subject_and_artist():
    clauses = [f"clause number {number} about nothing" for number in range(80)]
    prompt = ", ".join(["a lighthouse keeper", *clauses, "by Winslow Homer"])
    full, short, artist = plan_queries(prompt)
    assert full.startswith("a lighthouse keeper Winslow Homer clause number 0")
    assert len(full) <= LONGEST
    assert short == "a lighthouse keeper Winslow Homer"
    assert artist == "Winslow Homer"


def test_one_long_sentence_ends_at_a_turn():
    prompt = (
        "an enormous ancient library carved into the inside of a hollow redwood tree "
        "with spiral stairs and lanterns and monks reading books beside a small waterfall while "
        "the sun sets over the hills and a train passes far away in the valley below the clouds"
    )
    full, *_ = plan_queries(prompt)
    assert full == "an enormous ancient library carved into the inside of a hollow redwood tree"


def test_scripts_without_spaces_are_shortened_too():
    full, *_ = plan_queries("夜景" * 400)
    assert full == ("夜景" * 400)[: len(full)]
    assert 0 < len(full) <= LONGEST


def test_control_characters_and_lone_surrogates_do_not_reach_the_engine():
    assert plan_queries("a\x00 cat\ud800 in\u202e a\u200b hat\r\n--ar 1:1") == ("a cat in a hat",)


def test_accents_are_composed():
    assert plan_queries("cafe\u0301 at night") == ("caf\u00e9 at night",)


def test_search_operators_are_taken_off():
    assert plan_queries('!images "two boats" +site:example.com -sail \\\\x') == (
        "images two boats site example.com sail x",
    )


@pytest.mark.parametrize("words", ["by by by", "and", "in the style of"])
def test_a_prompt_with_any_words_has_a_query(words):
    (query,) = plan_queries(words)
    assert words.startswith(query)
    assert query


@settings(deadline=None)  # the machine may be shared
@given(st.text(max_size=300))
def test_queries_are_few_short_distinct_and_sendable(prompt):
    queries = plan_queries(prompt)
    assert len(queries) <= MOST_QUERIES
    assert len(set(queries)) == len(queries)
    for query in queries:
        assert 0 < len(query) <= LONGEST
        assert query == " ".join(query.split())
        query.encode()


@settings(deadline=None)  # the machine may be shared
@given(st.lists(st.from_regex(r"[a-z]{2,9}", fullmatch=True), min_size=1, max_size=30))
def test_plain_words_are_always_searched_for(words):
    queries = plan_queries(" ".join(words))
    assert queries
    assert set(queries[0].split()) <= set(words)


@pytest.mark.parametrize(
    "unit",
    ["by ", "and ", "ultra ", "super", "a\u0301\u0316", "a::", "--a ", "(", "x-style ", "\x00", "a",
     ",", "by X and ", " ", "4k hdr ", "4 k-", "...", "in the style of ", "https://", "\n", "a, "],
)  # fmt: skip
def test_a_megabyte_takes_no_time(unit):
    prompt = unit * (1_000_000 // len(unit))
    with cpu_seconds(3):  # tenths of a second, on a machine that is shared
        queries = plan_queries(prompt)
    assert all(len(query) <= LONGEST for query in queries)
