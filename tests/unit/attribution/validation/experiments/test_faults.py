"""What strangers' files and odd datasets do to the room: one line each, no hang, no traceback."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from attribution.errors import CheckpointError, ProofError
from attribution.validation import results
from attribution.validation.experiments.generations import GeneratedQueries
from attribution.validation.experiments.retraining import Probe, Removal, train_all
from attribution.validation.experiments.settings import TINY
from attribution.validation.experiments.unlearning import requests_of
from attribution.validation.methods.scores import read_scores
from attribution.validation.model.checkpoints import (
    load_model,
    load_tokenizer,
    resume_training,
    save_model,
    save_tokenizer,
    save_training,
)
from attribution.validation.model.dataset import choose_rows, read_pictures
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.model.training import Trainer, train
from attribution.validation.outcomes import read_outcome
from tests.support.small_model import (
    COUNT,
    RECIPE,
    candidate,
    data,
    dataset,
    made_pictures,
    material,
    tokenizer,
    words,
)

SHORT = replace(RECIPE, steps=4)
ROWS = np.arange(30)


def rewrite(path, change) -> None:
    with safe_open(path, "pt") as file:
        told = json.loads(file.metadata()["whence"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    change(told, tensors)
    save_file(tensors, path, {"whence": json.dumps(told)})


SHAPES = [
    {"heads": 0},
    {"depth": 10**7},  # hours of building
    {"width": 20_000},  # 10 GB
    {"depth": "two"},
    {"depth": True},
    {"width": 32.0},
    {"image_length": 10**6},
]


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_a_header_cannot_ask_for_more_than_its_tensors(tmp_path, changes):
    path = tmp_path / "model"
    save_model(path, train(data(), ROWS, SHORT), data())
    rewrite(path, lambda told, _: told["shape"].update(changes))
    with pytest.raises(CheckpointError, match="expected a whole model"):
        load_model(path, data().tokenizer)


@pytest.mark.parametrize("losses", [[], [10**400], ["low"]], ids=["none", "huge", "text"])
def test_losses_are_numbers(tmp_path, losses):
    path = tmp_path / "model"
    save_model(path, train(data(), ROWS, SHORT), data())
    rewrite(path, lambda told, _: told.update(losses=losses))
    with pytest.raises(CheckpointError, match="expected a whole model"):
        load_model(path, data().tokenizer)


@pytest.mark.parametrize("changes", [{"levels": [-3, 2]}, {"levels": [2**40] * 3}, {"width": 9}])
def test_a_tokenizers_header_is_not_believed_either(tmp_path, changes):
    path = tmp_path / "codec"
    save_tokenizer(path, tokenizer(), "")
    rewrite(path, lambda told, _: told["shape"].update(changes))
    with pytest.raises(CheckpointError, match="expected a whole tokenizer"):
        load_tokenizer(path)


def forget_optimizers(_, tensors):
    for name in [one for one in tensors if one.startswith("optimizer.")]:
        del tensors[name]


def spoil_an_optimizer(_, tensors):
    name = next(one for one in tensors if one.startswith("optimizer.0."))
    tensors[name] = torch.zeros(3, 3)


SPOILED = {
    "further than its losses": lambda told, _: told.update(done=3),
    "before its begin": lambda told, _: told.update(done=-1, steps=[]),
    "beyond its end": lambda told, _: told.update(done=9, steps=[1.0] * 9),
    "no memory of the optimizers": forget_optimizers,
    "a memory of another shape": spoil_an_optimizer,
    "a memory too many": lambda _, tensors: tensors.update({"optimizer.1.99.step": torch.ones(1)}),
}


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
def test_a_training_is_whole_or_refused(tmp_path, change):
    """It would else go on, and end elsewhere than an uninterrupted one."""
    path, stopped = tmp_path / "half", Trainer(data(), ROWS, SHORT)
    stopped.run(until=2)
    save_training(path, stopped, data())
    rewrite(path, change)
    with pytest.raises(CheckpointError, match="expected a whole training"):
        resume_training(path, Trainer(data(), ROWS, SHORT), data())


READERS = {
    "outcome": read_outcome,
    "scores": read_scores,
    "rows": lambda path: results.read_rows(path, results.Effect),
}
TABLES = {
    "one of its columns": {"seed": [1], "method": ["a"], "arm": ["whence"]},
    "none of them": {"a": [1]},
    "no value": {"seed": pa.array([None], pa.int64())},
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_parquet_of_something_else_is_refused(tmp_path, read, table):
    path = tmp_path / "file.parquet"
    pq.write_table(pa.table(table), path)
    with pytest.raises(ProofError, match="delete it and run the same command again"):
        read(path)


def test_a_missing_outcome_is_called_missing(tmp_path):
    with pytest.raises(ProofError, match="found No such file or directory; delete it"):
        read_outcome(tmp_path / "outcome.parquet")


def test_a_row_that_says_ok_and_has_no_picture_is_left_out(tmp_path, caplog):
    rows = [*(candidate(number) for number in range(24)), candidate(30, image=None)]
    assert len(read_pictures([dataset(tmp_path, rows)], side=8)) == 24
    assert "1 that cannot be decoded" in caplog.text


def test_a_caption_that_too_many_share_takes_none_of_the_others_places():
    pictures = made_pictures(30, captions=("photo",) * 20 + tuple("abcdefghij"))
    assert choose_rows(pictures, most=12, seed=0).tolist() == list(range(20, 30))


def test_nothing_to_learn_from_is_no_endless_loop(tmp_path):
    with pytest.raises(ProofError, match="expected pictures to learn from, found none left"):
        Trainer(data(), ROWS[:0], SHORT)
    empty = torch.empty(0, 4, dtype=torch.long)
    question = Probe(data(), SHORT, (empty, empty), data().text[:1], tmp_path, "base")
    removals = [Removal(0, frozenset(data().ids[:1])), Removal(0, frozenset(data().ids))]
    with pytest.raises(ProofError, match="found a removal of all 40; harvest more"):
        train_all(question, removals, lambda: None, workers=ModelPool(1))
    assert not list(tmp_path.iterdir())  # before any is trained


def test_bytes_of_a_command_line_are_a_prompt_too():
    assert words().encode(["\udcff thing"]).shape == (1, 4)


@pytest.mark.parametrize("count", [24, 30, 33, COUNT])
def test_no_request_leaves_too_few_to_learn_from(tmp_path, count):
    pictures = made_pictures(count)
    asked = GeneratedQueries(material(tmp_path, TINY, pictures), {}, {}, np.empty(0), np.empty(0))
    told = requests_of(asked, frozenset(pictures.ids[:2]))
    assert all(count - len(removed) >= 24 for removed in told.values())
    assert ("10 at random" in told) == (count >= 34)
