"""The grammar of Midjourney's prompts: words, links, weights; flags are in `midjourney_flags`.

Pure, and linear in the length of its input; takes prompts as posted and as people type them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harvester.schema import Parameter, Reference, ReferenceRole, WeightedText
from harvester.sources.midjourney_flags import Flag, bare_link, is_link, split_flags

_LINK = re.compile(r"<?(https?://[^\s<>]*?)(?=::|[\s<>]|\Z)>?,?", re.IGNORECASE)
_WEIGHT = re.compile(r"::(?:(-?(?:[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}))(?!\w))?")
_ROLES = {
    "sref": ReferenceRole.STYLE,
    "cref": ReferenceRole.CHARACTER,
    "oref": ReferenceRole.OBJECT,
    "iw": ReferenceRole.IMAGE,
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a prompt says, part by part.

    Attributes:
        prompt: the words alone, white space folded: no flags, links, weights, and no part that
            a negative weight pushes away (those are in negatives and weights).
        parameters: every flag in order, repeated and unknown ones too.
        weights: the parts of a multi-prompt; empty where no `::` is written.
        negatives: what `--no` lists and what stands under a negative weight.
        version: of `--v`, `--version` or `--niji`, as written.
        model: `niji` or `midjourney`.
    """

    prompt: str
    parameters: tuple[Parameter, ...] = ()
    weights: tuple[WeightedText, ...] = ()
    negatives: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    version: str | None = None
    model: str = "midjourney"


def words_of(text: str | None) -> str | None:
    """A prompt without its flags, links and weights; None stays None."""
    return None if text is None else parse_prompt(text).prompt


def parse_prompt(text: str) -> Prompt:
    """Read a prompt into words, flags, weights, negatives and references.

    Permutation braces stay text: a job that was posted has them resolved already.
    """
    words, flags = split_flags(text)
    links = tuple(Reference(match[1].rstrip(","), ReferenceRole.IMAGE) for match in _links(words))
    if links:
        words = _LINK.sub(" ", words)
    weights = _split_weights(words)
    kept = [part.text for part in weights if part.weight >= 0] if "::" in words else words.split()
    pushed_away = (part.text for part in weights if part.weight < 0)
    listed = (
        entry.strip()
        for flag in flags
        if flag.name == "no"
        for entry in " ".join(flag.values).split(",")
    )
    model, version = _read_version(flags)
    return Prompt(
        prompt=" ".join(kept),
        parameters=tuple(Parameter(flag.name, " ".join(flag.values)) for flag in flags),
        weights=weights,
        negatives=tuple(entry for entry in (*listed, *pushed_away) if entry),
        references=links + tuple(_references(flags)),
        version=version,
        model=model,
    )


def _links(words: str) -> list[re.Match[str]]:
    return list(_LINK.finditer(words)) if "://" in words else []


def _split_weights(words: str) -> tuple[WeightedText, ...]:
    if "::" not in words:
        return ()
    pieces = _WEIGHT.split(words)
    texts, weights = pieces[::2], [*pieces[1::2], None]
    return tuple(
        WeightedText(" ".join(text.split()), 1.0 if weight is None else float(weight))
        for text, weight in zip(texts, weights, strict=True)
        if text.strip()
    )


def _references(flags: tuple[Flag, ...]) -> list[Reference]:
    return [
        Reference(bare_link(value).partition("::")[0], role)
        for flag in flags
        if (role := _ROLES.get(flag.name)) is not None
        for value in flag.values
        if flag.name != "iw" or is_link(value)
    ]


def _read_version(flags: tuple[Flag, ...]) -> tuple[str, str | None]:
    versions = {
        "niji" if flag.name == "niji" else "midjourney": " ".join(flag.values).strip(",") or None
        for flag in flags
        if flag.name in {"v", "version", "niji"}
    }
    model = "niji" if "niji" in versions else "midjourney"
    return model, versions.get(model)
