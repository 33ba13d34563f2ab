"""The sample's Discord channel as an export: ids, times, file names and the JSON around them.

Follows the JSON that DiscordChatExporter writes with `--media`. Server, users, ids, job numbers and
short links are invented.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from data.sample_posts import BOT, POSTS, RELAY, Post

CHANNEL_ID = "1100000000000000001"
GUILD_ID = "1100000000000000000"
EXPORT = "midjourney-sample.json"
MEDIA = f"{EXPORT}_Files"
_FIRST = datetime(2026, 1, 3, 14, 2, 11, tzinfo=UTC)
_DISCORD_EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
_AVATAR = "https://cdn.discordapp.com/embed/avatars/0.png"

_USERS = {
    BOT: "936929561302675456",
    "Sample User A": "100000000000000001",
    "Sample User B": "100000000000000002",
    "Sample User C": "100000000000000003",
    RELAY: "100000000000000009",
}
_BOTS = {BOT, RELAY}


def file_names(post: Post) -> tuple[str, str]:
    """What Midjourney called the picture, and the exporter's name for its copy."""
    owner = "former_member" if post.user == "Unknown" else post.user.lower().replace(" ", "_")
    slug = re.sub(r"[^A-Za-z0-9]+", "_", post.words)
    stem = f"{owner}_{slug}"[:63].rstrip("_") + f"_{_job_id(post.key)}"
    name = stem + post.ending
    address = f"https://cdn.discordapp.com/attachments/{CHANNEL_ID}/{_number(post.key)}/{name}"
    tail = hashlib.sha256(address.encode()).hexdigest()[:16].upper()
    stem, dot, ending = name.rpartition(".")
    return name, f"{stem[:42]}-{tail}{dot}{ending}"


def write_export(sizes: dict[str, int], described: str) -> dict[str, Any]:
    """The export as JSON.

    Args:
        sizes: bytes of each post's picture, by the post's key.
        described: path of the picture in the describe message, from the export's folder on.
    """
    ids = dict(zip((post.key for post in POSTS), _snowflakes(), strict=False))
    messages = [_message(post, ids, sizes, described) for post in POSTS]
    return {
        "guild": {"id": GUILD_ID, "name": "Sample Server", "iconUrl": _AVATAR},
        "channel": {
            "id": CHANNEL_ID,
            "type": "GuildTextChat",
            "categoryId": "1100000000000000002",
            "category": "Sample",
            "name": "image-generation",
            "topic": "Invented for the sample data of whence",
        },
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2026-01-05T09:30:00+00:00",
        "messages": messages,
        "messageCount": len(messages),
    }


def _snowflakes() -> Iterator[tuple[str, datetime]]:
    """Message ids and times: Discord's ids hold the milliseconds since 2015."""
    for number in range(len(POSTS)):
        at = _FIRST + timedelta(minutes=7 * number, seconds=11 * number)
        milliseconds = (at - _DISCORD_EPOCH) // timedelta(milliseconds=1)
        yield str((milliseconds << 22) + number), at


def _number(key: str) -> int:
    return 1_200_000_000_000_000_000 + int(hashlib.sha256(key.encode()).hexdigest()[:12], 16)


def _job_id(key: str) -> UUID:
    return UUID(bytes=hashlib.sha256(f"job {key}".encode()).digest()[:16], version=4)


def _person(name: str) -> dict[str, Any]:
    return {
        "id": _USERS[name],
        "name": name.lower().replace(" ", "_") if name not in _BOTS else name,
        "discriminator": "0000",
        "nickname": name,
        "color": None,
        "isBot": name in _BOTS,
        "roles": [],
        "avatarUrl": _AVATAR,
    }


def _message(
    post: Post, ids: dict[str, tuple[str, datetime]], sizes: dict[str, int], described: str
) -> dict[str, Any]:
    number, at = ids[post.key]
    attachments, embeds, reference = [], [], None
    if post.has_picture:
        name, local = file_names(post)
        attachments.append(
            {
                "id": str(_number(post.key)),
                "url": f"{MEDIA}/{local}",
                "fileName": name,
                "fileSizeBytes": sizes[post.key],
            }
        )
    if post.key == "describe":
        embeds.append(_describe_embed(described))
    if post.reply_to is not None:
        reference = {
            "messageId": ids[post.reply_to][0],
            "channelId": CHANNEL_ID,
            "guildId": GUILD_ID,
        }
    asked = post.user in _USERS and "{user}" in post.text
    return {
        "id": number,
        "type": "Reply" if reference else "Default",
        "timestamp": at.isoformat(timespec="milliseconds"),
        "timestampEdited": None,
        "callEndedTimestamp": None,
        "isPinned": False,
        "content": post.text.format(user=f"@{post.user}"),
        "author": _person(post.author),
        "attachments": attachments,
        "embeds": embeds,
        "stickers": [],
        "reactions": [],
        "mentions": [_person(post.user)] if asked else [],
        **({"reference": reference} if reference else {}),
        "inlineEmojis": [],
    }


def _describe_embed(picture: str) -> dict[str, Any]:
    return {
        "title": "",
        "url": None,
        "timestamp": None,
        "description": (
            "1\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP} a moose lying in autumn "
            "heather, soft light --ar 3:2\n\n"
            "2\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP} portrait of a bull moose, "
            "wide antlers --ar 3:2"
        ),
        "color": None,
        "image": {"url": picture, "width": 240, "height": 160},
        "images": [{"url": picture, "width": 240, "height": 160}],
        "fields": [],
        "inlineEmojis": [],
    }
