"""Peak memory of `harvest urls` for short and long lists, and how soon a very long one starts.

Pictures are small, made from their number by the server, no two alike. Peak memory is the sum of
the proportional set sizes of all its processes, looked at every 100 ms. A list of a million rows,
as text and as Parquet with LAION's columns, is run until the first picture is asked for, and then
gets what Ctrl-C sends::

    python benchmarks/harvest_memory.py --counts 2000 100000 --rows 1000000

But: pictures of 48×48 pixels: what large ones take while they are decoded is not in it. Peaks
between two looks are missed; the largest resident size of one process, which the system keeps, is
beside them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from harvest import HOSTS, OPTIONS, harvest_list
from loopback import Web, serving
from machine import describe_machine, print_figures, summarise

_SAMPLE_S = 0.1
_ROW_GROUP = 100_000


def addresses(web: Web, count: int) -> Iterator[str]:
    """So many addresses of pictures, a host after the other."""
    hosts = web.hosts["http"]["good"]
    for number in range(count):
        yield f"http://{hosts[number % len(hosts)]}/made/{number}.jpg"


def write_text(path: Path, web: Web, count: int) -> None:
    """An address a line."""
    with path.open("w", encoding="ascii") as file:
        file.writelines(f"{address}\n" for address in addresses(web, count))


def write_parquet(path: Path, web: Web, count: int) -> None:
    """Some of LAION's columns."""
    numbers = pa.array(range(count), pa.int32())
    columns = {
        "URL": pa.array(addresses(web, count)),
        "TEXT": pa.array(f"picture number {number}" for number in range(count)),
        "WIDTH": numbers,
        "HEIGHT": numbers,
    }
    pq.write_table(pa.table(columns), path, row_group_size=_ROW_GROUP)


LISTS: dict[str, Callable[[Path, Web, int], None]] = {
    "txt": write_text,
    "parquet": write_parquet,
}


def measure_peak(work: Path, web: Web, count: int, options: str) -> dict[str, Any]:
    """Memory and rate of one run over a list of so many pictures.

    Raises:
        SystemExit: if not all of them were stored.
    """
    listed = work / "list.txt"
    write_text(listed, web, count)
    dataset = work / "dataset"
    cost, stored = harvest_list(work, listed, dataset, None, options, sample_s=_SAMPLE_S)
    shutil.rmtree(dataset)
    if stored != count:
        statuses = json.loads(cost.output)["statuses"]
        raise SystemExit(f"expected {count} pictures stored, found {statuses}")
    return {
        "peak_pss_mb": round(cost.peak_pss_mb or 0.0, 1),
        "peak_rss_of_one_mb": round(cost.peak_mb, 1),
        "images_per_s": round(count / cost.wall_s, 1),
        "cpu_ms_per_image": round(1000 * cost.cpu_s / count, 2),
    }


def measure_start(
    work: Path, web: Web, listed: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Seconds from the start of the command to what it asks for first, and what Ctrl-C takes."""
    found: dict[str, list[float]] = {"first_request_s": [], "first_picture_s": [], "stop_s": []}
    for _ in range(options.rounds):
        web.reset()
        cost, _ = harvest_list(
            work,
            listed,
            work / "dataset",
            None,
            options.options,
            stop_when=lambda: web.counts()["first_picture"] is not None,
        )
        counts = web.counts()
        found["first_request_s"].append(counts["first_request"] - cost.started)
        found["first_picture_s"].append(counts["first_picture"] - cost.started)
        found["stop_s"].append(cost.stopped_s or 0.0)
    return {name: summarise(values, 2) for name, values in found.items()}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    figures: dict[str, Any] = {"benchmark": "harvest_memory"}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        nothing = work / "served"
        nothing.mkdir()
        with serving(nothing, f"good={HOSTS}") as web:
            for count in options.counts:
                figures[f"list_of_{count}"] = measure_peak(work, web, count, options.options)
            for ending, write in LISTS.items() if options.rows else ():
                listed = work / f"long.{ending}"
                write(listed, web, options.rows)
                figures[f"start_of_{ending}"] = measure_start(work, web, listed, options)
                figures[f"start_of_{ending}"]["list_mb"] = round(listed.stat().st_size / 1e6, 1)
    return figures | {
        "rows": options.rows,
        "options": options.options,
        "rounds": options.rounds,
        "machine": machine,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--counts",
        type=int,
        nargs="*",
        default=[2000, 100_000],
        help="lengths of the lists (2000 100000)",
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of the very long lists, 0: none (1000000)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="starts of each long list (3)")
    parser.add_argument(
        "--options", default=OPTIONS, help=f"further options of `harvest urls` ({OPTIONS})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
