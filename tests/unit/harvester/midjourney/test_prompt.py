"""Prompts taken apart into words, flags, weights, negatives and references."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.midjourney.prompt import Prompt, parse_prompt
from harvester.schema import Parameter, Reference, ReferenceRole, WeightedText
from tests.support.patience import cpu_seconds

LINK = "https://s.mj.run/kKlLmM3nNoO"
OTHER = "https://s.mj.run/aAbBcC1-dDe"


def flags(prompt: Prompt) -> list[tuple[str, str]]:
    return [(flag.name, flag.value) for flag in prompt.parameters]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("cat", "cat", []),
        ("cat --ar 16:9", "cat", [("ar", "16:9")]),
        ("cat --v 6.0 --s 750 --style raw", "cat", [("v", "6.0"), ("s", "750"), ("style", "raw")]),
        ("cat --ar16:9 --v5", "cat", [("ar", "16:9"), ("v", "5")]),
        ("cat --ar=16:9", "cat", [("ar", "16:9")]),
        ("cat --AR 16:9,", "cat", [("ar", "16:9")]),
        ("cat --ar 16:9--v 6", "cat", [("ar", "16:9"), ("v", "6")]),
        ("cat —ar 16:9 —v 6", "cat", [("ar", "16:9"), ("v", "6")]),
        ("cat –ar 3:2", "cat", [("ar", "3:2")]),
        ("cat --tile --hd --test", "cat", [("tile", ""), ("hd", ""), ("test", "")]),
        ("cat --uplight --video 1", "cat", [("uplight", ""), ("video", "1")]),
        ("cat --video --h 440", "cat", [("video", ""), ("h", "440")]),
        ("cat --niji 5", "cat", [("niji", "5")]),
        ("cat --niji", "cat", [("niji", "")]),
        ("cat --relax --ar 17:31", "cat", [("relax", ""), ("ar", "17:31")]),
        ("cat --seed 1391 --no text", "cat", [("seed", "1391"), ("no", "text")]),
        ("cat --glow 12 --foo", "cat", [("glow", "12"), ("foo", "")]),
        ("cat --p abc12de xy34567 --s 50", "cat", [("p", "abc12de xy34567"), ("s", "50")]),
        ("cat --p", "cat", [("p", "")]),
        ("cat --ar {16:9, 2:3} --v 6", "cat", [("ar", "{16:9, 2:3}"), ("v", "6")]),
        ("--ar 1:1", "", [("ar", "1:1")]),
        ("", "", []),
    ],
)
def test_flags_are_taken_off_in_order(text, words, expected):
    prompt = parse_prompt(text)
    assert prompt.prompt == words
    assert flags(prompt) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a state-of-the-art -- really -- machine",
        "a house—like a castle—in fog",
        "light – shadow – light",
        "well-known mother-in-law",
        "the years 1920--1930",
        "word--joined",
        "so —beautiful, isn't it",
        "a - b - c",
        "{red, blue} car",
        "{a cat, a dog} in {Rome, Oslo}",
    ],
)
def test_dashes_and_braces_in_ordinary_words_stay_words(text):
    prompt = parse_prompt(text)
    assert prompt.prompt == text
    assert prompt.parameters == ()


def test_words_behind_a_flag_come_back():
    prompt = parse_prompt("a cat --ar 16:9 in the rain --tile at night")
    assert prompt.prompt == "a cat in the rain at night"
    assert flags(prompt) == [("ar", "16:9"), ("tile", "")]


def test_an_unknown_flag_before_many_words_takes_none_of_them():
    prompt = parse_prompt("portrait --beautiful woman with red hair")
    assert prompt.prompt == "portrait woman with red hair"
    assert flags(prompt) == [("beautiful", "")]


def test_repeated_flags_are_all_kept_and_their_negatives_joined():
    prompt = parse_prompt("a border --ar 4:6 --no stone walls --seed 1391 --no text, people")
    assert [name for name, _ in flags(prompt)] == ["ar", "no", "seed", "no"]
    assert prompt.negatives == ("stone walls", "text", "people")


def test_a_multi_prompt_has_its_weights():
    prompt = parse_prompt(
        "Q::9 wide border of ivy and larks, woodcut::6 "
        "monochrome print, ink::2.5 raking light --ar 4:6"
    )
    assert prompt.weights == (
        WeightedText("Q", 9.0),
        WeightedText("wide border of ivy and larks, woodcut", 6.0),
        WeightedText("monochrome print, ink", 2.5),
        WeightedText("raking light", 1.0),
    )
    assert prompt.prompt.startswith("Q wide border")
    assert "::" not in prompt.prompt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hot:: dog", [("hot", 1.0), ("dog", 1.0)]),
        ("hot::dog", [("hot", 1.0), ("dog", 1.0)]),
        ("a::.5 b::-.5", [("a", 0.5), ("b", -0.5)]),
        ("a::2", [("a", 2.0)]),
        ("a::4k render", [("a", 1.0), ("4k render", 1.0)]),
        ("a:: 2 dogs", [("a", 1.0), ("2 dogs", 1.0)]),
        ("a::2, b", [("a", 2.0), (", b", 1.0)]),
        ("plain", []),
    ],
)
def test_weights(text, expected):
    assert [(part.text, part.weight) for part in parse_prompt(text).weights] == expected


def test_a_negative_weight_pushes_its_words_out_of_the_prompt():
    prompt = parse_prompt("market stall::2 people::-0.5 watercolour --no text")
    assert prompt.prompt == "market stall watercolour"
    assert prompt.negatives == ("text", "people")


@pytest.mark.parametrize(
    ("text", "words", "references"),
    [
        (f"<{LINK}> cat", "cat", [(LINK, "image")]),
        (f"{LINK} {OTHER} a cat --v 3", "a cat", [(LINK, "image"), (OTHER, "image")]),
        (f"<{LINK}> <{OTHER}> --v 5.1", "", [(LINK, "image"), (OTHER, "image")]),
        (f"{LINK}::2 cat::1", "cat", [(LINK, "image")]),
        (f"{LINK}, cat", "cat", [(LINK, "image")]),
        (f"cat --sref <{LINK}>", "cat", [(LINK, "style")]),
        (f"cat --sref <{LINK}> <{OTHER}>", "cat", [(LINK, "style"), (OTHER, "style")]),
        (f"cat --sref {LINK}::2 {OTHER}::1", "cat", [(LINK, "style"), (OTHER, "style")]),
        ("cat --sref 2067381016", "cat", [("2067381016", "style")]),
        ("cat --sref random", "cat", [("random", "style")]),
        (f"cat --sref 12 {LINK} in fog", "cat in fog", [("12", "style"), (LINK, "style")]),
        (f"cat --cref <{LINK}> --cw 50", "cat", [(LINK, "character")]),
        (f"cat --oref <{LINK}> --ow 400", "cat", [(LINK, "object")]),
        (f"cat --iw 2 --iw <{LINK}>", "cat", [(LINK, "image")]),
        (f"<{LINK}> cat --sref <{OTHER}>", "cat", [(LINK, "image"), (OTHER, "style")]),
    ],
)
def test_links_become_references_with_their_role(text, words, references):
    prompt = parse_prompt(text)
    assert prompt.prompt == words
    assert prompt.references == tuple(
        Reference(url, ReferenceRole(role)) for url, role in references
    )


@pytest.mark.parametrize(
    ("text", "model", "version"),
    [
        ("cat", "midjourney", None),
        ("cat --v 6.1", "midjourney", "6.1"),
        ("cat --version 5", "midjourney", "5"),
        ("cat --v 4 --v 5.2", "midjourney", "5.2"),
        ("cat --niji 6", "niji", "6"),
        ("cat --niji 6 --v 6", "niji", "6"),
        ("cat --niji", "niji", None),
    ],
)
def test_model_and_version(text, model, version):
    prompt = parse_prompt(text)
    assert (prompt.model, prompt.version) == (model, version)


def test_line_breaks_are_folded():
    assert parse_prompt("a cat\n\nin  the\train --v 6").prompt == "a cat in the rain"


WORD = st.text(st.characters(categories=["L", "N"], include_characters=",.!'"), min_size=1)
FLAG = st.sampled_from(
    "--ar 16:9|--no|--v 6|--tile|—s 50|--sref 12 random|--odd|--niji|::2|::-1|::|--|—|{a,|b}|"
    "<https://s.mj.run/aAbBcC1-dDe>".split("|")
)


@given(st.lists(st.one_of(WORD, FLAG), max_size=30))
def test_nothing_that_is_written_is_lost(pieces):
    """Every word ends in the words, a flag's value, a negative or a reference."""
    text = " ".join(pieces)
    prompt = parse_prompt(text)
    kept = " ".join(
        [prompt.prompt, *prompt.negatives, *(part.text for part in prompt.weights)]
        + [f"{flag.name} {flag.value}" for flag in prompt.parameters]
        + [reference.url for reference in prompt.references]
    )
    counted = re.findall(r"\w+", kept.lower())
    for word in re.findall(r"\w+", re.sub(r"::-?[0-9.]*(?!\w)", " ", text).lower()):
        assert word in counted


@given(st.text())
def test_any_text_can_be_read(text):
    prompt = parse_prompt(text)
    assert "\n" not in prompt.prompt
    assert all(isinstance(flag, Parameter) and flag.name for flag in prompt.parameters)


@pytest.mark.parametrize(
    "piece", ["--", "--a-", "— ", " --ar {", "a::-1 ", "<https://a", " --sref 1", "1--v"]
)
def test_a_hostile_megabyte_is_read_in_linear_time(piece):
    text = "cat " + piece * (1_000_000 // len(piece)) + " --v 6"
    with cpu_seconds(10):
        prompt = parse_prompt(text)
    assert prompt.version == "6"
