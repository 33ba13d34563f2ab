"""Whom and what a prompt names, and what is listed where nothing may be fetched."""

from __future__ import annotations

import pytest

from harvester.midjourney.prompt import parse_prompt
from harvester.pipeline.references import (
    OFFLINE,
    DeclaredReference,
    Names,
    list_references,
    names_in,
)
from harvester.schema import ReferenceRole


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a house by the sea", Names()),
        ("a village by Ralph Steadman --ar 16:9", Names(("Ralph Steadman",))),
        ("a fox by Klimt, in the style of Moebius", Names(("Klimt", "Moebius"))),
        ("a village::2 by Ralph Steadman::1", Names(("Ralph Steadman",))),
        (
            '"The Great Wave off Kanagawa" by Hokusai',
            Names(("Hokusai",), ("The Great Wave off Kanagawa",)),
        ),
        ("“Starry Night” in the style of Van Gogh", Names(("Van Gogh",), ("Starry Night",))),
        ('in the style of "Blade Runner"', Names((), ("Blade Runner",))),
        ('a neon sign that says "Open Late"', Names()),
        ('a poster with the words "Read More Books"', Names()),
        ('a "cute" cat', Names()),
        ('a barn --no "Bad Thing"', Names()),
        ("(by Greg Rutkowski:1.2)", Names(("Greg Rutkowski",))),
    ],
)
def test_artists_are_those_credited_and_titles_those_quoted(prompt, names):
    assert names_in(prompt) == names


def test_offline_every_reference_is_listed_and_none_has_a_picture():
    prompt = "https://ada:secret@a.example/x.png a barn --sref 1234567 random --cref https://b.example/y.png"
    listed = list_references(parse_prompt(prompt).references)
    assert listed == (
        DeclaredReference("https://***@a.example/x.png", ReferenceRole.IMAGE, error=OFFLINE),
        DeclaredReference(
            "1234567", ReferenceRole.STYLE, error="style code 1234567: no picture to fetch"
        ),
        DeclaredReference(
            "random",
            ReferenceRole.STYLE,
            error="a style that Midjourney chose: no picture to fetch",
        ),
        DeclaredReference("https://b.example/y.png", ReferenceRole.CHARACTER, error=OFFLINE),
    )
    assert all(one.status is None and one.picture is None for one in listed)
