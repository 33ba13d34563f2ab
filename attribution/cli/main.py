"""This is the entry point of `attribute`. The commands themselves are in `app`."""

from __future__ import annotations

import os
import sys

from harvester.cli.main import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from harvester.cli.main import Loaded


def main() -> None:
    """The `attribute` console script."""
    try:
        run(_load)
    except SystemExit as exc:
        _leave(exc)


def _load() -> Loaded:
    from attribution.cli.app import attribute_app
    from attribution.errors import RankingError

    return attribute_app, (RankingError,)


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
