"""This is the sanitiser of strangers' text: safe to print on a terminal, in a log, on a page.

Titles, names of files and errors come from anywhere. What could act on a terminal, break a line
in two or turn its reading order round is taken out. The ground floor: imports nothing of whence.
"""

from __future__ import annotations

import re
import unicodedata

# Of ECMA-48: CSI, OSC (ended by BEL or ST), and the sequences of two or a few characters.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_JOINERS = "\u200c\u200d"  # Persian words and family emoji are spelt with them
_REPLACEMENT = "\ufffd"
_MAX_MARKS = 4
"""Marks kept on one letter: no script needs more, and piles of them cover their neighbours."""


def clean(text: str) -> str:
    """One line of printable text: whatever could act on a terminal or reorder a line is gone.

    Escape sequences and control, bidirectional and invisible characters are dropped, every
    whitespace becomes one space, and a character that is none (a lone surrogate, a private or
    forbidden code point) becomes U+FFFD.
    """
    if not (text.isascii() and text.isprintable()):
        # Two surrogates that belong together are one character; alone, they are none.
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = "".join(
            letter if letter.isprintable() else _stand_in(letter)
            for letter in _ESCAPES.sub("", joined)
        )
        text = _drop_piled_marks(text)
    return " ".join(text.split())


def _stand_in(letter: str) -> str:
    if letter in _JOINERS:
        return letter
    if letter.isspace():
        return " "
    category = unicodedata.category(letter)
    if category in {"Cc", "Cf"}:
        return ""
    code = ord(letter)
    if category == "Cn" and code & 0xFFFE != 0xFFFE and not 0xFDD0 <= code <= 0xFDEF:
        return letter  # younger than this Python's tables
    return _REPLACEMENT


def _drop_piled_marks(text: str) -> str:
    letters: list[str] = []
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        if marks <= _MAX_MARKS:
            letters.append(letter)
    return "".join(letters)
