"""The event loop that a harvest runs in: uvloop's, which costs less a request."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end as `asyncio.run` does, and let it open as many files as it may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):  # a thousand downloads are as many files
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    import uvloop  # noqa: PLC0415  # `--help` needs no loop

    return uvloop.run(work)
