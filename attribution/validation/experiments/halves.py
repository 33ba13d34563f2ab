"""These are the halves of a run, read back: subsets of its pictures, and what their models became.

`attribute validate run --part lds` leaves them in the run's folder, and `refit` learns weights from
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attribution.errors import ProofError
from attribution.validation.methods.scores import Scored, read_scores
from attribution.validation.outcomes import read_outcome
from attribution.validation.results import LOG_ODDS, read_rows
from harvester.sanitize import clean

if TYPE_CHECKING:
    from attribution.validation.experiments.generations import GeneratedQueries
    from attribution.validation.experiments.retraining import Removal


HALVES = "halves.parquet"
"""Among a run's results."""


@dataclass(frozen=True, slots=True)
class Halves:
    """What a run's halves are, and what was asked of them; one row, beside the run's scores.

    Attributes:
        pictures: digest of what was learnt from.
        ids: of the pictures, in the order of the scores' columns.
        prompts: of the run's queries, in the order of the scores' rows; empty for queries of other
            seeds than the halves', which were not asked.
        outcomes: names of the files that say what became of each half's model.
    """

    pictures: str
    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    outcomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HalvesRun:
    """A run's halves and what became of them, and what every arm says of its pictures.

    Attributes:
        results: the folder of its results.
        kept: (m, n) bool, which pictures each half has.
        losses: (q, m) float32 of the queries that were asked, nats a token.
        seed: of the halves' training.
    """

    name: str
    results: Path
    halves: Halves
    kept: NDArray[np.bool_]
    losses: NDArray[np.float32]
    seed: int
    scored: Scored

    @property
    def query_rows(self) -> NDArray[np.int64]:
        """(q,) rows of the scores."""
        return np.flatnonzero([bool(prompt) for prompt in self.halves.prompts])


def halves_of(generated: GeneratedQueries, removals: Sequence[Removal]) -> Halves:
    """What is to be written down of a run's halves.

    Args:
        generated: of the run.
        removals: what each half leaves out, all of one seed.
    """
    pictures, probe = generated.corpus.pictures, generated.probe()
    queries = zip(generated.captions, generated.seed.tolist(), strict=True)
    return Halves(
        pictures=pictures.digest,
        ids=pictures.ids,
        prompts=tuple(caption if seed == removals[0].seed else "" for caption, seed in queries),
        outcomes=tuple(probe.path(removal).name for removal in removals),
    )


def open_run(folder: Path) -> HalvesRun:
    """What `attribute validate run --part lds` left in a folder.

    Raises:
        ProofError: if there are no halves, several sets of them, or files that do not fit.
    """
    name = clean(str(folder))
    paths = sorted(folder.glob(f"results/*/{HALVES}"))
    if not paths:
        raise ProofError(
            f"{name}: expected the results of `attribute validate run DATASET --part lds --out "
            f"{name}`, found none; run that first"
        )
    if len(paths) > 1:
        folders = clean(", ".join(one.parent.name for one in paths))
        raise ProofError(
            f"{name}: expected one set of halves, found {len(paths)}, in {folders}; delete all but "
            "one of these folders in results/"
        )
    results = paths[0].parent
    rows = read_rows(paths[0], Halves)
    halves = rows[0] if len(rows) == 1 else Halves("", (), (), ())
    models = [read_outcome(folder / "outcomes" / Path(one).name) for one in halves.outcomes]
    scored = read_scores(results / "scores.parquet")
    shape = len(halves.prompts), len(halves.ids)
    fits = [{one.shape for one in (*scored.by_arm.values(), *scored.z.values())} == {shape}]
    fits += [{LOG_ODDS, "image", "text"} <= scored.by_arm.keys(), len({*halves.ids}) == shape[1]]
    fits += [len({one.seed for one in models}) == 1]
    fits += [one.query_losses.shape == shape[:1] for one in models]
    fits += [{*one.removed} <= {*halves.ids} for one in models]
    if not all(fits):
        raise ProofError(
            f"{name}: expected halves, scores and outcomes of one run, found some of others; "
            "delete its folder results/ and run it again"
        )
    kept = np.array([np.isin(halves.ids, one.removed, invert=True) for one in models])
    is_asked = [bool(prompt) for prompt in halves.prompts]
    losses = np.stack([one.query_losses[is_asked] for one in models], axis=1)
    return HalvesRun(folder.resolve().name, results, halves, kept, losses, models[0].seed, scored)
