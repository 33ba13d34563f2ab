"""The text channels: BM25 by weighted parts, and the names that a prompt names."""

from __future__ import annotations

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.descriptors.bm25 import Bm25Scorer
from attribution.descriptors.names import FAMILY_NAME_ALONE, NamesScorer
from attribution.descriptors.text import CandidateText
from attribution.prompt import PromptParts, from_midjourney
from harvester.midjourney.prompt import parse_prompt
from harvester.schema import WeightedText

BODIES = [
    "a red barn in the snow",
    "a red lighthouse and a dog",
    "",
    "red red red",
    "a dog with a collar beside a barn",
    "Ein roter Leuchtturm",
]


def index_of(bodies) -> Bm25Scorer:
    return Bm25Scorer([CandidateText(title=body) for body in bodies])


def scores(prompt: str, bodies=BODIES) -> np.ndarray:
    return index_of(bodies).scores(from_midjourney(parse_prompt(prompt)))


def reference(words, bodies=BODIES) -> np.ndarray:
    """Lucene's BM25 from its formula: k1 = 1.5, b = .75, English stop words left out."""
    stop = set(bm25s.tokenization.STOPWORDS_EN)
    texts = [[w for w in body.lower().split() if len(w) > 1 and w not in stop] for body in bodies]
    mean = sum(map(len, texts)) / len(texts)
    total = np.zeros(len(texts))
    for word in words:
        holding = sum(word in text for text in texts)
        idf = np.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for row, text in enumerate(texts):
            count = text.count(word)
            total[row] += idf * count / (count + 1.5 * (1 - 0.75 + 0.75 * len(text) / mean))
    return total


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("the red lighthouse", reference(["red", "lighthouse"])),
        ("red red barn", reference(["red", "red", "barn"])),
        ("lighthouse::2 barn::1", reference(["lighthouse"]) + reference(["barn"]) / 2),
        ("lighthouse::1 barn::.5", reference(["lighthouse"]) + reference(["barn"]) / 2),
        ("barn --no dog", reference(["barn"]) - reference(["dog"]) / 2),
        ("barn::2 snow::-1", reference(["barn"]) - reference(["snow"]) / 2),
        ("dog --no dog collar", reference(["dog"]) - reference(["collar"]) / 2),
    ],
)
def test_scores_are_bm25_by_the_weights_of_the_parts(prompt, expected):
    np.testing.assert_allclose(scores(prompt), expected, atol=1e-5)


def test_what_is_to_be_left_out_counts_below_zero():
    only_refused = scores("zebra --no collar")
    assert only_refused[4] < 0
    assert not only_refused[[0, 1, 2, 3, 5]].any()


@pytest.mark.parametrize("prompt", ["zebra", "the of a", "", "--no zebra"])
def test_no_word_in_common_is_a_score_of_nothing(prompt):
    assert not scores(prompt).any()


def test_makers_are_no_words_of_the_picture():
    """They have a channel of their own."""
    index = Bm25Scorer([CandidateText("a barn", "", "Green"), CandidateText("a green barn")])
    found = index.scores(from_midjourney(parse_prompt("green")))
    assert found[0] == 0 < found[1]


def test_titles_and_captions_are_one_body():
    assert CandidateText("A barn", "in the snow", "Ada").body == "A barn\nin the snow"
    assert CandidateText(caption="snow").body == "snow"
    assert CandidateText(creator="Ada").body == ""


def test_words_of_any_script():
    bodies = ["рыбацкая деревня", "富士山 の 風景", ""]
    assert scores("деревня", bodies).argmax() == 0
    assert scores("風景", bodies).argmax() == 1


@pytest.mark.parametrize("bodies", [[], [""], ["", "a", "the of"]])
def test_galleries_without_a_word_have_no_score(bodies):
    found = scores("anything --no thing", bodies)
    assert found.shape == (len(bodies),)
    assert found.dtype == np.float32
    assert not found.any()


words = st.lists(st.sampled_from("red barn snow dog lighthouse".split()), min_size=1, max_size=4)


@given(st.lists(words, min_size=2, max_size=6), words, st.sampled_from([0.5, 2.0, 8.0]))
def test_only_the_proportion_of_weights_counts(texts, wanted, times):
    index = index_of([" ".join(text) for text in texts])
    plain = PromptParts((WeightedText(" ".join(wanted), 1.0), WeightedText("collie", -0.5)))
    scaled = PromptParts(tuple(WeightedText(one.text, one.weight * times) for one in plain.parts))
    np.testing.assert_allclose(index.scores(plain), index.scores(scaled), rtol=1e-6)


@given(st.lists(words, min_size=2, max_size=6), words, words)
def test_refusing_more_never_raises_a_score(texts, wanted, refused):
    index = index_of([" ".join(text) for text in texts])
    kept = WeightedText(" ".join(wanted), 1.0)
    less = index.scores(PromptParts((kept,)))
    more = index.scores(PromptParts((kept, WeightedText(" ".join(refused), -0.5))))
    assert (more <= less + 1e-6).all()


def named(text: CandidateText, *artists: str, titles: tuple[str, ...] = ()) -> float:
    return float(NamesScorer([text]).scores(PromptParts(artists=artists, titles=titles))[0])


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (CandidateText(creator="Ralph Steadman"), 1.0),
        (CandidateText(creator="STEADMAN, Ralph"), 1.0),
        (CandidateText(title="Fear and Loathing by ralph steadman (1971)"), 1.0),
        (CandidateText(caption="Ralph Steadman's drawings"), 1.0),
        (CandidateText(creator="R. Steadman"), FAMILY_NAME_ALONE),
        (CandidateText(creator="steadman"), FAMILY_NAME_ALONE),
        (CandidateText(title="A Steadman poster"), FAMILY_NAME_ALONE),
        (CandidateText(title="a steadman poster"), 0.0),
        (CandidateText(title="Ralph goes fishing"), 0.0),
        (CandidateText(title="Ralph", caption="Steadmanship"), 0.0),
        (CandidateText(), 0.0),
    ],
)
def test_an_artist_is_looked_for_as_a_whole_name(text, share):
    assert named(text, "Ralph Steadman") == share


def test_a_name_does_not_run_over_from_one_text_into_the_next():
    assert named(CandidateText("by Ralph", "steadman"), "Ralph Steadman") == 0
    assert named(CandidateText("by Ralph\nsteadman"), "Ralph Steadman") == 0


@pytest.mark.parametrize(
    ("written", "name", "share"),
    [
        ("Joan Miró", "joan miro", 1.0),
        ("salvador dali", "Salvador Dalí", 1.0),
        ("Georgia O’Keeffe’s poppies", "Georgia O'Keeffe", 1.0),
        ("Pieter Bruegel, Hunters", "Pieter Bruegel the Elder", FAMILY_NAME_ALONE),
        ("The Elder Scrolls", "Pieter Bruegel the Elder", 0.0),
        ("Katsushika Hokusai", "hokusai", 1.0),
        ("hokusai-style wave", "Hokusai", 1.0),
        ("葛飾北斎の富士", "葛飾北斎", 1.0),
        ("葛飾 北斎", "葛飾 北斎", 1.0),
        ("葛飾応為", "葛飾北斎", 0.0),
        ("Илья Репин. Бурлаки", "илья репин", 1.0),
        ("Grossstadt von GROSZ", "George Grosz", FAMILY_NAME_ALONE),
    ],
)
def test_case_accents_and_scripts_make_no_difference(written, name, share):
    assert named(CandidateText(title=written), name) == share


def test_titles_are_looked_for_whole_and_without_their_article():
    wave = ("The Great Wave off Kanagawa",)
    assert named(CandidateText("Great wave off Kanagawa, print"), titles=wave) == 1
    assert named(CandidateText("Kanagawa in spring"), titles=wave) == 0


def test_the_share_is_over_all_that_the_prompt_names():
    text = CandidateText("The Kiss", creator="Gustav Klimt")
    assert named(text, "Gustav Klimt", "Egon Schiele") == 0.5
    assert named(text, "Gustav Klimt", titles=("The Kiss",)) == 1
    assert named(text, "Gustav Klimt", "gustav klimt", "Schiele") == 0.5


@pytest.mark.parametrize("asked", [PromptParts(), PromptParts(artists=("!?",))])
def test_a_prompt_that_names_nobody_has_no_share(asked):
    found = NamesScorer([CandidateText("a barn"), CandidateText()]).scores(asked)
    assert found.shape == (2,)
    assert found.dtype == np.float32
    assert np.isnan(found).all()


@given(st.permutations(range(len(BODIES))))
def test_the_order_of_candidates_makes_no_difference(order):
    asked = PromptParts(
        (WeightedText("red barn", 1.0), WeightedText("dog", -0.5)), artists=("Roter",)
    )
    texts = [CandidateText(body) for body in BODIES]
    straight, shuffled = Bm25Scorer(texts), Bm25Scorer([texts[n] for n in order])
    np.testing.assert_allclose(
        shuffled.scores(asked), straight.scores(asked)[list(order)], atol=1e-6
    )
    straight, shuffled = NamesScorer(texts), NamesScorer([texts[n] for n in order])
    np.testing.assert_array_equal(shuffled.scores(asked), straight.scores(asked)[list(order)])
