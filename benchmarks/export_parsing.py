"""How fast a large Discord export is read, and in how much memory.

Writes a DiscordChatExporter export of seeded, made-up messages into a temporary folder, reads it in
a fresh process, and prints MB/s, messages/s and that process's peak memory::

    python benchmarks/export_parsing.py --mb 500 --json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harvester.discord.export import MessageTally, read_exports  # noqa: E402 - needs the path

_WORDS = """
harbour lantern fox marble orchard storm violin copper meadow glacier tram balcony owl
ribbon desert kite foundry willow comet harvest bridge velvet moth anchor canyon teapot ember fern
portrait watercolour woodcut etching neon fog dawn dusk isometric macro overgrown quiet ancient
""".split()
_TAILS = (
    "{} (fast)",
    "{} (relaxed)",
    "Variations (Strong) by {} (fast)",
    "Upscaled (Subtle) by {} (fast)",
    "Zoom Out by {} (relaxed)",
    "Image #{tile} {}",
    "{} (62%) (fast)",
    "{} (Waiting to start)",
)
_FLAGS = (
    "--ar 16:9",
    "--v 6.0",
    "--s 250",
    "--style raw",
    "--no text, frame",
    "--chaos 20",
    "--niji 6",
)
_BOT = "936929561302675456"
_CHANNEL = "200000000000000002"


def make_message(random_: random.Random, number: int) -> dict[str, Any]:
    """One message as DiscordChatExporter writes it; about 1.9 kB once indented."""
    id_ = str(1_190_000_000_000_000_000 + number * 4096)
    name = f"user.{random_.randrange(5000)}"
    person = {"id": f"1000000000000{random_.randrange(10000):05d}", "name": name}
    words = " ".join(random_.choices(_WORDS, k=random_.randrange(5, 40)))
    prompt = " ".join([words, *random_.sample(_FLAGS, random_.randrange(4))])
    is_chat = random_.random() < 0.1
    tail = random_.choice(_TAILS).format(f"@{name.title()}", tile=random_.randrange(1, 5))
    stem = f"{name}_{words.replace(' ', '_')}"[:63]
    file = f"{stem}_{uuid.UUID(int=random_.getrandbits(128), version=4)}.png"
    signed = f"?ex=65a1b2c2&is=658f3dc2&hm={random_.getrandbits(256):064x}&"
    link = f"https://cdn.discordapp.com/attachments/{_CHANNEL}/{id_}/{file}{signed}"
    return {
        "id": id_,
        "type": "Default",
        "timestamp": f"2024-01-05T12:{number // 60 % 60:02d}:{number % 60:02d}.123+00:00",
        "timestampEdited": None,
        "callEndedTimestamp": None,
        "isPinned": False,
        "content": words if is_chat else f"**{prompt}** - {tail}",
        "author": _user(
            {**person} if is_chat else {"id": _BOT, "name": "Midjourney Bot"}, not is_chat
        ),
        "attachments": [{"id": id_, "url": link, "fileName": file, "fileSizeBytes": 1_500_000}],
        "embeds": [],
        "stickers": [],
        "reactions": [],
        "mentions": [] if is_chat else [_user(person, False)],
        "inlineEmojis": [],
    }


def _user(person: dict[str, str], is_bot: bool) -> dict[str, Any]:  # noqa: FBT001 - private
    return {
        **person,
        "discriminator": "0000",
        "nickname": person["name"].title(),
        "color": "#AABBCC",
        "isBot": is_bot,
        "roles": [{"id": "3", "name": "Member", "color": None, "position": 1}],
        "avatarUrl": f"https://cdn.discordapp.com/avatars/{person['id']}/0123456789abcdef.png?size=512",
    }


def write_export(path: Path, megabytes: int, seed: int) -> int:
    """Write an export of at least so many MB (10^6 bytes); returns its number of messages."""
    random_ = random.Random(seed)
    head = {
        "guild": {"id": "3", "name": "Sample Guild", "iconUrl": ""},
        "channel": {"id": _CHANNEL, "type": "GuildTextChat", "name": "renders", "topic": None},
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2024-02-01T00:00:00+00:00",
    }
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(head, indent=2)[:-2] + ',\n  "messages": [')
        while stream.tell() < megabytes * 1_000_000:
            batch = [make_message(random_, count + at) for at in range(500)]
            text = json.dumps(batch, indent=2, ensure_ascii=False)[1:-2]
            stream.write(("," if count else "") + text.replace("\n", "\n  "))
            count += len(batch)
        stream.write(f'\n  ],\n  "messageCount": {count}\n}}\n')
    return count


def parse(path: Path) -> dict[str, Any]:
    """Read an export in this process and measure it."""
    tally = MessageTally()
    start = time.perf_counter()
    posts = sum(1 for _ in read_exports([path], author_key=b"benchmark", tally=tally))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": round(seconds, 3),
        "mb_per_s": round(path.stat().st_size / 1e6 / seconds, 1),
        "messages_per_s": round(tally.messages / seconds),
        "messages": tally.messages,
        "posts": posts,
        # macOS counts bytes, Linux kibibytes.
        "peak_rss_mb": round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1),
        "truncated": len(tally.truncated),
    }


def main() -> int:
    """Run the benchmark; 1 if the export was not read whole."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=500, help="size of the export in MB (500)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the made-up messages (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--parse", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parse:
        print(json.dumps(parse(options.parse)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.json"
        written = write_export(path, options.mb, options.seed)
        # A process of its own: the peak is the reader's, not the writer's.
        command = [sys.executable, __file__, "--parse", str(path)]
        measured = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    figures = {
        "benchmark": "export_parsing",
        "mb": options.mb,
        "seed": options.seed,
        **measured,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "ijson": version("ijson"),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:>16}  {value}")
    return 0 if measured["messages"] == written and not measured["truncated"] else 1


if __name__ == "__main__":
    sys.exit(main())
