"""The names channel: are the prompt's artists and titles written with a candidate?

Whole names are looked for in the maker, title and caption, family names alone where a capital or
the maker's field tells that it is one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.text import CandidateText
from attribution.prompt import PromptParts

FAMILY_NAME_ALONE = 0.5
"""What "Steadman" counts where "Ralph Steadman" is named."""
_SHORTEST_ALONE = 3  # letters of a family name that may stand for the whole
_AFTER_FAMILY = frozenset("the elder younger jr sr ii iii iv".split())
_ARTICLES = frozenset("the a an le la les el los las der die das il lo".split())
_WORD = re.compile(r"[^\W_]+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff]")  # Thai to Han
_BETWEEN_LINES = "\n"


class NamesScorer:
    """A `TextScorer`.

    Args:
        texts: one a candidate, empty where nothing is written about it.
    """

    name = "names"

    def __init__(self, texts: Sequence[CandidateText]) -> None:
        self._texts = tuple(texts)

    def is_asked(self, prompt_parts: PromptParts) -> bool:
        """Whether the prompt names anybody, or any work."""
        return bool(prompt_parts.artists or prompt_parts.titles)

    def scores(self, prompt_parts: PromptParts) -> NDArray[np.float32]:
        """How many of the artists and titles that a prompt names are written with each candidate.

        A name counts 1 where it stands whole in the maker, title or caption, in either order
        ("Steadman, Ralph"), and `FAMILY_NAME_ALONE` where only its last word does: with a capital,
        or as the maker. Case and accents make no difference.

        Returns:
            (n,) float32, 0 to 1: the mean over the names; NaN throughout where none is named.
        """
        patterns = [_whole(name) for name in (*prompt_parts.artists, *prompt_parts.titles)]
        alone = [_family(name) for name in prompt_parts.artists] + [""] * len(prompt_parts.titles)
        named = {pattern: last for pattern, last in zip(patterns, alone, strict=True) if pattern}
        if not named:
            return np.full(len(self._texts), np.nan, np.float32)
        sums = np.zeros(len(self._texts), np.float32)
        for whole, last in named.items():
            for row, (written, capitals) in enumerate(self._folded):
                if any(pattern in written for pattern in whole):
                    sums[row] += 1
                elif last and last in capitals:
                    sums[row] += FAMILY_NAME_ALONE
        return sums / np.float32(len(named))

    @cached_property
    def _folded(self) -> tuple[tuple[str, str], ...]:
        """Of each candidate all words, and those that a family name alone is looked for among."""
        return tuple(map(_fold_candidate, self._texts))


def _fold_candidate(text: CandidateText) -> tuple[str, str]:
    lines = f"{text.creator}\n{text.title}\n{text.caption}".splitlines()
    written = f" {_BETWEEN_LINES} ".join(_spaced(_WORD.findall(_plain(line))) for line in lines)
    capitals = _WORD.findall(_plain(text.creator))
    capitals += [word for word in _WORD.findall(_plain(text.body)) if not word[0].islower()]
    return written, _spaced(capitals)


def _whole(name: str) -> tuple[str, ...]:
    """What to look for to find a name whole: as written, and with the family name first."""
    words = _name_words(name)
    if not words:
        return ()
    if _UNSPACED.search(name):  # no spaces part it from its neighbours
        return ("".join(words).casefold(), " ".join(words).casefold())
    turned = [words[-1], *words[:-1]]
    return tuple(dict.fromkeys((_spaced(words), _spaced(turned))))


def _family(name: str) -> str:
    """What to look for to find the family name alone; empty where there is none to tell."""
    words = _name_words(name)
    while words and words[-1].casefold() in _AFTER_FAMILY:
        words = words[:-1]
    is_name = len(words) > 1 and len(words[-1]) >= _SHORTEST_ALONE
    return _spaced(words[-1:]) if is_name else ""


def _name_words(name: str) -> list[str]:
    words = _WORD.findall(_plain(name))
    has_article = len(words) > 1 and words[0].casefold() in _ARTICLES
    return words[1:] if has_article else words


def _plain(text: str) -> str:
    """Without the accents of Latin, Greek and Cyrillic letters; other scripts' marks stay."""
    if text.isascii():
        return text
    apart = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", apart)


def _spaced(words: Iterable[str]) -> str:
    return f" {' '.join(words)} ".casefold()
