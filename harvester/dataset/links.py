"""This is the check for links that lead out of a dataset: whoever writes to it refuses them.

A dataset may come from anyone. Where its folder of findings is a link to another dataset's, a
compaction would remove the other one's shards, and a harvest would write among them. Every writer
takes the dataset's lock first, so the lock is where this is asked; reading through links is left
alone, and so is a dataset whose own folder is a link, which its user laid.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harvester.dataset.arrow import KINDS
from harvester.errors import ShardError, reason_of


def refuse_links(folder: Path) -> None:
    """Refuse a dataset's folders and shards that are links to what is not in it.

    Raises:
        ShardError: naming the first.
    """
    for path in _written(folder):
        if path.is_symlink():
            refuse_link(path, folder)


def refuse_link(path: Path, folder: Path) -> None:
    """Refuse a path that links, its own or those of the folders above it, lead out of a folder.

    Raises:
        ShardError: saying where it leads to.
    """
    try:
        root, target = folder.resolve(), path.resolve()
    except (OSError, RuntimeError) as exc:  # among them links in a circle
        raise ShardError(
            f"{path}: expected a part of the dataset, found a link that cannot be followed "
            f"({reason_of(exc)}); nothing was changed: take it away, then run the same command "
            "again"
        ) from exc
    if root not in target.parents:
        raise ShardError(
            f"{path}: expected a part of the dataset, found a link that leads out of it, to "
            f"{target}; nothing was changed: put a copy of what it leads to in its place, then run "
            "the same command again"
        )


def _written(folder: Path) -> Iterator[Path]:
    """The folders of a dataset that shards are written to and removed from, and what is in them."""
    for name in sorted({kind.folder for kind in KINDS.values()}):
        if name:
            yield folder / name
        try:
            with os.scandir(folder / name) as entries:
                links = sorted(one.name for one in entries if one.is_symlink())
        except OSError:  # whoever lists it next tells why
            continue
        yield from (folder / name / one for one in links if one.startswith("part-"))
