"""This finds the people in a Discord message, tells them apart, and takes them out of its text.

Exporters write `@DisplayName` where the message has `<@id>`; the message's list of mentioned users
leads back to the id. What is stored names nobody: mentions become `<@user>`, the author a keyed
hash, which only the holder of the key can tie to a name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ANYONE = "<@user>"
"""What stands for every user in stored text."""
_MAX_NAMES = 400
"""Discord lets a message mention 100 users; each has up to four names."""
_ID_MENTION = re.compile(r"<@!?\w+>")


@dataclass(frozen=True, slots=True)
class Person:
    """One user that a message mentions.

    Attributes:
        id: Discord's user id, or None where the export has none.
        names: the user name first, then the display names, without `@`.
    """

    id: str | None
    names: tuple[str, ...]


def restore_mentions(content: str, people: Iterable[Person]) -> str:
    """Turn `@DisplayName` back into `<@id>`, for those mentioned."""
    if "@" not in content:
        return content
    ids = {name: f"<@{who.id}>" for who in people if who.id for name in who.names if name}
    return _replace_names(content, ids) if ids else content


def hide_people(content: str, people: Iterable[Person], *, mention: str = "") -> str:
    """Take every user out of a text.

    Args:
        content: a message or a prompt.
        people: those whose names may stand in it as `@Name`.
        mention: one more mention, as written (`@Name` or `<@id>`).
    """
    if "@" not in content:
        return content
    names = [name for who in people for name in who.names if name]
    if mention.startswith("@") and len(mention) > 1:
        names.append(mention[1:])
    hidden = _replace_names(content, dict.fromkeys(names, ANYONE)) if names else content
    return _ID_MENTION.sub(ANYONE, hidden)


def hide_author(who: str, key: bytes) -> str:
    """The pseudonym of a user id or name: 64 bits of a keyed hash."""
    digest = hmac.new(key, who.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return f"user-{digest.hexdigest()[:16]}"


def find_asker(
    people: Sequence[Person], user_id: str | None, user_name: str | None
) -> Person | None:
    """Who asked for a job: the user mentioned behind its prompt.

    Args:
        people: those that the message mentions.
        user_id: from the message's text; None where it has a name instead.
        user_name: as rendered there, without `@`.
    """
    for who in people:
        if (user_id and who.id == user_id) or (user_name and user_name in who.names):
            return who
    if user_id:
        return Person(user_id, ())
    if len(people) == 1:
        return people[0]  # `@Unknown`, or a name since changed: nobody else is mentioned
    return Person(None, (user_name,)) if user_name else None


def _replace_names(content: str, by_name: dict[str, str]) -> str:
    # No pattern: compiling one for each message would take most of a harvest's time.
    # The longest first: `@Ann Lee` is not `@Ann` and a word.
    names = sorted(by_name, key=len, reverse=True)[:_MAX_NAMES]
    pieces: list[str] = []
    done, at = 0, content.find("@")
    while at >= 0:
        named = next((name for name in names if _stands_at(content, at + 1, name)), None)
        if named is not None:
            pieces += content[done:at], by_name[named]
            done = at + 1 + len(named)
        at = content.find("@", max(done, at + 1))
    return "".join([*pieces, content[done:]])


def _stands_at(content: str, start: int, name: str) -> bool:
    if not content.startswith(name, start):
        return False
    following = content[start + len(name) : start + len(name) + 1]
    return not (following.isalnum() or following == "_")
