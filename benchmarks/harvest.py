"""How many pictures a second `harvest urls` brings in from a server on the same machine.

The server and the command have a process each and share the cores, over HTTP and HTTPS. Counted is
the whole command: start, download, decoding, hashes, sha256, re-encoding, Parquet, exit::

    python benchmarks/harvest.py --count 2000 --rounds 3

But: one host, so at most 16 downloads at a time, and a network without delay: this measures what a
picture costs the processor, not how fast the web is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trustme
from machine import Cost, command_path, describe_machine, print_figures, run_measured, summarise
from pictures import find_photographs, make_pictures

from harvester.images import encode_jpeg

_HEIGHT, _WIDTH, _QUALITY = 522, 639, 80


def write_pictures(folder: Path, options: argparse.Namespace) -> list[str]:
    """Write the JPEG files to serve; returns their names."""
    if options.images is not None:
        paths = [
            p for p in find_photographs(options.images) if p.suffix.lower() in {".jpg", ".jpeg"}
        ]
        paths = random.Random(options.seed).sample(paths, min(options.count, len(paths)))
        names = [f"{number}.jpg" for number in range(len(paths))]
        for name, path in zip(names, paths, strict=True):
            shutil.copyfile(path, folder / name)
        return names
    names = [f"{number}.jpg" for number in range(options.count)]
    made = make_pictures(options.count, options.seed, height=_HEIGHT, width=_WIDTH)
    for name, picture in zip(names, made, strict=True):
        (folder / name).write_bytes(encode_jpeg(picture, quality=_QUALITY))
    return names


@contextlib.contextmanager
def serving(folder: Path, certificate: Path | None) -> Iterator[int]:
    """A server of a folder's files in a process of its own; yields its port."""
    script = Path(__file__).with_name("loopback.py")
    command = [sys.executable, str(script), str(folder)]
    command += ["--certificate", str(certificate)] if certificate else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline() if process.stdout else ""
        if not port:
            raise SystemExit("expected the server to print its port, found that it ended")
        yield int(port)
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def harvest(work: Path, addresses: list[str], authority: Path) -> Cost:
    """Run the command once, into a new dataset.

    Raises:
        RuntimeError: if it did not store every picture.
    """
    listed, dataset = work / "list.txt", work / "dataset"
    listed.write_text("\n".join(addresses) + "\n", encoding="utf-8")
    shutil.rmtree(dataset, ignore_errors=True)
    command: list[str | Path] = [command_path("harvest"), "urls", listed, "--out", dataset]
    command += ["--allow-private", "--ca-file", authority, "--json"]
    cost = run_measured(command, cwd=work)
    record = json.loads(cost.output)
    if record["statuses"] != {"ok": len(addresses)}:
        raise RuntimeError(f"expected {len(addresses)} pictures stored, found {record}")
    return cost


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        work = Path(folder)
        served = work / "served"
        served.mkdir()
        names = write_pictures(served, options)
        authority, chain = work / "authority.pem", work / "chain.pem"
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(authority))
        ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
        ports = {
            "http": stack.enter_context(serving(served, None)),
            "https": stack.enter_context(serving(served, chain)),
        }
        costs: dict[str, list[Cost]] = {scheme: [] for scheme in ports}
        for _ in range(options.rounds):
            for scheme, port in ports.items():
                addresses = [f"{scheme}://127.0.0.1:{port}/{name}" for name in names]
                costs[scheme].append(harvest(work, addresses, authority))
        size = sum(path.stat().st_size for path in served.iterdir())
    count = len(names)
    return {
        "benchmark": "harvest",
        **{
            scheme: {
                "images_per_s": summarise([count / cost.wall_s for cost in found]),
                "cpu_ms_per_image": summarise([1000 * cost.cpu_s / count for cost in found], 2),
                "peak_rss_mb": summarise([cost.peak_mb for cost in found]),
            }
            for scheme, found in costs.items()
        },
        "pictures": count,
        "mean_kb": round(size / count / 1000, 1),
        "photographs": options.images is not None,
        "rounds": options.rounds,
        "seed": options.seed,
        "machine": machine,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder of photographs (made-up pictures)")
    parser.add_argument("--count", type=int, default=2000, help="pictures (2000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each protocol (3)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the pictures (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
