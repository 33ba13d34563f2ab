"""How often a single picture is taken for a 2 by 2 grid, and how often a grid is recognised.

Grids are made of four pictures that stand in one folder, as Midjourney's four show one subject: cut
to the grid's shape, set side by side, a part of them scaled, all saved as JPEG and read again
through the door that queries pass::

    python benchmarks/grid.py --images photos --grids 600
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from machine import describe_machine, print_figures
from numpy.typing import NDArray
from pictures import find_photographs, make_pictures

from attribution.ranking.query import MAX_SIDE
from attribution.ranking.tiles import MIN_SIDE, SEAM_RATIO, looks_like_grid, seam_strength
from harvester.pictures.decode import PictureError, encode_jpeg, open_picture

_SHAPES = ((512, 512), (384, 512), (512, 384))
"""Height and width of a tile: square, landscape, portrait."""

_SCALES = (0.5, 0.75, 1.0, 1.33)


def read_groups(folder: Path | None, seed: int) -> Mapping[str, Sequence[bytes]]:
    """Encoded pictures by subject: a folder's by their folders; without one, made ones."""
    groups: dict[str, list[bytes]] = defaultdict(list)
    if folder is None:
        for number in range(20):
            made = make_pictures(10, seed + number)
            groups[str(number)] = [encode_jpeg(picture) for picture in made]
    else:
        for path in find_photographs(folder):
            groups[path.parent.name].append(path.read_bytes())
    return groups


def cut(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle of a picture in the shape height:width, scaled to it."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (
        max(width, round(picture.shape[1] * scale)),
        max(height, round(picture.shape[0] * scale)),
    )
    large = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    middle: NDArray[np.uint8] = large[top : top + height, left : left + width].astype(np.uint8)
    return middle


def make_grid(bodies: Sequence[bytes], random_: random.Random) -> bytes:
    """A JPEG of four pictures side by side."""
    height, width = random_.choice(_SHAPES)
    tiles = [cut(open_picture(body, max_side=None).rgb, height, width) for body in bodies]
    whole = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
    scale = random_.choice(_SCALES)
    if scale != 1:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        whole = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8)
    return encode_jpeg(whole, quality=random_.choice((80, 95)))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    random_ = random.Random(options.seed)
    groups = read_groups(options.images, options.seed)
    singles: list[float] = []
    large_enough = taken = 0
    for body in (body for bodies in groups.values() for body in bodies):
        with contextlib.suppress(PictureError):
            picture = open_picture(body, max_side=MAX_SIDE).rgb
            singles.append(seam_strength(picture))
            large_enough += min(picture.shape[:2]) >= 2 * MIN_SIDE
            taken += looks_like_grid(picture)
    large = [bodies for bodies in groups.values() if len(bodies) >= 4]
    grids: list[float] = []
    found = 0
    for _ in range(options.grids):
        body = make_grid(random_.sample(random_.choice(large), 4), random_)
        picture = open_picture(body, max_side=MAX_SIDE).rgb
        grids.append(seam_strength(picture))
        found += looks_like_grid(picture)
    return {
        "benchmark": "grid",
        "singles": len(singles),
        "singles_large_enough": large_enough,
        "singles_taken_for_grids": taken,
        "grids": len(grids),
        "grids_recognised": found,
        "grids_recognised_percent": round(100 * found / len(grids), 1),
        "seam_ratio": SEAM_RATIO,
        # The choice of the ratio, sizes left aside: how many pictures of each kind reach it.
        "at_ratio": {
            f"{ratio:.2f}": {
                "singles": sum(strength >= ratio for strength in singles),
                "grids_percent": round(100 * sum(s >= ratio for s in grids) / len(grids), 1),
            }
            for ratio in (1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
        },
        "photographs": options.images is not None,
        "seed": options.seed,
        "machine": describe_machine(),
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder of photographs (made-up pictures)")
    parser.add_argument("--grids", type=int, default=600, help="grids to make (600)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the grids (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
