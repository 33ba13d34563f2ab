"""This is the recogniser of JSON exports: the first few values tell which kind a file is.

Reads only as far as the first message, so that a file of a gigabyte is recognised at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harvester.readers.json_stream import BrokenJsonError, JsonLimitError, read_events

_MAX_EVENTS = 100_000
"""Values and brackets before the messages; DiscordChatExporter writes about forty."""
_MESSAGE_KEYS = frozenset({"id", "content", "attachments", "author", "timestamp", "embeds"})
_PACKAGE_KEYS = frozenset({"ID", "Timestamp", "Contents"})
Event = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """What a JSON file turned out to be.

    Attributes:
        prefix: ijson's path of what holds the messages; None if there are none.
        channel: its name, else its id, from before the messages.
        is_package: a part of Discord's data package.
        found, where: what stands in place of messages, and its JSON path.
    """

    prefix: str | None = None
    channel: str | None = None
    is_package: bool = False
    found: str = ""
    where: str = "$"


def read_head(path: Path) -> Head:
    """Recognise a JSON file by its first values.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        events = islice(read_events(stream), _MAX_EVENTS)
        try:
            event, _ = next(events)
            return _read_list(events) if event == "start_array" else _read_object(events)
        except StopIteration:
            return Head(found="no messages")
        except (BrokenJsonError, JsonLimitError) as exc:
            return Head(found=f"broken JSON ({exc})")


def _read_list(events: Iterator[Event]) -> Head:
    event, _ = next(events)
    if event == "start_array":
        event, _ = next(events)
        where = "$[0][0]"
    else:
        where = "$[0]"
    if event != "start_map":
        return Head(found=_named(event), where=where)
    return _judge(_read_keys(events), "item", where)


def _judge(keys: frozenset[str], prefix: str, where: str, channel: str | None = None) -> Head:
    if keys >= _PACKAGE_KEYS:
        return Head(is_package=True)
    if len(keys & _MESSAGE_KEYS) > 1:
        return Head(prefix=prefix, channel=channel)
    shown = ", ".join(sorted(keys)[:8])[:120] or "no key"
    return Head(found=f"an object with other keys ({shown})", where=where)


def _read_keys(events: Iterator[Event]) -> frozenset[str]:
    """The keys of the object just opened; a message that breaks off counts as a whole one."""
    keys: set[str] = set()
    depth = 1
    try:
        for event, value in events:
            if depth == 1 and event == "map_key":
                keys.add(value)
            depth += _step(event)
            if depth == 0:
                break
    except BrokenJsonError:
        if keys & _MESSAGE_KEYS:
            return _MESSAGE_KEYS  # the reader will meet the break again and report it
        if keys:
            raise
    return frozenset(keys)


def _read_object(events: Iterator[Event]) -> Head:
    keys: set[str] = set()
    names: dict[str, str] = {}
    depth, outer, inner = 1, "", ""
    for event, value in events:
        if event == "map_key":
            outer, inner = (value, inner) if depth == 1 else (outer, value)
        elif depth == 1 and outer == "messages":
            channel = names.get("name") or names.get("id")
            return _read_messages(event, events, channel)
        elif depth == 2 and outer == "channel" and event in {"string", "number"}:
            names.setdefault(inner, str(value))
        if depth == 1 and event == "map_key":
            keys.add(value)
        depth += _step(event)
        if depth == 0:
            break
    if len(keys & _MESSAGE_KEYS) > 1:
        return Head(prefix="")
    if keys and all(key.isdecimal() for key in keys):
        return Head(is_package=True)  # messages/index.json: names by channel id
    return _judge(frozenset(keys) - _MESSAGE_KEYS, "", "$")  # other keys, or a package's


def _read_messages(event: str, events: Iterator[Event], channel: str | None) -> Head:
    prefix = "messages.item"
    if event != "start_array":
        return Head(found=_named(event), where="$.messages")
    try:
        event, _ = next(events)
        nested = event == "start_array"
        if nested:
            event, _ = next(events)
    except (StopIteration, BrokenJsonError):
        return Head(prefix=prefix, channel=channel)  # breaks off here; the reader reports it
    if event == "end_array":
        return Head(prefix=prefix, channel=channel)  # a channel without messages
    where = "$.messages[0][0]" if nested else "$.messages[0]"
    if event != "start_map":
        return Head(found=_named(event), where=where)
    keys = _read_keys(events)
    return _judge(keys or _MESSAGE_KEYS, prefix, where, channel)


def _step(event: str) -> int:
    return {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}.get(event, 0)


def _named(event: str) -> str:
    names = {"start_map": "an object", "start_array": "a list", "end_array": "an empty list"}
    return names.get(event, f"a {event}")
