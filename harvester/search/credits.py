"""The credits in a prompt: the artists that it names, and the works whose titles it quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harvester.midjourney.prompt import words_of
from harvester.search.queries import artists_of

_READ = 8000  # characters
_LONGEST_TITLE = 10  # words
_QUOTED = re.compile(r"[\"“„«]\s*([^\"“”„«»\n]{3,120}?)\s*[\"”“»]")
# Behind these, what is quoted is to be written in the picture.
_WRITTEN = re.compile(
    r"\b(?:says?|saying|reads?|reading|spells?|spelling|words?|texts?|letters?|lettering|logo|"
    r"label(?:l?ed)?|sign|title\sreads|caption(?:ed)?|written|inscribed|inscription|slogan|"
    r"typography|font|banner)\W{0,3}(?:of\s|the\s|is\s|with\s|that\s)*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Names:
    """Whom and which works a prompt names, as written, each once."""

    artists: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()


def names_in(prompt: str) -> Names:
    """The artists that a prompt credits, and the works whose titles it quotes.

    A title is quoted, begins with a capital and has two words or more; what is quoted to be
    written in the picture ("a sign that says …") is none. Would rather miss a title than make
    one up.
    """
    words = words_of(prompt[:_READ]) or ""
    titles = tuple(dict.fromkeys(_titles(words)))
    quoted = {title.casefold() for title in titles}
    artists = tuple(name for name in artists_of(prompt) if name.casefold() not in quoted)
    return Names(artists, titles)


def _titles(words: str) -> Iterable[str]:
    for quoted in _QUOTED.finditer(words):
        title = " ".join(quoted[1].split()).strip(" ,.;:!?")
        count = len(title.split())
        is_title = title[:1].isupper() and 2 <= count <= _LONGEST_TITLE
        if is_title and not _WRITTEN.search(words[max(0, quoted.start() - 60) : quoted.start()]):
            yield title
