"""These are questions to a URL, answered without a look-up: host, origin, kind, no password."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(
    r"(\s*(?:https?:[/\\]*|[a-z][a-z0-9+.-]*:[/\\]{2}))[^/\\?#]*@", re.IGNORECASE
)
_LONGEST_HOST = 253  # of a name, by RFC 1035


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as `guard.check_url` gives it back."""
    scheme, _, rest = url.partition("://")
    for end in "/?#":
        rest = rest.partition(end)[0]
    return f"{scheme}://{rest}".lower()


def is_web_address(text: str) -> bool:
    """Whether a text begins as an http or https address does; nothing else of it is checked."""
    return text[:8].lower().startswith(("http://", "https://"))


def hide_credentials(address: str) -> str:
    """An address with `***` for the user name and password before its host, where it has them.

    Something is left in their place because the address without them is another address, which
    may well be asked.
    """
    return _CREDENTIALS.sub(r"\1***@", address, count=1) if "@" in address else address


def host_of(url: str) -> str:
    """The host of an address, in lower case and without its port; empty where it has none."""
    _, found, rest = url[: 3 * _LONGEST_HOST].partition("://")
    if not found:
        return ""
    for end in "/?#\\":
        rest = rest.partition(end)[0]
    host = rest.rpartition("@")[2]
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return host.lower()[:_LONGEST_HOST]
