"""This is the reader of Discord exports: finished Midjourney jobs that carry a picture.

A source: it reads files and yields rows, and downloads nothing. Every message is counted under
one kind, so that what was left out, and why, can be told.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harvester.discord.files import Export, find_exports
from harvester.discord.links import canonical_link, find_job_id
from harvester.discord.media import find_media
from harvester.discord.messages import Attachment, BrokenOffError, Record, read_records
from harvester.discord.people import Person, find_asker, hide_author, hide_people, restore_mentions
from harvester.midjourney.message import Message, parse_message
from harvester.midjourney.prompt import parse_prompt
from harvester.sanitize import clean
from harvester.schema import Generation
from harvester.urls import is_web_address

logger = logging.getLogger(__name__)
_MIDJOURNEY_BOT = "936929561302675456"
_NIJI_BOT = "1022952195194359889"
_BOT_IDS = frozenset({_MIDJOURNEY_BOT, _NIJI_BOT})
_NIJI_NAMES = frozenset({"nijijourney", "nijijourneybot"})
_BOT_NAMES = frozenset({"midjourney", "midjourneybot"}) | _NIJI_NAMES
_PICTURE_ENDS = (".png", ".webp", ".jpg", ".jpeg", ".gif", ".avif")
_VIDEO_ENDS = (".mp4", ".webm", ".mov")
_PROGRESS_NAME = re.compile(r"_grid_\d+\.\w+\Z")
_PERCENT_OR_PAUSE = re.compile(r"\d+%|paused|queued")
_MEDIA_HASH = re.compile(r"-[0-9A-Fa-f]{5,16}(?=\.\w+\Z)")


@dataclass(slots=True)
class MessageTally:
    """What a reading of exports met.

    Attributes:
        messages: all of them; equal to the sum of kinds.
        kinds: messages by what they are: `finished` (these become posts), `start`, `progress`,
            `stopped`, `unknown state`, `no picture`, `video`, `describe`, `not a job`,
            `other author`, `malformed`.
        actions: the finished ones by action (`imagine`, `upscale`, …).
        truncated: a line for each file that broke off, with its path and the reason.
        skipped: a line for each file in a folder that was left out as no export.
    """

    messages: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    truncated: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The tally as JSON has it."""
        return {
            "messages": self.messages,
            "kinds": dict(self.kinds),
            "actions": dict(self.actions),
            "truncated": list(self.truncated),
            "skipped": list(self.skipped),
        }

    def describe(self) -> str:
        """The tally as lines for a person, the most frequent kinds first; safe to print."""
        lines = [f"{self.messages:,} messages"]
        lines += [f"{count:>10,} {kind}" for kind, count in self.kinds.most_common()]
        if self.actions:
            lines.append(f"{self.actions.total():,} finished jobs")
            lines += [
                f"{count:>10,} {clean(action)}" for action, count in self.actions.most_common()
            ]
        lines += [f"broke off: {clean(line)}" for line in self.truncated]
        return "\n".join([*lines, *(f"left out: {clean(line)}" for line in self.skipped)])


@dataclass(frozen=True, slots=True)
class Post:
    """A finished job.

    Attributes:
        media: its picture, a file inside the export's folder; None where generation.url is to be
            fetched, or where generation.status says that there is nothing to fetch.
    """

    generation: Generation
    media: Path | None


def read_exports(
    paths: Sequence[str | Path],
    *,
    any_author: bool = False,
    author_key: bytes | None = None,
    tally: MessageTally,
) -> Iterator[Post]:
    """Yield the finished jobs of Discord exports, in the order of files and messages.

    Every path is looked at before the first post, so a wrong one is told at once. Files that
    overlap yield the same generation twice, under one id.

    Args:
        paths: each a file, a folder of parts, or a glob.
        any_author: take jobs from everyone, not from Midjourney's two bots alone.
        author_key: key of the users' pseudonyms; None keeps names and ids.
        tally: counts what is met, as it is met.

    Raises:
        ExportFormatError: a path leads to nothing, or to something else than an export.
    """
    exports = find_exports(paths, tally.skipped)
    return _read_all(exports, tally, any_author=any_author, author_key=author_key)


def _read_all(
    exports: Iterable[Export], tally: MessageTally, *, any_author: bool, author_key: bytes | None
) -> Iterator[Post]:
    for export in exports:
        folder = export.path.parent.resolve()
        try:
            for record in read_records(export):
                tally.messages += 1
                job = _judge(record, any_author=any_author)
                if isinstance(job, str):
                    tally.kinds[job] += 1
                    continue
                tally.kinds["finished"] += 1
                tally.actions[job.message.action] += 1
                yield _compose(job, folder, author_key)
        except BrokenOffError as exc:
            tally.truncated.append(f"{export.path}: {exc}")
            logger.warning(
                "%s: expected messages to the end, found a break (%s); what stands before it is "
                "kept, export the channel again for the rest",
                export.path,
                exc,
            )


@dataclass(frozen=True, slots=True)
class _MidjourneyJob:
    """A finished job: its message, its picture and what the message says."""

    record: Record
    message: Message
    picture: Attachment


def _judge(record: Record | None, *, any_author: bool) -> _MidjourneyJob | str:
    """A finished job, or the kind that the message is counted under."""
    if record is None:
        return "malformed"
    if not any_author and not _is_midjourney(record):
        return "other author"
    message = parse_message(restore_mentions(record.content, record.people))
    if message is None:
        return "describe" if record.is_description else "not a job"
    if not message.finished:
        return _name_state(message.state or "")
    return _take_picture(record, message)


def _take_picture(record: Record, message: Message) -> _MidjourneyJob | str:
    pictures = [entry for entry in record.attachments if _ends(entry, _PICTURE_ENDS, "image/")]
    finals = [entry for entry in pictures if not _PROGRESS_NAME.search(entry.name)]
    if finals:
        return _MidjourneyJob(record, message, finals[0])
    if pictures:
        return "progress"
    videos = any(_ends(entry, _VIDEO_ENDS, "video/") for entry in record.attachments)
    return "video" if videos else "no picture"


def _name_state(state: str) -> str:
    if state == "waiting":
        return "start"
    if _PERCENT_OR_PAUSE.fullmatch(state):
        return "progress"
    return "stopped" if state == "stopped" else "unknown state"


def _is_midjourney(record: Record) -> bool:
    if record.author_id in _BOT_IDS:
        return True
    if record.author_id is None and record.author_name is None:
        return True  # a dump without authors: the grammar alone decides
    # Anyone may take the bot's name: it counts where Discord says that it is a bot's, or where
    # there is no id to go by.
    is_bot = record.author_is_bot or (record.author_is_bot is None and not record.author_id)
    return is_bot and _plain_name(record) in _BOT_NAMES


def _plain_name(record: Record) -> str:
    name = (record.author_name or "").partition("#")[0]
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _ends(attachment: Attachment, endings: tuple[str, ...], mime: str) -> bool:
    name = attachment.name.lower()
    if name.endswith((*_PICTURE_ENDS, *_VIDEO_ENDS)):
        return name.endswith(endings)
    return (attachment.mime or "").startswith(mime)


def _compose(job: _MidjourneyJob, folder: Path, author_key: bytes | None) -> Post:
    record, message, picture = job.record, job.message, job.picture
    asker = find_asker(record.people, message.user_id, message.user_name)
    author = _name_author(asker, author_key) if asker else None
    job_id = find_job_id(picture.name) or find_job_id(picture.link)
    # A user may be mentioned in the prompt's own words.
    prompt_text = hide_people(message.prompt_text, record.people, mention=message.mention)
    prompt = message.prompt if prompt_text == message.prompt_text else parse_prompt(prompt_text)
    # The niji bot's prompts need no `--niji`.
    by_niji = record.author_id == _NIJI_BOT or _plain_name(record) in _NIJI_NAMES
    modes = [mode for mode in (message.mode, "stealth" if message.stealth else None) if mode]
    generation = Generation(
        id=job_id or record.message_id or _hash(record, prompt_text, picture),
        prompt=prompt.prompt,
        raw_content=hide_people(record.content, record.people, mention=message.mention),
        parameters=prompt.parameters,
        weights=prompt.weights,
        negatives=prompt.negatives,
        references=prompt.references,
        action=message.action,
        variant=message.variant,
        tile=message.tile,
        mode=", ".join(modes) or None,
        version=prompt.version,
        model="niji" if by_niji and prompt.version is None else prompt.model,
        job_id=job_id,
        grid_id=record.replies_to,
        channel=record.channel,
        message_id=record.message_id,
        author=author,
        created_at=record.posted_at,
        url=picture.link,
        width=picture.width,
        height=picture.height,
    )
    return (
        Post(generation, None)
        if is_web_address(picture.link)
        else _attach(generation, folder, author_key)
    )


def _name_author(asker: Person, author_key: bytes | None) -> str | None:
    """A pseudonym goes by the id, which never changes; a name is for people to read."""
    name = asker.names[0] if asker.names else None
    if author_key is None:
        return name or asker.id
    known_as = asker.id or name
    return hide_author(known_as, author_key) if known_as else None


def _attach(generation: Generation, folder: Path, author_key: bytes | None) -> Post:
    media = find_media(generation.url or "", folder)
    shown = None if media.path is None else media.path.relative_to(folder).as_posix()
    if shown is not None and author_key is not None:
        shown = _hide_name(shown)
    generation = replace(
        generation,
        url=None if shown is None else f"file:{shown}",
        status=media.status,
        error=media.error,
    )
    return Post(generation, media.path)


def _hide_name(path: str) -> str:
    """Keep nothing of a file's name but its hash: it begins with the user's name."""
    parent, slash, name = path.rpartition("/")
    unique = _MEDIA_HASH.search(name)
    return f"{parent}{slash}user{name[unique.start() :] if unique else ''}"


def _hash(record: Record, prompt_text: str, picture: Attachment) -> str:
    when = record.posted_at.isoformat() if record.posted_at else record.date
    link = canonical_link(picture.link) if is_web_address(picture.link) else picture.name
    identity = f"{when}\0{prompt_text}\0{link}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(identity).hexdigest()[:32]
