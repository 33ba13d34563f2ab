"""The value of a parsed prompt: weighted words, what it refuses, names, reference pictures.

Weights after Midjourney's documentation: a part of a multi-prompt counts as `::` says, and `--no`
is a part of weight -0.5. Emphasis after the Stable Diffusion web UI's: `(word)` is 1.1 times as
strong, `[word]` as much weaker, `(word:1.3)` what it says.
But: the web UI's prompt editing (`[from:to:when]`) and alternation (`[a|b]`) are read as if all
their words were asked for at once, and NovelAI's braces are marks without a weight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harvester.schema import FetchStatus, Reference, ReferenceRole, WeightedText

NO_WEIGHT = -0.5
"""Of what `--no` lists, beside parts of weight 1."""
MOST_PARTS = 64
"""Parts that are compared, the weightiest; prompts that people write have a handful."""
MOST_NAMES = 16
_STRONGER = 1.1
_LONGEST_MARKED = 8000  # characters read for marks; what comes behind them has weight 1
_DEEPEST = 20  # open brackets; more are no emphasis
_STRONGEST = 10.0  # times as strong; no model is steered by more
# Escaped brackets are a word's own; `<lora:name:1>` names weights and no word of a picture.
_MARK = re.compile(
    r"\\(?P<escaped>[()\[\]\\])|<[a-z]+:[^<>]{0,200}>|:\s*(?P<times>[0-9]{0,3}\.?[0-9]{1,3})\s*\)"
    r"|(?P<open>[(\[])|(?P<close>[)\]])|\bBREAK\b|[{}]"
)
_EDITED = re.compile(r":[0-9.]+\s*\Z|:(?=[^\s:])|\|")


class ParsedPrompt(Protocol):
    """What a grammar reads out of a prompt; a stored `Generation` is one too."""

    @property
    def prompt(self) -> str:
        """The words alone."""

    @property
    def weights(self) -> Sequence[WeightedText]:
        """The parts of a multi-prompt, negative ones included; empty where it is none."""

    @property
    def negatives(self) -> Sequence[str]:
        """What is listed as not to be shown, and the parts of negative weight again."""

    @property
    def references(self) -> Sequence[Reference]:
        """Pictures and style codes that it names."""


@dataclass(frozen=True, slots=True)
class NotFetched:
    """A declared picture that nobody asked for, as in a batch."""

    url: str
    role: ReferenceRole
    status: FetchStatus | None = None
    picture: bytes | None = None
    error: str | None = None


class ReferencePicture(Protocol):
    """A picture or style code that the prompt names, and what came of fetching it."""

    @property
    def url(self) -> str:
        """The link, or the code."""

    @property
    def role(self) -> ReferenceRole:
        """What was to be taken from it."""

    @property
    def status(self) -> FetchStatus | None:
        """None where it was not fetched."""

    @property
    def picture(self) -> bytes | None:
        """JPEG, of a size to be shown."""

    @property
    def error(self) -> str | None:
        """Why there is no picture, in one line."""


@dataclass(frozen=True, slots=True)
class PromptParts:
    """What a prompt asks for.

    Attributes:
        parts: in order, each with its weight; those below 0 are what is to be left out. None has
            weight 0.
        artists, titles: whom and which works it names, as written, each once.
        references: pictures and style codes that it was told to take from.
    """

    parts: tuple[WeightedText, ...] = ()
    artists: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()

    @property
    def words(self) -> str:
        """All that is wanted, in the prompt's order, without weights."""
        return " ".join(part.text for part in self.parts if part.weight > 0)

    @property
    def negatives(self) -> tuple[str, ...]:
        """All that is to be left out."""
        return tuple(part.text for part in self.parts if part.weight < 0)


def from_midjourney(
    parsed: ParsedPrompt, *, artists: Iterable[str] = (), titles: Iterable[str] = ()
) -> PromptParts:
    """Put together what a prompt asks for; at most `MOST_PARTS` parts and `MOST_NAMES` names."""
    parts = list(parsed.weights) or [WeightedText(parsed.prompt, 1.0)]
    pushed_away = {part.text for part in parts if part.weight < 0}
    parts += [WeightedText(text, NO_WEIGHT) for text in parsed.negatives if text not in pushed_away]
    return PromptParts(
        parts=_weightiest(parts),
        artists=tuple(dict.fromkeys(artists))[:MOST_NAMES],
        titles=tuple(dict.fromkeys(titles))[:MOST_NAMES],
        references=tuple(parsed.references),
    )


def from_plain(prompt: str, _origin: object = None) -> PromptParts:
    """A prompt of which every word is wanted, and nothing is grammar."""
    return PromptParts((WeightedText(prompt, 1.0),)) if prompt.strip() else PromptParts()


def from_web_ui(
    prompt: str,
    negative_prompt: str | None = None,
    *,
    artists: Iterable[str] = (),
    titles: Iterable[str] = (),
) -> PromptParts:
    """As `from_midjourney`, for a prompt with the web UI's marks, which has no flags and no links.

    Args:
        prompt: as it stands in the file.
        negative_prompt: what such tools keep apart; weighs as `--no` does.
        artists: as in `PromptParts`; marks are taken off.
        titles: likewise.
    """
    refused = emphasis_of(negative_prompt or "")
    parts = [
        *emphasis_of(prompt),
        *(WeightedText(run.text, run.weight * NO_WEIGHT) for run in refused),
    ]
    return PromptParts(
        parts=_weightiest(parts),
        artists=tuple(dict.fromkeys(map(plain_emphasis, artists)))[:MOST_NAMES],
        titles=tuple(dict.fromkeys(map(plain_emphasis, titles)))[:MOST_NAMES],
    )


def plain_emphasis(text: str) -> str:
    r"""A text without the web UI's marks, white space folded; brackets behind a `\` stay."""
    return " ".join(run.text for run in emphasis_of(text))


def emphasis_of(text: str) -> tuple[WeightedText, ...]:
    """The runs of a text by how much its brackets stress them, neighbours of one weight together.

    A bracket that is never closed, or never opened, is a mark without weight. Linear time.
    """
    runs: list[tuple[str, float]] = []
    opened: list[tuple[str, int]] = []  # bracket, and the run that it begins at
    at = 0
    for mark in _MARK.finditer(text[:_LONGEST_MARKED]):
        runs.append((text[at : mark.start()], 1.0))
        at = mark.end()
        if mark["escaped"]:
            runs.append((mark["escaped"], 1.0))
        elif mark["open"] and len(opened) < _DEEPEST:
            opened.append((mark["open"], len(runs)))
        elif mark["times"] and opened and opened[-1][0] == "(":
            _stress(runs, opened.pop()[1], float(mark["times"]))
        elif mark["close"] and opened and opened[-1][0] + mark["close"] in {"()", "[]"}:
            bracket, start = opened.pop()
            _stress(runs, start, _STRONGER if bracket == "(" else 1 / _STRONGER)
            if bracket == "[":
                runs[start:] = [(_EDITED.sub(" ", run), weight) for run, weight in runs[start:]]
    runs.append((text[at:], 1.0))
    return tuple(_joined(runs))


def _stress(runs: list[tuple[str, float]], start: int, times: float) -> None:
    runs[start:] = [(run, min(weight * times, _STRONGEST)) for run, weight in runs[start:]]


def _joined(runs: Iterable[tuple[str, float]]) -> list[WeightedText]:
    joined: list[tuple[list[str], float]] = []
    for run, weight in runs:
        if not run.strip():
            continue
        if joined and joined[-1][1] == weight:
            joined[-1][0].append(run)
        else:
            joined.append(([run], weight))
    return [WeightedText(" ".join(" ".join(texts).split()), weight) for texts, weight in joined]


def _weightiest(parts: Sequence[WeightedText]) -> tuple[WeightedText, ...]:
    counted = [part for part in parts if part.weight and part.text.strip()]
    if len(counted) > MOST_PARTS:
        least = sorted((abs(part.weight) for part in counted), reverse=True)[MOST_PARTS - 1]
        counted = [part for part in counted if abs(part.weight) >= least][:MOST_PARTS]
    return tuple(counted)
