"""All benchmarks, one after the other, each in a process of its own: what `make bench` runs.

::

    python benchmarks/run.py --images photos --json > figures.json

Takes an hour and a half on two cores, most of it `evaluate`, and wants them for itself: on a busy
machine, threads that wait for each other make a network's figures several times worse. `harvest`
and `harvest_faults` install img2dataset, in an environment of its own under build/, if it is not
there yet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

BENCHMARKS: dict[str, list[str]] = {
    "export_parsing": ["--mb", "500"],
    "harvest": ["--count", "2000", "--rounds", "5"],
    "harvest_faults": ["--count", "8000", "--rounds", "1"],
    "harvest_memory": ["--counts", "2000", "100000", "--rows", "1000000", "--rounds", "3"],
    "harvest_ray": ["--count", "2400", "--rounds", "3"],
    "decoding": ["--count", "200", "--rounds", "8"],
    "embedding": ["--rounds", "7", *(f"--plain-batch={size}" for size in (1, 8, 32))],
    "attribute": ["--large", "1000", "--repeats", "5"],
    "grid": ["--grids", "600"],
    "near_copies": [],
    "evaluate": [],
}
"""The options that the figures in README.md were taken with."""

QUICK: dict[str, list[str]] = {
    "export_parsing": ["--mb", "20"],
    "harvest": ["--count", "100", "--rounds", "1"],
    "harvest_faults": ["--count", "300", "--rounds", "1", "--timeout", "2", "--no-peer"],
    "harvest_memory": ["--counts", "200", "1000", "--rows", "20000", "--rounds", "1"],
    "harvest_ray": ["--quick"],
    "decoding": ["--count", "20", "--rounds", "1"],
    "embedding": ["--count", "16", "--rounds", "2"],
    "attribute": ["--large", "0", "--repeats", "1"],
    "grid": ["--grids", "20"],
    "near_copies": ["--count", "40", "--edited", "5"],
    "evaluate": ["--queries", "1", "--null", "4", "--published", "1"],
}

_WITHOUT_PICTURES = {"export_parsing", "harvest_memory", "harvest_ray"}


def command_of(name: str, options: argparse.Namespace) -> list[str]:
    """The command line of one benchmark."""
    script = Path(__file__).with_name(f"{name}.py")
    command = [sys.executable, str(script), *(QUICK if options.quick else BENCHMARKS)[name]]
    if options.images is not None and name not in _WITHOUT_PICTURES:
        command += ["--images", str(options.images)]
    return command


def main() -> int:
    """Run the benchmarks; 1 if any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--images", type=Path, help="folder of photographs (made-up pictures)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--json", action="store_true", help="print one JSON object for all")
    options = parser.parse_args()
    unknown = set(options.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"expected names out of {', '.join(BENCHMARKS)}, found {min(unknown)}")
    collected: dict[str, object] = {}
    failed = []
    for name in options.names or BENCHMARKS:
        print(f"{name} …", file=sys.stderr, flush=True)
        start = time.monotonic()
        command = command_of(name, options)
        if options.json:
            done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=False)
            collected[name] = json.loads(done.stdout) if done.stdout.strip() else None
        else:
            done = subprocess.run(command, check=False)
            print(flush=True)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        if done.returncode:
            failed.append(name)
    if options.json:
        print(json.dumps(collected, indent=1))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
