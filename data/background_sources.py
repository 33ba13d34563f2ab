"""Which folders of which packages the shipped background is gathered from: the table beside this.

Packages of Debian 12, main section; `licence` repeats the short names in each package's own
copyright file, which says what holds for which file. The order matters: of two near pictures the
earlier one stays. Kinds were set by looking at the folders.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

Kind = Literal["photo", "painting", "render", "clipart"]


@dataclass(frozen=True, slots=True)
class Folder:
    """Pictures of one kind in one package.

    Attributes:
        glob: inside the unpacked package; a Qt resource file stands for the files in it.
        most: pictures taken at most.
        without: paths that match this regular expression are left out.
        ground: the most frequent grey value's share of the picture, at most.
        colours: at least so many different ones (5 bits a channel) in the picture at 64 by 64.
    """

    glob: str
    kind: Kind
    most: int = 1_000_000
    without: str = r"(?!)"
    ground: float = 0.4
    colours: int = 120


@dataclass(frozen=True, slots=True)
class Package:
    """One package.

    Attributes:
        sha256: of the package file.
    """

    version: str
    sha256: str
    licence: str
    folders: tuple[Folder, ...]


def _read(path: Path) -> dict[str, Package]:
    """A row a folder; a package's rows stand together, and what is empty is the default."""
    found: dict[str, Package] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            told: dict[str, Any] = {
                name: read(row[name])
                for name, read in (
                    ("most", int),
                    ("without", str),
                    ("ground", float),
                    ("colours", int),
                )
                if row[name]
            }
            folder = Folder(row["glob"], cast("Kind", row["kind"]), **told)
            before = found[row["package"]].folders if row["package"] in found else ()
            found[row["package"]] = Package(
                row["version"], row["sha256"], row["licence"], (*before, folder)
            )
    return found


SOURCES: Mapping[str, Package] = _read(Path(__file__).with_suffix(".csv"))
