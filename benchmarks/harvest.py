"""How many pictures a second `harvest urls` brings in, beside img2dataset on the same pictures.

Both download from one server on the same machine, over HTTP and HTTPS, in turn, and reduce to 256
pixels. Counted is the whole command: start, download, decoding, hashes, sha256, re-encoding,
Parquet, exit; besides, the rate from the first request on, which leaves out how long a program
takes to start::

    python benchmarks/harvest.py --images photos --count 2000 --rounds 3

img2dataset is run a second time over HTTPS with one SSLContext a process, as Python 3.12 and later
have it, where 3.11 builds one for each request: the two together say how much of the ratio is that.

But: 32 hosts that answer at once, without names to look up, and a network without delay: this
measures what a picture costs the processor, not how fast the web is. The server shares the cores.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from img2dataset_peer import Peer
from loopback import Web, serving, write_certificate
from machine import (
    SAMPLE_S,
    Cost,
    command_path,
    describe_machine,
    print_figures,
    run_measured,
    summarise,
)
from pictures import find_photographs, make_pictures

from harvester.pictures.decode import encode_jpeg

HOSTS = 32
OPTIONS = "--max-side 256 --consent strict --near-duplicates keep"
"""Of `harvest urls`, unless others are given."""

_HEIGHT, _WIDTH, _QUALITY = 522, 639, 80
_ENLARGED_QUALITY = 94  # photographs of 300 px, brought to 639, get the 78 kB of real ones


@dataclass(frozen=True, slots=True)
class Round:
    """One run of one program.

    Attributes:
        stored: pictures, by its own account.
        serving_s: from the first request to the end of the program.
        server_cpu_s: what the server used meanwhile.
        asked: requests by kind.
    """

    cost: Cost
    stored: int
    serving_s: float
    server_cpu_s: float
    asked: dict[str, int]


def write_pictures(folder: Path, options: argparse.Namespace) -> list[str]:
    """Write the JPEG files to serve; returns their names.

    Args:
        folder: that exists, and is filled.
        options: images, count, seed, and enlarge: the longest side in pixels that photographs are
            brought to, 0 to serve them as they are.
    """
    cv2.setNumThreads(1)
    if options.images is None:
        names = [f"{number}.jpg" for number in range(options.count)]
        made = make_pictures(options.count, options.seed, height=_HEIGHT, width=_WIDTH)
        for name, picture in zip(names, made, strict=True):
            (folder / name).write_bytes(encode_jpeg(picture, quality=_QUALITY))
        return names
    paths = [p for p in find_photographs(options.images) if p.suffix.lower() in {".jpg", ".jpeg"}]
    paths = random.Random(options.seed).sample(paths, min(options.count, len(paths)))
    names = [f"{number}.jpg" for number in range(len(paths))]
    for name, path in zip(names, paths, strict=True):
        small = cv2.imread(str(path)) if options.enlarge else None
        if small is None:
            shutil.copyfile(path, folder / name)
            continue
        scale = options.enlarge / max(small.shape[:2])
        large = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / name), large, [cv2.IMWRITE_JPEG_QUALITY, _ENLARGED_QUALITY])
    return names


def harvest(
    work: Path,
    addresses: Sequence[str],
    authority: Path | None,
    options: str = OPTIONS,
    *,
    stop_when: Callable[[], bool] | None = None,
) -> tuple[Cost, int]:
    """Run our command once, into a new dataset; returns what it cost and how many it stored."""
    listed, dataset = work / "list.txt", work / "dataset"
    listed.write_text("\n".join(addresses) + "\n", encoding="utf-8")
    return harvest_list(work, listed, dataset, authority, options, stop_when=stop_when)


def harvest_list(
    work: Path,
    listed: Path,
    dataset: Path,
    authority: Path | None,
    options: str = OPTIONS,
    *,
    stop_when: Callable[[], bool] | None = None,
    sample_s: float = SAMPLE_S,
) -> tuple[Cost, int]:
    """As `harvest`, of a list that is there already."""
    shutil.rmtree(dataset, ignore_errors=True)
    command: list[str | Path] = [command_path("harvest"), "urls", listed, "--out", dataset]
    command += ["--allow-private", "--json", *shlex.split(options)]
    command += ["--ca-file", authority] if authority else []
    cost = run_measured(command, cwd=work, stop_when=stop_when, sample_s=sample_s)
    stored = json.loads(cost.output)["statuses"].get("ok", 0) if cost.output else 0
    return cost, stored


def run_round(web: Web, run: Callable[[], tuple[Cost, int]]) -> Round:
    """Run a program once and ask the server what it saw of that."""
    web.reset()
    cost, stored = run()
    counts = web.counts()
    if counts["first_picture"] is None:
        raise SystemExit("expected pictures to be asked for, found that none was")
    serving_s = cost.started + cost.wall_s - counts["first_request"]
    return Round(cost, stored, serving_s, counts["cpu_s"], counts["asked"])


def check_stored(name: str, found: Round, count: int) -> None:
    """Refuse figures of a run that did not do the whole work."""
    if found.stored != count:
        raise SystemExit(
            f"{name}: expected {count} pictures stored, found {found.stored}; "
            f"asked for: {found.asked}"
        )


def summarise_rounds(rounds: Sequence[Round], count: int) -> dict[str, Any]:
    """The figures of one program over one protocol."""
    return {
        "images_per_s": summarise([count / found.cost.wall_s for found in rounds]),
        "images_per_s_once_started": summarise([count / found.serving_s for found in rounds]),
        "cpu_ms_per_image": summarise([1000 * found.cost.cpu_s / count for found in rounds], 2),
        "peak_pss_mb": summarise([found.cost.peak_pss_mb or 0 for found in rounds]),
        "peak_rss_of_one_mb": summarise([found.cost.peak_mb for found in rounds]),
        "server_cpu_ms_per_image": summarise(
            [1000 * found.server_cpu_s / count for found in rounds], 2
        ),
        "asked": rounds[-1].asked,
    }


def ratios(ours: Sequence[Round], theirs: Sequence[Round]) -> dict[str, float]:
    """How many times quicker ours is, and how many times the CPU time theirs takes; of medians."""

    def median(rounds: Sequence[Round], of: Callable[[Round], float]) -> float:
        return statistics.median(map(of, rounds))

    measures: dict[str, Callable[[Round], float]] = {
        "images_per_s": lambda found: found.cost.wall_s,
        "images_per_s_once_started": lambda found: found.serving_s,
        "cpu_ms_per_image": lambda found: found.cost.cpu_s,
    }
    return {name: round(median(theirs, of) / median(ours, of), 2) for name, of in measures.items()}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        served = work / "served"
        served.mkdir()
        names = write_pictures(served, options)
        size = sum(path.stat().st_size for path in served.iterdir())
        authority, chain = write_certificate(work, HOSTS)
        peer = Peer(options.peer_venv, work, authority) if options.peer_venv else None
        rounds: dict[str, list[Round]] = {}
        with serving(served, f"good={HOSTS}", chain) as web:
            lists = {
                scheme: [url for url, _ in web.spread(scheme, names, options.seed)]
                for scheme in web.hosts
            }
            programs = _programs(options, work, lists, authority=authority, peer=peer)
            for _ in range(options.rounds):
                for name, run in programs.items():
                    found = run_round(web, run)
                    check_stored(name, found, len(names))
                    rounds.setdefault(name, []).append(found)
        context_ms = peer.context_ms() if peer else None
    figures: dict[str, Any] = {"benchmark": "harvest"}
    figures |= {name: summarise_rounds(found, len(names)) for name, found in rounds.items()}
    for name, theirs in rounds.items():
        if name.startswith("img2dataset"):
            figures["times_" + name] = ratios(rounds["whence_" + name.split("_")[1]], theirs)
    if peer:
        figures["peer_ssl_context_cpu_ms"] = round(context_ms or 0.0, 1)
        figures["peer"] = peer.describe(len(names))
    return figures | {
        "pictures": len(names),
        "mean_kb": round(size / len(names) / 1000, 1),
        "photographs": options.images is not None,
        "options": options.options,
        "rounds": options.rounds,
        "seed": options.seed,
        "machine": machine,
    }


def _programs(
    options: argparse.Namespace,
    work: Path,
    lists: dict[str, list[str]],
    *,
    authority: Path,
    peer: Peer | None,
) -> dict[str, Callable[[], tuple[Cost, int]]]:
    """What runs in one round, in order."""
    programs: dict[str, Callable[[], tuple[Cost, int]]] = {}
    for scheme, addresses in lists.items():
        programs["whence_" + scheme] = partial(harvest, work, addresses, authority, options.options)
        if peer:
            programs["img2dataset_" + scheme] = partial(peer.harvest, addresses)
    if peer:
        programs["img2dataset_https_shared_context"] = partial(
            peer.harvest, lists["https"], shared_context=True
        )
    return programs


def add_options(
    parser: argparse.ArgumentParser, *, count: int, rounds: int = 3, options: str = OPTIONS
) -> None:
    """What the harvest benchmarks have in common."""
    parser.add_argument("--images", type=Path, help="folder of photographs (made-up pictures)")
    parser.add_argument(
        "--enlarge",
        type=int,
        default=639,
        help="longest side that photographs are first brought to, 0: as they are (639)",
    )
    parser.add_argument("--count", type=int, default=count, help=f"pictures ({count})")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"of each program ({rounds})")
    parser.add_argument("--seed", type=int, default=7, help="seed of pictures and order (7)")
    parser.add_argument(
        "--options", default=options, help=f"further options of `harvest urls` ({options})"
    )
    parser.add_argument(
        "--peer-venv",
        type=Path,
        default=Path("build/img2dataset"),
        help="virtual environment of img2dataset, made if missing (build/img2dataset)",
    )
    parser.add_argument(
        "--no-peer",
        dest="peer_venv",
        action="store_const",
        const=None,
        help="leave img2dataset out",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_options(parser, count=2000)
    options = parser.parse_args()
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
