"""What kind a test is: by the folder that its file is in, and by what importing its file imports.

`unit`, `golden`, `integration`, `e2e`: the first folder below `tests`. `torch`: the file imports
torch, itself or through what it tests, which takes seconds before the first test runs; a selection
`-m "not torch"` does not import it. A test whose code imports torch only when it is called, and a
unit test that starts a process (`subprocess`), say so by a mark; `conftest` sees that they do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.checkout import ROOT

KINDS = ("unit", "golden", "integration", "e2e")

_LONGEST = ("test_validate", "test_evidence", "test_main_job", "test_evaluate")
"""Files with tests of half a minute and more on two cores, the longest first."""

_OURS = ("attribution", "harvester", "tests", "cli")
_SLOW = frozenset(
    "test_background test_canonical_url test_comparison test_crop_resistant test_datamodeling "
    "test_hostile_shards test_precedence test_rankers test_ranking test_refit test_report "
    "test_removal_effects test_verification".split()
)
"""Files whose tests take ten seconds and more together; `make quick` leaves them out."""
_HEAVY = frozenset({"torch", "torchvision", "timm", "open_clip", "transformers", "imagededup"})
_IMPORT = re.compile(r"^(?:from +([\w.]+) +import +(\([^)]*\)|.*)|import +(.*))$", re.MULTILINE)
"""At the beginning of a line: what is imported inside a function is not imported with the file."""


def kind_of(path: Path) -> str | None:
    """The kind of a test's file; None of another folder's."""
    below = path.relative_to(ROOT / "tests").parts
    return below[0] if below[0] in KINDS else None


def turn_of(path: Path) -> int:
    """Whose turn it is, the longest first: begun last, one alone would keep a core when all ended.

    Who runs out of work then takes the short ones from the end of another's (`--dist worksteal`).
    """
    if path.stem in _LONGEST:
        return _LONGEST.index(path.stem)
    return len(_LONGEST) + (kind_of(path) != "e2e") + (not needs_torch(path))


def is_slow(path: Path) -> bool:
    """Whether a file's tests take seconds each."""
    return path.stem in _SLOW


@cache
def needs_torch(path: Path) -> bool:
    """Whether importing a file imports torch."""
    seen, waiting = {path}, [path]
    while waiting:
        for name in _imported(waiting.pop()):
            top = name.partition(".")[0]
            if top in _HEAVY or name.startswith("safetensors.torch"):
                return True
            fresh = set(_files(name)) - seen if top in _OURS else ()
            seen.update(fresh)
            waiting.extend(fresh)
    return False


@cache
def _imported(path: Path) -> tuple[str, ...]:
    """Names of modules, and of what is taken out of them, which may be modules too."""
    found: dict[str, None] = {}
    for module, taken, plain in _IMPORT.findall(path.read_text("utf-8")):
        names = re.findall(r"[\w.]+", re.sub(r"#.*| as \w+", "", taken or plain))
        if module:
            found[module] = None
        found |= dict.fromkeys(f"{module}.{name}" if module else name for name in names)
    return tuple(found)


def _files(name: str) -> Iterator[Path]:
    """The file of a module, if it is one of ours."""
    for path in (ROOT.joinpath(*name.split(".")), *ROOT.joinpath(*name.split(".")).parents):
        if path == ROOT:
            return
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                yield file


class Times:
    """How long tests took, in all, by kind and mark."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._tests: dict[str, set[str]] = defaultdict(set)

    def add(self, node: str, marks: dict[str, object], seconds: float) -> None:
        """One phase of a test."""
        for name in (*KINDS, "torch", "subprocess"):
            if name in marks:
                self._seconds[name] += seconds
                self._tests[name].add(node)

    def lines(self) -> list[str]:
        """A line a kind; a test that has a mark as well counts there too."""
        return [
            f"{name:<12}{len(tests):>6,} tests {self._seconds[name]:>9,.1f} s"
            for name, tests in self._tests.items()
        ]
