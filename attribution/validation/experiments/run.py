"""The whole proof, step by step; each step's results are files, and a run that was stopped goes on.

1. `corpus`: pictures, tokenizer, vocabulary. 2. `generations`: models that saw everything, a seed
each, and what they make. 3. Scores of every method, those that look inside too. 4. `removals` and
`counterfactual`: the counterfactual test. 5. `lds`. 6. `exemplars`. 7. `unlearning`: the ways of
forgetting. 8. Tables, sheets and the page.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import torch

from attribution.errors import ProofError
from attribution.evaluate.galleries import only
from attribution.ranking.gallery import Gallery
from attribution.ranking.method import RankingSetup
from attribution.validation import results
from attribution.validation.experiments import exemplars, refit
from attribution.validation.experiments.contact_sheets import sheets_of
from attribution.validation.experiments.corpus import Corpus, prepare
from attribution.validation.experiments.counterfactual import Test
from attribution.validation.experiments.generations import GeneratedQueries, generate
from attribution.validation.experiments.lds import Subsets
from attribution.validation.experiments.recognition import recognisable
from attribution.validation.experiments.removals import plan
from attribution.validation.experiments.settings import Counted, Settings
from attribution.validation.experiments.unlearning import (
    WAYS,
    UnlearningRequest,
    forget_all,
    requests_of,
    with_speedups,
)
from attribution.validation.methods import gradients
from attribution.validation.methods.rankers import WHENCE, open_rankers
from attribution.validation.methods.scores import Scored, read_scores, write_scores
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.model.sampling import TEMPERATURE
from attribution.validation.outcomes import read_outcome
from harvester.dataset.storage import Location
from harvester.distribution import VERSION

log = logging.getLogger(__name__)
T = TypeVar("T")
_ANALYSIS = 4
"""To be raised with every change of what a score or a figure is that no setting tells."""


def prove(
    wanted: ProofRequest, describe: Callable[[], tuple[Gallery, RankingSetup]], counted: Counted
) -> results.Proof:
    """Carry everything out that has no results yet, and read the rest.

    Args:
        wanted: what is asked for.
        describe: gives the datasets' candidates with their descriptors, and the method.
        counted: shows how far each step is.

    Raises:
        ProofError, CheckpointError: as the steps do.
        GalleryError, SchemaError, ShardError: if the datasets cannot be read.
    """
    with ModelPool(wanted.workers) as workers:
        return _proved(wanted, describe, counted, workers)


def _proved(
    wanted: ProofRequest,
    describe: Callable[[], tuple[Gallery, RankingSetup]],
    counted: Counted,
    workers: ModelPool,
) -> results.Proof:
    started = time.monotonic()
    settings = wanted.settings
    material = prepare(
        wanted.folders, wanted.tokenizer_folders, wanted.out, settings, counted=counted
    )
    with counted("training models that see everything", len(settings.seeds)) as counting:
        generated = generate(material, counting.advance, workers=workers)
    whole, method = describe()
    tables = _Tables(wanted.out / "results" / _key(generated, method))
    seen = tables.get("recognisable", results.Recognisable, lambda: recognisable(generated))
    gallery = _of_pictures(whole, material)
    scored = _scored(tables.path("scores"), generated, gallery, method, counted)
    planned = plan(generated, {name: scored.by_arm[name] for name in scored.arms})
    proof = replace(_known(tables), told=provenance_of(wanted, material, method), recognisable=seen)
    if "counterfactual" in wanted.parts:
        proof = _tested(proof, tables, Test(generated, planned), counted, workers)
    if "lds" in wanted.parts:
        proof = replace(
            proof,
            datamodelling=_datamodelling(tables, generated, scored, counted, workers),
        )
    if "exemplars" in wanted.parts:
        found = tables.get(
            "exemplars",
            results.ExemplarFound,
            lambda: _exemplars(generated, whole, method, counted),
        )
        proof = replace(proof, exemplars=found)
    if "forgetting" in wanted.parts:
        first = planned.arms[next(arm for arm in planned.arms if arm.name == "whence")]
        seed = settings.seeds[0]
        requests = requests_of(generated, first[seed].removed)
        asked = UnlearningRequest(material, generated.models[seed], requests)
        proof = replace(proof, forgetting=_forgetting(tables, asked, counted, workers))
    took = {
        "seconds of this call": f"{time.monotonic() - started:,.0f}",
        "seconds of one core in training": f"{trained_seconds(wanted.out):,.0f}",
    }
    return replace(proof, told=proof.told | took)


def _known(tables: _Tables) -> results.Proof:
    """What earlier calls found: parts that are not wanted now stay in the report."""
    return results.Proof(
        told={},
        effects=tables.read("effects", results.Effect),
        random=tables.read("random", results.RandomEffect),
        paired=tables.read("paired", results.Paired),
        datamodelling=tables.read("datamodelling", results.Datamodelling),
        exemplars=tables.read("exemplars", results.ExemplarFound),
        forgetting=_forgot(tables),
        refitted=results.read_rows(tables.folder / refit.REFITTED, results.Refitted),
        sheets=tables.read("sheets", results.Sheet),
    )


def _tested(
    proof: results.Proof, tables: _Tables, test: Test, counted: Counted, workers: ModelPool
) -> results.Proof:
    with counted("training without what arms name", len(test.planned.removals)) as counting:
        test.run(counting.advance, workers=workers)
    return replace(
        proof,
        effects=tables.get("effects", results.Effect, test.effects),
        random=tables.get("random", results.RandomEffect, test.random),
        paired=tables.get("paired", results.Paired, test.paired),
        sheets=tables.get("sheets", results.Sheet, lambda: sheets_of(test)),
    )


def _datamodelling(
    tables: _Tables,
    generated: GeneratedQueries,
    scored: Scored,
    counted: Counted,
    workers: ModelPool,
) -> tuple[results.Datamodelling, ...]:
    subsets = Subsets(generated)
    both = len(subsets.removals) + len(subsets.again)
    with counted("training on halves", both) as counting:
        subsets.run(counting.advance, workers=workers)
    # Of whence, the score that people are shown.
    methods = scored.by_arm | {WHENCE: scored.by_arm[results.SCORE]}
    del methods[results.SCORE]
    tables.get("halves", refit.Halves, lambda: [refit.halves_of(generated, subsets.removals)])
    return tables.get(
        "datamodelling",
        results.Datamodelling,
        lambda: subsets.scores(methods, scored.seconds, list(gradients.METHODS)),
    )


class _Tables:
    """Rows that are read where they were written before, and else made and written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def read(self, name: str, kind: type[T]) -> tuple[T, ...]:
        return results.read_rows(self.path(name), kind)

    def get(self, name: str, kind: type[T], make: Callable[[], Sequence[T]]) -> tuple[T, ...]:
        found = self.read(name, kind)
        if not found:
            found = tuple(make())
            if found:
                results.write_rows(self.path(name), found)
        return found


def _key(generated: GeneratedQueries, method: RankingSetup) -> str:
    """A folder's name for results: other prompts, seeds, removals or rankings have their own."""
    pictures = generated.material.pictures
    told = json.dumps(
        [
            generated.material.base,
            pictures.creators,
            pictures.categories,
            asdict(generated.material.settings),
            method.described,
            VERSION,
            _ANALYSIS,
        ]
    )
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _of_pictures(gallery: Gallery, material: Corpus) -> Gallery:
    row_of = {name: row for row, name in enumerate(gallery.ids)}
    missing = sorted(set(material.pictures.ids) - row_of.keys())
    if missing:
        raise ProofError(
            f"expected descriptors of all {len(material.pictures):,} pictures, found "
            f"{len(material.pictures) - len(missing):,}, without {missing[0][:20]} and so on; "
            "leave the datasets as they are while it runs, and run the same command again"
        )
    return only(gallery, [row_of[name] for name in material.pictures.ids])


def _scored(
    path: Path,
    generated: GeneratedQueries,
    gallery: Gallery,
    method: RankingSetup,
    counted: Counted,
) -> Scored:
    """Every method's scores of every picture for every query."""
    if path.exists():
        return read_scores(path)
    with counted("asking every arm", len(generated.seed)) as counting:
        scored = open_rankers(gallery, method).score(
            list(generated.pixels), generated.captions, step=counting.advance
        )
    models = [trained.model for _, trained in sorted(generated.models.items())]
    with counted("asking methods that look inside", len(gradients.METHODS)) as counting:
        for name, score in gradients.METHODS.items():
            begun = time.monotonic()
            scored.by_arm[name] = score(models, generated.material.data, *generated.tokens)
            scored.seconds[name] = (time.monotonic() - begun) / len(generated.seed)
            counting.advance()
    write_scores(path, scored)
    return scored


def _exemplars(
    generated: GeneratedQueries, gallery: Gallery, method: RankingSetup, counted: Counted
) -> list[results.ExemplarFound]:
    chosen = exemplars.choose_exemplars(generated, frozenset(gallery.ids))
    if not len(chosen):
        log.warning("no exemplar test: no picture is left of the categories that models learn from")
        return []
    with counted("tuning on exemplars", len(chosen)) as counting:
        tuned = exemplars.tune(generated, chosen, counting.advance)
    known = exemplars.searched(generated, chosen, frozenset(gallery.ids))
    rows = [row for row, name in enumerate(gallery.ids) if name in known]
    searched = only(gallery, rows)
    with counted("asking every arm for exemplars", len(chosen)) as counting:
        told = open_rankers(searched, method).score(
            list(tuned.pixels), tuned.captions, step=counting.advance
        )
    return exemplars.found(tuned, searched.ids, {one: told.by_arm[one] for one in told.arms})


def _forgetting(
    tables: _Tables, asked: UnlearningRequest, counted: Counted, workers: ModelPool
) -> tuple[results.Forgot, ...]:
    missing = tuple(way for way in WAYS if not tables.path(f"forgetting-{way}").exists())
    with counted("forgetting in every way", len(missing)) as counting:
        for rows in forget_all(asked, missing, workers):
            results.write_rows(tables.path(f"forgetting-{rows[0].way}"), rows)
            counting.advance()
    return _forgot(tables)


def _forgot(tables: _Tables) -> tuple[results.Forgot, ...]:
    """What each way that was carried out has done."""
    ways = [tables.read(f"forgetting-{way}", results.Forgot) for way in WAYS]
    return tuple(with_speedups([row for rows in ways for row in rows]))


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


def trained_seconds(out: Path) -> float:
    """Seconds of one core that all trainings of a run took, whenever that was."""
    found = [path for name in ("bases", "outcomes") for path in (out / name).glob("*.parquet")]
    return sum(read_outcome(path).seconds for path in found)


def provenance_of(wanted: ProofRequest, material: Corpus, method: RankingSetup) -> dict[str, str]:
    """What a person needs to get the same figures."""
    settings = wanted.settings
    packages = ("torch", "transformers", "vector-quantize-pytorch", "tokenizers")
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
        "versions": ", ".join(
            [f"whence {VERSION}", *(f"{name} {version(name)}" for name in packages)]
        ),
        "machine": f"Python {platform.python_version()}, {platform.machine()}",
    }


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
