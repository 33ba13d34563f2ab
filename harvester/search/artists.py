"""This finds the artists that a prompt names: "by X", "in the style of X and Y", "X style".

A heuristic over words, for prompts that are mostly written in lower case. It would rather keep
a name too many than lose one: a name is only ever added to what is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from harvester.search.stopwords import tidy, word_set

_MOST_CREDITS = 3  # in one clause
_MOST_TRIED = 20  # of what may be one
_LONGEST_NAME = 5  # words: Pieter Bruegel the Elder
_CREDIT = re.compile(
    r"(?:\b(?:in|with|after|using)\s)?(?:\b(?:the|a)\s)?\b(?:style|manner|spirit|vein|aesthetic)s?"
    r"\s(?P<manner>of|by)\s"
    r"|\b(?:inspired|influenced)\sby\s"
    r"|\b(?:в\sстиле|(?:dans\sle|au)\sstyle\sd[eu]|im\sstil\svon|(?:en\sel\s|al\s)?"
    r"estilo\sde|nello\sstile\sdi|no\sestilo\sde)\s"
    r"|\b(?:art(?:work)?\s)?(?P<by>by)\s",
    re.IGNORECASE,
)
_NAME_END = re.compile(
    r"\s(?:in|with|on|at|from|for|featuring|depicting|showing|using|while|wearing|where|during|"
    r"style|but|as)\s.*|\s(?:style|art|artstyle|artwork)\Z",
    re.IGNORECASE,
)
_OF = re.compile(r"\sof\s.*", re.IGNORECASE)
_BETWEEN = re.compile(r"\s(?:and|&|x|meets|mixed with|vs\.?|\|)\s|\s?/\s?", re.IGNORECASE)
_TITLE = re.compile(
    r"\A(?:the\s)?(?:(?:great|famous|legendary|french|italian|dutch|japanese|american)\s)?"
    r"(?:artists?|painters?|photographers?|illustrators?|directors?|sculptors?|masters?|"
    r"film\s?makers?|studio(?!\s))\s",
    re.IGNORECASE,
)
_STYLE = re.compile(
    r"(?:\A|\s)(?P<name>\S+(?:\s\S+){0,3}?)[\s-](?P<how>style[sd]?|inspired)\b(?!\s(?:of|by)\b)",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?:[A-Z]\.\s?){1,3}(?:\s?[A-Z][\w'-]+){1,2}")  # J.M.W. Turner
_LEAD = re.compile(r"(?:\A|.*\s)(?:in|with|an?|the|of|and|by|as)\s", re.IGNORECASE)
_MADE = word_set(
    """painted drawn illustrated designed directed photographed created sculpted inspired made
    imagined envisioned rendered written animated engraved etched crafted influenced"""
)
_NOT_MADE = word_set("lit held built worn kept led seen caught hit shot ridden driven run")
_NO_NAME = word_set(
    """a an my his her its their our your this that these those some one night day hand hands
    moonlight candlelight firelight lamplight sunlight daylight starlight torchlight side sea lake
    river water window fire fireplace far chance itself himself herself themselves nature
    accident default design train car boat bike foot ai midjourney me us them him it
    flowers trees people waves candles unknown various anonymous different many"""
)
_GENERIC = word_set(
    """anime manga cartoon cartoons comic comics pixel vintage retro modern minimalist minimal
    minimalistic abstract baroque gothic renaissance victorian edwardian art deco nouveau pop
    surreal surrealism surrealist impressionism impressionist expressionism expressionist cubism
    cubist realism realistic romantic romanticism flat isometric low poly lowpoly 3d 2d vector
    graffiti street japanese chinese korean american european african indian egyptian medieval
    ancient century centuries dark light fantasy sci-fi scifi science fiction steampunk cyberpunk
    dieselpunk solarpunk vaporwave synthwave noir film movie cinema cinematic poster watercolor
    watercolour oil painting paintings painterly illustration illustrations illustrated photo
    photography photographic storybook children's childrens book books magazine editorial fashion
    manuscript manuscripts ukiyo-e woodcut engraving sketch drawing drawings digital concept game
    rpg video tattoo sticker logo icon kawaii chibi cute boho scandinavian industrial rustic
    farmhouse contemporary traditional classic classical old new style same this any other
    different unique 20s 30s 40s 50s 60s 70s 80s 90s 1920s 1930s 1940s 1950s 1960s 1970s 1980s
    1990s documentary portrait landscape ink pencil line hand drawn doodle glitch grunge punk
    gouache pastel crayon claymation clay lego origami papercut folk naive"""
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a prompt.

    Attributes:
        text: the whole clause.
        artists: those it credits, as written.
        rest: the clause without the credits.
    """

    text: str
    artists: tuple[str, ...]
    rest: str


def find_artists(text: str, *, follows_artist: bool = False) -> Clause:
    """Part a clause into what it shows and who it credits.

    Args:
        text: a clause without boilerplate, white space folded.
        follows_artist: whether the clause before ended with a name, so that two or three
            capitalised words go on with the list ("by Mucha, Gustav Klimt").
    """
    name = text.removeprefix("and ")
    if _INITIALS.fullmatch(name) or (follows_artist and _is_full_name(name.split())):
        return Clause(text, (name,), "")
    artists: tuple[str, ...] = ()
    rest = text
    for _ in range(_MOST_CREDITS):
        credit = _credit_in(rest) or _style_in(rest)
        if credit is None:
            break
        artists += credit[0]
        rest = credit[1]
    return Clause(text, artists, rest)


def _credit_in(text: str) -> tuple[tuple[str, ...], str] | None:
    """The names of the first credit, and the text without it."""
    for credit in islice(_CREDIT.finditer(text), _MOST_TRIED):
        if not _credits_a_maker(text[: credit.start()], credit):
            continue
        names, length = _names(text[credit.end() :], is_manner=credit["by"] is None)
        if names:
            after = text[credit.end() + length :]
            return names, tidy(f"{tidy(text[: credit.start()])} {after}")
    return None


def _style_in(text: str) -> tuple[tuple[str, ...], str] | None:
    """The name in "X style" or "X inspired", and the text without it."""
    for style in islice(_STYLE.finditer(text), _MOST_TRIED):
        name = _style_name(style["name"])
        # "Giger inspired" credits someone, "ocean inspired" something.
        if name and (style["how"].lower() != "inspired" or _is_capitalised(name)):
            start = style.start("name") + style["name"].rindex(name)
            return (name,), tidy(f"{tidy(text[:start])} {text[style.end() :]}")
    return None


def _credits_a_maker(before: str, credit: re.Match[str]) -> bool:
    """Whether a "by" is an author's: not "lit by", "standing by", "surrounded by"."""
    words = before.split()
    if credit["by"] is None or not words:
        return True
    last = words[-1].casefold()
    if last in _MADE:
        return True
    is_participle = len(last) > 4 and last.endswith(("ed", "en", "ing"))
    return last not in _NOT_MADE and (not is_participle or last.endswith(("painting", "drawing")))


def _names(text: str, *, is_manner: bool) -> tuple[tuple[str, ...], int]:
    """The names that text begins with, and how many characters of it they take up."""
    taken = _NAME_END.sub("", text)
    if not is_manner:
        taken = _OF.sub("", taken)
    names = []
    for piece in _BETWEEN.split(taken):
        name = tidy(_TITLE.sub("", piece.strip()))
        words = name.split()
        if not _is_name(words, is_manner=is_manner):
            break
        names.append(name)
    return tuple(names), len(taken) if names else 0


def _is_name(words: Sequence[str], *, is_manner: bool) -> bool:
    if not words or len(words) > _LONGEST_NAME or words[0].casefold() in _NO_NAME:
        return False
    generic = [
        word.casefold().rstrip("s") in _GENERIC or word.casefold() in _GENERIC for word in words
    ]
    if _is_capitalised(words[0]):
        return not all(generic)
    return not any(generic) and (is_manner or words[0].casefold() != "the")


def _style_name(before: str) -> str | None:
    """The name in the words in front of "style", without the ones that lead up to it."""
    words = _LEAD.split(before)[-1].split()
    if any(map(_is_capitalised, words)):
        while not _is_capitalised(words[0]):
            words = words[1:]
    return " ".join(words) if _is_name(words, is_manner=True) else None


def _is_full_name(words: Sequence[str]) -> bool:
    return (
        2 <= len(words) <= 3
        and all(map(_is_capitalised, words))
        and not any(word.casefold() in _GENERIC for word in words)
    )


def _is_capitalised(word: str) -> bool:
    return word[:1].isupper()
