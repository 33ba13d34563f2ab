"""What a harvest asks of the datasets that are already there."""

from __future__ import annotations

import pytest

from harvester.dataset.writer import DatasetWriter
from harvester.errors import InputError
from harvester.pipeline.search import check_prompts, has_candidates, prompts_of
from harvester.schema import Candidate, Finding, Generation


@pytest.fixture
def dataset(tmp_path):
    with DatasetWriter(tmp_path / "c", Candidate) as store:
        store.append(Candidate(id="a", url="u"))
        store.append(Finding(url="u", source="ddg", query_prompt="a red lighthouse"))
    return tmp_path / "c"


def test_candidates_of_a_prompt_are_those_it_was_searched_for(dataset, tmp_path):
    assert has_candidates([tmp_path / "nowhere", dataset], "a red lighthouse")
    assert not has_candidates([dataset], "a red")
    assert not has_candidates([tmp_path / "nowhere"], "a red lighthouse")


def test_without_a_prompt_any_candidate_will_do(dataset, tmp_path):
    assert has_candidates([dataset])
    assert not has_candidates([tmp_path / "nowhere"])


def test_each_prompt_of_a_generations_dataset_is_told_once(tmp_path):
    with DatasetWriter(tmp_path / "g", Generation) as store:
        for number, prompt in enumerate(["a boat", "", "a cat", "a boat"]):
            store.append(Generation(id=str(number), prompt=prompt, raw_content=""))
    assert list(prompts_of(tmp_path / "g")) == ["a boat", "a cat"]


@pytest.mark.parametrize("prompts", [[], ["", "  "], ["--ar 3:2", ",", "https://a.example/b.jpg"]])
def test_nothing_to_search_for_is_refused(prompts):
    with pytest.raises(InputError, match="found none with a word in it"):
        check_prompts(prompts)
