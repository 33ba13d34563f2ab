"""These are the errors of a harvest, and the exit code that each kind gives.

::

    HarvestError
    ├── InputError           3   a list, folder or picture given by the user
    ├── SettingError         2   a setting with a value that is none of its own
    ├── ExportFormatError    3   a Discord export that is none, or broken
    ├── SourceError          4   a search engine or host would not answer
    │   ├── RateLimitedError     … for now: says for how long
    │   └── SourceChangedError   … in the shape this code knows
    ├── ShardError           5   a dataset that cannot be read or written
    ├── ExtraMissingError    2   a package that only one command needs is not installed
    └── OutputError          5   standard output that cannot be written

A picture that fails is no exception: it is a row with a status (`schema.FetchStatus`).
"""

from __future__ import annotations

_LONGEST_REASON = 200


def reason_of(exc: BaseException) -> str:
    """What another library's error says, for a message of one line; at most 200 characters.

    Takes the system's own words where there are any, which name no path, else the first line of
    the error's text, else its kind. Control characters, which a hostile file can bring in, go.
    """
    detail: object = exc.strerror if isinstance(exc, OSError) else None
    if not detail:
        # Of several arguments Python shows the tuple, though the first is what is meant.
        is_tuple = len(exc.args) > 1 and str(exc) == str(exc.args)
        is_bytes = bool(exc.args) and isinstance(exc.args[0], bytes)
        detail = exc.args[0] if is_tuple or is_bytes else str(exc)
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
    lines = text.strip().splitlines() or [type(exc).__name__]
    return "".join(c if c.isprintable() else " " for c in lines[0].strip()[:_LONGEST_REASON])


class HarvestError(Exception):
    """Base of all errors a harvest can end in; its text is one line for a person."""

    exit_code = 1


class InputError(HarvestError):
    """Something the user pointed at is missing, empty or of another kind."""

    exit_code = 3


class SettingError(HarvestError):
    """A setting of a harvest has a value that it cannot have.

    Attributes:
        setting: its name, as `HarvestSettings` has it.
    """

    exit_code = 2

    def __init__(self, message: str, *, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


class ExportFormatError(HarvestError):
    """A Discord export does not have a layout that is known here."""

    exit_code = 3


class SourceError(HarvestError):
    """A source of candidates failed in a way that waiting may mend."""

    exit_code = 4


class RateLimitedError(SourceError):
    """A source asked for a pause, or blocked the client.

    Attributes:
        retry_after_s: seconds to wait, or None where the source named none.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceChangedError(SourceError):
    """A source answered in a shape that this version does not know."""


class ShardError(HarvestError):
    """A dataset folder cannot be opened, read or written."""

    exit_code = 5


class ExtraMissingError(HarvestError):
    """A package that only some commands need is not installed; says what to install."""

    exit_code = 2


class OutputError(HarvestError):
    """A result cannot be written to standard output; what was stored before is safe."""

    exit_code = 5
