"""The entry points: both commands, and errors as exit codes.

The commands of `harvest` are in `harvester.commands`, those of `attribute` in `attribution.app`.
"""

from __future__ import annotations

import os
import sys

import typer

from attribution.app import attribute_app
from attribution.errors import RankingError
from harvester.commands import harvest_app
from harvester.errors import HarvestError
from harvester.printable import clean
from harvester.schema import SchemaError
from harvester.shell import INTERRUPTED, say


def harvest() -> None:
    """The `harvest` console script."""
    _run(harvest_app)


def attribute() -> None:
    """The `attribute` console script."""
    try:
        _run(attribute_app)
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


def _run(app: typer.Typer) -> None:
    """Run a command; the errors that the rooms foresee become one line and an exit code."""
    try:
        app()
    except KeyboardInterrupt:  # before or between the parts that say what they keep
        say("stopped")
        sys.exit(INTERRUPTED)
    except (HarvestError, RankingError, SchemaError) as exc:
        say(f"error: {clean(str(exc))}")
        sys.exit(exc.exit_code)
