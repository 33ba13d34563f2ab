"""The local model: the same seed gives the same bits, and it says what it was asked to say."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.errors import CheckpointError
from attribution.validation.model.checkpoints import load_model, save_training
from attribution.validation.model.dalle import Dalle, Ensemble, picture_losses
from attribution.validation.model.image_tokenizer import PATCH, ImageTokenizer, TokenizerRecipe
from attribution.validation.model.image_tokenizer import train_tokenizer as learn_codes
from attribution.validation.model.process_pool import one_thread
from attribution.validation.model.sampling import sample
from attribution.validation.model.text_tokenizer import PAD, TextTokenizer, fit_text_tokenizer
from attribution.validation.model.training import Trainer, train
from tests.support.checkout import ROOT
from tests.support.patience import patient
from tests.support.small_model import (
    COUNT,
    RECIPE,
    SIDE,
    data,
    made_pictures,
    tokenizer,
    words,
)

ROWS = np.arange(COUNT)
TOKENS = (SIDE // PATCH) ** 2


@cache
def trained(seed: int = RECIPE.seed):
    with torch.enable_grad():  # may be asked for where gradients are off
        return train(data(), ROWS, replace(RECIPE, seed=seed))


@cache
def ensemble(together: str = "logits", count: int = 3) -> Ensemble:
    return Ensemble([trained(seed).model for seed in range(count)], together).eval()


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ones, others = one.state_dict(), other.state_dict()
    return ones.keys() == others.keys() and all(map(torch.equal, ones.values(), others.values()))


# Training


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    again = train(data(), ROWS, RECIPE)
    assert same(again.model, trained().model)
    assert again.losses == trained().losses
    assert not same(trained(RECIPE.seed + 1).model, trained().model)


def test_what_was_drawn_or_set_before_makes_no_difference():
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  # whatever others draw from
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert same(train(data(), ROWS, RECIPE).model, trained().model)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_it_learns():
    assert trained().losses[-1] < trained().losses[0] - 0.2
    assert len(trained().losses) == 10


@pytest.mark.parametrize("stops", [[1], [7, 8, 29], [30]])
def test_stopped_after_any_step_it_goes_on_as_if_it_had_not_been(stops):
    trainer = Trainer(data(), ROWS, RECIPE)
    for stop in stops:
        trainer.run(until=stop)
        assert trainer.done == stop
    trainer.run()
    assert same(trainer.model, trained().model)
    assert trainer.trained().losses == trained().losses


@pytest.mark.subprocess
def test_gone_on_with_in_another_process_it_is_the_same(tmp_path):
    script = """if True:
        import sys
        from pathlib import Path
        import numpy as np
        from attribution.validation.model.checkpoints import resume_training, save_model
        from attribution.validation.model.training import Trainer
        from tests.support.small_model import COUNT, RECIPE, data

        trainer = Trainer(data(), np.arange(COUNT), RECIPE)
        print(resume_training(Path(sys.argv[1]), trainer, data()), trainer.done)
        trainer.run()
        save_model(Path(sys.argv[2]), trainer.trained(), data())
    """
    half, whole = tmp_path / "half", tmp_path / "whole"
    trainer = Trainer(data(), ROWS, RECIPE)
    trainer.run(until=13)
    save_training(half, trainer, data())
    told = subprocess.run(
        [sys.executable, "-c", script, half, whole],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=patient(1200),
    )
    assert told.stdout.split() == ["True", "13"]
    found, _ = load_model(whole, data().tokenizer)
    assert same(found.model, trained().model)
    assert found.losses == trained().losses
    # To write it down changed nothing for who goes on.
    trainer.run()
    assert same(trainer.model, trained().model)


def test_lineage_is_what_it_learnt_from_and_what_its_start_had():
    first = train(data(), ROWS[:5], replace(RECIPE, steps=3))
    assert first.seen == frozenset(data().ids[:5])
    assert first.captions == data().captions[:5]
    tuned = train(data(), ROWS[30:32], replace(RECIPE, steps=3), start=first)
    assert tuned.seen == frozenset((*data().ids[:5], *data().ids[30:32]))


def test_going_on_from_a_model_leaves_it_as_it_was():
    before = {name: one.clone() for name, one in trained().model.state_dict().items()}
    tuned = train(data(), ROWS[:1], replace(RECIPE, steps=5), start=trained())
    assert all(torch.equal(before[name], one) for name, one in trained().model.state_dict().items())
    assert not same(tuned.model, trained().model)


def test_pictures_that_are_left_out_touch_nothing():
    """What they are makes no difference to a model that does not learn from them."""
    codes = data().codes.clone()
    codes[20:] = 0
    text = data().text.clone()
    text[20:] = PAD
    other = replace(data(), codes=codes, text=text)
    one, two = (train(told, ROWS[:20], RECIPE) for told in (data(), other))
    assert same(one.model, two.model)


@pytest.mark.parametrize("count", [1, 7, 25, COUNT])
def test_the_number_of_steps_is_the_recipes_however_few_the_pictures(count):
    done = []
    trainer = Trainer(data(), ROWS[:count], replace(RECIPE, steps=6))
    trainer.run(lambda step, total, _: done.append((step, total)))
    assert done == [(step, 6) for step in range(1, 7)]
    assert len(trainer.losses) == 6


def drawn(rows, steps: int = 40) -> np.ndarray:
    batches = Trainer(data(), np.array(sorted(rows)), RECIPE)._batches()
    return np.concatenate([next(batches) for _ in range(steps)])


@given(st.sets(st.integers(0, COUNT - 1), max_size=COUNT - 1))
@settings(max_examples=15)
def test_the_order_of_what_is_kept_does_not_depend_on_what_is_removed(removed):
    kept = set(range(COUNT)) - removed
    whole, less = drawn(range(COUNT)), drawn(kept)
    coupled = whole[np.isin(whole, list(kept))]
    assert np.array_equal(less[: len(coupled)], coupled)
    # Each epoch has every picture once.
    epochs = less[: len(less) // len(kept) * len(kept)].reshape(-1, len(kept))
    assert all(set(epoch) == kept for epoch in epochs)


# The model and several that speak as one


def stepwise(model, text: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """`next_logits` at every place: what `image_logits` says at once."""
    code, memory, told = None, None, []
    for place in range(codes.shape[1]):
        logits, memory = model.next_logits(text, code, memory)
        told.append(logits)
        code = codes[:, place]
    return torch.stack(told, 1)


@pytest.mark.parametrize(
    "model",
    [lambda: trained().model, ensemble, lambda: ensemble("evidence")],
    ids=["model", "logits", "evidence"],
)
def test_token_by_token_it_says_what_it_says_at_once(model):
    text, codes = data().text[:6], data().codes[:6]
    with torch.no_grad():
        whole = model().image_logits(text, codes)
        assert whole.shape == (6, TOKENS, data().code_count)
        torch.testing.assert_close(stepwise(model(), text, codes), whole, atol=2e-5, rtol=1e-5)


def test_it_is_causal():
    """No code has a part in what is said of it, or before it."""
    text, codes = data().text[:4], data().codes[:4].clone()
    with torch.no_grad():
        before = trained().model.image_logits(text, codes)
        codes[:, 5] = (codes[:, 5] + 1) % data().code_count
        after = trained().model.image_logits(text, codes)
    torch.testing.assert_close(after[:, :6], before[:, :6], atol=1e-6, rtol=0)
    assert (after[:, 6:] - before[:, 6:]).abs().amax((0, 2)).min() > 1e-4


@pytest.mark.parametrize("together", ["logits", "evidence"])
def test_an_ensemble_of_one_is_the_model(together):
    alone = Ensemble([trained().model], together).eval()
    text, codes = data().text, data().codes
    with torch.no_grad():
        one, other = (picture_losses(model, text, codes) for model in (alone, trained().model))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    seeds = list(range(10))
    made = [sample(model, text[:10], seeds, length=TOKENS) for model in (alone, trained().model)]
    assert torch.equal(*made)


def test_a_mixture_is_made_of_probabilities():
    with torch.no_grad():
        told = ensemble("evidence").image_logits(data().text, data().codes)
    totals = told.exp().sum(-1)
    torch.testing.assert_close(totals, torch.ones_like(totals), atol=1e-5, rtol=0)


def test_the_chance_of_a_whole_picture_is_the_mean_of_the_members():
    """Bayes: with weights by evidence, the product over tokens is the members' average."""
    text, codes = data().text, data().codes
    with torch.no_grad():
        mixed = -picture_losses(ensemble("evidence"), text, codes) * TOKENS
        apart = [-picture_losses(one, text, codes) * TOKENS for one in ensemble()._dalles]
    expected = torch.stack(apart).logsumexp(0) - np.log(len(apart))
    torch.testing.assert_close(mixed, expected, atol=1e-3, rtol=1e-5)


def test_averaged_logits_are_the_mean():
    text, codes = data().text[:5], data().codes[:5]
    with torch.no_grad():
        apart = [member.image_logits(text, codes) for member in ensemble()._dalles]
        torch.testing.assert_close(ensemble().image_logits(text, codes), sum(apart) / 3)


def test_losses_are_those_of_probabilities():
    text, codes = data().text[:3], data().codes[:3]
    with torch.no_grad():
        chances = trained().model.image_logits(text, codes).softmax(-1)
        found = picture_losses(trained().model, text, codes)
    own = chances.gather(-1, codes[..., None])[..., 0]
    torch.testing.assert_close(found, -own.log().mean(1), atol=1e-5, rtol=0)


# Sampling


def made(model=None, rows=slice(0, 12), seeds=None, **more) -> torch.Tensor:
    text = data().text[rows]
    seeds = seeds if seeds is not None else [7] * len(text)
    return sample(model or trained().model, text, seeds, length=TOKENS, **more)


def test_the_same_seed_gives_the_same_picture_and_another_one_another():
    assert torch.equal(made(), made())
    assert not torch.equal(made(temperature=1.0), made(seeds=[8] * 12, temperature=1.0))
    assert made().dtype == torch.int64
    assert (made().min(), made().max()) >= (0, 0)
    assert int(made().max()) < data().code_count


def test_in_other_company_a_picture_is_the_same():
    whole = made(temperature=1.0)
    assert torch.equal(made(rows=slice(3, 4), temperature=1.0), whole[3:4])
    assert torch.equal(made(rows=[5, 3, 11], temperature=1.0), whole[[5, 3, 11]])
    # One seed for each, whatever the others have.
    assert torch.equal(made(seeds=[7, *range(11)], temperature=1.0)[0], whole[0])


@pytest.mark.parametrize("model", [None, lambda: ensemble("evidence")], ids=["model", "mixture"])
def test_guidance_of_one_is_none(model):
    model = model and model()
    assert torch.equal(made(model, guidance=1), made(model))
    # By the long way round it comes to the same, up to rounding.
    near = made(model, guidance=1 + 1e-7)
    assert (near == made(model)).double().mean() > 0.9
    assert not torch.equal(made(model, guidance=8.0), made(model))


def test_at_temperature_zero_the_seed_makes_no_difference():
    one, two = (made(temperature=0, seeds=[seed] * 12) for seed in (1, 2))
    assert torch.equal(one, two)
    with torch.no_grad():  # every token is the likeliest
        likeliest = trained().model.image_logits(data().text[:12], one).argmax(-1)
    assert torch.equal(likeliest, one)


def test_at_temperature_one_tokens_come_as_often_as_the_model_says():
    text = data().text[:1].expand(4000, -1)
    codes = sample(trained().model, text, list(range(4000)), length=1, temperature=1.0)
    with torch.no_grad():
        expected = trained().model.next_logits(text[:1], None, None)[0][0].softmax(-1)
    found = torch.bincount(codes[:, 0], minlength=data().code_count) / 4000
    # Five standard errors for each of the 36 codes.
    assert ((found - expected).abs() < 5 * (expected / 4000).sqrt() + 1e-3).all()


# Tokens


def test_the_tokenizer_keeps_shapes_and_is_the_same_by_the_same_seed():
    recipe = TokenizerRecipe(steps=3, batch=4)
    told = []
    pixels = made_pictures(8, 100).pixels
    again = learn_codes(pixels, tokenizer().shape, recipe, lambda *step: told.append(step[:2]))
    assert same(again, tokenizer())
    assert told == [(1, 3), (2, 3), (3, 3)]
    codes = tokenizer().encode(made_pictures().pixels)
    assert (codes.shape, codes.dtype) == ((COUNT, TOKENS), torch.int64)
    assert 0 <= int(codes.min()) <= int(codes.max()) < tokenizer().codes == 36
    turned = tokenizer().decode(codes)
    assert (turned.shape, turned.dtype) == ((COUNT, SIDE, SIDE, 3), np.uint8)
    assert not any(one.requires_grad for one in tokenizer().parameters())


def test_a_trained_tokenizer_gives_pictures_back():
    pixels = np.zeros((24, SIDE, SIDE, 3), np.uint8)
    for number, one in enumerate(pixels):
        one[:] = (number * 10, 255 - number * 10, 90)
        one[:8, :8] = 255
    recipe = TokenizerRecipe(steps=200, batch=8)
    after = learn_codes(pixels, tokenizer().shape, recipe)
    torch.manual_seed(0)
    before = ImageTokenizer(tokenizer().shape)
    errors = [
        np.abs(one.decode(one.encode(pixels)).astype(int) - pixels).mean()
        for one in (before, after)
    ]
    assert errors[1] < errors[0] / 2


def test_each_picture_is_encoded_by_itself():
    pixels = made_pictures(300).pixels  # more than go at once
    with one_thread():
        whole = tokenizer().encode(pixels)
        apart = torch.cat([tokenizer().encode(pixels[at : at + 1]) for at in (0, 127, 128, 299)])
    assert torch.equal(whole[[0, 127, 128, 299]], apart)


def test_words_do_not_depend_on_the_order_and_fill_up():
    captions = list(made_pictures().captions)
    assert fit_text_tokenizer(captions[::-1], length=4).text == words().text
    rows = words().encode(["thing 1", "", "THING  1", "thing 1 thing 2 thing 3 thing 4"])
    assert (rows.shape, rows.dtype) == ((4, 4), np.int64)
    assert np.array_equal(rows[0], rows[2])  # neither case nor spaces count
    assert (rows[1] == PAD).all()
    assert (rows[3] != PAD).all()


def test_words_that_were_never_seen_are_words_all_the_same():
    rows = words().encode(["\u202e\x00\x1b[31m", "ünknown 🍎", "x" * 100_000])
    assert rows.shape == (3, 4)
    assert rows.max() < words().size


def test_a_vocabulary_of_something_else_is_refused():
    for text in ("", "{}", "[1]", "no json", '{"version": "1.0"}'):
        with pytest.raises(CheckpointError, match=re.escape("expected a vocabulary")):
            TextTokenizer(text, 8).encode(["a"])


def test_the_shape_is_that_of_the_tokens():
    shape = trained().model.shape
    assert (shape.words, shape.codes) == (words().size, tokenizer().codes)
    assert (shape.text_length, shape.image_length) == (4, TOKENS)
    assert isinstance(trained().model, Dalle)
    assert not trained().model.training
