"""This is the check for other programs' files under a dataset's names: they are refused.

A folder that is given as `--out` may be a web app's, with a `manifest.json` of its own. What is
there is whence's by its keys, or where it can be read by nobody and lies beside shards: then it is
a manifest that was damaged, and is made anew from these.
"""

from __future__ import annotations

import json
from pathlib import Path

from harvester.dataset.arrow import KINDS
from harvester.dataset.compaction_journal import JOURNAL
from harvester.dataset.manifest import MANIFEST, RECENT
from harvester.dataset.shards import shard_sizes
from harvester.dataset.storage import Location, read_text
from harvester.errors import InputError

_KEYS = {
    MANIFEST: frozenset({"tables", "schema_version"}),
    RECENT: frozenset({"tables"}),
    JOURNAL: frozenset({"phase"}),
}
"""By name of a file the keys of which whence's has one at least."""


def refuse_foreign(folder: Location, names: tuple[str, ...] = (MANIFEST, RECENT)) -> None:
    """Refuse a dataset's folder that holds another program's files under these names.

    Raises:
        InputError: naming the first.
        ShardError: if a remote place does not answer.
    """
    for name in names:
        if not _is_ours(folder, name):
            raise InputError(
                f"{folder / name}: expected none, or that of a dataset of whence, found another "
                "file; nothing was changed: move it away, or give another folder for the dataset"
            )


def _is_ours(folder: Location, name: str) -> bool:
    location = folder / name
    text = read_text(location)
    if text is None:  # nothing, or what is no text
        return not (isinstance(location, Path) and location.is_file()) or _has_shards(folder)
    if not text.strip():
        return True
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return _has_shards(folder)
    return record == {} or (isinstance(record, dict) and not _KEYS[name].isdisjoint(record))


def _has_shards(folder: Location) -> bool:
    return any(shard_sizes(folder, kind) for kind in KINDS)
