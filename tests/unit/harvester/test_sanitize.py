"""Strangers' text on a terminal: one line, nothing that acts, nothing that reorders."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.sanitize import clean

ANY_TEXT = st.text(st.characters(codec=None)) | st.text(
    "\x1b[]\x9b\x9d;m\x07\\A0\u202e\ud800\udc00 "
)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\x1b[31mred\x1b[0m sky", "ared sky"),
        ("\x9b2Ja\x1b]52;c;aGFjaw==\x07b\x1b]8;;http://x\x1b\\c", "abc"),
        ("\x1bcreset", "reset"),
        ("broken \x1b", "broken"),
        ("two\r\nlines\u2028and\ta\u00a0tab", "two lines and a tab"),
        ("photo\u202egnp.exe\u2066", "photognp.exe"),
        ("nul\x00 bell\x07 zero\u200bwidth\ufeff", "nul bell zerowidth"),
        ("half \ud83d a face", "half \ufffd a face"),
        ("whole \ud83d\ude00 face", "whole \U0001f600 face"),
        ("\ufffe \ue000", "\ufffd \ufffd"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),
        ("👩\u200d🎨 café", "👩\u200d🎨 café"),
        ("Z" + "\u0300" * 50, "Z" + "\u0300" * 4),
        ("  plain   text ", "plain text"),
    ],
)
def test_only_what_can_be_read_is_left(written, shown):
    assert clean(written) == shown


@given(ANY_TEXT)
def test_cleaned_text_is_one_line_without_controls(text):
    """No control, surrogate, separator or bidirectional character, whatever came in."""
    cleaned = clean(text)
    kinds = {unicodedata.category(letter) for letter in cleaned if letter not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")
