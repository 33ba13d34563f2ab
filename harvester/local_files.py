"""Pictures on this machine, read as if they had been fetched."""

from __future__ import annotations

from pathlib import Path

from harvester.download import Fetched
from harvester.schema import FetchStatus

MAX_FILE_BYTES = 256 << 20


def read_file(path: Path, url: str) -> Fetched:
    """A local file as if it had been fetched from `url`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            error = f"{size:,} bytes, over the {MAX_FILE_BYTES:,} that are read"
            return Fetched(status=FetchStatus.TOO_LARGE, url=url, error=error)
        return Fetched(status=FetchStatus.OK, url=url, body=path.read_bytes())
    except FileNotFoundError:
        return Fetched(status=FetchStatus.NOT_FOUND, url=url, error="no such file")
    except OSError as exc:
        return Fetched(status=FetchStatus.FORBIDDEN, url=url, error=exc.strerror or str(exc))
