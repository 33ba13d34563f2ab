"""Words and addresses that strangers wrote, made safe to show on a page or a terminal.

Titles, makers, captions and addresses come from any site of the web. Escaping markup is the
template's work; here goes what escaping leaves in: terminal sequences, characters that turn the
reading order round, letters that are none, and links that are not links to the web.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote, urlsplit

MAX_LINK = 8192
"""Characters of an address that is still made a link."""

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

_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
"""What an address may hold unquoted, beside letters, digits and `-._`."""


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
    kept: list[str] = []
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        if marks <= _MAX_MARKS:
            kept.append(letter)
    return "".join(kept)


def cut(text: str, limit: int) -> str:
    """The text, or its first `limit` - 1 characters and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def web_link(address: str | None) -> str | None:
    """An address as an ASCII link, or None where it may be shown but must not be followed.

    Followed are http and https alone, to a named host, without a user name before it (which
    serves to disguise the host), and without a character that hides or reorders others.
    """
    if not address or len(address) > MAX_LINK or not address.isprintable():
        return None
    address = address.strip()
    try:
        parts = urlsplit(address)
        _ = parts.port  # ValueError where it is no number
    except ValueError:
        return None
    # A browser reads a backslash as a slash, so that another host would be visited than is shown.
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(parts.netloc) & {*"@\\ "}:
        return None
    return quote(address, safe=_URL_CHARACTERS)


def short_address(address: str, limit: int) -> str:
    """An address for a person: host and path where it is a link, else as it is; cut."""
    if web_link(address) is None:
        return cut(clean(address), limit)
    parts = urlsplit(address.strip())
    path = unquote(parts.path, errors="replace").rstrip("/")
    return cut(clean(parts.netloc.removeprefix("www.") + path), limit)
