"""This is the reader of robots.txt (RFC 9309): whether a site lets programs fetch an address.

Source: RFC 9309. Groups are chosen here, rules are matched by `protego`, which needs no regular
expressions; `fetch.site_rules` fetches and remembers. No file allows everything; a site whose file
cannot be had for now (5xx, 429, no connection) is left alone as long. Crawl-delay, which is not of
the RFC, is passed on.

But: a group is ours by its exact name, so `User-agent: when` does not mean whence; and a site that
never answers is never taken to have no rules, which the RFC would allow after a month. Rules
with so many wildcards that matching would take long are not weighed: they close their site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from protego import Protego

from harvester.consent.signals import AGENT, Signal, SignalKind, SiteVerdict
from harvester.sanitize import clean
from harvester.urls import origin_of

_RULE_BYTES = 300
"""Of memory, for one rule of protego's, as measured; its text comes on top, several times."""
_MAX_PATH = 150
_MAX_WILDCARDS = 2000
_MAX_WILD_BYTES = 16 << 10
_AGENT_LINE = re.compile(r"user[-\s]*agent\s*(?::|\s)\s*(.*)", re.IGNORECASE)
_PRODUCT = re.compile(r"[a-z_-]+", re.IGNORECASE)
_LINE = re.compile(r"^[ \t]*((?:user|allow|dis|dias|crawl)[^\n]*)", re.IGNORECASE | re.MULTILINE)
"""Lines that may be rules, with the misspellings that protego takes; all others are passed over."""


_OURSELVES = "us"  # what our name becomes in the rules that are kept


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """The rules of one robots.txt that are for us.

    Attributes:
        parser: None where there are more wildcards than can be weighed.
    """

    parser: Protego | None
    crawl_delay_s: float | None = None

    def judge(self, url: str) -> SiteVerdict:
        """Whether they let us fetch an address of their site."""
        if self.parser is None:
            refusal = f"over {_MAX_WILDCARDS:,} wildcards or {_MAX_WILD_BYTES:,} bytes of them"
        else:
            try:
                if self.parser.can_fetch(url, _OURSELVES):
                    return SiteVerdict(crawl_delay_s=self.crawl_delay_s)
            except ValueError:  # an address that no rule can be held against
                pass
            refusal = f"disallows {clean(url[len(origin_of(url)) :][:_MAX_PATH])}"
        signal = Signal(f"robots.txt: {refusal}", SignalKind.ROBOTS)
        return SiteVerdict(signal, crawl_delay_s=self.crawl_delay_s)


def read_robots(body: bytes, agent: str = AGENT) -> tuple[RobotsRules, int]:
    """The rules for us in a robots.txt, and the bytes of memory they take, by estimate.

    Anything can be read: what is no rule (a web page, zeros) is passed over.

    Args:
        body: as served; UTF-8, or UTF-16 where it says so.
        agent: the name that means us, in lower case.
    """
    wide = body[:2] in {b"\xff\xfe", b"\xfe\xff"}
    text = body.decode("utf-16" if wide else "utf-8-sig", "replace")
    lines = list(_our_lines(text, agent))
    wild = [line for line in lines if "*" in line or "$" in line]
    if (
        sum(line.count("*") + line.count("$") for line in wild) > _MAX_WILDCARDS
        or sum(map(len, wild)) > _MAX_WILD_BYTES
    ):
        return RobotsRules(None), 0
    parser = Protego.parse("\n".join(lines))
    cost = 4000 + sum(_RULE_BYTES + 4 * len(line) for line in lines)
    return RobotsRules(parser, parser.crawl_delay(_OURSELVES)), cost


def _our_lines(text: str, agent: str) -> Iterator[str]:
    """The groups for us and for everybody, their names made plain; what is of no group is dropped.

    The other groups would take memory, and time that grows with agents times rules.
    """
    in_names = ours = False
    for match in _LINE.finditer(text.replace("\r", "\n")):
        line = match[1].partition("#")[0].rstrip()
        named = _AGENT_LINE.match(line)
        if named is not None:
            ours = ours and in_names
            in_names = True
            product = _PRODUCT.match(named[1])
            if named[1].startswith("*"):
                ours = True
                yield "User-agent: *"
            elif product is not None and product[0].lower() == agent:
                ours = True
                yield f"User-agent: {_OURSELVES}"
        elif line[0] not in "uU":
            in_names = False
            if ours:
                yield line
