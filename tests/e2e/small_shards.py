"""The `harvest` command with small shards, so that a short list makes several of them.

Started as a program of its own: `small_shards.py ROWS MAX_FILE_BYTES harvest's arguments …`. A
limit of 0 bytes is none; above any other, a file cannot grow (`EFBIG`), as on a disk that is full.
"""

from __future__ import annotations

import resource
import sys

from harvester.cli.main import main as harvest
from harvester.dataset.writer import DatasetWriter

if __name__ == "__main__":
    rows, max_file_bytes = int(sys.argv[1]), int(sys.argv[2])
    DatasetWriter.__init__.__kwdefaults__["rows_per_shard"] = rows
    if max_file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    sys.argv = ["harvest", *sys.argv[3:]]
    harvest()
