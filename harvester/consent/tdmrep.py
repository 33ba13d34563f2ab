"""This is the reader of tdmrep.json: for which addresses a site reserves text and data mining.

Source: W3C TDM Reservation Protocol (TDMRep), final report of 10 May 2024, "TDM File on the Origin
Server": a list of rules; the first whose pattern fits the path counts. Patterns begin at the
path's beginning, with `*` for anything and `$` for the end, as in robots.txt. No file, one that
cannot be had and one that is no such list reserve nothing.

It costs one more request a site and day, asked for beside robots.txt. But: a `TDM-Reservation: 0`
header would outrank the file; it is not seen where the file already keeps an address from being
asked. HTML metadata is not read: pictures have none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from harvester.consent.signals import Signal, SignalKind
from harvester.sanitize import clean
from harvester.urls import origin_of

PATH = "/.well-known/tdmrep.json"
_MAX_RULES = 1000
_MAX_PATTERN = 2000
_MAX_WILDCARDS = 2000
_MAX_TEXT = 200
_ESCAPE = re.compile(r"%([0-9a-f]{2})", re.IGNORECASE)
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_ASCII = "".join(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class TdmRule:
    """One rule of the file.

    Attributes:
        parts: of the pattern, between its wildcards; the first begins the path.
        is_whole: whether the last part ends the path.
    """

    pattern: str
    parts: tuple[str, ...]
    is_whole: bool
    is_reserved: bool
    policy: str | None

    def fits(self, path: str) -> bool:
        """Whether a path, made plain, begins as the pattern says."""
        first, *others = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        if not others:
            return not self.is_whole or at == len(path)
        last = others.pop()
        for part in others:
            at = path.find(part, at)
            if at < 0:
                return False
            at += len(part)
        if self.is_whole:
            return len(path) - len(last) >= at and path.endswith(last)
        return path.find(last, at) >= 0


def judge_tdm(rules: tuple[TdmRule, ...], url: str) -> Signal | None:
    """The word of the first rule that fits an address; None where none does."""
    path = _make_plain(url.partition("#")[0][len(origin_of(url)) :])
    path = path if path.startswith("/") else f"/{path}"
    for rule in rules:
        if rule.fits(path):
            word = "reserved" if rule.is_reserved else "not reserved"
            policy = f", policy {rule.policy}" if rule.policy else ""
            text = f"tdmrep.json: {clean(rule.pattern)[: _MAX_TEXT // 3]} {word}{policy}"
            kind = SignalKind.TDM if rule.is_reserved else SignalKind.NOTE
            return Signal(text[:_MAX_TEXT], kind)
    return None


def read_tdmrep(body: bytes) -> tuple[tuple[TdmRule, ...], int]:
    """The rules of a file, and the bytes of memory they take, by estimate.

    Of a file that is no list of rules there are none; a rule that breaks the protocol is left out,
    and so is what comes after 1,000 rules or 2,000 wildcards.
    """
    try:
        listed = json.loads(body)
    except (ValueError, RecursionError):
        return (), 0
    rules: list[TdmRule] = []
    wildcards = 0
    for record in listed[:_MAX_RULES] if isinstance(listed, list) else ():
        rule = _read_rule(record)
        if rule is not None:
            wildcards += len(rule.parts) - 1
            if wildcards > _MAX_WILDCARDS:
                break
            rules.append(rule)
    return tuple(rules), sum(600 + 4 * len(rule.pattern) for rule in rules)


def _read_rule(record: Any) -> TdmRule | None:
    if not isinstance(record, dict):
        return None
    pattern, reserved, policy = (
        record.get(name) for name in ("location", "tdm-reservation", "tdm-policy")
    )
    if not isinstance(pattern, str) or not 0 < len(pattern) <= _MAX_PATTERN:
        return None
    if isinstance(reserved, list | dict) or reserved not in (0, 1, "0", "1"):
        return None
    plain = _make_plain(pattern.strip())
    if not plain.startswith(("/", "*")):
        plain = f"/{plain}"
    is_whole = plain.endswith("$")
    parts = re.sub(r"\*+", "*", plain.removesuffix("$")).split("*")
    return TdmRule(
        pattern=pattern,
        parts=tuple(parts),
        is_whole=is_whole,
        is_reserved=reserved in (1, "1"),
        policy=clean(policy[:_MAX_TEXT])[: _MAX_TEXT // 2] if isinstance(policy, str) else None,
    )


def _make_plain(path: str) -> str:
    """One spelling of a path: letters that need no escape without, all others with one."""
    path = _ESCAPE.sub(_unescape, path)
    if path.isascii() and " " not in path:
        return path
    return quote(path, safe=_ASCII, errors="replace")


def _unescape(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return letter if letter in _UNRESERVED else match[0].upper()
