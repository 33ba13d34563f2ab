# ruff: noqa: SLF001  # a step by itself is private; timing it is what this file is for
"""What turning a downloaded JPEG into a stored picture costs, step by step, and in a process apart.

CPU milliseconds a picture, the best of the rounds, for each step and for all; then the same work in
decoder processes: pictures/s, CPU of both sides, start-up and memory::

    python benchmarks/decoding.py --count 200 --rounds 5

But: the steps run in this process, without the settings of memory that decoder processes have; all
in all they come out about a tenth dearer here.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine, print_figures
from pictures import find_photographs, make_pictures
from PIL import Image, JpegImagePlugin

from harvester.pictures import decode as images
from harvester.pictures import pdq
from harvester.pictures.decode import encode_image, encode_jpeg, hash_image, open_image
from harvester.pictures.pool import Decoders
from harvester.pictures.worker import decode

_HEIGHT, _WIDTH, _QUALITY = 522, 639, 80


def read_bodies(options: argparse.Namespace) -> list[bytes]:
    """The files to decode: photographs, or JPEG files that are made here."""
    if options.images is None:
        made = make_pictures(options.count, options.seed, height=_HEIGHT, width=_WIDTH)
        return [encode_jpeg(picture, quality=_QUALITY) for picture in made]
    paths = [p for p in find_photographs(options.images) if p.suffix.lower() in {".jpg", ".jpeg"}]
    chosen = random.Random(options.seed).sample(paths, min(options.count, len(paths)))
    return [path.read_bytes() for path in chosen]


def cost_ms(step: Callable[[Any], object], given: list[Any], rounds: int) -> float:
    """CPU milliseconds of one call, in the best of the rounds: others use the machine, too."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for one in given:
            step(one)
        times.append(time.process_time() - start)
    return round(1000 * min(times) / len(given), 3)


def measure_steps(bodies: list[bytes], side: int, rounds: int) -> dict[str, float]:
    """Each step by itself, on what the step before it gives."""

    def load(body: bytes) -> Image.Image:
        source = JpegImagePlugin.jpeg_factory(io.BytesIO(body))
        width, height = source.size
        source.draft(None, images._drafted(width, height, images._fit(width, height, side)))
        source.load()
        return source

    opened = [open_image(body, max_side=side).image for body in bodies]
    grey = [one.convert("L") for one in opened]
    bilinear = Image.Resampling.BILINEAR
    squares = [np.asarray(one.resize((128, 128), bilinear)) for one in opened]
    steps: Iterable[tuple[str, Callable[[Any], object], list[Any]]] = (
        ("sha256", lambda body: hashlib.sha256(body).hexdigest(), bodies),
        ("decode", load, bodies),
        ("decode, resize, profile", lambda body: open_image(body, max_side=side), bodies),
        ("encode q95", encode_image, opened),
        ("grey", lambda one: one.convert("L"), opened),
        ("phash", images._phash, grey),
        ("dhash", images._dhash, grey),
        ("square for pdq", lambda one: one.resize((128, 128), bilinear), opened),
        ("pdq", pdq.compute, squares),
        ("all hashes", hash_image, opened),
        ("all", lambda body: decode(body, side), bodies),
    )
    return {name: cost_ms(step, given, rounds) for name, step, given in steps}


def cpu_s(pid: int) -> float:
    """CPU seconds that a running process has used, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def pss_mb(pid: int) -> float:
    """Memory of a process, pages that it shares counted in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def measure_processes(bodies: list[bytes], side: int, rounds: int) -> dict[str, Any]:
    """The same pictures through decoder processes."""
    async with Decoders(side) as decoders:
        start = time.perf_counter()
        await decoders.decode(bodies[0])
        first_ms = 1000 * (time.perf_counter() - start)
        await asyncio.gather(*map(decoders.decode, bodies))
        pids = [child.process.pid for child in decoders._children if child.process]
        rates, parents, children = [], [], []
        for _ in range(rounds):
            before, own = sum(map(cpu_s, pids)), time.process_time()
            start = time.perf_counter()
            await asyncio.gather(*map(decoders.decode, bodies))
            rates.append(len(bodies) / (time.perf_counter() - start))
            parents.append(1000 * (time.process_time() - own) / len(bodies))
            children.append(1000 * (sum(map(cpu_s, pids)) - before) / len(bodies))
        return {
            "processes": len(pids),
            "first_picture_ms": round(first_ms),
            "pictures_per_s": round(max(rates)),
            "parent_cpu_ms": round(min(parents), 3),
            "child_cpu_ms": round(min(children), 2),
            "pss_mb": round(sum(map(pss_mb, pids))),
            "median_pictures_per_s": round(statistics.median(rates)),
        }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    bodies = read_bodies(options)
    found: dict[str, Any] = {"benchmark": "decoding"}
    for side in (256, 512):
        found[f"cpu_ms_at_{side}"] = measure_steps(bodies, side, options.rounds)
        found[f"processes_at_{side}"] = asyncio.run(measure_processes(bodies, side, options.rounds))
    return {
        **found,
        "pictures": len(bodies),
        "mean_kb": round(statistics.mean(map(len, bodies)) / 1000, 1),
        "photographs": options.images is not None,
        "rounds": options.rounds,
        "seed": options.seed,
        "machine": machine,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder of photographs (made-up pictures)")
    parser.add_argument("--count", type=int, default=200, help="pictures (200)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the best counts (5)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the pictures (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
