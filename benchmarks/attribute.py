"""How long one `attribute --image` takes, cold, warm and again, and where that time goes.

The real command, in a process of its own, from start to exit. Cold: the candidates have no
descriptors yet, so all of them are described first. Warm: an earlier run has left them. Again: an
earlier query has left the local features of those nearest, too. Two galleries: the sample's, and
one of about a thousand pictures that `harvest folder` makes::

    python benchmarks/attribute.py --large 1000 --repeats 5

A second, instrumented process takes the same steps in the same order, with a clock between them.
But: files are in the system's cache throughout, also for cold runs.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import Cost, command_path, describe_machine, print_figures, run_measured, summarise

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "data" / "sample"

_WORDS = """
harbour lantern fox marble orchard storm violin copper meadow glacier tram balcony owl ribbon desert
kite willow comet bridge velvet moth anchor canyon teapot ember fern portrait watercolour woodcut
""".split()


def make_large(work: Path, options: argparse.Namespace) -> Path:
    """A dataset of `--large` candidates with captions, made by the real command."""
    from pictures import find_photographs, make_pictures  # noqa: PLC0415  # the timed steps must not

    from harvester.pictures.decode import encode_jpeg  # noqa: PLC0415  # as above

    random_ = random.Random(options.seed)
    folder, dataset = work / "pictures", work / "large"
    folder.mkdir()
    if options.images is not None:
        paths = find_photographs(options.images)
        for number, path in enumerate(random_.sample(paths, min(options.large, len(paths)))):
            shutil.copyfile(path, folder / f"{number}{path.suffix}")
            (folder / f"{number}.txt").write_text(path.parent.name.replace("_", " "), "utf-8")
    else:
        for number, picture in enumerate(make_pictures(options.large, options.seed)):
            (folder / f"{number}.jpg").write_bytes(encode_jpeg(picture))
            (folder / f"{number}.txt").write_text(" ".join(random_.choices(_WORDS, k=8)), "utf-8")
    run_measured([command_path("harvest"), "folder", folder, "--out", dataset], cwd=work)
    return dataset


def time_command(dataset: Path, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The whole command, cold and warm in turn, and its steps."""
    command: list[str | Path] = [command_path("attribute"), "--candidates", dataset, "--offline"]
    command += ["--image", SAMPLE / "gen.png", "--prompt", _prompt(), "--json"]
    steps: list[str | Path] = [sys.executable, __file__, "--steps", dataset]
    costs: dict[str, list[Cost]] = {"cold": [], "warm": [], "again": []}
    inside: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    cache = work / "cache"
    own = {"XDG_CACHE_HOME": str(cache), "OPENBLAS_THREAD_TIMEOUT": "14"}  # as the command has it
    outputs = set()
    for _ in range(options.repeats):
        for state, found in costs.items():
            _forget(dataset, cache, state)
            found.append(run_measured(command, cwd=work, environment=own))
            outputs.add(found[-1].output)
            if state in inside:
                _forget(dataset, cache, state)
                inside[state].append(
                    json.loads(run_measured(steps, cwd=work, environment=own).output)
                )
    if len(outputs) != 1:
        raise RuntimeError(f"expected every run to rank alike, found {len(outputs)} rankings")
    return {
        "candidates": json.loads(outputs.pop().partition("\n")[0])["gallery_size"],
        **{
            state: {
                "wall_s": summarise([cost.wall_s for cost in found], 2),
                "cpu_s": summarise([cost.cpu_s for cost in found], 2),
                "peak_rss_mb": summarise([cost.peak_mb for cost in found], 0),
                **({"steps_ms": _medians_ms(inside[state])} if state in inside else {}),
            }
            for state, found in costs.items()
        },
    }


def _medians_ms(runs: list[dict[str, float]]) -> dict[str, int]:
    return {step: round(1000 * statistics.median(run[step] for run in runs)) for step in runs[0]}


def time_steps(dataset: Path) -> dict[str, float]:
    """What the command does, step by step, in this process; seconds of each."""
    steps: dict[str, float] = {}
    last = time.perf_counter()

    def note(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[step], last = now - last, now

    # The imports are what is timed, so they stand between the clock's readings.
    import attribution.cli.app  # noqa: F401, PLC0415  # as the console script does

    note("import attribution.cli.app")
    from attribution.ranking.method import default_setup  # noqa: PLC0415

    note("import attribution.ranking.method")
    from attribution.ranking.gallery import load_gallery  # noqa: PLC0415
    from attribution.ranking.query import open_query  # noqa: PLC0415
    from attribution.ranking.rank import rank  # noqa: PLC0415
    from attribution.report.records import json_lines  # noqa: PLC0415

    note("import the rest")
    query = open_query(SAMPLE / "gen.png", _prompt())
    note("open and hash the query")
    method = default_setup()
    note("check the weights, load the background")
    network = method.embedders[0]
    network.embed([query.views[0].picture[:8, :8]])
    note("load the network, first picture")
    gallery = load_gallery([dataset], method.embedders)
    note("load the gallery")
    network.embed([query.views[0].picture])
    note("embed the query alone")
    ranking = rank(query, gallery, method)
    note("all evidence")
    list(json_lines(ranking, gallery.pick([match.candidate_id for match in ranking.matches])))
    note("pick and print")
    return steps


def _prompt() -> str:
    return (SAMPLE / "prompts.txt").read_text("utf-8").splitlines()[0]


def _forget(dataset: Path, cache: Path, state: str) -> None:
    if state != "again":
        shutil.rmtree(cache, ignore_errors=True)
    if state == "cold":
        shutil.rmtree(dataset / "descriptors", ignore_errors=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sample = work / "sample"
        shutil.copytree(SAMPLE / "candidates", sample, ignore=shutil.ignore_patterns("descriptors"))
        figures = {"sample": time_command(sample, work, options)}
        if options.large:
            figures["large"] = time_command(make_large(work, options), work, options)
    return {
        "benchmark": "attribute",
        **figures,
        "photographs": options.images is not None,
        "repeats": options.repeats,
        "seed": options.seed,
        "machine": machine,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder of photographs (made-up pictures)")
    parser.add_argument("--large", type=int, default=1000, help="second gallery; 0: none (1000)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each kind (5)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the second gallery (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps:
        print(json.dumps(time_steps(options.steps)))
    else:
        print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
