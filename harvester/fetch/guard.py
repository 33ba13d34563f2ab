"""This is the SSRF guard: no list of links may reach into a private network.

Two checks, both needed: `check_url` reads the address as written, and `resolver.GuardedResolver`
refuses a name by what it resolves to.
"""

from __future__ import annotations

import ipaddress
import re
from typing import ClassVar

import httpx

from harvester.schema import FetchStatus

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAX_URL = 16_384
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
# Blocks that `is_global` counts as public, in some Python or all, and that no web server has.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(block)
    for block in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # a cloud's machine agent, at a public number
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Ports where another protocol listens, which could take a request for its own commands; 80 and
# 443 aside, pictures are served from high ports.
_FOREIGN_PORTS = frozenset(
    {*range(1, 80), *range(83, 443), *range(444, 591), *range(594, 1024)}
    | {1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566}
    | {*range(6665, 6670), 6679, 6697, 9200, 10080, 11211, 27017}
)


class AddressError(Exception):
    """An address that is not asked; the text is a one-line reason."""

    status: ClassVar[FetchStatus]


class BadUrlError(AddressError):
    """No address of a picture on the web."""

    status = FetchStatus.BAD_URL


class BlockedAddressError(AddressError):
    """An address inside a private network, on this machine, or of no single machine."""

    status = FetchStatus.BLOCKED_ADDRESS


def is_public(address: IPAddress) -> bool:
    """Whether a web server of the open internet can have this address.

    Addresses that carry another (IPv4-mapped, NAT64) are judged by the one inside; the older
    wrappings (6to4, Teredo, IPv4-compatible) are refused whole.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.scope_id is not None or address not in _GLOBAL_UNICAST:
            return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in block for block in _NEVER_PUBLIC)


def check_url(url: str, *, allow_private: bool = False) -> httpx.URL:
    """Read an address as it will be asked, or refuse it; no name is looked up.

    It is asked as it is written out here; `transport` refuses one in which the library that sends
    it would read another host, so that check and request cannot understand it differently.

    Args:
        url: as a source or a redirect gave it.
        allow_private: let addresses of private networks pass; everything else still counts.

    Raises:
        BadUrlError: no http or https, credentials inside, no host, or a port of another protocol.
        BlockedAddressError: a literal address, in any notation, that is not public.
    """
    if len(url) > _MAX_URL:
        raise BadUrlError(f"expected an address of at most {_MAX_URL} characters, found {len(url)}")
    try:
        parsed = httpx.URL(url.strip())
        port = parsed.port
        host = parsed.raw_host.decode("ascii").removesuffix(".")
        _ = parsed.host  # decoded when it is read, and a broken `xn--` name is told only then
    except (httpx.InvalidURL, ValueError) as exc:
        raise BadUrlError(f"expected an http or https address, found one malformed: {exc}") from exc
    if parsed.scheme not in {"http", "https"}:
        raise BadUrlError(f"expected an http or https address, found {parsed.scheme or 'none'!r}")
    if parsed.userinfo:
        raise BadUrlError("expected an address without a user name, found one before the host")
    if not host:
        raise BadUrlError("expected a host in the address, found none")
    if port is not None and not 0 < port < 65536:
        raise BadUrlError(f"expected a port from 1 to 65535, found {port}")
    if port in _FOREIGN_PORTS:
        raise BadUrlError(f"expected a port of a web server, found {port}")
    _check_host(host, allow_private=allow_private)
    return parsed


def _check_host(host: str, *, allow_private: bool) -> None:
    address = _read_literal(host)
    if address is None:
        if not _HOST.fullmatch(host) or len(host) > 253:
            raise BadUrlError(f"expected a host name, found {host[:80]!r}")
        if not allow_private and (host == "localhost" or host.endswith(".localhost")):
            raise BlockedAddressError(f"expected a host of the open web, found {host}")
        return
    if not allow_private and not is_public(address):
        raise BlockedAddressError(f"expected a public address, found {address}")
    if isinstance(address, ipaddress.IPv4Address) and host != str(address):
        raise BadUrlError(f"expected an address in plain digits, found {host} for {address}")


def _read_literal(host: str) -> IPAddress | None:
    """The address a host is when it is no name; takes the notations of C's `inet_aton`."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host.replace("%25", "%"))
        except ValueError as exc:
            raise BadUrlError(f"expected an IPv6 address, found {host[:80]!r}") from exc
    labels = host.split(".")
    if not _NUMBER.fullmatch(labels[-1]):
        return None
    try:
        parts = [_read_number(label) for label in labels]
    except ValueError:
        parts = []
    *leading, last = parts or [256, 0]
    if len(parts) > 4 or any(part > 255 for part in leading) or last >= 256 ** (4 - len(leading)):
        raise BadUrlError(f"expected an IPv4 address or a host name, found {host[:80]!r}")
    value = sum(part << 8 * (3 - place) for place, part in enumerate(leading)) + last
    return ipaddress.IPv4Address(value)


def _read_number(label: str) -> int:
    if len(label) > 16:
        raise ValueError(label)
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    if label.startswith("0"):
        return int(label, 8)
    return int(label)
