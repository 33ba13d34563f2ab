"""Trained parts as files: what comes back is what was written, and nothing else gets in."""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from attribution.errors import CheckpointError
from attribution.validation.model import checkpoints
from attribution.validation.model.checkpoints import (
    digest_of,
    load_model,
    load_tokenizer,
    resume_training,
    save_model,
    save_tokenizer,
    save_training,
)
from attribution.validation.model.training import Trainer, train
from tests.support.small_model import RECIPE, data, tokenizer

ROWS = np.arange(30)
SHORT = replace(RECIPE, steps=4)


@cache
def trained():
    return train(data(), ROWS, SHORT)


def trainer(**changes) -> Trainer:
    return Trainer(data(), ROWS, replace(SHORT, **changes))


def states_equal(one, other) -> bool:
    ones, others = one.state_dict(), other.state_dict()
    return ones.keys() == others.keys() and all(map(torch.equal, ones.values(), others.values()))


@pytest.fixture
def model(tmp_path) -> Path:
    save_model(tmp_path / "model", trained(), data())
    return tmp_path / "model"


@pytest.fixture
def codec(tmp_path) -> Path:
    save_tokenizer(tmp_path / "codec", tokenizer(), "of these")
    return tmp_path / "codec"


@pytest.fixture
def half(tmp_path) -> Path:
    stopped = trainer()
    stopped.run(until=2)
    save_training(tmp_path / "half", stopped, data())
    return tmp_path / "half"


def told_of(path: Path) -> dict:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["whence"])


def rewrite(path: Path, change) -> None:
    """The same file with another header or other tensors."""
    told = told_of(path)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    change(told, tensors)
    save_file(tensors, path, {"whence": json.dumps(told)})


def refused(call, path: Path) -> str:
    """What is said: one line, which names the file."""
    with pytest.raises(CheckpointError) as caught:
        call()
    said = str(caught.value)
    assert "\n" not in said
    assert str(path) in said
    return said


def test_a_tokenizer_comes_back(codec):
    found, learnt_from = load_tokenizer(codec)
    assert learnt_from == "of these"
    assert found.shape == tokenizer().shape
    assert digest_of(found) == digest_of(tokenizer())
    assert not found.training
    assert not any(one.requires_grad for one in found.parameters())


def test_a_model_comes_back_with_its_words_and_lineage(model):
    found, words = load_model(model, data().tokenizer)
    assert states_equal(found.model, trained().model)
    assert found.recipe == SHORT
    assert found.seen == frozenset(data().ids[:30])
    assert found.captions == data().captions[:30]
    assert (found.losses, found.seconds) == (trained().losses, trained().seconds)
    assert words == data().text_tokenizer
    assert not found.model.training


def test_a_training_comes_back_with_the_memory_of_its_optimizers(half):
    stopped, fresh = trainer(), trainer()
    stopped.run(until=2)
    assert resume_training(half, fresh, data())
    assert (fresh.done, fresh.losses) == (2, stopped.losses)
    assert states_equal(fresh.model, stopped.model)
    for one, other in zip(fresh.optimizers, stopped.optimizers, strict=True):
        ones, others = one.state_dict()["state"], other.state_dict()["state"]
        assert ones.keys() == others.keys() != set()
        for place, state in ones.items():
            assert all(torch.equal(state[name], others[place][name]) for name in state)
    assert fresh.model.training


def test_where_nothing_was_written_a_training_begins_anew(tmp_path):
    fresh = trainer()
    assert not resume_training(tmp_path / "none", fresh, data())
    assert fresh.done == 0


def test_a_file_is_whole_or_not_there(model, monkeypatch):
    before = model.read_bytes()

    def fail(_, path, __):
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    said = refused(lambda: save_model(model, trained(), data()), model)
    assert "No space left on device" in said
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_model_of_another_tokenizer_is_refused(model, half):
    other = digest_of(tokenizer(1))
    assert other != data().tokenizer
    for call, path in [
        (lambda: load_model(model, other), model),
        (lambda: resume_training(half, trainer(), replace(data(), tokenizer=other)), half),
    ]:
        said = refused(call, path)
        assert f"expected a model of the tokenizer {other[:12]}" in said
        assert f"found one of {data().tokenizer[:12]}" in said
        assert "give its own tokenizer, or train again" in said


@pytest.mark.parametrize("changes", [{"seed": 4}, {"steps": 5}, {"rate": 0.1}, {"width": 16}])
def test_a_training_of_other_settings_is_not_gone_on_with(half, changes):
    said = refused(lambda: resume_training(half, trainer(**changes), data()), half)
    assert "same pictures and settings" in said
    assert "delete it to begin anew" in said


def test_a_training_of_other_pictures_is_not_gone_on_with(half):
    other = Trainer(data(), ROWS[1:], SHORT)
    assert "same pictures" in refused(lambda: resume_training(half, other, data()), half)


def test_each_kind_is_asked_for_by_its_name(model, codec, half):
    for path in (codec, half):
        refused(lambda path=path: load_model(path, data().tokenizer), path)
    for path in (model, half):
        refused(lambda path=path: load_tokenizer(path), path)
    for path in (model, codec):
        refused(lambda path=path: resume_training(path, trainer(), data()), path)


class Malice:
    """A pickle that would write a file when it is loaded."""

    def __reduce__(self):
        return os.mkdir, (str(self.path),)

    def __init__(self, path):
        self.path = path


@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_no_pickle_is_ever_loaded(tmp_path, write):
    path, mark = tmp_path / "model", tmp_path / "mark"
    if write == "pickle":
        path.write_bytes(pickle.dumps(Malice(mark)))
    else:
        torch.save(Malice(mark), path)
    refused(lambda: load_model(path, data().tokenizer), path)
    refused(lambda: load_tokenizer(path), path)
    refused(lambda: resume_training(path, trainer(), data()), path)
    assert not mark.exists()


def test_no_file_of_the_room_loads_pickles_but_the_pool_those_of_its_parent():
    room = Path(checkpoints.__file__).parent
    words = ("torch.load(", "import pickle", "allow_pickle=True", "joblib")
    loading = {
        path.name
        for path in room.rglob("*.py")
        if any(word in path.read_text("utf-8") for word in words)
    }

    # What processes are asked for comes out of this program's own pipes, never out of a file.
    assert loading == {"process_pool.py"}
    assert not any(
        word in (room / "process_pool.py").read_text("utf-8") for word in ("open(", "Path", "load(")
    )


def test_cut_short_anywhere_it_is_refused(model):
    whole = model.read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1):
        model.write_bytes(whole[:length])
        refused(lambda: load_model(model, data().tokenizer), model)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * 64,
        b"PAR1" * 9,
        b"\x00" * 4096,
        (1 << 62).to_bytes(8, "little") + b"{}",
        b"{}" * 99,
    ],
)
def test_other_bytes_are_refused(tmp_path, body):
    path = tmp_path / "model"
    path.write_bytes(body)
    said = refused(lambda: load_model(path, data().tokenizer), path)
    assert "expected a whole" in said
    assert said.endswith("if it is of this run, delete it and run the same command again")


def test_safetensors_of_others_are_refused(tmp_path):
    path = tmp_path / "other"
    tensors = {"weight": torch.zeros(2)}
    deep = "[" * 100_000
    for header in [
        None,
        {},
        {"format": "pt"},
        *({"whence": one} for one in ("", "{}", "[]", deep)),
    ]:
        save_file(tensors, path, header)
        assert "expected a whole" in refused(lambda: load_tokenizer(path), path)


def test_a_file_that_is_none_is_refused(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        said = refused(lambda path=path: load_model(path, data().tokenizer), path)
        assert "Errno" not in said


def test_a_huge_file_is_not_opened(tmp_path):
    path = tmp_path / "huge"
    with path.open("wb") as stream:
        stream.truncate(checkpoints._MAX_BYTES + 1)  # takes no room
    refused(lambda: load_model(path, data().tokenizer), path)


def test_names_of_files_reach_no_terminal_as_they_are(tmp_path):
    """The message is for `sanitize.clean`; it is one line whatever the file is called."""
    path = tmp_path / "a\x1b[31mb"
    refused(lambda: load_model(path, data().tokenizer), path)


def without(*names):
    return lambda told, _: [told.pop(name) for name in names]


def told_as(**values):
    return lambda told, _: told.update(values)


def shape_as(**values):
    return lambda told, _: told["shape"].update(values)


CHANGES = {
    "another format": told_as(format=2),
    "another kind": told_as(kind="tokenizer"),
    "no shape": without("shape"),
    "no recipe": without("recipe"),
    "no words": without("words"),
    "no lineage": without("seen"),
    "unknown field": lambda told, _: told["recipe"].update(surprise=1),
    "shape of a text": told_as(shape="wide"),
    "losses of texts": told_as(losses=["low"]),
    "lineage of a number": told_as(seen=3),
    "wider": shape_as(width=64),
    "narrower": shape_as(width=16),
    "deeper": shape_as(depth=3),
    "heads that do not fit": shape_as(heads=3),
    "fewer words": shape_as(words=3),
    "negative": shape_as(codes=-1),
    "a text for a number": shape_as(depth="two"),
    "a tensor is missing": lambda _, tensors: tensors.pop("word.weight"),
    "a tensor too many": lambda _, tensors: tensors.update(more=torch.zeros(1)),
    "a tensor of another shape": lambda _, tensors: tensors.update(
        {"word.weight": torch.zeros(3, 3)}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_header_that_does_not_fit_is_refused(model, change):
    rewrite(model, change)
    refused(lambda: load_model(model, data().tokenizer), model)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "file" / "model", tmp_path / "pipe"):
        assert "expected to write" in refused(
            lambda path=path: save_model(path, trained(), data()), path
        )
