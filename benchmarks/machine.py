"""What a figure was measured on, and how it is printed: shared by the benchmarks."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("torch", "torchvision", "numpy", "pillow", "opencv-python-headless", "pyarrow", "aiohttp"),
    *("httpx", "httpx-aiohttp", "bm25s", "pdqhash", "imagehash"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost.

    Attributes:
        wall_s: from its start to its end.
        cpu_s: user and system time of all its threads.
        peak_mb: largest resident memory, in MB (10^6 bytes).
        output: what it printed to standard output.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


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


def run_measured(command: Sequence[str | Path], *, cwd: Path, patience_s: float = 900.0) -> Cost:
    """Run a command in `cwd`, in a process of its own, and measure it.

    Raises:
        RuntimeError: if it fails, with the last lines that it wrote to standard error, or if it
            takes longer than `patience_s`.
    """
    out, errors = cwd / "stdout.txt", cwd / "stderr.txt"
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, stdout=stdout, stderr=stderr
        )
        # wait4 reports this process alone, where getrusage sums up all that ever ended.
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            if time.perf_counter() - start > patience_s:
                process.kill()
                process.wait()
                raise RuntimeError(f"expected {command[0]} to end within {patience_s:g} s")
            time.sleep(0.001)
        wall_s = time.perf_counter() - start
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = errors.read_text("utf-8", "replace")[-2000:]
        raise RuntimeError(f"expected exit code 0, found {process.returncode}: {tail}")
    return Cost(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        # macOS counts bytes, Linux kibibytes.
        usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
        out.read_text("utf-8"),
    )


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
