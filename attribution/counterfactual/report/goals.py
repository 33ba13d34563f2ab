"""What a proof has to reach, and whether it did: each goal with its figures, in words. Pure.

But: a goal that could not be decided, or whose part was not run, is never called reached; and a
mean over every K and request counts for nothing, each has to reach it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from attribution.counterfactual.report.arms import kind_of, name_of
from attribution.counterfactual.report.figures import (
    between,
    equivalent_cell,
    multiple_cell,
    number,
    percent,
    thousandths,
    times,
)
from attribution.counterfactual.results import (
    ALONE,
    AS_SHARES,
    WHOLE_ARTIST,
    Datamodelling,
    Effect,
    Forgot,
    Paired,
    Proof,
    is_shares,
)
from attribution.report.words import show_chance

RECOGNISABLE = 0.6
MULTIPLE, EXCLUDED = 20.0, 5.0
PUBLISHED_LDS = 0.06
"""CLIP's and the pixels' on CIFAR-2 at best (Zheng et al. 2024)."""
RECALL = 0.9
CHEAPER = 3.0
ALPHA = 0.05
RIVALS = ("text", "cosine", "aivalis2025")


class Status(StrEnum):
    """How far a goal is reached."""

    REACHED = "reached"
    PARTLY = "reached in part"
    MISSED = "missed"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal.

    Attributes:
        wanted: what was to be reached.
        found: the figures, in a sentence.
    """

    name: str
    wanted: str
    status: Status
    found: str


def goals_of(proof: Proof) -> tuple[Goal, ...]:
    """Every goal, whether its part was run or not."""
    return (
        _recognisable(proof),
        _multiple(proof),
        _rivals(proof),
        _datamodelling(proof),
        _exemplar(proof),
        _sisa(proof),
    )


def main_effect(proof: Proof) -> Effect | None:
    """Whence's effect at the middle of the Ks that were tried, no choice by its figures."""
    found = _whence(proof)
    return found[(len(found) - 1) // 2] if found else None


def conclusion(proof: Proof) -> str:
    """What the whole proof amounts to, in two or three sentences."""
    one = main_effect(proof)
    if one is None:
        told = (
            "No counterfactual test of whence was run: nothing here says what removing the "
            "pictures that it names does."
        )
    else:
        told = _effect_told(one)
    goals = goals_of(proof)
    counts = ((status, sum(goal.status is status for goal in goals)) for status in Status)
    counted = [f"{many} {status.value}" for status, many in counts if many]
    return f"{told} Of {len(goals)} goals: {', '.join(counted)}."


def _effect_told(one: Effect) -> str:
    first = "the picture" if one.k == 1 else f"the {one.k:,} pictures"
    each = "its prompt" if one.prompts == 1 else f"each of {one.prompts:,} prompts"
    subject = (
        f"Removing {first} that whence ranks first for {each} ({number(one.removed, 0)} in all)"
    )
    rise = f"{number(one.effect)} nats a token (95%: {between(one.low, one.high) or 'no interval'})"
    if not math.isfinite(one.effect):
        return f"{subject} was tried, but no effect was measured."
    if not one.low > 0:
        return f"{subject} raises the model's loss by {rise}, which cannot be told from nothing."
    cell, multiple = equivalent_cell(one), multiple_cell(one)
    if not math.isfinite(one.equivalent):
        return (
            f"{subject} raises the model's loss by {rise}. Nothing was removed at random to hold "
            "that against."
        )
    if one.at_least:
        return (
            f"{subject} does no less to the model than removing {number(one.equivalent, 0)} at "
            f"random, the most that was tried: {multiple.text} as many or more."
        ).replace("≥ ", "")
    return (
        f"{subject} does to the model what removing {cell.text} at random does"
        f"{_interval(cell.bounds)}, {multiple.text} as many."
    )


def _whence(proof: Proof, arm: str = "whence") -> list[Effect]:
    return sorted((one for one in proof.effects if one.arm == arm), key=lambda one: one.k)


def _judged(reached: Iterable[bool]) -> Status:
    found = list(reached)
    if not found:
        return Status.NOT_RUN
    if all(found):
        return Status.REACHED
    return Status.PARTLY if any(found) else Status.MISSED


def _recognisable(proof: Proof) -> Goal:
    rows = proof.recognisable
    told = "; ".join(
        f"seed {one.seed}: {percent(one.share)}"
        f"{_interval(between(one.low, one.high, percent))}"
        f" of {one.prompts:,}, the pictures themselves {percent(one.ceiling)}"
        for one in rows
    )
    return Goal(
        "Recognisable pictures",
        f"{percent(RECOGNISABLE)} of generated pictures are nearest to their own caption's",
        _judged(one.share >= RECOGNISABLE for one in rows),
        _sentence(told),
    )


def _multiples(rows: Iterable[Effect]) -> str:
    return "; ".join(
        f"K = {one.k:,}: {cell.text}{_interval(cell.bounds)}"
        f"{f', where at most {times(one.ceiling)} can be told' if one.ceiling < MULTIPLE else ''}"
        for one in rows
        for cell in [multiple_cell(one)]
    )


def _multiple(proof: Proof) -> Goal:
    """Of one prompt's pictures where they went alone: what goes for others is then no part of K."""
    joint, alone = _whence(proof), _whence(proof, ALONE)
    rows = alone or joint
    told = _multiples(rows)
    if alone:
        told = f"for one prompt at a time, {told}"
        told += f"; for all prompts together, {_multiples(joint)}" if joint else ""
    status = _judged(one.multiple >= MULTIPLE and one.multiple_low > EXCLUDED for one in rows)
    # A lower bound may be larger in truth, and so may what no random removal was large enough to
    # tell; one K that surely falls short is a miss all the same.
    if status is Status.MISSED and all(
        one.at_least or math.isnan(one.multiple) or one.ceiling < MULTIPLE for one in rows
    ):
        status = Status.UNDECIDED
    return Goal(
        "What is named matters",
        f"whence's first K do what {_whole(MULTIPLE)} as many at random do, and surely more than "
        f"{_whole(EXCLUDED)}",
        status,
        _sentence(told),
    )


def _rivals(proof: Proof) -> Goal:
    rows = [one for one in proof.paired if one.arm == "whence" and one.other in RIVALS]
    by_rival = {rival: [one for one in rows if one.other == rival] for rival in RIVALS}
    told = [_against(rival, found) for rival, found in by_rival.items() if found]
    missing = [rival for rival, found in by_rival.items() if not found]
    status = _judged(_larger(one) for one in rows)
    if missing and status is Status.REACHED:
        status = Status.PARTLY
    if told and missing:
        told.append(f"not run against {', '.join(missing)}")
    return Goal(
        "More than its rivals",
        f"a larger effect than {', '.join(RIVALS[:-1])} and {RIVALS[-1]}, prompt by prompt",
        status,
        _sentence("; ".join(told)),
    )


def _against(rival: str, rows: list[Paired]) -> str:
    chances = [one.p for one in rows]
    low, high = show_chance(min(chances)), show_chance(max(chances))
    return (
        f"{name_of(rival)}: larger at {sum(map(_larger, rows))} of {len(rows)} values of K, "
        f"p {low}{f' to {high}' if high != low else ''}"
    )


def _larger(one: Paired) -> bool:
    return one.difference > 0 and one.low > 0 and one.p < ALPHA


def _datamodelling(proof: Proof) -> Goal:
    """Scores against scores, and shares against the shares that a channel gives by itself."""
    rows = [one for one in proof.datamodelling if math.isfinite(one.lds)]
    outside = [one for one in rows if not one.looks_inside]
    inside = max((one for one in rows if one.looks_inside), key=_lds, default=None)
    told, reached = [], []
    for numbers, shares in (("score", False), ("shares", True)):
        kin = [one for one in outside if is_shares(one.method) is shares]
        ours = next((one for one in kin if kind_of(one.method) == "whence"), None)
        if ours is None:
            continue
        channels = [one for one in kin if kind_of(one.method) == "channel"]
        best = max(channels, key=_lds, default=None)
        reached.append(ours.lds > PUBLISHED_LDS)
        told.append(f"whence's {numbers} {_lds_told(ours)}")
        if inside:
            distance = thousandths(abs(inside.lds - ours.lds))
            side = "below" if inside.lds >= ours.lds else "above"
            told[-1] += f", {distance} {side} the best that looks inside"
        if best:
            reached.append(ours.lds > best.lds)
            name = name_of(best.method.removesuffix(AS_SHARES))
            told.append(f"the best single channel's, {name}, {_lds_told(best)}{_apart(best)}")
    if told and inside:
        told.append(f"the best that looks inside, {name_of(inside.method)}, {_lds_told(inside)}")
    return Goal(
        "Predicts other models",
        f"whence's LDS is above {number(PUBLISHED_LDS)} and above every single channel's, its "
        "score against their scores and its shares against theirs",
        _judged(reached),
        _sentence("; ".join(told)),
    )


def _lds(one: Datamodelling) -> float:
    return one.lds


def _apart(one: Datamodelling) -> str:
    """By how much whence is above a method; nothing where it is not known."""
    if not math.isfinite(one.above):
        return ""
    bounds = between(one.above_low, one.above_high, thousandths)
    return f", from which whence's differs by {thousandths(one.above)}{_interval(bounds)}"


def _lds_told(one: Datamodelling) -> str:
    bounds = between(one.low, one.high, thousandths)
    return thousandths(one.lds) + _interval(bounds)


def _exemplar(proof: Proof) -> Goal:
    rows = [one for one in proof.exemplars if one.method == "whence"]
    told = "; ".join(
        f"{number(one.recall_10)}{_interval(between(one.recall_10_low, one.recall_10_high))}"
        f" of {one.exemplars:,} exemplars among {one.gallery:,} pictures"
        for one in rows
    )
    return Goal(
        "Finds what a model was tuned on",
        f"recall@10 of {number(RECALL, 1)}",
        _judged(one.recall_10 >= RECALL for one in rows),
        _sentence(told),
    )


def _sisa(proof: Proof) -> Goal:
    rows = [one for one in proof.forgetting if one.way.startswith("sisa-artist")]
    artists = [one for one in rows if one.request.startswith(WHOLE_ARTIST)]
    told = "; ".join(
        f"{name_of(one.request, 80)}, {name_of(one.way)}: {_saved(one)}, recognisable "
        f"{percent(one.recognisable_before)} before and {percent(one.recognisable_after)} after"
        f"{_quality_lost(proof, one.request, one.retained_after)}"
        for one in artists
    )
    return Goal(
        "Forgets an artist cheaply",
        f"SISA by artist is {_whole(CHEAPER)} as cheap as training anew",
        _judged(one.speedup >= CHEAPER for one in artists if not math.isnan(one.speedup)),
        _sentence(told),
    )


def _saved(one: Forgot) -> str:
    if one.speedup == math.inf:
        return "nothing to train, since whole shards are dropped"
    return times(one.speedup)


def _quality_lost(proof: Proof, request: str, loss: float) -> str:
    """How much worse what stays is than in a model that was trained anew."""
    exact = [
        one.retained_after
        for one in proof.forgetting
        if one.way == "retrain" and one.request == request
    ]
    if not exact or not math.isfinite(loss - exact[0]):
        return ""
    return f", loss of the others {number(loss)} against {number(exact[0])} when trained anew"


def _interval(bounds: str) -> str:
    return f" (95%: {bounds})" if bounds else ""


def _sentence(told: str) -> str:
    return f"{told}." if told else "Not run."


def _whole(value: float) -> str:
    return f"{value:g}\N{MULTIPLICATION SIGN}"
