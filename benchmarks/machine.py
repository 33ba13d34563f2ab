"""What a figure was measured on, and how it is printed: shared by the benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("torch", "torchvision", "numpy", "pillow", "opencv-python-headless", "pyarrow", "aiohttp"),
    *("httpx", "httpx-aiohttp", "bm25s", "imagehash"),
)
SAMPLE_S = 0.25
"""Seconds between two looks at memory where speed is measured: they take 3 % of a core."""

_LOOK_S = 0.1
_STOP_S = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost, and all that it started.

    Attributes:
        wall_s: from its start to its end, or to the moment that it was told to stop.
        cpu_s: user and system time of all processes and threads.
        peak_mb: largest resident memory of any one process, in MB (10^6 bytes).
        output: what it printed to standard output.
        peak_pss_mb: largest sum over all processes of the proportional set size, in which a page
            that several share counts once; as seen now and then. None where it was not asked for.
        started: the moment of its start, by `time.monotonic`.
        stopped_s: seconds from the wish that it stop to its end; None if it ended by itself.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str
    peak_pss_mb: float | None = None
    started: float = 0.0
    stopped_s: float | None = None


def describe_machine() -> dict[str, Any]:
    """Processor, cores, load and versions, for the figures to stand beside."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


def run_measured(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    patience_s: float = 900.0,
    environment: Mapping[str, str] | None = None,
    stop_when: Callable[[], bool] | None = None,
    sample_s: float | None = None,
) -> Cost:
    """Run a command in `cwd`, in a session of its own, and measure it.

    Args:
        command: and its arguments.
        cwd: folder that it runs in, where `stdout.txt` and `stderr.txt` are written.
        patience_s: seconds that it may take.
        environment: variables set besides this process's own.
        stop_when: asked every 100 ms; once it is true the session gets what Ctrl-C sends, and 60 s
            later, if that did not end it, is killed. How such a run ends is not checked.
        sample_s: seconds between two looks at the memory of all its processes; each takes 8 ms for
            500 MB. Linux only.

    Raises:
        RuntimeError: if it fails, with the last lines that it wrote to standard error, or if it
            takes longer than `patience_s`.
    """
    out, errors = cwd / "stdout.txt", cwd / "stderr.txt"
    seen = _Seen()
    stop_at: float | None = None
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        start = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        look_at = sample_at = start
        # wait4 reports this process and those it waited for, where getrusage sums up all that
        # ever ended.
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            now = time.monotonic()
            if now - start > patience_s or (stop_at and now - stop_at > _STOP_S):
                os.killpg(process.pid, signal.SIGKILL)
            elif sample_s is not None and now >= sample_at:
                sample_at = now + sample_s
                seen.look(process.pid)
            elif now >= look_at and stop_when is not None and stop_at is None:
                look_at = now + _LOOK_S
                if stop_when():
                    stop_at = now
                    os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.001)
        end = time.monotonic()
    _end_leftovers(process.pid)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if end - start > patience_s:
        raise RuntimeError(f"expected {command[0]} to end within {patience_s:g} s")
    if process.returncode and stop_at is None:
        tail = errors.read_text("utf-8", "replace")[-2000:]
        raise RuntimeError(f"expected exit code 0, found {process.returncode}: {tail}")
    return Cost(
        (stop_at or end) - start,
        # What a killed child used is in no parent's account, but was seen while it ran.
        max(usage.ru_utime + usage.ru_stime, sum(seen.cpu_s.values())),
        # macOS counts bytes, Linux kibibytes.
        usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
        out.read_text("utf-8", "replace"),
        seen.peak_pss / 1e6 if sample_s is not None else None,
        start,
        None if stop_at is None else end - stop_at,
    )


@dataclass(slots=True)
class _Seen:
    """What was seen of a session's processes: peak_pss in bytes, cpu_s by process id."""

    peak_pss: int = 0
    cpu_s: dict[int, float] = field(default_factory=dict)

    def look(self, session: int) -> None:
        pss = 0
        for pid, cpu_s in _members(session).items():
            self.cpu_s[pid] = cpu_s
            pss += _proportional_bytes(pid)
        self.peak_pss = max(self.peak_pss, pss)


def _members(session: int) -> dict[int, float]:
    """The processes of a session, orphans included, and the seconds that each has used."""
    found = {}
    ticks = os.sysconf("SC_CLK_TCK")
    for entry in os.listdir("/proc") if sys.platform == "linux" else []:  # noqa: PTH208  # names
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text("ascii", "replace")
        except OSError:
            continue  # it has ended meanwhile
        # proc(5): after the name, in brackets, come state, parent, group and session.
        fields = stat.rpartition(")")[2].split()
        if int(fields[3]) == session:
            found[int(entry)] = (int(fields[11]) + int(fields[12])) / ticks
    return found


def _proportional_bytes(pid: int) -> int:
    try:
        rollup = Path("/proc", str(pid), "smaps_rollup").read_text("ascii", "replace")
    except OSError:
        return 0
    line = next((line for line in rollup.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return 1024 * int(line.split()[1])


def _end_leftovers(session: int) -> None:
    """Kill what a command left running: the next round wants the machine for itself."""
    for pid in _members(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def command_path(name: str) -> Path:
    """The console script of that name beside this interpreter: the real command, as installed."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise SystemExit(f"{path}: expected the command {name}, found none; run `make bench`")
    return path


def summarise(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    """Median, smallest and largest of several rounds."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def print_figures(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """One JSON object on a line, or an indented table."""
    if as_json:
        print(json.dumps(figures))
    else:
        print("\n".join(_lines(figures)))


def _lines(figures: Mapping[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in figures.items():
        if isinstance(value, Mapping) and value.keys() == {"median", "min", "max"}:
            spread = f"{value['median']}  ({value['min']} to {value['max']})"
            lines.append(f"{indent}{name:<32}{spread}")
        elif name == "machine":
            lines.append(indent + " · ".join(f"{key} {found}" for key, found in value.items()))
        elif isinstance(value, Mapping):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:<32}{value}")
    return lines


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
