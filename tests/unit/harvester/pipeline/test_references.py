"""Whom and what a prompt names, and what is listed where nothing may be fetched."""

from __future__ import annotations

from harvester.midjourney.prompt import parse_prompt
from harvester.pipeline.references import (
    OFFLINE,
    DeclaredReference,
    list_references,
)
from harvester.schema import ReferenceRole


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
