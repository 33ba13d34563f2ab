"""Messages of Midjourney's bots, read from their end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.midjourney.message import parse_message
from tests.support.patience import cpu_seconds

ASKER = "<@100000000000000001>"
JOB = "https://midjourney.com/jobs/0c5ba97c-5a71-4b6e-9f3e-2a2a2a2a2a2a"
NAMES = """by the Sea|A - B|(fast)|Bob (fast)|x (Region) by|ann [99%]|a ** - b|@me|Image #1|<3
J. (Stopped|Zoë 🌊|62%|a) (b""".replace("\n", "|").split("|")


def test_a_plain_grid():
    message = parse_message(f"**glass** - {ASKER} (relaxed)")
    assert message is not None
    assert (message.prompt_text, message.action, message.mode) == ("glass", "imagine", "relaxed")
    assert (message.state, message.finished, message.tile) == (None, True, None)
    assert (message.user_id, message.user_name) == ("100000000000000001", None)


@pytest.mark.parametrize("mention", [ASKER, "<@!100000000000000001>", "@Some One", "@Unknown"])
@pytest.mark.parametrize(
    ("tail", "action", "variant"),
    [
        ("{}", "imagine", None),
        ("Variations by {}", "variations", None),
        ("Variations (Strong) by {}", "variations", "strong"),
        ("Variations (Subtle) by {}", "variations", "subtle"),
        ("Variations (Region) by {}", "variations", "region"),
        ("Remix by {}", "remix", None),
        ("Remix (Subtle) by {}", "remix", "subtle"),
        ("Upscaled by {}", "upscale", None),
        ("Upscaled (Light) by {}", "upscale", "light"),
        ("Upscaled (Beta) by {}", "upscale", "beta"),
        ("Upscaled (Max) by {}", "upscale", "max"),
        ("Upscaled (2x) by {}", "upscale", "2x"),
        ("Upscaled (4x) by {}", "upscale", "4x"),
        ("Upscaled (Creative) by {}", "upscale", "creative"),
        ("Pan Up by {}", "pan", "up"),
        ("Pan Left by {}", "pan", "left"),
        ("Zoom Out by {}", "zoom", "out"),
        ("Make Square by {}", "make square", None),
        ("Retextured (Loose) by {}", "retextured", "loose"),
    ],
)
@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("", (None, False, None)),
        (" (fast)", ("fast", False, None)),
        (" (turbo, stealth)", ("turbo", True, None)),
        (" (62%) (fast, stealth)", ("fast", True, "62%")),
        (" (paused) (relaxed)", ("relaxed", False, "paused")),
        (" (Stopped)", (None, False, "stopped")),
        (" (Waiting to start)", (None, False, "waiting")),
        (" (Open on website for full quality) (fast)", ("fast", False, None)),
        (f" [(Open on website for full quality)](<{JOB}>) (fast)", ("fast", False, None)),
        (" (93%) (fast)\n-# Create, explore, and organize", ("fast", False, "93%")),
    ],
)
def test_the_whole_grammar(mention, tail, action, variant, groups, expected):  # noqa: PLR0917 - a table
    """Every action with every state, mode and way of writing the user."""
    message = parse_message(f"**car --v 6.0** - {tail.format(mention)}{groups}")
    assert message is not None
    assert message.prompt_text == "car --v 6.0"
    assert message.prompt.prompt == "car"
    assert (message.action, message.variant) == (action, variant)
    assert (message.mode, message.stealth, message.state) == expected
    assert message.finished is (expected[2] is None)
    assert message.mention == mention
    assert message.user_name == ("Some One" if mention == "@Some One" else None)


def test_a_picked_picture_has_its_tile_and_no_mode():
    message = parse_message(f"**a lighthouse keeper --niji 5** - Image #3 {ASKER}")
    assert message is not None
    assert (message.action, message.tile, message.mode) == ("pick", 3, None)
    assert message.prompt.model == "niji"


@pytest.mark.parametrize("name", NAMES)
def test_a_display_name_may_hold_anything(name):
    """Followed by a mode, the name is what is left."""
    message = parse_message(f"**car** - Zoom Out by @{name} (relaxed)")
    assert message is not None
    assert (message.prompt_text, message.user_name) == ("car", name)
    assert (message.action, message.mode, message.finished) == ("zoom", "relaxed", True)


def test_behind_a_pick_a_mode_belongs_to_the_name():
    message = parse_message("**car** - Image #1 @Bob (fast)")
    assert message is not None
    assert (message.user_name, message.mode) == ("Bob (fast)", None)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "car (fast)",
        "car** - Variations by <@1> (fast)",
        "a ** - b",
        "bold **word** here",
        "ends in **bold**",
        "line one\nline two\n\nline three --v 6",
        "ask <@200000000000000002> - he knows",
        "<https://s.mj.run/aAbBcC1-dDe> <https://s.mj.run/fFgGhH2_iIj> --v 5.1",
        "-# small print",
        "a (62%) full glass - Image #2 @me",
    ],
)
@pytest.mark.parametrize("tail", [f"{ASKER} (fast)", "@Some One (fast)"])
def test_a_prompt_may_hold_anything(prompt, tail):
    message = parse_message(f"**{prompt}** - {tail}")
    assert message is not None
    assert message.prompt_text == prompt
    assert (message.action, message.mode) == ("imagine", "fast")


@pytest.mark.parametrize(
    ("content", "action", "tile", "prompt", "state"),
    [
        (
            f"Upscaling image #2 with **a cat --v 4** - {ASKER} (Waiting to start)",
            "upscale",
            2,
            "a cat --v 4",
            "waiting",
        ),
        (
            f"Making variations for image #1 with prompt **a cat** - {ASKER} (Waiting to start)",
            "variations",
            1,
            "a cat",
            "waiting",
        ),
        (
            "Making variations for image #4 with prompt **a\n**cat****",
            "variations",
            4,
            "a\n**cat**",
            "waiting",
        ),
        ("Remixing image with prompt **a cat --v 6**", "remix", None, "a cat --v 6", "waiting"),
        ("Zooming out image with **a cat** - @Some One (31%) (fast)", "zoom", None, "a cat", "31%"),
        ("Upscaling image #1 with **a cat** - @Some One (fast)", "upscale", 1, "a cat", "waiting"),
    ],
)
def test_start_lines_are_never_finished(content, action, tile, prompt, state):
    message = parse_message(content)
    assert message is not None
    assert (message.action, message.tile, message.prompt_text) == (action, tile, prompt)
    assert (message.state, message.finished) == (state, False)


def test_an_unknown_state_is_kept_and_not_finished():
    message = parse_message(f"**car** - {ASKER} (Awaiting moderation) (fast)")
    assert message is not None
    assert (message.state, message.finished) == ("awaiting moderation", False)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "**",
        "****",
        "hello",
        "**bold words** - and an explanation",
        f"**bold** - {ASKER} look at this",
        f"look: **car** - {ASKER} (fast)",
        "**car** -",
        "**car** - ",
        "** - ",
        f"Painting with **oil** is fun {ASKER}",
        "Upscaling image #2 with **",
        "**a** - by @someone",
    ],
)
def test_other_messages_are_none(content):
    assert parse_message(content) is None


@given(st.text(), st.integers(1, 4))
def test_any_prompt_comes_back_whole(prompt, tile):
    message = parse_message(f"**{prompt}** - Image #{tile} {ASKER}")
    assert message is not None
    assert (message.prompt_text, message.tile) == (prompt, tile)


@given(st.text())
def test_any_text_can_be_read(text):
    message = parse_message("**" + text)
    assert message is None or message.prompt_text in text


@pytest.mark.parametrize(
    "piece",
    [
        "** - ",
        "** - @a (fast) ",
        "(",
        "**",
        " by @",
        "** - <@1> (a",
        "[(",
        "Aing with **",
        "** - A ",
    ],
)
def test_a_hostile_megabyte_is_read_in_linear_time(piece):
    text = piece * (1_000_000 // len(piece))
    with cpu_seconds(10):
        for content in (text, "**" + text, f"Upscaling image with **{text}", f"**a** - {text}"):
            parse_message(content)
