"""What a prompt asks for: weights, what is refused, emphasis marks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.prompt import (
    MOST_NAMES,
    MOST_PARTS,
    PromptParts,
    emphasis_of,
    from_midjourney,
    from_plain,
    from_web_ui,
    plain_emphasis,
)
from harvester.midjourney.prompt import parse_prompt
from harvester.schema import Generation, Reference, ReferenceRole, WeightedText
from tests.support.patience import cpu_seconds


def parts_of(asked: PromptParts) -> list[tuple[str, float]]:
    return [(part.text, part.weight) for part in asked.parts]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a red barn --ar 16:9", [("a red barn", 1.0)]),
        ("red barn::2 snow::-.5", [("red barn", 2.0), ("snow", -0.5)]),
        ("a barn --no people, cars", [("a barn", 1.0), ("people", -0.5), ("cars", -0.5)]),
        ("barn::2 snow::-1 --no cars", [("barn", 2.0), ("snow", -1.0), ("cars", -0.5)]),
        ("cat::0 dog", [("dog", 1.0)]),
        ("--no people", [("people", -0.5)]),
        ("", []),
    ],
)
def test_a_prompt_asks_for_its_parts_by_weight(prompt, parts):
    assert parts_of(from_midjourney(parse_prompt(prompt))) == parts


def test_words_are_what_is_wanted_and_negatives_what_is_not():
    asked = from_midjourney(parse_prompt("red barn::2 a fence:: snow::-1 --no cars"))
    assert asked.words == "red barn a fence"
    assert asked.negatives == ("snow", "cars")


def test_a_stored_generation_asks_for_the_same_as_its_prompt():
    text = "https://s.mj.run/x barn::2 snow::-1 --no cars --sref 123 https://a.example/b.png"
    read = parse_prompt(text)
    row = Generation(
        id="1",
        prompt=read.prompt,
        raw_content=text,
        weights=read.weights,
        negatives=read.negatives,
        references=read.references,
    )
    asked = from_midjourney(row, artists=["Ada"])
    assert asked == from_midjourney(read, artists=["Ada"])
    assert asked.references == (
        Reference("https://s.mj.run/x", ReferenceRole.IMAGE),
        Reference("123", ReferenceRole.STYLE),
        Reference("https://a.example/b.png", ReferenceRole.STYLE),
    )


def test_without_a_grammar_every_word_is_wanted():
    assert parts_of(from_plain("a::2 b --no c")) == [("a::2 b --no c", 1.0)]
    assert from_plain(" ") == PromptParts()


def test_names_stand_once_and_in_order():
    asked = from_midjourney(
        parse_prompt("x"), artists=["Klee", "Miró", "Klee"], titles=["The Kiss"]
    )
    assert (asked.artists, asked.titles) == (("Klee", "Miró"), ("The Kiss",))


def test_of_too_many_parts_the_weightiest_stay_in_order():
    many = " ".join(f"w{number}::{number % 97 + 1}" for number in range(500))
    parts = from_midjourney(parse_prompt(many), artists=map(str, range(99))).parts
    assert len(parts) == MOST_PARTS
    assert min(part.weight for part in parts) >= 85
    numbers = [int(part.text[1:]) for part in parts]
    assert numbers == sorted(numbers)
    assert (
        len(from_midjourney(parse_prompt("x"), artists=map(str, range(99))).artists) == MOST_NAMES
    )


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("a red barn", [("a red barn", 1.0)]),
        ("a (red:1.3) barn", [("a", 1.0), ("red", 1.3), ("barn", 1.0)]),
        ("((night))", [("night", 1.21)]),
        ("[fog], sea", [("fog", 0.909), (", sea", 1.0)]),
        ("(one, (two:1.2))", [("one,", 1.1), ("two", 1.32)]),
        (r"a \(draft\)", [("a ( draft )", 1.0)]),
        ("<lora:ink_v2:0.8> a barn", [("a barn", 1.0)]),
        ("a barn BREAK a field", [("a barn a field", 1.0)]),
        ("[cat:dog:0.5] [a|b]", [("cat dog a b", 0.909)]),
        ("a barn) and ]this", [("a barn and this", 1.0)]),
        ("(never closed", [("never closed", 1.0)]),
        ("ratio 16:9, at 10:30", [("ratio 16:9, at 10:30", 1.0)]),
        ("(x:999)", [("x", 10.0)]),
        ("({[", []),
    ],
)
def test_emphasis_is_taken_off_and_its_weight_kept(text, runs):
    found = emphasis_of(text)
    assert [run.text for run in found] == [words for words, _ in runs]
    assert [run.weight for run in found] == pytest.approx([weight for _, weight in runs], abs=1e-3)
    assert plain_emphasis(text) == " ".join(words for words, _ in runs)


def test_a_marked_prompt_asks_by_its_marks_and_refuses_its_negative_prompt():
    asked = from_web_ui(
        "a barn, (snow:1.5)", "(people:2), text", artists=["(Ada Example:1.2)"], titles=["[Dusk]"]
    )
    assert parts_of(asked) == [
        ("a barn,", 1.0),
        ("snow", 1.5),
        ("people", -1.0),
        (", text", -0.5),
    ]
    assert asked.words == "a barn, snow"
    assert (asked.artists, asked.titles) == (("Ada Example",), ("Dusk",))


def test_a_part_of_weight_nothing_is_not_asked_for():
    assert from_web_ui("(barn:0) sea").parts == (WeightedText("sea", 1.0),)


@given(st.text(alphabet="ab ()[]:.19\\<>{}|", max_size=60))
def test_any_marks_leave_the_words_and_finite_weights(text):
    runs = emphasis_of(text)
    assert all(0 <= run.weight <= 10 for run in runs)
    letters = {letter for letter in text if letter in "ab" and "<" not in text}
    assert letters <= set(plain_emphasis(text))


@pytest.mark.parametrize(
    "text",
    ["(" * 20_000, "()" * 9_000, "(a:1" * 5_000, "<a:" * 7_000, ": " * 9_000, ":" + " " * 9_000],
)
def test_hostile_marks_take_no_time(text):
    with cpu_seconds(0.5):
        emphasis_of(text)
