"""Made-up Discord messages in the shapes that exporters write; ids and names are invented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BOT = {"id": "936929561302675456", "name": "Midjourney Bot", "nickname": "Midjourney Bot"}
NIJI = {"id": "1022952195194359889", "name": "niji・journey Bot", "nickname": "niji・journey"}
ASKER_ID = "100000000000000001"
ASKER = {"id": ASKER_ID, "name": "sample.user_a", "nickname": "Sample (fast) User - A"}
CHANNEL = "200000000000000002"
GRID_JOB = "0c5ba97c-5a71-4b6e-9f3e-2a2a2a2a2a2a"
UPSCALE_JOB = "7d1f0b3a-1c2d-4e5f-8a9b-3b3b3b3b3b3b"
SIGNED = "?ex=65a1b2c3&is=658f3dc3&hm=0123456789abcdef"
PICTURE = b"\x89PNG\r\n\x1a\n"


def user(fields: dict[str, str], *, bot: bool = False) -> dict[str, Any]:
    """A user as DiscordChatExporter writes one."""
    return {**fields, "discriminator": "0000", "color": None, "isBot": bot, "roles": []}


def file_name(job: str, slug: str = "glass") -> str:
    return f"sample.user_a_{slug}_{job}.png"


def link(job: str = GRID_JOB, *, name: str | None = None) -> str:
    folder = f"https://cdn.discordapp.com/attachments/{CHANNEL}/1190000000000000003"
    return f"{folder}/{name or file_name(job)}{SIGNED}"


def message(content: str, *, id_: str = "1190000000000000001", **fields: Any) -> dict[str, Any]:
    """A bot's message of DiscordChatExporter, with one picture."""
    job = fields.pop("job", GRID_JOB)
    attachment = {"id": "1190000000000000003", "url": link(job), "fileName": file_name(job)}
    return {
        "id": id_,
        "type": "Default",
        "timestamp": "2023-12-28T20:15:30.123+01:00",
        "timestampEdited": None,
        "isPinned": False,
        "content": content,
        "author": user(BOT, bot=True),
        "attachments": [{**attachment, "fileSizeBytes": 12}],
        "embeds": [],
        "stickers": [],
        "reactions": [],
        "mentions": [user(ASKER)],
        **fields,
    }


def raw(content: str, **fields: Any) -> dict[str, Any]:
    """The same as Discord's API gives it."""
    attachment = {
        "id": "1190000000000000003",
        "filename": file_name(GRID_JOB),
        "url": link(),
        "proxy_url": link().replace("cdn.discordapp.com", "media.discordapp.net"),
        "content_type": "image/png",
        "width": 2048,
        "height": 1024,
    }
    return {
        "id": "1190000000000000001",
        "type": 0,
        "timestamp": "2023-12-28T19:15:30.123000+00:00",
        "content": content,
        "channel_id": CHANNEL,
        "author": {"id": BOT["id"], "username": "Midjourney Bot", "bot": True},
        "attachments": [attachment],
        "embeds": [],
        "mentions": [{"id": ASKER_ID, "username": "sample.user_a", "global_name": "Sample A"}],
        **fields,
    }


def export(*messages: Any, **fields: Any) -> dict[str, Any]:
    """A whole export of DiscordChatExporter."""
    return {
        "guild": {"id": "300000000000000003", "name": "Sample Guild", "iconUrl": "x"},
        "channel": {"id": CHANNEL, "type": "GuildTextChat", "category": "c", "name": "renders"},
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2024-01-05T00:00:00+00:00",
        "messages": list(messages),
        "messageCount": len(messages),
        **fields,
    }


def write(path: Path, value: Any) -> Path:
    """Write JSON, indented as DiscordChatExporter indents it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")
    return path
