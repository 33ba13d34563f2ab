"""Captioned datasets as pictures: what is taken, what is left out, and what is kept apart."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from attribution.errors import CheckpointError, ProofError
from attribution.validation.experiments import corpus as material
from attribution.validation.experiments.corpus import Corpus, _others
from attribution.validation.experiments.settings import Settings
from attribution.validation.model.dataset import (
    FEWEST,
    TrainingPictures,
    choose_rows,
    enlarged,
    read_pictures,
    to_square,
)
from attribution.validation.model.image_tokenizer import TokenizerRecipe
from attribution.validation.model.training import TrainingRecipe
from harvester.schema import FetchStatus
from tests.support.small_model import candidate, dataset, made_pictures, png

TINY = Settings(
    pictures=30,
    left_out=("group 9",),
    side=16,
    recipe=TrainingRecipe(width=16, depth=1, heads=2, steps=2, batch=4),
    tokenizer=TokenizerRecipe(steps=2, batch=4),
    prompts=2,
    seeds=(0,),
    subset_prompts=3,
)


def numbered(count: int, first: int = 0) -> list:
    return [candidate(number) for number in range(first, first + count)]


def test_pictures_of_any_size_become_squares_in_the_order_of_their_ids(tmp_path):
    sizes = [(24, 24), (1, 1), (300, 20), (7, 200), (16, 16), (33, 31)]
    rows = [
        candidate(number, image=png(number, *sizes[number % len(sizes)])) for number in range(30)
    ]
    found = read_pictures([dataset(tmp_path, rows[::-1])], side=16)
    assert found.ids == tuple(row.id for row in rows)
    assert found.captions == tuple(row.caption for row in rows)
    assert (found.pixels.shape, found.pixels.dtype) == ((30, 16, 16, 3), np.uint8)
    assert len(found) == 30
    assert found.rows(found.ids[5:3:-1]).tolist() == [4, 5]


def test_the_middle_square_is_taken():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    assert (to_square(wide, 8) == 200).all()
    assert (to_square(wide.transpose(1, 0, 2), 32) == 200).all()
    own = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(to_square(own, 16), own)
    large = enlarged(own[None], 224)
    assert [one.shape for one in large] == [(224, 224, 3)]


def test_what_has_no_caption_or_cannot_be_decoded_is_counted_and_left_out(tmp_path, caplog):
    rows = [
        *numbered(25),
        candidate(30, caption=None),
        candidate(31, caption=" \n\t "),
        candidate(32, caption=None, title="a  title\nof its own"),
        candidate(33, image=b"no picture"),
        candidate(34, image=png(34)[:60]),
        candidate(35, image=b""),
        candidate(36, status=FetchStatus.DNS, image=None),
    ]
    found = read_pictures([dataset(tmp_path, rows)], side=8)
    assert len(found) == 26
    assert found.captions[-1] == "a title of its own"
    assert "left out 2 without a caption, 3 that cannot be decoded" in caplog.text


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ProofError, match="none: expected a dataset, found no such folder"):
        read_pictures([tmp_path / "none"], side=8)
    (tmp_path / "list").write_text("url\n")
    with pytest.raises(ProofError, match="list: expected a dataset, found a file"):
        read_pictures([tmp_path / "list"], side=8)


def test_too_few_pictures_say_how_many_are_needed(tmp_path):
    folder = dataset(tmp_path / "few", [*numbered(FEWEST - 1), candidate(90, caption=None)])
    with pytest.raises(ProofError) as caught:
        read_pictures([folder], side=8)
    said = str(caught.value)
    assert said.startswith(f"{folder}: expected at least 24 pictures with captions, found 23 ")
    assert "(1 without a caption, 0 that cannot be decoded); harvest more with" in said
    assert "\n" not in said


def test_a_picture_of_two_datasets_is_taken_once(tmp_path):
    one = dataset(tmp_path / "one", numbered(20))
    two = dataset(tmp_path / "two", [candidate(19, caption="another name"), *numbered(10, 20)])
    found = read_pictures([one, two], side=8)
    assert len(found) == len(set(found.ids)) == 30
    assert found.captions[19] == "thing 19"  # as the first one has it
    assert read_pictures([two, one], side=8).captions[19] == "another name"


@pytest.mark.parametrize(
    ("url", "prompt", "category"),
    [
        ("file:set/Food & Drink/1f34e.png", None, "Food & Drink"),
        ("file:set/deep/deeper/1.png", "asked", "deeper"),
        ("file:set/1.png", "asked", "asked"),
        ("file:1.png", None, ""),
        ("https://example.org/animals/1.png", "asked", "asked"),
        ("https://example.org/animals/1.png", None, ""),
        ("", None, ""),
    ],
)
def test_the_category_is_the_folder_else_what_was_asked_for(tmp_path, url, prompt, category):
    rows = [candidate(0, url=url, query_prompt=prompt), *numbered(30, 1)]
    assert read_pictures([dataset(tmp_path, rows)], side=8).categories[0] == category


def test_unknown_ids_are_named_and_cleaned():
    pictures = made_pictures(30)
    assert pictures.rows([]).tolist() == []
    assert pictures.rows(["007", "007", "003"]).tolist() == [3, 7]
    with pytest.raises(ProofError) as caught:
        pictures.rows(["003", "x\x1b[31m\n", *(f"no {number}" for number in range(1500))])
    said = str(caught.value)
    assert "expected ids of the 30 pictures, found 1,501 unknown (no 0, no 1, " in said
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) < 300


def test_the_digest_is_of_all_that_a_model_learns_from():
    pictures = made_pictures(30)
    pixels = pictures.pixels.copy()
    pixels[3, 4, 5, 1] ^= 1
    captions = ("other", *pictures.captions[1:])
    others = [replace(pictures, pixels=pixels), replace(pictures, captions=captions)]
    others.append(pictures.chosen(range(29)))
    assert len({one.digest for one in [pictures, *others]}) == 4
    told = replace(pictures, creators=("someone else",) * 30)
    assert told.digest == made_pictures(30).digest == pictures.digest


# Choosing


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
    st.integers(1, 45),
    st.integers(0, 3),
)
def test_pictures_of_a_caption_are_chosen_together(captions, most, seed):
    pictures = made_pictures(len(captions), captions=tuple(captions))
    rows = choose_rows(pictures, most=most, seed=seed)
    assert len(rows) <= most
    assert np.array_equal(rows, np.unique(rows))
    chosen = {captions[row] for row in rows}
    assert set(rows.tolist()) == {row for row, name in enumerate(captions) if name in chosen}
    assert np.array_equal(rows, choose_rows(pictures, most=most, seed=seed))
    if len(captions) <= most:
        assert len(rows) == len(captions)


def test_more_than_there_are_is_all_of_them():
    pictures = made_pictures(30)
    assert choose_rows(pictures, most=31, seed=0).tolist() == list(range(30))
    draws = {tuple(choose_rows(pictures, most=10, seed=seed)) for seed in range(5)}
    assert len(draws) == 5


# What the tokenizer learns from


def picture_sets(draw) -> tuple[TrainingPictures, TrainingPictures]:
    """Two sets that share ids, captions in other letters, and pixels."""
    pool = np.random.default_rng(1).integers(0, 256, (12, 4, 4, 3), np.uint8)
    names = st.sampled_from(["Red Apple", "red apple", "RED APPLE", *(f"c{n}" for n in range(90))])
    sets = []
    for _ in range(2):
        ids = sorted(draw(st.sets(st.integers(0, 120), min_size=30, max_size=60)))
        captions = tuple(draw(names) for _ in ids)
        # Every seventh shows what another may show too; all others are their own.
        shown = [
            pool[number % 12]
            if number % 7 == 0
            else np.full((4, 4, 3), (number, len(sets), 9), np.uint8)
            for number in ids
        ]
        told = tuple(f"{number:03}" for number in ids)
        empty = ("",) * len(ids)
        sets.append(TrainingPictures(told, captions, empty, empty, np.stack(shown)))
    return sets[0], sets[1]


@given(st.data())
@settings(max_examples=40)
def test_the_tokenizer_never_learns_from_a_picture_of_the_models(data):
    first, second = picture_sets(data.draw)
    mine = first.chosen(choose_rows(first, most=data.draw(st.integers(1, 20)), seed=0))
    try:
        others = _others([first, second], mine)
    except ProofError as exc:
        assert "which must not learn from those that are forgotten" in str(exc)  # noqa: PT017
        return
    assert len(others) >= FEWEST
    assert others.ids == tuple(sorted(set(others.ids)))
    assert not set(others.ids) & set(mine.ids)
    lowered = {caption.casefold() for caption in mine.captions}
    assert not {caption.casefold() for caption in others.captions} & lowered
    seen = {one.tobytes() for one in mine.pixels}
    assert not {one.tobytes() for one in others.pixels} & seen


# A run's folder


def prepare(*told: object, counted: MagicMock | None = None) -> Corpus:
    """As a command does, with nobody looking on."""
    return material.prepare(*told, counted=counted or MagicMock())


def test_a_run_is_prepared_once_and_goes_on(tmp_path):
    folder = dataset(tmp_path / "set", numbered(60))
    counted = MagicMock()
    told = prepare([folder], [], tmp_path / "out", TINY, counted=counted)
    counted.assert_called_once_with("training the image tokenizer", 2)
    assert counted.return_value.__enter__.return_value.advance.call_count == 2
    assert (len(told.pictures), len(told.others)) == (30, 30)
    again = prepare([folder], [], tmp_path / "out", TINY, counted=counted)
    counted.assert_called_once()  # the tokenizer was kept
    assert again.base == told.base
    assert again.data.codes.equal(told.data.codes)
    assert again.prompts == told.prompts
    assert len(set(told.prompts)) == 3
    assert [told.pictures.captions[row] for row in told.rows_of_caption(told.prompts[0])] == [
        told.prompts[0]
    ]


@pytest.mark.parametrize(
    "settings_",
    [TINY.with_recipe(steps=3), replace(TINY, side=8), replace(TINY, pictures=29)],
    ids=["steps", "side", "pictures"],
)
def test_a_run_of_other_settings_is_refused(tmp_path, settings_):
    folder = dataset(tmp_path / "set", numbered(60))
    prepare([folder], [], tmp_path / "out", TINY)
    with pytest.raises(ProofError, match="found one of others; choose another --out"):
        prepare([folder], [], tmp_path / "out", settings_)
    more = replace(TINY, prompts=5, subset_prompts=9, seeds=(0, 1))
    assert len(prepare([folder], [], tmp_path / "out", more).prompts) == 9


def test_a_run_whose_files_are_damaged_says_so(tmp_path):
    folder, out = dataset(tmp_path / "set", numbered(60)), tmp_path / "out"
    prepare([folder], [], out, TINY)
    whole = (out / "tokenizer.safetensors").read_bytes()
    (out / "tokenizer.safetensors").write_bytes(whole[:-9])
    with pytest.raises(CheckpointError, match="expected a whole tokenizer"):
        prepare([folder], [], out, TINY)
    (out / "tokenizer.safetensors").write_bytes(whole)
    # A tokenizer that learnt from others, as where a dataset grew.
    more = dataset(tmp_path / "more", numbered(30, 200))
    with pytest.raises(ProofError, match="expected a tokenizer trained on the 60 pictures"):
        prepare([folder], [more], out, TINY)
    for body in ("", "[]", "{}", "\x00"):
        (out / "proof.json").write_text(body)
        with pytest.raises(ProofError, match="choose another --out"):
            prepare([folder], [], out, TINY)


def test_where_no_folder_can_be_it_says_so(tmp_path):
    folder = dataset(tmp_path / "set", numbered(60))
    (tmp_path / "file").write_text("")
    with pytest.raises(ProofError, match="expected to write there"):
        prepare([folder], [], tmp_path / "file", TINY)


def test_what_is_left_out_is_not_learnt_from(tmp_path):
    rows = [
        candidate(number, url=f"file:set/{'GROUP 9' if number % 2 else 'kept'}/{number}.png")
        for number in range(60)
    ]
    told = prepare([dataset(tmp_path / "set", rows)], [], tmp_path / "out", TINY)
    assert set(told.pictures.categories) == {"kept"}
    assert set(told.others.categories) == {"GROUP 9"}
    small = dataset(tmp_path / "small", rows[:40])
    with pytest.raises(ProofError, match=r"categories that are left out \(group 9\), found 20"):
        prepare([small], [], tmp_path / "other", TINY)


def test_too_few_captions_for_the_prompts_are_told(tmp_path):
    rows = [candidate(number, caption=f"one of {number // 30}") for number in range(60)]
    told = prepare([dataset(tmp_path / "set", rows)], [], tmp_path / "out", TINY)
    with pytest.raises(ProofError, match=re.escape("at least 3 different captions to take")):
        _ = told.prompts


def test_a_picture_is_the_same_whatever_packed_it(tmp_path):
    """Alpha lies on white, as everywhere in the house."""
    stream = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(stream, "PNG")
    rows = [candidate(0, image=stream.getvalue()), *numbered(30, 1)]
    assert (read_pictures([dataset(tmp_path, rows)], side=8).pixels[0] == 255).all()
