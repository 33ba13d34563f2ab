"""This is the query planner: prompt → image searches; pure, and linear in the prompt's length.

A generator reads a prompt as a list of wishes; a search engine wants a subject and names. So the
flags, links, weights and fashionable phrases go, the words for artists stay, and what is still
too long is shortened by clauses. Which words are which is in `stopwords`, who is named in
`artists`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from harvester.midjourney.prompt import parse_prompt
from harvester.search.artists import Clause, find_artists
from harvester.search.stopwords import BOILERPLATE, FILLER, MEDIUM, STOP_WORDS, tidy

MOST_QUERIES = 3
LONGEST = 169
"""Characters; prompts of 170 and more were shortened in the method this project follows."""
_LONGEST_SUBJECT = 80
_THIN = 5  # characters
_MOST_ARTISTS = 3
_READ = 8000  # characters: Discord takes 6,000, and nobody's subject comes after that
_NEARLY_ALL = 0.75  # of a query's words: another query with as many finds the same pictures
_LINK = re.compile(r"<?https?://\S+", re.IGNORECASE)
# Line ends stay, they part clauses; so do joiners, they make up letters and emoji. Lone surrogates
# and text direction marks go, a search engine cannot read them.
_CONTROL = re.compile(
    "[\\x00-\\x09\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff]"
)
_SPACE = re.compile(r"[^\S\n]+")
_COMMAND = re.compile(r"\A(?:/imagine\b\s*)?(?:prompt\s*:\s*)?", re.IGNORECASE)
_EMPHASIS = re.compile(r":[0-9]+(?:\.[0-9]+)?(?=[)\]}])")  # (word:1.3)
_CLAUSE_END = re.compile(
    r"[,;|\n،؛、。，；！？｜।]+|(?<=\w\w\w\w)[.!?]+(?=\s|\Z)"
    r"|\s[-\u2013\u2014]+\s|\u2014|:(?=\s|\Z)|\.{2,}|…"
)
# Search operators and markup: quotes, !bang, \first, site:, +must.
_MARKS = re.compile(r"[\"“”„«»*_`~^\\<>{}\[\]()#=+!?@$%]|:(?![0-9])|(?:(?<=\s)|\A)-+(?=\w)")
_SCENE = re.compile(
    r"(?:in|on|at|under|during|when|where|while|inside|against|after|before|once)\s", re.IGNORECASE
)
_TURN = re.compile(
    r"\s(?:with|in|on|at|near|while|wearing|holding|looking|surrounded|standing|sitting|during|"
    r"against|under|over|behind|between|among|through|from|as|and)\s",
    re.IGNORECASE,
)


def plan_queries(prompt: str) -> tuple[str, ...]:
    """The one to three queries for a prompt: the fullest; subject and artist; artist and medium.

    A later query is there only where it asks for something else. Empty only if there is nothing
    to ask for: no words, or none but those that a negative weight pushes away.
    """
    parts = _wanted_parts(prompt)
    clauses = list(_clauses(parts))
    if not clauses:
        plain = " ".join(_MARKS.sub(" ", " ".join(parts)).split())
        return (_cut(tidy(plain) or plain, LONGEST),) if _says_something(plain) else ()
    artists = list(dict.fromkeys(name for clause in clauses for name in clause.artists))
    subject = _subject(clauses)
    queries = [_full(clauses, subject, artists)]
    short = _joined([_cut_at_turn(_filled_up(subject, clauses)), *artists[:2]])
    if len(_content(short)) < _NEARLY_ALL * len(_content(queries[0])):
        queries.append(short)
    if artists:
        medium = MEDIUM.search(" ".join(parts))
        queries.append(_joined([artists[0], medium.group().lower() if medium else ""]))
    return tuple(_distinct(queries))[:MOST_QUERIES]


def artists_of(prompt: str) -> tuple[str, ...]:
    """Whom a prompt names, as written and in its order, each once."""
    clauses = _clauses(_wanted_parts(prompt))
    return tuple(dict.fromkeys(name for clause in clauses for name in clause.artists))


def _wanted_parts(prompt: str) -> list[str]:
    """The words of a prompt by the parts of a multi-prompt, the weightiest first."""
    parsed = parse_prompt(_plain(prompt))
    if not parsed.weights:
        return [parsed.prompt]
    wanted = [part for part in parsed.weights if part.weight > 0]
    return [part.text for part in sorted(wanted, key=lambda part: -part.weight)]


def _plain(prompt: str) -> str:
    """Composed text without links and control characters, of a length that can be read."""
    text = _SPACE.sub(" ", _CONTROL.sub(" ", _LINK.sub(" ", prompt))).strip()[:_READ]
    return _COMMAND.sub("", unicodedata.normalize("NFC", text))


def _clauses(parts: Iterable[str]) -> Iterator[Clause]:
    seen = set()
    follows_artist = False
    for part in parts:
        for piece in _CLAUSE_END.split(_EMPHASIS.sub("", part)):
            text = tidy(_MARKS.sub(" ", BOILERPLATE.sub(" ", piece)))
            words = text.casefold().split()
            if not _says_something(text) or all(word in FILLER for word in words):
                continue
            if text.casefold() in seen:
                continue
            seen.add(text.casefold())
            clause = find_artists(text, follows_artist=follows_artist)
            follows_artist = bool(clause.artists)
            yield clause


def _subject(clauses: Sequence[Clause]) -> str:
    """The clause that says what is shown: no artist alone, no "oil painting", no "in a forest"."""
    rests = [clause.rest for clause in clauses if clause.rest]
    shown = [rest for rest in rests if any(map(_is_telling, _content(MEDIUM.sub(" ", rest))))]
    direct = [rest for rest in shown if not _SCENE.match(rest)]
    return next(iter(direct or shown or rests), "")


def _is_telling(word: str) -> bool:
    return len(word) > 1 or not word.isascii()


def _filled_up(subject: str, clauses: Sequence[Clause]) -> str:
    """A subject of a few letters ("1girl", "car") with the clauses that follow it."""
    pieces = [subject]
    for clause in clauses:
        if len(_joined(pieces)) > _THIN:
            break
        if clause.rest and clause.rest != subject:
            pieces.append(clause.rest)
    return _joined(pieces)


def _full(clauses: Sequence[Clause], subject: str, artists: Sequence[str]) -> str:
    whole = _joined(clause.text for clause in clauses)
    if len(whole) <= LONGEST:
        return whole
    chosen = [_cut_at_turn(subject)]
    left = LONGEST - len(chosen[0])
    kept_artists = [_cut(name, _LONGEST_SUBJECT // 2) for name in artists[:_MOST_ARTISTS]]
    left -= sum(len(name) + 1 for name in kept_artists)
    for clause in clauses:
        if clause.rest and clause.rest != subject and len(clause.rest) < left:
            chosen.append(clause.rest)
            left -= len(clause.rest) + 1
    return _cut(_joined([chosen[0], *kept_artists, *chosen[1:]]), LONGEST)


def _cut_at_turn(text: str) -> str:
    """A subject short enough, ended where its sentence turns to something else if it can be."""
    if len(text) <= _LONGEST_SUBJECT:
        return text
    turns = [turn.start() for turn in _TURN.finditer(text, _LONGEST_SUBJECT // 3)]
    fitting = [place for place in turns if place <= _LONGEST_SUBJECT]
    return tidy(text[: fitting[-1]]) if fitting else _cut(text, _LONGEST_SUBJECT)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    space = text.rfind(" ", 0, limit + 1)
    # Scripts without spaces are cut anywhere, yet not in front of an accent.
    end = space if space > limit // 3 else limit
    while end > 1 and unicodedata.combining(text[end]):
        end -= 1
    return tidy(text[:end]) or text[:end].strip()


def _joined(pieces: Iterable[str]) -> str:
    return " ".join(piece for piece in pieces if piece)


def _content(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", text.casefold())
    return frozenset(words) - STOP_WORDS


def _distinct(queries: Iterable[str]) -> Iterator[str]:
    words = set()
    for query in queries:
        content = _content(query) or frozenset(query.split())
        if content and content not in words:
            words.add(content)
            yield query


def _says_something(text: str) -> bool:
    return any(char.isalnum() or unicodedata.category(char) == "So" for char in text)
