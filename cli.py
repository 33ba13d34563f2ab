"""The entry points: both commands, and errors as exit codes.

The commands of `harvest` are in `harvester.commands`, those of `attribute` in `attribution.app`.
"""

from __future__ import annotations

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
    _run(attribute_app)


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
