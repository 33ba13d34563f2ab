"""These are the contact sheets of the counterfactual test: pictures before and after removals.

A sheet is of one seed. Its columns are prompts; its rows are training pictures, what was generated,
and what models without some pictures make of the same prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.validation.experiments.counterfactual import Test
from attribution.validation.experiments.removals import OWN, RANDOM, Arm, own_count
from attribution.validation.experiments.retraining import Removal
from attribution.validation.report.contact_sheet import sheet
from attribution.validation.results import Sheet

_COLUMNS = 12
_ARMS = ("whence", OWN, "without own", "text", "cosine")


def sheets_of(test: Test) -> list[Sheet]:
    """A sheet for each seed: training pictures, generated ones, and those after each removal."""
    planned = test.planned
    most = max(arm.k for arm in planned.arms if arm.name == "whence")
    sheets = []
    for seed in test.generated.corpus.settings.seeds:
        rows, labels = _before(test, seed)
        for name in _ARMS:
            arm = Arm(name, own_count(test.generated) if name == OWN else most)
            if arm in planned.arms:
                removal = planned.arms[arm][seed]
                rows.append(_generated_without(test, removal))
                labels.append(_label(arm, removal))
        about = len(planned.arms[Arm("whence", most)][seed].removed)
        for count in _around(sorted(planned.random), about):
            rows.append(_generated_without(test, planned.random[count][seed]))
            labels.append(f"without {count} at {RANDOM}")
        captions = test.generated.corpus.prompts[: len(rows[0])]
        sheets.append(
            Sheet(
                f"seed-{seed}", f"The same prompts and seed {seed}", sheet(rows, labels, captions)
            )
        )
    return sheets


def _before(test: Test, seed: int) -> tuple[list[NDArray[np.uint8]], list[str]]:
    generated = test.generated
    corpus = generated.corpus
    prompts = corpus.prompts[: min(_COLUMNS, corpus.settings.prompts)]
    own = [corpus.rows_of_caption(prompt) for prompt in prompts]
    rows, labels = [], []
    for number in range(max(len(indices) for indices in own)):
        # Where a caption has fewer, its last one stands again.
        chosen = [indices[min(number, len(indices) - 1)] for indices in own]
        rows.append(corpus.pictures.pixels[chosen])
        labels.append("training picture" if not number else f"another of the caption, {number + 1}")
    queries = np.flatnonzero(generated.seed == seed)[: len(prompts)]
    rows.append(generated.pixels[queries])
    labels.append("generated")
    return rows, labels


def _generated_without(test: Test, removal: Removal) -> NDArray[np.uint8]:
    codes = test.outcome(removal).codes[:_COLUMNS]
    return test.generated.corpus.tokenizer.decode(torch.from_numpy(codes).long())


def _label(arm: Arm, removal: Removal) -> str:
    what = {OWN: "pictures of the prompt", "without own": "whence's first others"}
    name = what.get(arm.name, f"{arm.name}'s first {arm.k}")
    return f"without {name} ({len(removal.removed)} in all)"


def _around(counts: Sequence[int], target: int) -> list[int]:
    """The random removal next to a number, and the largest."""
    near = min(counts, key=lambda count: abs(count - target))
    return sorted({near, counts[-1]})
