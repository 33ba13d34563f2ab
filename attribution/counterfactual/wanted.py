"""What a proof is asked for, how its progress is shown, and what a person needs to repeat it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import torch

from attribution.counterfactual.material import Material
from attribution.counterfactual.model.sampling import TEMPERATURE
from attribution.counterfactual.outcomes import read_outcome
from attribution.counterfactual.settings import Settings
from attribution.method import Method
from harvester.places import Place


class Counter(Protocol):
    """Shows how far some work is."""

    def advance(self, done: int | None = None, total: int | None = None) -> None:
        """One more is done, or so many of so many."""
        ...


Counted = Callable[[str | Callable[[], str], int | None], AbstractContextManager[Counter]]
"""What is being done and how much there is → something that shows how far it is."""


@dataclass(frozen=True)
class Wanted:
    """What a proof is made of.

    Attributes:
        folders: datasets that models learn from; tokenizer_folders: for the tokenizer alone.
        out: the run's folder.
        command: how a person would repeat it.
        parts: what is to be found out: counterfactual, lds, exemplars, forgetting.
    """

    folders: Sequence[Place]
    tokenizer_folders: Sequence[Place]
    out: Path
    settings: Settings
    command: str
    workers: int | None
    parts: frozenset[str]


def trained_seconds(out: Path) -> float:
    """Seconds of one core that all trainings of a run took, whenever that was."""
    found = [path for name in ("bases", "outcomes") for path in (out / name).glob("*.parquet")]
    return sum(read_outcome(path).seconds for path in found)


def told_of(wanted: Wanted, material: Material, method: Method) -> dict[str, str]:
    """What a person needs to get the same figures."""
    settings = wanted.settings
    packages = ("whence", "torch", "transformers", "vector-quantize-pytorch", "tokenizers")
    return {
        "command": wanted.command,
        "pictures": f"{len(material.pictures):,}, sha256 {material.pictures.digest[:16]}",
        "pictures of the tokenizer": f"{len(material.others):,}",
        "tokenizer": material.data.tokenizer[:16],
        "seeds": ", ".join(map(str, settings.seeds)),
        "model": f"width {settings.recipe.width}, depth {settings.recipe.depth}, "
        f"{settings.recipe.steps:,} steps of {settings.recipe.batch}, "
        f"{'GPU' if torch.cuda.is_available() else 'CPU'}",
        "prompts": f"{settings.prompts}, of the datamodeling score {settings.subset_prompts}; "
        f"temperature {TEMPERATURE}",
        "removed": f"K of {_listed(settings.ks)} (channels: {_listed(settings.channel_ks)}); at "
        f"random {', '.join(f'{share:.0%}' for share in settings.random_shares)}; "
        f"{settings.subsets} subsets of {settings.subset_share:.0%}",
        "SISA": f"{settings.shards} shards of {settings.slices} slices, "
        f"{settings.sisa_effort} times the steps",
        "method": method.described,
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "machine": f"Python {platform.python_version()}, {platform.machine()}",
    }


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
