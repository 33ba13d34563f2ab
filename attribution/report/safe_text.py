"""Sanitized text of strangers: words and addresses that are safe on a page or a terminal.

Titles, makers, captions and addresses come from any site of the web. Escaping markup is the
template's work; here goes what escaping leaves in: terminal sequences, characters that turn the
reading order round, letters that are none, and links that are not links to the web.
"""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from harvester.sanitize import clean

MAX_LINK = 8192
"""Characters of an address that is still made a link."""
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
"""What an address may hold unquoted, beside letters, digits and `-._`."""


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
