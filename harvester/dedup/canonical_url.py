"""This is URL canonicalisation: the key under which two addresses of the web are one.

Host in lower case and as IDNA, percent-escapes and dot segments as RFC 3986 §6.2.2 normalises
them, default ports, fragments and empty parameters off, and of the query what does not choose the
picture: tracking parameters, and signatures of storage services and delivery networks, which
change with every visit. http and https are one: hosts that serve another picture on each are
hardly met, and the same picture under both is met all the time.

A signature goes only where the parameters together say that it is one (`ex`, `is` and `hm` with
the shapes that Discord gives them), because alone `sig=7` may be a picture's number. What changes
the picture (`w`, `size`, `format`, `X-Oss-Process`) stays, and so does the order of what stays.

But: the key is no address to be asked, a site that serves one picture under two names keeps two
keys, and `+` is not taken for `%20`, since outside of forms it is not.

Source: RFC 3986; parameter names, the services' own documentation of signed addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import idna

VERSION = 1
"""Raised when an address gets another key; what was kept under the old ones is then made anew."""
# Addresses as most are, which need nothing but their scheme changed.
_PLAIN = re.compile(
    r"https?(://[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)"
)
_ADDRESS = re.compile(
    r"https?://(?P<user>[^/?#\\]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\\\[\]]+)"
    r"(?::(?P<port>[0-9]*))?(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(r"[a-z0-9._~-]+")
_LONGEST_HOST = 255
_DEFAULT_PORTS = frozenset({"80", "443"})
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPES = {
    f"{code:02X}": chr(code) if code in _UNRESERVED else f"%{code:02X}" for code in range(256)
}
_STAYS = "%!$&'()*+,;=:@/?"  # in a path or a query, besides what is unreserved
_OTHER = re.compile(rf"[^A-Za-z0-9._~{re.escape(_STAYS)}-]")
_TRACKING = frozenset(
    "fbclid gclid gclsrc dclid gbraid wbraid msclkid yclid ymclid twclid ttclid li_fat_id igshid "
    "igsh mc_cid mc_eid mkt_tok vero_id oly_anon_id oly_enc_id _ga _gl _hsenc _hsmi __hstc __hssc "
    "__hsfp ixid ixlib".split()
)


@dataclass(frozen=True, slots=True)
class _Signature:
    """How one service signs its addresses.

    Attributes:
        needs: parameters, in lower case, all of which are there and match as a whole.
        drops: those that go then, besides the needed ones.
        prefix: of names that go as well, but for those that are kept.
    """

    needs: Mapping[str, re.Pattern[str]]
    drops: frozenset[str] = frozenset()
    prefix: str | None = None
    keeps: frozenset[str] = frozenset()

    def unwanted(self, given: Mapping[str, str]) -> set[str]:
        """Of the given names those that go; none where this service did not sign."""
        if not all(
            name in given and self.needs[name].fullmatch(given[name]) for name in self.needs
        ):
            return set()
        names = {name for name in given if self.prefix and name.startswith(self.prefix)}
        return names - self.keeps | self.needs.keys() | self.drops


def _signature(
    needs: str, drops: str = "", prefix: str | None = None, keeps: str = ""
) -> _Signature:
    """`needs` as `name=pattern name=pattern`."""
    patterns = dict(one.split("=", 1) for one in needs.split())
    return _Signature(
        {name: re.compile(pattern, re.IGNORECASE) for name, pattern in patterns.items()},
        frozenset(drops.split()),
        prefix,
        frozenset(keeps.split()),
    )


_SIGNATURES = (
    _signature("x-amz-signature=[0-9a-f]{64}", prefix="x-amz-"),
    _signature("x-goog-signature=[0-9a-f]{64,}", prefix="x-goog-"),
    _signature("x-oss-signature=.{16,}", prefix="x-oss-", keeps="x-oss-process"),
    _signature("awsaccesskeyid=.+ signature=.{8,} expires=[0-9]+"),
    _signature("googleaccessid=.+ signature=.{8,} expires=[0-9]+"),
    _signature("ossaccesskeyid=.+ signature=.{8,} expires=[0-9]+"),
    _signature("key-pair-id=[0-9a-z]{8,} signature=.{8,}", "expires policy hash-algorithm"),
    _signature(  # Azure, shared access
        "sv=[0-9]{4}-[0-9]{2}-[0-9]{2} sig=.{20,}",
        "ss srt sp st se spr sip sr si sdd saoid suoid scid skoid sktid skt ske sks skv",
    ),
    _signature("ex=[0-9a-f]{8} is=[0-9a-f]{8} hm=[0-9a-f]{32,64}"),  # Discord
    _signature(  # Facebook, Instagram; `stp` names the size and stays
        "oh=[0-9a-z_-]{8,} oe=[0-9a-f]{8}", "ccb edm efg tn ig_cache_key __gda__", prefix="_nc_"
    ),
    _signature("x-expires=[0-9]{9,11} x-signature=.{8,}", "x-orig-authkey"),  # TikTok
    _signature("q-sign-algorithm=.+ q-signature=[0-9a-f]{40,}", prefix="q-"),  # Tencent
    _signature("e=[0-9]{10} v=beta t=[0-9a-z_-]{20,}"),  # LinkedIn
    _signature("token=[0-9a-z_-]{16,} expires=[0-9]{10}", "token_path token_countries"),
    _signature("md5=[0-9a-z_-]{22,32} expires=[0-9]{10}"),  # nginx
    *(
        _signature(  # Akamai
            rf"{name}=(st(=|%3D)[0-9]+~)?exp(=|%3D)[0-9]+~.{{0,2000}}hmac(=|%3D)[0-9a-f]{{16,128}}"
        )
        for name in ("hdnea", "hdnts", "hdntl", "__token__")
    ),
)
_TELLING = frozenset(name for one in _SIGNATURES for name in one.needs)
"""Without one of these a query is not signed: most are not, and are done with at once."""


def canonical_url(url: str) -> str:
    """The key of an address; addresses with one key lead to one picture.

    What is no address of the web (`file:`, `data:`), or none that can be read, is its own key.
    Never raises, and gives a key back as it is.
    """
    plain = _PLAIN.fullmatch(url)
    if plain and "/." not in url:
        return "https" + plain[1]
    parts = _ADDRESS.fullmatch(url.strip())
    if parts is None:
        return url
    host = _canonical_host(parts["host"])
    if host is None:
        return url
    port = (parts["port"] or "").lstrip("0")
    if port and port not in _DEFAULT_PORTS:
        host = f"{host}:{port}"
    path = _without_dots(_normalised(parts["path"] or "/"))
    query = _canonical_query(_normalised(parts["query"])) if parts["query"] else ""
    user = _normalised(parts["user"] or "")
    return f"https://{user}{host}{path}{'?' if query else ''}{query}"


def _canonical_host(host: str) -> str | None:
    """In lower case and ASCII, without the root's dot; None where it can be none."""
    if len(host) > _LONGEST_HOST:
        return None
    if host.startswith("["):
        return host.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except UnicodeError:  # idna's own kind among them
            return None
    host = host.lower().rstrip(".")
    return host if _HOST.fullmatch(host) else None


def _normalised(text: str) -> str:
    """With escapes only where they are needed, those in capitals (RFC 3986 §6.2.2.1, .2)."""
    if "%" in text:
        text = _PERCENT.sub(_escape, text)
    if _OTHER.search(text):
        text = quote(text, safe=_STAYS, errors="surrogatepass")
    return text


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES[match[1].upper()] if match[1] else "%25"


def _without_dots(path: str) -> str:
    """Without `.` and `..` (RFC 3986 §5.2.4); begins with a slash, as it did."""
    if "/." not in path:
        return path
    segments = path[1:].split("/")
    normalised: list[str] = []
    for segment in segments:
        if segment == "..":
            del normalised[-1:]
        elif segment != ".":
            normalised.append(segment)
    if segments[-1] in {".", ".."}:
        normalised.append("")
    return "/" + "/".join(normalised)


def _canonical_query(query: str) -> str:
    pairs = [(one.partition("=")[0].lower(), one) for one in query.split("&") if one]
    names = {name for name, _ in pairs}
    unwanted = {name for name in names if name in _TRACKING or name.startswith("utm_")}
    if not names.isdisjoint(_TELLING):
        given = {name: one.partition("=")[2] for name, one in pairs}
        for signature in _SIGNATURES:
            unwanted |= signature.unwanted(given)
    return "&".join(one for name, one in pairs if name not in unwanted)
