"""Whom and which works a prompt names."""

from __future__ import annotations

import pytest

from harvester.search.credits import Names, names_in


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
