"""Gathers the pictures behind the shipped background: what unrelated pictures look like.

    python -m data.make_background OUT FOLDER...

Each FOLDER is one unpacked package of Debian 12, named after it: `dpkg-deb -x FILE NAME`. Packages
and versions stand in `background_sources.py`, all of them of Debian's main section; a folder of
another name is refused, and a package that is not given is left out and said. OUT receives

- `PACKAGE/NAME.jpg`: the pictures, at most 512 pixels a side;
- `pictures.json`: for each its package, path inside it, sha256 there, kind and side;
- `split.json`: picture → `background` (about 60 %) or `fit` (about 40 %, for fitting weights). A
  series, a folder of one subject and pictures that are near by PDQ stay on one side;
- `sources.json`: package → version, number of pictures by kind, sha256 of its copyright file.

The same packages give the same files. Left out are pictures that are small, long and thin, nearly
flat, mostly ground or of few colours (icons), and those that are, in any of the eight turns, near
another one or one of `data/sample`; of GCompris, where the sample comes from, its series as well.
But: kinds are set for whole folders by hand, and a few pictures are of another kind than theirs.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.hashes import BITS, dihedral, hamming, pack
from data.background_sources import SOURCES, Folder
from data.sample_rcc import read_rcc
from harvester.pictures.decode import PictureError, compute_hashes, encode_jpeg, open_picture

SAMPLE = Path(__file__).parent / "sample"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
MAX_SIDE = 512
JPEG_QUALITY = 90
MIN_SIDE = 128
MAX_ASPECT = 2.6
MIN_BYTES = 4_000
MIN_CONTRAST = 16.0
"""Standard deviation of the grey values."""

MIN_QUALITY = 50
"""PDQ's own; below it the hash of a picture means nothing."""

NEAR = 60
"""Bits of PDQ's 256; up to here two pictures are one."""

ALIKE = 84
"""Bits of PDQ's 256; up to here two pictures stay on one side of the split."""

SHARE = 0.6
"""Of the pictures, for the background."""

CHUNK = 32
"""Files that are looked at before it is asked whether there are enough."""


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that may be taken.

    Attributes:
        path: inside its package, `/` between folders.
        turns: PDQ hashes of its eight turns, itself first.
    """

    package: str
    path: str
    kind: str
    sha256: str
    turns: tuple[str, ...]
    rgb: NDArray[np.uint8] = field(repr=False)

    @property
    def name(self) -> str:
        """The file's name in OUT, unique by the first digits of its sha256."""
        stem = re.sub(r"[^a-z0-9]+", "-", Path(self.path).stem.lower()).strip("-")
        return f"{self.package}/{stem}-{self.sha256[:8]}.jpg"

    @property
    def series(self) -> str:
        """What pictures of one subject share: their folder, and their name without its number."""
        stem = re.split(r"[\d_.-]", Path(self.path).stem.lower())[0]
        return f"{self.package}/{Path(self.path).parent}/{stem}"


def list_pictures(root: Path, folder: Folder) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The picture files of one folder of a package, by path, and how to read each."""
    for path in sorted(root.glob(folder.glob)):
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix == ".rcc":
            for name, body in read_rcc(path).items():
                if Path(name).suffix in SUFFIXES:
                    yield name, partial(bytes, body)
        elif path.suffix.lower() in SUFFIXES and path.stat().st_size >= MIN_BYTES:
            yield path.relative_to(root).as_posix(), path.read_bytes


def examine(package: str, path: str, read: Callable[[], bytes], folder: Folder) -> Found | None:
    """A picture that is fit for the background, or None."""
    body = read()
    try:
        picture = open_picture(body, max_side=MAX_SIDE)
    except PictureError:
        return None
    short, long = sorted((picture.width, picture.height))
    if short < MIN_SIDE or long > MAX_ASPECT * short:
        return None
    grey = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY)
    ground = np.bincount(grey.ravel(), minlength=256).max() / grey.size
    coarse = cv2.resize(picture.rgb, (64, 64), interpolation=cv2.INTER_AREA) // 8
    colours = len(np.unique(coarse.reshape(-1, 3), axis=0))
    if grey.std() < MIN_CONTRAST or ground > folder.ground or colours < folder.colours:
        return None
    if compute_hashes(picture.rgb).pdq_quality < MIN_QUALITY:
        return None
    digest = hashlib.sha256(body).hexdigest()
    pdq = tuple(compute_hashes(turned).pdq for turned in dihedral(picture.rgb))
    return Found(package, path, folder.kind, digest, pdq, picture.rgb)


def gather(root: Path) -> list[Found]:
    """The fit pictures of one unpacked package; of each folder as many as the table allows."""
    taken: list[Found] = []
    excluded = _sample_paths()
    with ThreadPoolExecutor(2) as pool:
        for folder in SOURCES[root.name].folders:
            files = [
                (path, read)
                for path, read in list_pictures(root, folder)
                if not re.search(folder.without, path) and not path.endswith(excluded)
            ]
            # By their sha256: an even choice out of all paths, and the same one each time.
            files.sort(key=lambda file: hashlib.sha256(file[0].encode()).digest())
            most = len(taken) + folder.most
            for chunk in (files[at : at + CHUNK] for at in range(0, len(files), CHUNK)):
                jobs = [pool.submit(examine, root.name, *file, folder) for file in chunk]
                taken += [found for job in jobs if (found := job.result())]
                if len(taken) >= most:
                    break
            taken = taken[:most]
            print(f"{root.name}: {folder.glob}: {len(files)} files, {len(taken)} pictures so far")
    return taken


def drop_near(pictures: Sequence[Found], known: Sequence[str]) -> list[Found]:
    """The pictures of which no earlier one, nor a known PDQ hash, is near in any of eight turns."""
    seen, _ = pack(known, BITS["pdq"])
    kept = []
    for picture in pictures:
        turns, _ = pack(picture.turns, BITS["pdq"])
        if not len(seen) or hamming(turns, seen).min() > NEAR:
            kept.append(picture)
            seen = np.concatenate([seen, turns[:1]])
    return kept


def split(pictures: Sequence[Found]) -> dict[str, str]:
    """Each picture's side, by name; what is alike stays together, and each kind is parted alike."""
    words, _ = pack((picture.turns[0] for picture in pictures), BITS["pdq"])
    group = list(range(len(pictures)))

    def head(at: int) -> int:
        while group[at] != at:
            at = group[at]
        return at

    first: dict[str, int] = {}
    for at, picture in enumerate(pictures):
        group[head(at)] = head(first.setdefault(picture.series, at))
        for near in np.flatnonzero(hamming(words[at : at + 1], words[:at])[0] <= ALIKE):
            group[head(at)] = head(int(near))
    members: dict[int, list[Found]] = defaultdict(list)
    for at, picture in enumerate(pictures):
        members[head(at)].append(picture)
    sides: dict[str, str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    # The largest first, each to the side of its kind that lacks more; sha256 puts equals in order.
    for alike in sorted(members.values(), key=lambda m: (-len(m), m[0].sha256)):
        kind = alike[0].kind
        ahead = counts[kind, "background"] * (1 - SHARE) > counts[kind, "fit"] * SHARE
        side = "fit" if ahead else "background"
        counts[kind, side] += len(alike)
        sides |= {picture.name: side for picture in alike}
    return sides


def write(out: Path, pictures: Sequence[Found], roots: Mapping[str, Path]) -> None:
    """Write the pictures and the three tables."""
    sides = split(pictures)
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for picture in pictures:
        target = out / picture.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_jpeg(picture.rgb, quality=JPEG_QUALITY))
        kinds[picture.package][picture.kind] += 1
    rows = {
        p.name: {
            "package": p.package,
            "path": p.path,
            "sha256": p.sha256,
            "kind": p.kind,
            "side": sides[p.name],
        }
        for p in pictures
    }
    sources = {
        name: {
            "version": SOURCES[name].version,
            "archive_sha256": SOURCES[name].sha256,
            "licence": SOURCES[name].licence,
            "copyright_sha256": _copyright_sha256(roots[name], name),
            "pictures": kinds[name].total(),
            "kinds": dict(sorted(kinds[name].items())),
        }
        for name in sorted(kinds)
    }
    for file, table in ("pictures", rows), ("split", sides), ("sources", sources):
        text = json.dumps(table, indent=1, sort_keys=True, ensure_ascii=False)
        (out / f"{file}.json").write_text(text + "\n", encoding="utf-8")


def _copyright_sha256(root: Path, package: str) -> str | None:
    path = root / "usr/share/doc" / package / "copyright"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _sample_paths() -> tuple[str, ...]:
    with (SAMPLE / "sources.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(row["path"].removeprefix("src/") for row in csv.DictReader(stream))


def _sample_hashes() -> list[str]:
    import pyarrow.parquet as pq  # noqa: PLC0415  # only here

    shards = sorted((SAMPLE / "candidates").rglob("*.parquet"))
    tables = [pq.read_table(shard) for shard in shards]
    return [h for t in tables if "pdq" in t.column_names for h in t["pdq"].to_pylist() if h]


def main(arguments: Sequence[str]) -> int:
    """Gather, thin out, write; returns the exit code."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    out, *folders = map(Path, arguments)
    roots = {folder.name: folder for folder in folders}
    unknown = sorted(set(roots) - set(SOURCES))
    if unknown:
        print(f"expected folders named after packages of SOURCES, found {unknown}", file=sys.stderr)
        return 2
    # In the table's order: the best pictures first, so that they are the ones that stay.
    pictures = [found for name in SOURCES if name in roots for found in gather(roots[name])]
    kept = drop_near(pictures, _sample_hashes())
    write(out, kept, roots)
    print(f"{len(kept)} pictures of {len(pictures)} fit ones; {Counter(p.kind for p in kept)}")
    print(f"not given: {', '.join(sorted(set(SOURCES) - set(roots))) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
