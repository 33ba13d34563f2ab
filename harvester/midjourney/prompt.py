"""This is the grammar of Midjourney's prompts: flags, and how many words each of them takes.

Flags (`--ar 16:9`) come last by habit, not by rule: people write words after them, glue values to
them (`--v6`) and type them on phones, which turn `--` into a long dash. So every flag takes what
its kind takes, and the rest goes back to the words: nothing written is lost. Pure; linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harvester.schema import Parameter, Reference, ReferenceRole, WeightedText
from harvester.urls import is_web_address

_DASHES = re.compile("(-{2,3}|[\u2014\u2013]-?)(?=[^\\W\\d_])")
_NAME = re.compile(r"[^\W\d_]+(?:[-_][^\W\d_]+)*")
_NUMERIC = re.compile(r"[-+]?[0-9][0-9.:,xX/%]*\Z")
_CODE = re.compile(r"(?:random|[0-9]+)(?:::[0-9.]+)?,?\Z")
_PROFILE = re.compile(r"(?=[a-z]*[0-9])[a-z0-9]{5,}(?:::[0-9.]+)?,?\Z")
_OPENERS = frozenset(" \t\r\n\f\v,;>)]}.!?\"'\u201d\u2019")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag as written.

    Attributes:
        name: in lower case, without dashes.
        values: the words it takes, in order; links without their angle brackets.
    """

    name: str
    values: tuple[str, ...]


def is_link(token: str) -> bool:
    """Whether a word of a prompt is an http(s) link, bare or in angle brackets."""
    return is_web_address(token.removeprefix("<"))


def bare_link(token: str) -> str:
    """A link without angle brackets and the comma that a list puts behind it."""
    return token.replace("<", "").replace(">", "").rstrip(",")


def split_flags(text: str) -> tuple[str, tuple[Flag, ...]]:
    """Part a prompt into its words and its flags.

    Returns:
        The words before, between and after the flags, and the flags in order; a flag written
        twice is there twice, and an unknown one is there too.
    """
    starts = [match for match in _DASHES.finditer(text) if _is_flag(match)]
    if not starts:
        return text, ()
    words = [text[: starts[0].start()]]
    flags = []
    for match, following in zip(starts, [*starts[1:], None], strict=True):
        segment = text[match.end() : following.start() if following else len(text)]
        flag, rest = _read_flag(segment)
        flags.append(flag)
        if rest:
            words.append(" ".join(rest))
    return " ".join(words), tuple(flags)


def _is_flag(match: re.Match[str]) -> bool:
    start = match.start()
    before = match.string[start - 1] if start else " "
    name = _name(match.string, match.end())
    if before in _OPENERS:
        # A long dash before an ordinary word is punctuation.
        return match[1].startswith("--") or name in _TAKES
    # `--ar 16:9--v 6`: the space was forgotten. After letters it is a word with a dash in it.
    return before in "0123456789" and match[1] == "--" and name in _TAKES


def _name(text: str, start: int = 0) -> str:
    match = _NAME.match(text, start)
    return match[0].lower() if match else ""


def _read_flag(segment: str) -> tuple[Flag, Sequence[str]]:
    tokens = segment.split()
    head = tokens.pop(0)
    name = _name(head)
    glued = head[len(name) :].lstrip("=:").strip(",;")
    if glued:
        tokens.insert(0, glued)
    takes = _TAKES.get(name, _take_unknown)
    count = takes(tokens)
    if glued and not count:
        count = 1  # what is glued to a flag belongs to it, whatever its kind
    values = [bare_link(token) if is_link(token) else token for token in tokens[:count]]
    if values and takes is not _take_all:
        values[-1] = values[-1].rstrip(",;")  # parts the flag from what follows
    return Flag(name, tuple(values)), tokens[count:]


def _take_none(_tokens: Sequence[str]) -> int:
    return 0


def _take_number(tokens: Sequence[str]) -> int:
    return 1 if tokens and _NUMERIC.match(tokens[0]) else 0


def _take_one(tokens: Sequence[str]) -> int:
    if tokens and tokens[0].startswith("{"):  # `--ar {16:9, 2:3}`
        closing = (at for at, token in enumerate(tokens, 1) if "}" in token)
        return next(closing, 1)
    return 1 if tokens else 0


def _take_links(tokens: Sequence[str]) -> int:
    for count, token in enumerate(tokens):
        if not is_link(token) and not _CODE.match(token.lower()):
            return count
    return len(tokens)


def _take_profiles(tokens: Sequence[str]) -> int:
    for count, token in enumerate(tokens):
        if not _PROFILE.match(token):
            return max(count, _take_unknown(tokens))
    return len(tokens)


def _take_all(tokens: Sequence[str]) -> int:
    return len(tokens)


def _take_unknown(tokens: Sequence[str]) -> int:
    """One word, if it stands alone or looks like a value; more words are the prompt's own."""
    alone = len(tokens) == 1
    return 1 if tokens and (alone or _NUMERIC.match(tokens[0]) or is_link(tokens[0])) else 0


_KINDS: Mapping[Callable[[Sequence[str]], int], str] = {
    _take_none: "tile hd test testp uplight upbeta upanime upscale creative raw draft loop "
    "fast relax relaxed turbo stealth public",
    _take_number: "niji video",
    _take_one: "ar aspect v version s stylize c chaos q quality seed sameseed stop style motion "
    "iw sw cw ow sv w width h height weird r repeat exp bs end",
    _take_links: "sref cref oref",
    _take_profiles: "p profile personalize",
    _take_all: "no",
}
_TAKES: Mapping[str, Callable[[Sequence[str]], int]] = {
    name: takes for takes, names in _KINDS.items() for name in names.split()
}
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
        model: `niji` or `message`.
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
