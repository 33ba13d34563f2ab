"""How often unrelated pictures are called near copies, and how often edited ones are found.

Every fifth picture is compared, in its eight turns, with every other one; what comes within PDQ's
threshold is named, to be looked at, since sets of photographs hold real copies. Then each chosen
picture is edited and compared with itself::

    python benchmarks/near_copies.py --images photos
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from machine import describe_machine, print_figures
from numpy.typing import NDArray
from pictures import find_photographs, make_pictures

from attribution.descriptors.hashes import BITS, PDQ_QUALITY, dihedral, hamming, pack
from harvester.pictures.decode import compute_hashes, open_picture

MATCH = 31
Picture = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder of photographs; else made ones")
    parser.add_argument("--count", type=int, default=600, help="pictures to make without --images")
    parser.add_argument("--edited", type=int, default=200, help="pictures to edit")
    parser.add_argument("--seed", type=int, default=1, help="of the choice and the noise")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    names, pictures = read(options.images, options.count, options.seed)
    figures = {
        "machine": describe_machine(),
        "pictures": len(pictures),
        "null": null(names, pictures),
        "found": found(pictures, options.edited, options.seed),
    }
    print_figures(figures, as_json=options.json)


def read(folder: Path | None, count: int, seed: int) -> tuple[list[str], list[Picture]]:
    """Pictures with their names."""
    if folder is None:
        made = list(make_pictures(count, seed))
        return [str(number) for number in range(len(made))], made
    paths = find_photographs(folder)
    return (
        [str(path.relative_to(folder)) for path in paths],
        [open_picture(path.read_bytes()).rgb for path in paths],
    )


def null(names: list[str], pictures: list[Picture]) -> Mapping[str, Any]:
    """Distances between different pictures; the pairs within the threshold by name."""
    hashes = [compute_hashes(picture) for picture in pictures]
    words, _ = pack([one.pdq for one in hashes], BITS["pdq"])
    trusted = np.array([one.pdq_quality >= PDQ_QUALITY for one in hashes])
    distances, near = [], []
    for row in range(0, len(pictures), 5):
        if not trusted[row]:
            continue
        turns, _ = pack([compute_hashes(t).pdq for t in dihedral(pictures[row])], BITS["pdq"])
        distance = hamming(turns, words).min(axis=0)
        others = trusted.copy()
        others[row] = False
        distances.append(distance[others])
        near += [
            f"{int(distance[other])} {names[row]} ~ {names[other]}"
            for other in np.flatnonzero(others & (distance <= MATCH))
        ]
    values = np.sort(np.concatenate(distances))
    return {
        "pairs": len(values),
        "quality enough": round(float(trusted.mean()), 4),
        "mean": round(float(values.mean()), 1),
        "deviation": round(float(values.std()), 1),
        "nearest": " ".join(str(int(value)) for value in values[:30]),
        "within the threshold": len(near),
        **{f"  {number}": pair for number, pair in enumerate(sorted(near), 1)},
    }


def found(pictures: list[Picture], count: int, seed: int) -> Mapping[str, float]:
    """Of each edit, the share of pictures that is still a near copy of the original."""
    chosen = np.random.default_rng(seed).permutation(len(pictures))[:count]
    shares = {}
    for name, edit in edits(seed).items():
        hits = []
        for number in chosen:
            original = compute_hashes(pictures[number])
            turned = dihedral(np.ascontiguousarray(edit(pictures[number])))
            hashes = [compute_hashes(turn) for turn in turned]
            words, _ = pack([one.pdq for one in hashes], BITS["pdq"])
            distance = hamming(words, pack([original.pdq], BITS["pdq"])[0]).min()
            enough = min(original.pdq_quality, hashes[0].pdq_quality) >= PDQ_QUALITY
            hits.append(enough and distance <= MATCH)
        shares[name] = round(float(np.mean(hits)), 3)
    return shares


def edits(seed: int) -> Mapping[str, Callable[[Picture], Picture]]:
    """Named edits of (h, w, 3) pictures."""
    noise = np.random.default_rng(seed)

    def crop(share: float) -> Callable[[Picture], Picture]:
        def cut(picture: Picture) -> Picture:
            height, width = (round(side * share / 2) for side in picture.shape[:2])
            return picture[height : picture.shape[0] - height, width : picture.shape[1] - width]

        return cut

    def compress(picture: Picture) -> Picture:
        return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1)

    def grain(picture: Picture) -> Picture:
        return np.clip(picture + noise.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)

    return {
        "JPEG 30": compress,
        "half size": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "brighter": lambda p: cv2.convertScaleAbs(p, alpha=1.2, beta=20),
        "blur, sigma 2": lambda p: cv2.GaussianBlur(p, (0, 0), 2),
        "noise, sigma 12": grain,
        "mirrored": lambda p: p[:, ::-1],
        "turned": np.rot90,
        "crop 2 %": crop(0.02),
        "crop 5 %": crop(0.05),
        "crop 10 %": crop(0.10),
    }


if __name__ == "__main__":
    main()
