"""Files that the package carries: weights, and what was fitted on them."""

from __future__ import annotations

from pathlib import Path


def packaged(name: str) -> Path:
    """The path of a file that came with the package; see `weights/README.md`."""
    return Path(__file__).with_name("weights") / name
