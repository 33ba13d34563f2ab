"""A `harvest urls` process over pictures of a server that can hold it at a moment of its run."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester.dataset import shards
from harvester.dataset.manifest import MANIFEST
from harvester.dataset.storage import Location, list_files, read_text
from harvester.schema import Candidate, FetchStatus, Finding, Row
from tests.support.patience import patient
from tests.support.servers.fault_bodies import good_picture
from tests.support.servers.fault_server import Exchange, FaultServer

ROWS_PER_SHARD = 40
HELD_AFTER = 20
"""Pictures that are still served after the moment, so that the process is at work when it ends."""

_FOLDERS = ("", "findings", "searches")
_COMMAND = Path(__file__).with_name("small_shards.py")


@dataclass
class Gate:
    """Serves distinct pictures, and none for a while after the `stop_at`-th."""

    stop_at: int | None = None
    served: int = 0
    reached: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        self.stop_at = None

    async def answer(self, exchange: Exchange) -> None:
        self.served += 1
        if self.stop_at is not None and self.served >= self.stop_at:
            self.reached.set()
        # Opened from another thread, for which asyncio has no event.
        while self.stop_at is not None and self.served > self.stop_at + HELD_AFTER:  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)
        number = int(exchange.path.strip("/").partition(".")[0])
        await exchange.answer(good_picture(number), content_type="image/png")


@dataclass
class Dataset:
    """Where a harvest writes.

    Attributes:
        address: as `--out` takes it.
        place: as `shards` reads it.
    """

    address: str
    place: Location

    def urls(self, row_type: type[Row]) -> list[str]:
        """The addresses in finished shards, one a row."""
        return [row.url for row in shards.rows(self.place, row_type)]

    def acknowledged(self) -> set[str]:
        """Addresses whose picture is in a finished shard."""
        found = shards.rows(self.place, Candidate)
        return {row.url for row in found if row.status is FetchStatus.OK}

    def manifest(self) -> dict[str, Any]:
        return json.loads(read_text(self.place / MANIFEST))

    def leftovers(self) -> list[str]:
        """Temporary files; and of a dataset elsewhere the objects that say who writes."""
        if isinstance(self.place, Path):
            return [path.name for path in self.place.rglob("*.tmp*")]
        names = [entry.name for below in _FOLDERS for entry in list_files(self.place / below)]
        holders = [entry.name for entry in list_files(self.place / ".lock")]
        return [name for name in names if ".tmp" in name] + holders


@dataclass
class Harvest:
    """One list of addresses, and the command that brings it into a dataset."""

    server: FaultServer
    gate: Gate
    dataset: Dataset
    urls: list[str]
    environment: dict[str, str]
    folder: Path

    def start(self, *, max_file_bytes: int = 0) -> subprocess.Popen[str]:
        (self.folder / "list.txt").write_text("\n".join(self.urls))
        arguments = ["urls", "list.txt", "--out", self.dataset.address, "--allow-private", "--json"]
        arguments += ["--near-duplicates", "keep"]  # drawings that differ in a number
        return subprocess.Popen(
            [sys.executable, _COMMAND, str(ROWS_PER_SHARD), str(max_file_bytes), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> None:
        """The same command again, to its end."""
        self.gate.open()
        process = self.start()
        _, said = process.communicate(timeout=patient(600))
        assert process.returncode == 0, said

    def hits(self, urls: Iterable[str]) -> list[int]:
        origin = self.server.url("")
        return [self.server.hits[url.removeprefix(origin)] for url in urls]

    def check_complete(self) -> None:
        """Every picture and every finding is there once, and the manifest says so."""
        for row_type in (Candidate, Finding):
            assert sorted(self.dataset.urls(row_type)) == sorted(self.urls)
        assert self.dataset.acknowledged() == set(self.urls)
        tables = self.dataset.manifest()["tables"]
        assert {name: table["rows"] for name, table in tables.items()} == {
            "candidate": len(self.urls),
            "finding": len(self.urls),
        }
        assert not self.dataset.leftovers()


def serve_pictures(server: FaultServer, count: int) -> tuple[Gate, list[str]]:
    """Put that many pictures behind a gate; gives their addresses."""
    gate = Gate()
    paths = [f"/{number}.png" for number in range(count)]
    server.handlers |= dict.fromkeys(paths, gate.answer)
    return gate, [server.url(path) for path in paths]
