"""How right the rankings are: `attribute evaluate` on a folder of photographs, suite by suite.

Each suite is the command itself, in a process of its own::

    python benchmarks/evaluate.py --images photos --json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from machine import command_path, describe_machine, print_figures
from pictures import make_pictures

from harvester.pictures.decode import encode_jpeg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder of photographs, a folder a subject")
    parser.add_argument("--queries", type=int, default=5, help="pictures for each edit")
    parser.add_argument("--null", type=int, default=100, help="queries without a source")
    parser.add_argument("--published", type=int, default=3, help="queries of aivalis2025")
    parser.add_argument("--same", type=Path, help="csv of pictures that are known to be the same")
    parser.add_argument("--background", type=Path, help="in place of the shipped one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.images or write_pictures(Path(scratch) / "made")
        shared = [folder, "--work", Path(scratch) / "dataset", "--seed", str(options.seed)]
        if options.same:
            shared += ["--same", options.same]
        if options.background:
            shared += ["--background", options.background]
        suites = {
            "copies": ["--queries", str(options.queries), "--published", str(options.published)],
            "prompts": ["--published", str(options.published)],
            "null": ["--queries", str(options.null), "--split"],
        }
        figures = {"machine": describe_machine()}
        for suite, more in suites.items():
            command = [command_path("attribute"), "evaluate", suite, *shared, *more]
            start = time.monotonic()
            if options.json:
                done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True)
                figures[suite] = json.loads(done.stdout)
                figures[suite]["wall_s"] = round(time.monotonic() - start)
            else:
                subprocess.run(command, check=True)
    print_figures(figures, as_json=options.json)


def write_pictures(folder: Path, subjects: int = 24, each: int = 20) -> Path:
    """Made-up pictures, a folder for every so many; enough for a background of half of them."""
    for number, picture in enumerate(make_pictures(subjects * each, 1)):
        path = folder / str(number // each) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(picture))
    return folder


if __name__ == "__main__":
    main()
