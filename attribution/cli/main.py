"""This is the entry point of `attribute`. The commands themselves are in `app`."""

from __future__ import annotations

import os
import sys

from harvester.cli.main import run

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h

TYPE_CHECKING = False
if TYPE_CHECKING:
    from harvester.cli.main import Loaded


def main() -> None:
    """The `attribute` console script."""
    # Threads of torch and of NumPy's OpenBLAS that wait must sleep, after 2 ** 14 cycles: by
    # default they spin for milliseconds, and take the cores from whoever has work, so that one
    # ranking by further models takes ten times as long on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "14")
    _share_heaps()
    try:
        run(_load)
    except SystemExit as exc:
        _leave(exc)


def _share_heaps() -> None:
    """Let all threads share two heaps: what one frees then serves the others (80 MB less)."""
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's, which not all have
        if mallopt is not None:
            mallopt(_ARENA_MAX, 2)


def _load() -> Loaded:
    from attribution.cli.app import attribute_app
    from attribution.errors import RankingError

    return attribute_app, (RankingError,)


def _leave(exc: SystemExit) -> None:
    """End at once: everything is written by now.

    Python takes a second to take torch apart, and a thread of OpenVINO's that still has something
    to hand over when the interpreter ends, as after Ctrl-C, ends the process with SIGABRT.
    """
    if not sys.modules.keys() & {"torch", "openvino"} or not isinstance(exc.code, int | None):
        raise exc
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        raise exc from None
    os._exit(exc.code or 0)
