"""This is the grammar of Midjourney's messages about jobs; pure, and linear in their length.

A job is posted as ``**PROMPT** - [ACTION by ]<@ID> [(STATE)] [(MODE)]``. The prompt is the user's
and may hold anything, so the message is read from its end: from the last ``** - ``. Exporters
write the display name (`@Some (fast) Name`) for the mention; that name too may hold anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harvester.midjourney.prompt import Prompt, parse_prompt

_ANCHORS = ("** - ", "**- ", "** \u2013 ", "** \u2014 ")
_MAX_TAIL = 1000
"""Characters after the anchor's line; a name has at most 32, so longer ones are no job."""
_START = re.compile(r"([A-Z][a-z]+ing)\b([^*\n]{0,80}?) with (?:prompt )?\*\*")
_PICK = re.compile(r"Image #([0-9]) +")
_ACTION = re.compile(r"([A-Z][\w'-]*(?: [\w'-]+){0,3})(?: \(([^()]{1,40})\))?\Z")
_ID_MENTION = re.compile(r"<@!?(\w+)>")
_LINKED_STATE = re.compile(r"\[\(([^()\[\]]*)\)\]\(<?[^\s<>()]*>?\)\Z")
_GROUP = re.compile(r"\(([^()]*)\)\Z")
_MODE = re.compile(r"(?:(fast|relaxed|turbo)(?:, (stealth))?|(stealth))\Z", re.IGNORECASE)
_STATES = {
    "waiting to start": "waiting",
    "paused": "paused",
    "stopped": "stopped",
    "queued": "queued",
    "open on website for full quality": None,
}
_PERCENT = re.compile(r"[0-9]{1,3}%\Z")
_VERBS = {
    "upscaled": "upscale",
    "upscaling": "upscale",
    "remixing": "remix",
    "making": "variations",
}
_DIRECTED = {"zoom": "zoom", "zooming": "zoom", "pan": "pan", "panning": "pan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a Midjourney bot about one job.

    Attributes:
        prompt_text: the prompt as posted, flags and all.
        action: `imagine`, `pick`, `variations`, `remix`, `upscale`, `zoom`, `pan`, or another
            verb as written, in lower case.
        variant: `strong`, `subtle`, `region`, `4x`, `up`, …
        tile: the picked picture of the grid, 1-based.
        mode: `fast`, `relaxed` or `turbo`.
        state: None once the job is done; else `waiting`, `62%`, `paused`, `stopped`, or an
            unknown state in lower case.
        mention: who asked, as it stands in the message (`<@1>` or `@Name`).
        user_id, user_name: of who asked; at most one is known, neither for `@Unknown`.
    """

    prompt_text: str
    prompt: Prompt
    action: str = "imagine"
    variant: str | None = None
    tile: int | None = None
    mode: str | None = None
    stealth: bool = False
    state: str | None = None
    mention: str = ""
    user_id: str | None = None
    user_name: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the message carries the job's final picture."""
        return self.state is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tail:
    """What stands behind the prompt."""

    action: str = "imagine"
    variant: str | None = None
    tile: int | None = None
    mode: str | None = None
    stealth: bool = False
    state: str | None = None
    mention: str = ""
    user_id: str | None = None


def parse_message(content: str) -> Message | None:
    """Read what a Midjourney bot posted about a job; None if it is no job's message."""
    content = content.strip()
    start = _START.match(content)
    if start is None and not content.startswith("**"):
        return None
    begin = start.end() if start else 2
    for anchor in _ANCHORS:
        end = len(content)
        # Where a display name holds the anchor itself, an earlier one is the right one.
        for _ in range(3):
            end = content.rfind(anchor, begin, end)
            if end < 0:
                break
            tail = _parse_tail(content[end + len(anchor) :])
            if tail is not None:
                return _compose(content[begin:end], tail, start)
    if start is not None and content.endswith("**") and len(content) - 2 >= begin:
        return _compose(content[begin:-2], _Tail(), start)
    return None


def _compose(prompt_text: str, tail: _Tail, start: re.Match[str] | None) -> Message:
    action, variant, tile, state = tail.action, tail.variant, tail.tile, tail.state
    if start is not None:  # `Upscaling image #2 with …`: announced, never the final picture
        action, variant = _name_action(start[1] + " " + start[2].strip().partition(" ")[0], None)
        number = re.search(r"#([0-9])", start[2])
        tile, state = int(number[1]) if number else None, state or "waiting"
    name = tail.mention[1:].strip() if tail.mention.startswith("@") else ""
    return Message(
        prompt_text=prompt_text,
        prompt=parse_prompt(prompt_text),
        action=action,
        variant=variant,
        tile=tile,
        mode=tail.mode,
        stealth=tail.stealth,
        state=state,
        mention=tail.mention,
        user_id=tail.user_id,
        user_name=name if name and name != "Unknown" else None,
    )


def _parse_tail(tail: str) -> _Tail | None:
    # Later lines (`-# Create, explore…`) are Midjourney's own advertising.
    line = tail.lstrip().partition("\n")[0].strip()
    if len(line) > _MAX_TAIL:
        return None
    pick = _PICK.match(line)
    if pick is not None:
        return _parse_asker(line[pick.end() :], "pick", None, int(pick[1]))
    if line.startswith(("@", "<@")):
        return _parse_asker(line, "imagine", None, None)
    for by in (" by <@", " by @"):
        verb, separator, _ = line.partition(by)
        action = _ACTION.match(verb) if separator else None
        if action is not None:
            name, variant = _name_action(action[1], action[2])
            return _parse_asker(line[len(verb) + 4 :], name, variant, None)
    return None


def _name_action(verb: str, group: str | None) -> tuple[str, str | None]:
    variant = group.lower() if group else None
    first, _, rest = verb.lower().partition(" ")
    if first in _DIRECTED:
        return _DIRECTED[first], rest or variant
    if first in _VERBS:
        return _VERBS[first], variant
    return verb.lower(), variant


def _parse_asker(rest: str, action: str, variant: str | None, tile: int | None) -> _Tail | None:
    """Read `MENTION [(STATE)] [(MODE)]` from its end; None if it is something else."""
    by_id = _ID_MENTION.match(rest)
    mode, stealth, state = None, False, None
    # A pick has no mode: behind its rendered name, `(fast)` is part of the name.
    if by_id is not None or action != "pick":
        rest, mode, stealth = _peel_mode(rest)
        rest, state = _peel_state(rest, closed=by_id is None)
        if mode is None and not stealth:
            rest, mode, stealth = _peel_mode(rest)
    mention = by_id[0] if by_id else rest
    if rest != mention or not mention.startswith(("@", "<@")):
        return None
    return _Tail(
        action=action,
        variant=variant,
        tile=tile,
        mode=mode,
        stealth=stealth,
        state=state,
        mention=mention,
        user_id=by_id[1] if by_id else None,
    )


def _peel_mode(rest: str) -> tuple[str, str | None, bool]:
    group = _GROUP.search(rest)
    mode = _MODE.match(group[1]) if group else None
    if group is None or mode is None:
        return rest, None, False
    return (
        rest[: group.start()].rstrip(),
        mode[1].lower() if mode[1] else None,
        bool(mode[2] or mode[3]),
    )


def _peel_state(rest: str, *, closed: bool) -> tuple[str, str | None]:
    """Take the state off the end; `closed` takes known states only, since names end the rest."""
    group = _LINKED_STATE.search(rest) or _GROUP.search(rest)
    if group is None:
        return rest, None
    written = group[1].strip().lower()
    is_state = written in _STATES or bool(_PERCENT.match(written))
    if closed and not is_state:
        return rest, None
    return rest[: group.start()].rstrip(), _STATES.get(written, written)
