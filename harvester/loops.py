"""The event loop that a harvest runs in: uvloop's, which costs less a request."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end in a loop of its own, as `asyncio.run` does."""
    import uvloop  # noqa: PLC0415  # `--help` needs no loop

    return uvloop.run(work)
