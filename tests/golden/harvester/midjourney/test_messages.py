"""Stored messages of Midjourney's bots are read as they always were.

The messages are made up after real ones, one for each form that is known; ids are invented. A new
form is added to the file by hand, with the reading that a person expects of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from harvester.midjourney.message import Message, parse_message

STORED = json.loads(Path(__file__).with_name("midjourney_messages.json").read_text("utf-8"))


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored["content"][:40])
def test_a_stored_message_is_read_as_before(stored):
    """What the file does not mention has its default: nothing, or an empty list."""
    message = parse_message(stored["content"])
    if stored["read"] is None:
        assert message is None
        return
    assert message is not None
    defaults = {"action": "imagine", "model": "midjourney", "prompt": ""}
    assert message.finished is ("state" not in stored["read"])
    assert shorten(message) == defaults | stored["read"]


def shorten(message: Message) -> dict[str, Any]:
    """A message as the file has it."""
    prompt = message.prompt
    fields = asdict(message) | asdict(prompt)
    fields["flags"] = [[flag.name, flag.value] for flag in prompt.parameters]
    fields["parts"] = [[part.text, part.weight] for part in prompt.weights]
    fields["links"] = [[reference.url, str(reference.role)] for reference in prompt.references]
    fields["negatives"] = list(prompt.negatives)
    for name in ("parameters", "weights", "references", "prompt_text", "mention"):
        del fields[name]
    return {name: value for name, value in fields.items() if value not in (None, [], False)}


def test_every_form_is_there_once():
    contents = [stored["content"] for stored in STORED]
    assert len(contents) == len(set(contents)) >= 40
