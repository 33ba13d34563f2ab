"""Who stands in which shard, where it is not left to chance. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def by_artist(rows: Rows, artists: Sequence[str], shards: int) -> list[Rows]:
    """Rows → shards, so that an artist's pictures have shards of their own.

    Then whoever is forgotten takes whole shards along, and nobody else's are touched. Each artist
    has one shard, and those whose shards are the largest have more; where there are more artists
    than shards, the smallest stand together.

    Args:
        rows: (n,), in the order in which they are dealt.
        artists: n, of the rows.
        shards: how many there are to be, at least one.
    """
    names = np.array(artists, object)
    own = {name: rows[names == name] for name in sorted(set(artists))}
    counts = dict.fromkeys(own, 1)
    while sum(counts.values()) < shards:
        counts[max(own, key=lambda name: (len(own[name]) / counts[name], name))] += 1
    parts = [part for name, of_one in own.items() for part in np.array_split(of_one, counts[name])]
    while len(parts) > shards:
        first, second, *others = sorted(parts, key=len)
        parts = [*others, np.concatenate([first, second])]
    return parts
