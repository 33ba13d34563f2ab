"""This is the refit of the fusion's weights: learnt from halves of one corpus, tried on another.

The halves are those of the linear datamodeling score (`lds`); `statistics.fit_weights` says how
weights are learnt from them. Regions, copies and the file's bias stay as they are; the text
channels have one weight together.

But: a datamodeling score here is one of influences, whose bias and scale are fitted; that of `lds`
for whence is one of the score that is shown. The two are not the same figure. A model that learnt
captions follows words more closely than one that read the web: a weight of words holds for such
models. The weights are of one training seed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attribution.calibration.fusion import NAMES_WEIGHT, TEXT_WEIGHT, WEIGHTS, Z_LIMIT, Fusion
from attribution.errors import ProofError
from attribution.validation.experiments.halves import HalvesRun
from attribution.validation.results import LOG_ODDS, Refitted
from attribution.validation.statistics.datamodeling import (
    datamodeling_difference,
    predict_outcomes,
    scores_of_foretold,
)
from attribution.validation.statistics.fit_weights import FEWEST, Cases, Floats, fit, fit_link
from attribution.validation.statistics.intervals import REPEATS, mean_known
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of
from harvester.sanitize import clean

if TYPE_CHECKING:
    pass


REFITTED = "refitted.parquet"
"""Among the results of the run that weights were tried on."""
TEXTS = "texts"
"""The feature of all words together."""
_SEED = 2


@dataclass(frozen=True, slots=True)
class Refit:
    """New weights, and how they did on pictures that they were not fitted on.

    Attributes:
        fusion: the shipped one with the new weights.
    """

    tried: Refitted
    fusion: Fusion

    @property
    def improved(self) -> bool:
        """Whether the other pictures are foretold better, chance aside."""
        return self.tried.low > 0


def cases_of(run: HalvesRun, channels: tuple[str, ...]) -> Cases:
    """A run's z by channel, and its words' log-odds last; the rest of whence's is held."""
    rows, scored = run.query_rows, run.scored
    parts = [np.clip(scored.z[name][rows], -Z_LIMIT, Z_LIMIT) for name in channels]
    whence, image, text = (
        scored.by_arm[name][rows].astype(np.float64) for name in (LOG_ODDS, "image", "text")
    )
    features = np.stack([*parts, text], axis=2).astype(np.float64)
    return Cases(features, whence - image - text, run.kept, run.losses)


def refit(fitted: HalvesRun, tried: HalvesRun, shipped: Fusion, *, repeats: int = REPEATS) -> Refit:
    """Fit weights on one run and try them on the other, beside the shipped ones.

    Raises:
        ProofError: if the runs share a picture, are too small, or know other channels.
    """
    channels = tuple(shipped.weights)
    _check(fitted, tried, channels)
    before = np.array([*shipped.weights.values(), 1.0])
    fitted_cases, tried_cases = cases_of(fitted, channels), cases_of(tried, channels)
    old = fit_link(fitted_cases, before)
    new, gains = fit(fitted_cases, before)
    weights = {name: round(float(one), 4) for name, one in zip(channels, new[2:-1], strict=True)}
    texts = {
        "bm25": round(float(new[-1]) * shipped.texts.get("bm25", TEXT_WEIGHT), 4),
        "names": round(float(new[-1]) * shipped.texts.get("names", NAMES_WEIGHT), 4),
    }
    row = try_weights(tried_cases, old, new, repeats=repeats)
    row = replace(
        row,
        fitted_on=fitted.name,
        tried_on=tried.name,
        weights=tuple(f"{name}={one:g}" for name, one in (weights | texts).items()),
    )
    provenance = {
        "halves_of": _facts_of(fitted),
        "tried_on": _facts_of(tried)
        | {
            "shipped_weights": round(row.before, 4),
            "these_weights": round(row.after, 4),
            "difference_and_interval": [round(row.difference, 4), *_rounded(row.low, row.high)],
            "improved": row.low > 0,
        },
        "started_from": shipped.digest,
        "bias_and_scale_of_the_influence": _rounded(*new[:2]),
        "held_out_gain_of_each_and_standard_error": {
            name: [round(gain, 5), round(error, 5)]
            for name, (gain, error) in zip((*channels, TEXTS), gains, strict=True)
        },
    }
    return Refit(row, replace(shipped, weights=weights, fitted_on=provenance, texts=texts))


def try_weights(cases: Cases, before: Floats, after: Floats, *, repeats: int = REPEATS) -> Refitted:
    """Mean datamodeling scores of two sets of weights, and their difference.

    The interval is that of other queries and other halves, the same for both sets of weights.
    """
    old, new = (predict_outcomes(cases.influence(beta), cases.kept) for beta in (before, after))
    difference = datamodeling_difference(new, old, cases.losses, seed=_SEED, repeats=repeats)
    first, second = (
        mean_known(scores_of_foretold(foretold, cases.losses)) for foretold in (old, new)
    )
    return Refitted("", "", first, second, difference.value, difference.low, difference.high, ())


def _rounded(*values: float) -> list[float]:
    return [round(float(value), 4) for value in values]


def _facts_of(run: HalvesRun) -> dict[str, Any]:
    return {
        "pictures": len(run.halves.ids),
        "pictures_sha256": run.halves.pictures,
        "prompts": len(run.query_rows),
        "halves": len(run.kept),
        "seed": run.seed,
    }


def _check(fitted: HalvesRun, tried: HalvesRun, channels: tuple[str, ...]) -> None:
    shared = sorted({*fitted.halves.ids} & {*tried.halves.ids})
    if shared:
        raise ProofError(
            f"expected runs without a picture in common, found {len(shared):,} in "
            f"both (such as {clean(shared[0])[:20]}); try weights on another vendor's pictures"
        )
    for run in (fitted, tried):
        if {*run.scored.z} != {*channels}:
            raise ProofError(
                f"{clean(run.name)}: expected scores of the channels {', '.join(channels)}, found "
                f"{clean(', '.join(sorted(run.scored.z))) or 'none'}; delete its folder "
                "results/ and run it again with this version"
            )
        if min(run.losses.shape) < FEWEST:
            raise ProofError(
                f"{clean(run.name)}: expected at least {FEWEST} prompts and {FEWEST} halves, found "
                f"{run.losses.shape[0]} and {run.losses.shape[1]}; run it in a larger size"
            )


def lines_of(refitted: Refit) -> list[str]:
    """What a person is told; names of runs as they came."""
    row = refitted.tried
    verdict = (
        "the other pictures are foretold better: these weights may replace the shipped ones"
        if refitted.improved
        else "no improvement beyond chance on the other pictures: the shipped weights stay"
    )
    gains = refitted.fusion.fitted_on["held_out_gain_of_each_and_standard_error"]
    return [
        f"fitted on: {row.fitted_on}",
        f"tried on: {row.tried_on}",
        "weights: " + ", ".join(row.weights),
        "held-out gain: " + ", ".join(f"{name} {one:+.4f}" for name, (one, _) in gains.items()),
        f"datamodeling score with shipped weights: {row.before:.4f}",
        f"datamodeling score with these: {row.after:.4f}",
        f"difference: {row.difference:+.4f} ({row.low:+.4f} to {row.high:+.4f})",
        verdict,
    ]


def write_fusion(path: Path, refitted: Refit) -> None:
    """Write the weights as `fusion.load_fusion` reads them.

    Raises:
        ProofError: if it cannot be written, or would replace the shipped weights by none better.
    """
    row, fusion = refitted.tried, refitted.fusion
    if path.resolve() == WEIGHTS and not refitted.improved:
        raise ProofError(
            f"{clean(str(path))}: expected weights that foretell the other pictures better, found "
            f"no improvement ({row.difference:+.4f}, {row.low:+.4f} to {row.high:+.4f}); the "
            "shipped ones stay, choose another --out"
        )
    content = {"bias": fusion.bias, "weights": fusion.weights, "regions": fusion.regions}
    content |= {"texts": fusion.texts, "fitted_on": fusion.fitted_on}
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    except OSError as exc:
        raise ProofError(
            f"{clean(str(path))}: expected to write weights, found {reason_of(exc)}"
        ) from exc
