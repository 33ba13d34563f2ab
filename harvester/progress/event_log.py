"""This is the event log of a harvest: JSON Lines for programs that watch it.

One object a line: `start` (settings and versions), `display` (every ten seconds), `failed` (one a
picture) and `end`. Times are UTC; the lines are ASCII, in which nothing can act on a terminal.
"""

from __future__ import annotations

import io
import json
import logging
import platform
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.distribution import VERSION
from harvester.errors import InputError, reason_of
from harvester.paths import beginning_of, check_output
from harvester.sanitize import clean
from harvester.schema import class_of
from harvester.urls import hide_credentials

if TYPE_CHECKING:
    from harvester.progress.tally import Outcome


STANDARD_ERROR = "-"
_LONGEST_TEXT = 2000  # characters of an address or an error
_LONGEST_EVENT = 1 << 20  # bytes of a line that is read
_LOG = logging.getLogger(__name__)


class EventLog:
    """An open log; the lines of a later run are added behind those of earlier ones.

    A log that cannot be written any more, as on a full disk, ends with a warning; the harvest goes
    on without it.

    Args:
        target: a file, or `-` for standard error.
        inputs: what the harvest reads, which is never written to.

    Raises:
        InputError: if the file cannot be opened, or is another than a log of events.
    """

    def __init__(self, target: str, inputs: Iterable[str | Path] = ()) -> None:
        self._target = target
        self._writing = threading.Lock()
        self._file: io.FileIO | None = None
        self._is_open = True
        if target != STANDARD_ERROR:
            check_output(Path(target), is_event_log, option="--log-json", inputs=inputs)
            try:
                # Nothing is kept in a buffer: a line is in the file, or it is not.
                self._file = io.FileIO(target, "ab")
            except (OSError, ValueError) as exc:  # a name that no file can have
                raise InputError(
                    f"{target}: expected a file to write events to, found {reason_of(exc)}; give "
                    "another --log-json"
                ) from exc

    def close(self) -> None:
        """Write no more."""
        self._is_open = False
        if self._file is not None:
            self._file.close()

    def start(self, settings: Mapping[str, Any]) -> None:
        """A harvest begins, called like this; proxies' passwords are left out."""
        shown = {name: _plain(value) for name, value in settings.items()}
        versions = {"whence": VERSION, "python": platform.python_version()}
        self.write("start", versions=versions, settings=shown)

    def failed(self, outcome: Outcome) -> None:
        """One picture failed."""
        self.write(
            "failed",
            url=_plain(outcome.url),
            status=str(outcome.status),
            failure=class_of(outcome.status),
            error=outcome.error and _plain(outcome.error),
        )

    def write(self, event: str, **fields: Any) -> None:
        """Write one event; fields are values of JSON."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"event": event, "at": at, **fields}) + "\n"
        try:
            with self._writing:  # progress comes from a thread of its own
                if self._is_open and self._file is not None:
                    self._file.write(line.encode("ascii"))
                elif self._is_open:
                    sys.stderr.write(line)
                    sys.stderr.flush()
        except (OSError, ValueError, AttributeError) as exc:  # closed, full, or there is none
            self.close()
            _LOG.warning(
                "%s: expected to write an event, found %s; no more are written, the harvest goes "
                "on",
                self._target,
                reason_of(exc),
            )


def is_event_log(path: Path) -> bool:
    """Whether a file begins with an event; raises OSError or ValueError."""
    first = json.loads(beginning_of(path, _LONGEST_EVENT).partition(b"\n")[0])
    return isinstance(first, dict) and first.keys() >= {"event", "at"}


def _plain(value: Any) -> Any:
    """A value that JSON has, its text cleaned and free of credentials."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return clean(hide_credentials(str(value)[:_LONGEST_TEXT]))
