"""This is a whole validation run, step by step; one that was stopped goes on from its files.

1. `corpus`: pictures, tokenizers, prompts. 2. `generations`: models that saw everything, a seed
each, and what they make. 3. Scores of every method, those that look inside too. 4. `removals` and
`counterfactual`: the counterfactual test. 5. `lds`. 6. `exemplars`. 7. `unlearning`. 8. The tables
and contact sheets, from which `report` makes the page.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

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
from attribution.validation.experiments.halves import Halves, halves_of
from attribution.validation.experiments.lds import Subsets
from attribution.validation.experiments.recognition import recognisable
from attribution.validation.experiments.removals import plan
from attribution.validation.experiments.request import ProofRequest, provenance_of
from attribution.validation.experiments.settings import Counted
from attribution.validation.experiments.unlearning import (
    UNLEARNERS,
    UnlearningRequest,
    forget_all,
    requests_of,
    with_speedups,
)
from attribution.validation.methods import gradients
from attribution.validation.methods.rankers import WHENCE, open_rankers
from attribution.validation.methods.scores import Scored, read_scores, write_scores
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.outcomes import read_outcome
from harvester.distribution import VERSION

log = logging.getLogger(__name__)
T = TypeVar("T")
_ANALYSIS = 4
"""To be raised with every change of what a score or a figure is that no setting tells."""


def prove(
    request: ProofRequest, describe: Callable[[], tuple[Gallery, RankingSetup]], counted: Counted
) -> results.Proof:
    """Carry everything out that has no results yet, and read the rest.

    Args:
        request: what is asked for.
        describe: gives the datasets' candidates with their descriptors, and the method.
        counted: shows how far each step is.

    Raises:
        ProofError, CheckpointError: as the steps do.
        GalleryError, SchemaError, ShardError: if the datasets cannot be read.
    """
    with ModelPool(request.workers) as workers:
        return _proved(request, describe, counted, workers)


def _proved(
    request: ProofRequest,
    describe: Callable[[], tuple[Gallery, RankingSetup]],
    counted: Counted,
    workers: ModelPool,
) -> results.Proof:
    started = time.monotonic()
    settings = request.settings
    corpus = prepare(
        request.folders, request.tokenizer_folders, request.out, settings, counted=counted
    )
    with counted("training models that see everything", len(settings.seeds)) as counting:
        generated = generate(corpus, counting.advance, workers=workers)
    whole, setup = describe()
    tables = _Tables(request.out / "results" / _key(generated, setup))
    seen = tables.get("recognisable", results.Recognisable, lambda: recognisable(generated))
    gallery = _of_pictures(whole, corpus)
    scored = _scored(tables.path("scores"), generated, gallery, setup, counted)
    planned = plan(generated, {name: scored.by_arm[name] for name in scored.arms})
    proof = replace(_known(tables), told=provenance_of(request, corpus, setup), recognisable=seen)
    if "counterfactual" in request.parts:
        proof = _tested(proof, tables, Test(generated, planned), counted, workers)
    if "lds" in request.parts:
        proof = replace(
            proof,
            datamodelling=_datamodelling(tables, generated, scored, counted, workers),
        )
    if "exemplars" in request.parts:
        exemplar_rows = tables.get(
            "exemplars",
            results.ExemplarFound,
            lambda: _exemplars(generated, whole, setup, counted),
        )
        proof = replace(proof, exemplars=exemplar_rows)
    if "forgetting" in request.parts:
        first = planned.arms[next(arm for arm in planned.arms if arm.name == "whence")]
        seed = settings.seeds[0]
        requests = requests_of(generated, first[seed].removed)
        unlearning_request = UnlearningRequest(corpus, generated.models[seed], requests)
        proof = replace(proof, forgetting=_forgetting(tables, unlearning_request, counted, workers))
    took = {
        "seconds of this call": f"{time.monotonic() - started:,.0f}",
        "seconds of one core in training": f"{trained_seconds(request.out):,.0f}",
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
    tables.get("halves", Halves, lambda: [halves_of(generated, subsets.removals)])
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
        rows = self.read(name, kind)
        if not rows:
            rows = tuple(make())
            if rows:
                results.write_rows(self.path(name), rows)
        return rows


def _key(generated: GeneratedQueries, setup: RankingSetup) -> str:
    """A folder's name for results: other prompts, seeds, removals or rankings have their own."""
    pictures = generated.corpus.pictures
    identity = json.dumps(
        [
            generated.corpus.base,
            pictures.creators,
            pictures.categories,
            asdict(generated.corpus.settings),
            setup.described,
            VERSION,
            _ANALYSIS,
        ]
    )
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def _of_pictures(gallery: Gallery, corpus: Corpus) -> Gallery:
    row_of = {name: row for row, name in enumerate(gallery.ids)}
    missing = sorted(set(corpus.pictures.ids) - row_of.keys())
    if missing:
        raise ProofError(
            f"expected descriptors of all {len(corpus.pictures):,} pictures, found "
            f"{len(corpus.pictures) - len(missing):,}, without {missing[0][:20]} and so on; "
            "leave the datasets as they are while it runs, and run the same command again"
        )
    return only(gallery, [row_of[name] for name in corpus.pictures.ids])


def _scored(
    path: Path,
    generated: GeneratedQueries,
    gallery: Gallery,
    setup: RankingSetup,
    counted: Counted,
) -> Scored:
    """Every method's scores of every picture for every query."""
    if path.exists():
        return read_scores(path)
    with counted("asking every arm", len(generated.seed)) as counting:
        scored = open_rankers(gallery, setup).score(
            list(generated.pixels), generated.captions, step=counting.advance
        )
    models = [trained.model for _, trained in sorted(generated.models.items())]
    with counted("asking methods that look inside", len(gradients.METHODS)) as counting:
        for name, score in gradients.METHODS.items():
            begun = time.monotonic()
            scored.by_arm[name] = score(models, generated.corpus.data, *generated.tokens)
            scored.seconds[name] = (time.monotonic() - begun) / len(generated.seed)
            counting.advance()
    write_scores(path, scored)
    return scored


def _exemplars(
    generated: GeneratedQueries, gallery: Gallery, setup: RankingSetup, counted: Counted
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
        scored = open_rankers(searched, setup).score(
            list(tuned.pixels), tuned.captions, step=counting.advance, timed=False
        )
    return exemplars.rank_exemplars(
        tuned, searched.ids, {arm: scored.by_arm[arm] for arm in scored.arms}
    )


def _forgetting(
    tables: _Tables, request: UnlearningRequest, counted: Counted, workers: ModelPool
) -> tuple[results.Forgot, ...]:
    missing = tuple(name for name in UNLEARNERS if not tables.path(f"forgetting-{name}").exists())
    with counted("forgetting in every way", len(missing)) as counting:
        for rows in forget_all(request, missing, workers):
            results.write_rows(tables.path(f"forgetting-{rows[0].way}"), rows)
            counting.advance()
    return _forgot(tables)


def _forgot(tables: _Tables) -> tuple[results.Forgot, ...]:
    """What each unlearner that was run has done."""
    by_unlearner = [tables.read(f"forgetting-{name}", results.Forgot) for name in UNLEARNERS]
    return tuple(with_speedups([row for rows in by_unlearner for row in rows]))


def trained_seconds(out: Path) -> float:
    """Seconds of one core that all trainings of a run took, whenever that was."""
    paths = [path for name in ("bases", "outcomes") for path in (out / name).glob("*.parquet")]
    return sum(read_outcome(path).seconds for path in paths)
