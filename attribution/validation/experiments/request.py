"""This is the request for a run, and the provenance by which a person can repeat it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from attribution.ranking.method import RankingSetup
from attribution.validation.experiments.corpus import Corpus
from attribution.validation.experiments.settings import Settings
from attribution.validation.model.sampling import TEMPERATURE
from harvester.dataset.storage import Location
from harvester.distribution import VERSION


@dataclass(frozen=True)
class ProofRequest:
    """What a proof is made of.

    Attributes:
        folders: datasets that models learn from; tokenizer_folders: for the tokenizer alone.
        out: the run's folder.
        command: how a person would repeat it.
        parts: what is to be found out: counterfactual, lds, exemplars, forgetting.
    """

    folders: Sequence[Location]
    tokenizer_folders: Sequence[Location]
    out: Path
    settings: Settings
    command: str
    workers: int | None
    parts: frozenset[str]


def provenance_of(request: ProofRequest, corpus: Corpus, setup: RankingSetup) -> dict[str, str]:
    """What a person needs to get the same figures."""
    settings = request.settings
    packages = ("torch", "transformers", "vector-quantize-pytorch", "tokenizers")
    return {
        "command": request.command,
        "pictures": f"{len(corpus.pictures):,}, sha256 {corpus.pictures.digest[:16]}",
        "pictures of the tokenizer": f"{len(corpus.others):,}",
        "tokenizer": corpus.data.tokenizer[:16],
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
        "method": setup.described,
        "versions": ", ".join(
            [f"whence {VERSION}", *(f"{name} {version(name)}" for name in packages)]
        ),
        "machine": f"Python {platform.python_version()}, {platform.machine()}",
    }


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
