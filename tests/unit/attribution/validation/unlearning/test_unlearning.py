"""What is forgotten is gone, what is kept stays, and the bill is right."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.errors import CheckpointError, ProofError
from attribution.validation.model.dalle import Dalle, losses_of, picture_losses
from attribution.validation.model.text_tokenizer import fit_text_tokenizer
from attribution.validation.model.training import EncodedPictures, TrainingRecipe
from attribution.validation.unlearning.approximate import Ascent, Fisher, fisher_information
from attribution.validation.unlearning.base import Retraining, cost, learn_whole
from attribution.validation.unlearning.sisa import Sisa, planned, shard_by_artist

COUNT = 48
ROWS = np.arange(40)
"""The last eight are held out."""

RECIPE = TrainingRecipe(width=32, depth=1, heads=2, steps=60, batch=8, seed=3)
SHORT = replace(RECIPE, steps=24, width=16, batch=4)
SHARDS, SLICES = 4, 3


def losses(model, known, rows):
    return losses_of(model, known.text[rows], known.codes[rows])


@cache
def data() -> EncodedPictures:
    draw = np.random.default_rng(0)
    captions = [f"thing {number}" for number in range(COUNT)]
    words = fit_text_tokenizer(captions, length=4)
    return EncodedPictures(
        ids=tuple(f"{number:03}" for number in range(COUNT)),
        text=torch.from_numpy(words.encode(captions)),
        codes=torch.from_numpy(draw.integers(0, 16, (COUNT, 12))),
        text_tokenizer=words,
        code_count=16,
        tokenizer="0" * 64,
    )


def ids(*rows) -> frozenset[str]:
    return frozenset(data().ids[row] for row in rows)


ARTISTS = {name: f"artist {number % 4}" for number, name in enumerate(data().ids)}


@cache
def known():
    return learn_whole(data(), ROWS, RECIPE)


@cache
def sharded(*, by_artist=False):
    return way(by_artist=by_artist).learn(data(), ROWS, SHORT)


def way(*, by_artist=False, **more) -> Sisa:
    return Sisa(SHARDS, SLICES, ARTISTS if by_artist else None, **more)


def kind_of(one) -> str:
    return type(one).__name__


def touched_by(state, after) -> set[int]:
    """Shards that were trained again, or dropped."""
    left = {shard.number: shard.states for shard in after.state.shards}
    return {shard.number for shard in state.shards if left.get(shard.number) != shard.states}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ones, others = one.state_dict(), other.state_dict()
    return ones.keys() == others.keys() and all(
        torch.equal(ones[name], others[name]) for name in ones
    )


def test_retraining_without_removing_any_gives_the_same_weights():
    state = known()
    again = Retraining().forget(state, frozenset())
    assert same(again.model, state.model)
    assert again.retrained == cost(RECIPE) == 60 * 8


def test_retraining_forgets_and_never_touched_what_is_removed():
    state, removed = known(), ids(0, 5, 7, 30)
    after = Retraining().forget(state, removed)
    assert after.exact
    assert after.lineage == ids(*ROWS) - removed
    gone = losses(after.model, data(), np.array([0, 5, 7, 30]))
    assert gone.min() > losses(state.model, data(), ROWS).max()
    # Forgotten one after the other or together, it is the same.
    first = Retraining().forget(state, ids(0, 5))
    assert same(Retraining().forget(first.state, ids(7, 30)).model, after.model)


def test_losses_are_those_of_each_picture_alone():
    one_by_one = [
        float(picture_losses(known().model, data().text[[row]], data().codes[[row]]).detach())
        for row in ROWS
    ]
    assert losses(known().model, data(), ROWS) == pytest.approx(one_by_one, abs=1e-5)
    assert losses(known().model, data(), ROWS[:0]).shape == (0,)


@pytest.mark.parametrize("one", [Retraining(), way(), Ascent(3.0), Fisher(3.0)], ids=kind_of)
def test_unknown_or_too_many_pictures_are_refused(one):
    state = sharded() if isinstance(one, Sisa) else known()
    with pytest.raises(ProofError, match=r"of the 40 pictures, found 2 unknown \(045, x\)"):
        one.forget(state, ids(0) | {"x\x1b", "045"})
    with pytest.raises(ProofError, match="at least 24 pictures to be left, found 0"):
        one.forget(state, ids(*ROWS))


@pytest.mark.parametrize("learn", [learn_whole, way().learn])
def test_too_few_pictures_to_learn_from_are_refused(learn):
    with pytest.raises(ProofError, match="at least 24 pictures to learn from, found 23"):
        learn(data(), ROWS[:23], SHORT)


# SISA


def brute_force(shards, removed: frozenset[str]) -> tuple[set[int], int]:
    """Shards that are touched and picture-steps to be done again, counted stage by stage."""
    touched, steps = set(), 0
    for shard in shards:
        seen: set[str] = set()
        everything = ids(*np.concatenate(shard.slices))
        if everything & removed:
            touched.add(shard.number)
        for part, count in zip(shard.slices, shard.steps, strict=True):
            seen |= ids(*part)
            if seen & removed and seen - removed:
                steps += count
            elif seen & removed and everything - removed:
                assert not seen - removed  # nothing to learn yet: costs nothing
    return touched, steps * SHORT.batch


@settings(max_examples=12)
@given(st.sets(st.sampled_from(ROWS.tolist()), max_size=16), st.booleans())
def test_no_removed_picture_ever_touches_a_surviving_slice(rows, by_artist):
    state, removed = sharded(by_artist=by_artist), ids(*rows)
    after = way(by_artist=by_artist).forget(state, removed)
    for shard in after.state.shards:
        for number, one in enumerate(shard.states):
            assert one is None or one.seen == ids(*np.concatenate(shard.slices[: number + 1]))
            assert one is None or one.seen.isdisjoint(removed)
    assert after.exact
    assert after.lineage == ids(*ROWS) - removed
    touched, retrained = brute_force(state.shards, removed)
    assert touched_by(state, after) == touched
    assert after.retrained == retrained
    # Untouched shards are the very same objects.
    kept = {shard.number: shard for shard in after.state.shards}
    for shard in state.shards:
        if shard.number not in touched:
            pairs = zip(kept[shard.number].states, shard.states, strict=True)
            assert all(one is other for one, other in pairs)


def test_what_is_learnt_again_is_what_would_have_been_learnt_without():
    state = sharded()
    chosen = state.shards[1]
    # One of the second slice, and the whole first slice of another shard.
    rows = [int(chosen.slices[1][0]), *(int(row) for row in state.shards[2].slices[0])]
    after = way().forget(state, ids(*rows))
    assert touched_by(state, after) == {1, 2}
    # From the start: the same plan without the pictures, and no state to go on from.
    plan = [
        replace(shard, slices=tuple(part[~np.isin(part, rows)] for part in shard.slices), states=())
        for shard in state.shards
    ]
    fresh = way()._built(data(), np.setdiff1d(ROWS, rows), SHORT, plan, None)
    assert same(fresh.model, after.model)
    assert not same(state.model, after.model)
    # Forgotten one after the other, it is the same too, and the state was left as it was.
    halfway = way().forget(way().forget(state, ids(*rows[:2])).state, ids(*rows[2:]))
    assert same(halfway.model, after.model)
    assert same(way().forget(state, frozenset()).model, state.model)


def test_a_shard_of_which_nothing_is_left_is_dropped():
    state = sharded()
    gone = np.concatenate(state.shards[0].slices)
    after = way().forget(state, ids(*gone))
    assert after.retrained == 0
    assert [shard.number for shard in after.state.shards] == [1, 2, 3]
    assert [id(one) for one in after.model.members] == [id(one) for one in state.model.members][1:]


@given(
    st.integers(24, 400), st.integers(1, 8), st.integers(1, 5), st.integers(400, 3000), st.randoms()
)
def test_the_steps_are_those_of_the_paper(count, shards, slices, steps, rng):
    try:
        plan = planned(
            np.array_split(rng.sample(range(count), count), shards),
            slices,
            replace(RECIPE, steps=steps),
        )
    except ProofError:
        assert shards * slices > count or steps < shards * slices * (slices + 1)
        return
    assert sum(sum(shard.steps) for shard in plan) == steps
    assert sorted(np.concatenate([p for shard in plan for p in shard.slices])) == [*range(count)]
    for shard in plan:
        own = steps * sum(len(part) for part in shard.slices) / count
        for stage, taken in enumerate(shard.steps, 1):
            assert taken == pytest.approx(2 * stage / (slices * (slices + 1)) * own, abs=2)


def test_forgetting_one_picture_costs_what_the_formula_says():
    """Without rounding: the mean over all pictures of the stages from its slice on."""
    recipe = replace(SHORT, steps=1200)
    plan = planned(np.array_split(np.arange(40), 4), 2, recipe)
    # Stages have 1/3 and 2/3 of a shard's steps; half of the pictures are in each slice.
    mean = np.mean(
        [
            sum(shard.steps[number:])
            for shard in plan
            for number, part in enumerate(shard.slices)
            for _ in part
        ]
    )
    assert mean / recipe.steps == pytest.approx((1 / 4) * (1 + 2 / 3) / 2)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9), st.integers(1, 12), st.randoms())
def test_an_artist_s_shards_hold_nobody_else_where_there_are_shards_enough(counts, shards, rng):
    names = [f"artist {number}" for number, count in enumerate(counts) for _ in range(count)]
    rows = np.array(rng.sample(range(len(names)), len(names)))
    artists = [names[row] for row in rows]
    parts = shard_by_artist(rows, artists, shards)
    assert sorted(np.concatenate(parts)) == [*range(len(names))]
    assert len(parts) == shards
    held = [{names[row] for row in part} for part in parts]
    if shards >= len(counts):
        assert all(len(one) <= 1 for one in held)
    else:  # nobody is in two
        assert sum(len(one) for one in held) == len(counts)


def test_by_artist_fewer_shards_are_touched_and_less_is_learnt_again():
    removed = frozenset(name for name in ids(*ROWS) if ARTISTS[name] == "artist 2")
    by_chance = way().forget(sharded(), removed)
    by_artist = way(by_artist=True).forget(sharded(by_artist=True), removed)
    assert len(touched_by(sharded(by_artist=True), by_artist)) == 1
    assert len(touched_by(sharded(), by_chance)) >= 3
    assert by_artist.retrained * 3 <= by_chance.retrained


def test_stored_states_are_taken_up_and_damaged_ones_refused(tmp_path):
    stored = way(store=tmp_path / "states")
    seen = []
    state = stored.learn(data(), ROWS, SHORT, lambda *told: seen.append(told[:2]))
    assert seen == [(number, 24) for number in range(1, 25)]
    assert same(state.model, sharded().model)
    seen.clear()
    again = stored.learn(data(), ROWS, SHORT, lambda *told: seen.append(told))
    assert seen == []
    assert same(again.model, state.model)
    assert (again.lineage, again.seconds) == (state.lineage, state.seconds)
    removed = ids(int(state.shards[0].slices[2][0]))
    after, in_memory = stored.forget(again, removed), way().forget(sharded(), removed)
    assert same(after.model, in_memory.model)
    assert after.retrained == in_memory.retrained
    # Other pictures or another recipe are another state.
    stored.learn(data(), ROWS, replace(SHORT, seed=4), lambda *told: seen.append(told))
    assert len(seen) == 24
    other = ids(int(state.shards[0].slices[2][1]))
    path = state.shards[0].states[1].stored
    whole = path.read_bytes()
    for body in (whole[:-40], b"", state.shards[1].states[1].stored.read_bytes()):
        path.write_bytes(body)
        with pytest.raises(CheckpointError, match="delete the file and learn again"):
            stored.forget(state, other)
    path.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        stored.forget(state, other)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("shards", "slices", "steps", "told"),
    [(0, 1, 60, "0 shards"), (4, 11, 60, "4 shards of 11 slices for 40"), (4, 4, 20, "1 step in")],
)
def test_shards_that_cannot_be_learnt_are_refused(shards, slices, steps, told):
    with pytest.raises(ProofError, match=told):
        Sisa(shards, slices).learn(data(), ROWS, replace(SHORT, steps=steps))


# Approximate


@pytest.mark.parametrize("kind", [Ascent, Fisher])
def test_the_forgotten_climb_to_the_unseen_and_the_retained_stay(kind):
    state, gone = known(), np.array([1, 11, 21])
    unseen = float(losses(state.model, data(), np.arange(40, 48)).mean())
    one = kind(unseen)
    left = np.setdiff1d(ROWS, gone)
    before = state.model.state_dict()["to_code.weight"].clone()
    after = one.forget(state, ids(*gone))
    rise = losses(after.model, data(), gone) - losses(state.model, data(), gone)
    drift = losses(after.model, data(), left) - losses(state.model, data(), left)
    assert losses(after.model, data(), gone).mean() > 0.9 * unseen
    assert rise.min() > 3 * drift.mean()
    # It is quick, and does not claim to be exact; the state stays.
    assert not after.exact
    assert after.lineage == state.lineage
    assert after.retrained > 0
    assert torch.equal(before, state.model.state_dict()["to_code.weight"])
    assert same(one.forget(state, ids(*gone)).model, after.model)
    nothing = one.forget(state, frozenset())
    assert (nothing.model, nothing.retrained, nothing.exact) == (state.model, 0, True)


@pytest.mark.parametrize("kind", [Ascent, Fisher])
def test_a_higher_target_is_climbed_to_and_an_ensemble_refused(kind):
    low, high = (
        losses(kind(target).forget(known(), ids(0)).model, data(), np.array([0]))[0]
        for target in (2.0, 4.0)
    )
    assert low < high
    with pytest.raises(TypeError, match="Ensemble"):
        kind(1.0).forget(sharded(), ids(0))


def test_the_information_is_the_mean_of_squared_gradients():
    """Of the last head it is known in closed form: outer products of states and errors."""
    model, rows = known().model, np.array([3, 4])
    assert isinstance(model, Dalle)
    found = fisher_information(model, data(), rows)["to_code.weight"]
    text, codes = data().text[rows], data().codes[rows]
    with torch.no_grad():
        states = model(text, codes)[:, text.shape[1] - 1 :]
        errors = model.to_code(states).softmax(-1) - torch.eye(16)[codes]
        expected = (torch.einsum("ntc,ntw->ncw", errors, states) / 12).square().mean(0)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-9)
