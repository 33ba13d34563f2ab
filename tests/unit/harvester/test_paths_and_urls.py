"""What names tell: the kind of a file, an order that people expect, whether a text is a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.paths import ending_of, natural_key, what_is
from harvester.urls import hide_credentials, is_web_address


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


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("http://user:pw@h.example/a.png", "http://***@h.example/a.png"),
        ("HTTPS://token@h.example", "HTTPS://***@h.example"),
        (" http://u:p@ss@h.example/x@2.png", " http://***@h.example/x@2.png"),
        ("http:/\\u:p@h.example/", "http:/\\***@h.example/"),
        ("ftp://u:p@h.example/", "ftp://***@h.example/"),
        ("http://h.example/@name/a@2x.png?to=a@b", "http://h.example/@name/a@2x.png?to=a@b"),
        ("file:folder@home/a@2x.png", "file:folder@home/a@2x.png"),
        ("http://h.example", "http://h.example"),
    ],
)
def test_credentials_are_hidden_and_nothing_else(address, stored):
    assert hide_credentials(address) == stored
    assert hide_credentials(stored) == stored


def test_what_stands_at_a_path_is_named(tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    found = [what_is(tmp_path / name) for name in ("file", "pipe", "link", "none", "a\0b")]
    assert found == ["a file", "a pipe", "a file", "nothing", "nothing"]
    assert what_is(tmp_path) == "a folder"
    assert what_is(Path(os.devnull)) == "a device"
