"""The entry points: both commands, and errors as exit codes.

The commands of `harvest` are in `harvester.cli.app`, those of `attribute` in `attribution.cli.app`.
Nothing is imported before Ctrl-C is looked after: a tenth of a second of imports is time enough.
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

_INTERRUPTED = 130


def harvest() -> None:
    """The `harvest` console script."""

    def load() -> typer.Typer:
        from harvester.cli.app import harvest_app

        return harvest_app

    _run(load)


def attribute() -> None:
    """The `attribute` console script."""

    def load() -> typer.Typer:
        from attribution.cli.app import attribute_app

        return attribute_app

    try:
        _run(load)
    except SystemExit as exc:
        _leave(exc)


def _leave(exc: SystemExit) -> None:
    """End at once: everything is written by now, and Python takes a second to take torch apart."""
    if "torch" not in sys.modules or not isinstance(exc.code, int | None):
        raise exc
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        raise exc from None
    os._exit(exc.code or 0)


def _run(load: Callable[[], typer.Typer]) -> None:
    """Run a command; the errors that the rooms foresee become one line and an exit code."""
    # An exception amid imports can end as a traceback, so Ctrl-C ends the process at once there;
    # where it is ignored, as in the background of a script, it stays so.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave_at_once)
    app = load()
    from attribution.errors import RankingError
    from harvester.cli.console import say
    from harvester.errors import HarvestError
    from harvester.sanitize import clean
    from harvester.schema import SchemaError

    try:
        signal.signal(signal.SIGINT, before)
        app()
    except KeyboardInterrupt:  # before or between the parts that say what they keep
        say("stopped")
        sys.exit(_INTERRUPTED)
    except (HarvestError, RankingError, SchemaError) as exc:
        say(f"error: {clean(str(exc))}")
        sys.exit(exc.exit_code)


def _leave_at_once(_: int, __: FrameType | None) -> None:
    os.write(2, b"stopped\n")
    os._exit(_INTERRUPTED)
