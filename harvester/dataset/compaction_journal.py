"""This is the journal of `compact`: a small file from which every reader sees how far it came.

`compact.json` names the run that writes the new shards. While `phase` is `writing`, these are
not there for a reader; from the moment that it is `removing`, the old ones are not. So a reader
sees each row once, whenever it looks. `done` stays when all is over: a reader that listed the
folder meanwhile finds another run in it than before, and lists again.

But: only whence reads it; other programs that open `part-*.parquet` while `compact` runs
see some rows twice.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harvester.dataset.arrow import KINDS
from harvester.dataset.atomic import write_text
from harvester.dataset.storage import Location, list_files, read_text, remove

log = logging.getLogger(__name__)
JOURNAL = "compact.json"
_SHARD = re.compile(r"part-[A-Za-z0-9._-]{1,200}\.parquet")
_RUN = re.compile(r"[A-Za-z0-9-]{8,64}")


class Phase(StrEnum):
    """What a run of `compact` is at."""

    WRITING = "writing"
    REMOVING = "removing"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Journal:
    """One run of `compact`.

    Attributes:
        run: part of the names of the shards that it writes.
        old: by kind of row, the names of the shards that they replace; told from `removing` on.
    """

    run: str
    phase: Phase
    old: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_new(self, name: str) -> bool:
        """Whether this run of `compact` wrote a shard."""
        return name.startswith(f"part-{self.run}-")

    def hides(self, kind: str, name: str) -> bool:
        """Whether a shard of a kind is not there for a reader."""
        if self.phase is Phase.WRITING:
            return self.is_new(name)
        return self.phase is Phase.REMOVING and name in self.old.get(kind, ())

    def to_text(self) -> str:
        """As it is stored."""
        old = {kind: sorted(names) for kind, names in self.old.items()}
        return json.dumps({"phase": self.phase, "run": self.run, "old": old}) + "\n"


def read_journal(folder: Location) -> Journal | None:
    """The last run of `compact` of a dataset; None where there was none.

    What is no journal counts as none: at worst rows are read twice, and none is lost.

    Raises:
        ShardError: if a remote place does not answer.
    """
    text = read_text(folder / JOURNAL)
    if text is None:
        return None
    try:
        return _parsed(json.loads(text))
    except (ValueError, RecursionError):
        log.warning(
            "%s: no journal of a run of `compact`; not taken into account", folder / JOURNAL
        )
        return None


def _parsed(record: Any) -> Journal:
    """Checked to the last name: shards are removed by what it says."""
    if not isinstance(record, dict) or not isinstance(record.get("old"), dict):
        raise ValueError("no journal")  # noqa: TRY004  # of what a file holds
    run, phase = record.get("run"), Phase(str(record.get("phase")))
    if not isinstance(run, str) or not _RUN.fullmatch(run):
        raise ValueError("no run")
    old: dict[str, frozenset[str]] = {}
    for kind, names in record["old"].items():
        texts = [str(name) for name in names] if isinstance(names, list) else [""]
        if not all(map(_SHARD.fullmatch, texts)):
            raise ValueError("no names of shards")
        old[kind] = frozenset(texts)
    return Journal(run, phase, old)


def recover(folder: Location) -> None:
    """Bring a run of `compact` that was cut short to an end; the dataset has to be locked.

    Raises:
        ShardError: if shards cannot be removed.
    """
    journal = read_journal(folder)
    if journal is None or journal.phase is Phase.DONE:
        return
    for kind in KINDS.values():
        for entry in list_files(folder / kind.folder):
            unfinished = journal.phase is Phase.WRITING and journal.is_new(entry.name)
            if unfinished or entry.name in journal.old.get(kind.name, ()):
                remove(folder / kind.folder / entry.name)
    write_text(folder / JOURNAL, Journal(journal.run, Phase.DONE).to_text())
