"""This is the entry point of `harvest`; `attribute`'s shares its errors as exit codes.

The commands themselves are in `app`. Nothing is imported before Ctrl-C is looked after: a tenth of
a second of imports is time enough.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing, which alone takes 5 ms
    from collections.abc import Callable
    from types import FrameType

    import typer

    Loaded = tuple[typer.Typer, tuple[type[Exception], ...]]

_INTERRUPTED = 130


def main() -> None:
    """The `harvest` console script."""
    run(_load)


def _load() -> Loaded:
    from harvester.cli.app import harvest_app

    return harvest_app, ()


def run(load: Callable[[], Loaded]) -> None:
    """Run a command; the errors that the rooms foresee become one line and an exit code.

    Args:
        load: imports the command, and gives it with the errors that are foreseen besides the
            harvester's own; each has an `exit_code`.
    """
    # An exception amid imports can end as a traceback, so Ctrl-C ends the process at once there;
    # where it is ignored, as in the background of a script, it stays so.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave_at_once)
    app, foreseen = load()
    from harvester.cli.console import say
    from harvester.errors import HarvestError
    from harvester.sanitize import clean
    from harvester.schema import SchemaError

    foreseen = (HarvestError, SchemaError, *foreseen)
    try:
        signal.signal(signal.SIGINT, before)
        app()
    except KeyboardInterrupt:  # before or between the parts that say what they keep
        say("stopped")
        sys.exit(_INTERRUPTED)
    except SystemExit as exc:
        # Typer makes an exit code of it; whoever said what is kept has raised another since.
        if isinstance(getattr(exc.__context__, "__cause__", None), KeyboardInterrupt):
            say("stopped")
        raise
    except foreseen as exc:
        say(f"error: {clean(str(exc))}")
        sys.exit(getattr(exc, "exit_code", 1))


def _leave_at_once(_: int, __: FrameType | None) -> None:
    os.write(2, b"stopped\n")
    os._exit(_INTERRUPTED)
