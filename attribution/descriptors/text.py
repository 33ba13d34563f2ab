"""The text channels: what is written about each candidate against what the prompt asks for.

`bm25` compares words: Robertson & Zaragoza 2009, as the `bm25s` library computes it (Lucene's
variant), over titles and captions. Words are runs of two or more letters or digits of any script,
in lower case, without English stop words. `names` looks for the artists and titles that the prompt
names. The searches that led to a candidate are no text about it: it would match by having been
looked for.

But: channels of several, and never the only gate: a source without a caption must be found too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import bm25s
import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class CandidateText:
    """What is written about one candidate; several titles, captions or makers a line each.

    Attributes:
        title, caption: of the page or the catalogue that shows it.
        creator: whom they name as its maker.
    """

    title: str = ""
    caption: str = ""
    creator: str = ""

    @property
    def body(self) -> str:
        """What is said of the picture itself: its words, and not its maker's name."""
        return f"{self.title}\n{self.caption}".strip()


class TextIndex:
    """A gallery's texts, to be compared with prompts.

    Args:
        texts: one a candidate, empty where nothing is written about it.
    """

    def __init__(self, texts: Sequence[CandidateText]) -> None:
        self._texts = tuple(texts)
        tokens = _words([text.body for text in self._texts])
        self._bm25: bm25s.BM25 | None = None
        if any(tokens):
            self._bm25 = bm25s.BM25()
            self._bm25.index(tokens, show_progress=False)

    def scores(self, prompt_parts: PromptParts) -> NDArray[np.float32]:
        """BM25 by parts: what is wanted adds up, what is to be left out is taken off.

        Each part counts in the proportion of its weight to the largest. A word that is wanted too
        is not held against a candidate: `a dog --no dog collar` leaves out the collar.

        Returns:
            (n,) float32, without bounds: above 0 with the words that are wanted, below 0 with more
            of those to be left out, 0 where no word of either is written.
        """
        scores = np.zeros(len(self._texts), np.float32)
        largest = max((abs(part.weight) for part in prompt_parts.parts), default=1.0)
        words = _words([part.text for part in prompt_parts.parts])
        wanted = {
            word
            for part, here in zip(prompt_parts.parts, words, strict=True)
            if part.weight > 0
            for word in here
        }
        for part, here in zip(prompt_parts.parts, words, strict=True):
            kept = here if part.weight > 0 else [word for word in here if word not in wanted]
            known = [word for word in kept if self._knows(word)]
            if self._bm25 is not None and known:
                scores += np.float32(part.weight / largest) * self._bm25.get_scores(known)
        return scores

    def names(self, prompt_parts: PromptParts) -> NDArray[np.float32]:
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

    def _knows(self, word: str) -> bool:
        return self._bm25 is not None and word in self._bm25.vocab_dict

    @cached_property
    def _folded(self) -> tuple[tuple[str, str], ...]:
        """Of each candidate all words, and those that a family name alone is looked for among."""
        return tuple(map(_fold_candidate, self._texts))


def _words(texts: Sequence[str]) -> list[list[str]]:
    if not texts:
        return []
    tokens: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="en", return_ids=False, show_progress=False
    )
    return tokens


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
