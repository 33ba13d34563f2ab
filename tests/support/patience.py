"""How long tests wait for what should be quick: one place, so that a slow machine needs one setting.

`WHENCE_TEST_PATIENCE` (a number, 1 unless set) multiplies every wait that `patient` is asked for.
Set it to 5, say, under valgrind, in an emulator, or on a machine that does ten other things:

    WHENCE_TEST_PATIENCE=5 make test

A wait is an end to waiting, never a measure: it is ten times what a busy machine needs. What code
costs is measured in processor time (`cpu_seconds`), which does not grow where others compute too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = float(os.environ.get("WHENCE_TEST_PATIENCE", "1"))


def patient(seconds: float) -> float:
    """So many seconds of the clock on a machine that is not busy; more where patience is asked."""
    return seconds * PATIENCE


@contextmanager
def cpu_seconds(most: float) -> Iterator[None]:
    """What is done inside costs less processor time of this process, its threads included."""
    started = time.process_time()
    yield
    took = time.process_time() - started
    assert took < patient(most), f"took {took:.2f} s of a core, where {most} s are plenty"
