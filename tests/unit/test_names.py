"""What names tell: the kind of a file, an order that people expect, whether a text is a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.names import ending_of, is_web_address, natural_key


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("a.csv", ".csv"),
        ("A.CSV", ".csv"),
        ("a.b.csv.gz", ".csv"),
        ("a.gz", ""),
        ("a", ""),
        (".hidden", ""),
    ],
)
def test_the_ending_tells_what_a_file_holds(name, ending):
    assert ending_of(Path("folder.zip") / name) == ending


@settings(deadline=None)  # the machine may be shared
@given(st.lists(st.text(max_size=12), max_size=12))
def test_natural_order_is_total_and_numbers_count(names):
    ordered = sorted(names, key=natural_key)
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == ordered
    assert sorted(["p10", "p9", "P1"], key=natural_key) == ["P1", "p9", "p10"]


def test_a_number_of_any_length_has_a_place():
    names = ["p" + "9" * 5000, "p" + "1" * 6000, "p2"]
    assert min(names, key=natural_key) == "p2"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://a.example/x", True),
        ("HTTP://a.example", True),
        ("http:/a.example", False),
        ("ftp://a.example", False),
        (" https://a.example", False),
        ("", False),
    ],
)
def test_an_address_of_the_web_begins_as_one(text, is_one):
    assert is_web_address(text) is is_one
