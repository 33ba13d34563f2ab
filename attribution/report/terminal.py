"""Rankings for a terminal, and as JSON Lines for a program.

Whatever a stranger wrote goes through `printable.clean` and a `rich.text.Text`, so that neither
an escape sequence nor rich's own markup in a title can act on the reader's terminal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text

from attribution.descriptors import KNOWN
from attribution.ranking import Match, Ranking
from attribution.report.origin import origin_record
from attribution.report.untrusted import cut, short_address, web_link
from attribution.verdicts import Verdict
from harvester.printable import clean
from harvester.schema import Candidate

WIDE = 130
"""Columns from which each match has a line of its own; below, its facts stand under each other."""

_STYLES = {Verdict.NEAR_COPY: "bold red", Verdict.LIKENESS: "dim"}


def ranking_table(ranking: Ranking, candidates: Mapping[str, Candidate]) -> RenderableType:
    """The conclusion, and under it a table of the matches that fits the terminal it is printed on.

    A candidate that is missing is shown with nothing known of it.
    """
    return _RankingTable(ranking, candidates)


def ranking_text(ranking: Ranking, candidates: Mapping[str, Candidate]) -> str:
    """`ranking_table` as it is printed, with colours where standard output shows them."""
    console = Console()
    with console.capture() as captured:
        console.print(ranking_table(ranking, candidates))
    return captured.get().rstrip("\n")


def json_lines(ranking: Ranking, candidates: Mapping[str, Candidate]) -> Iterator[str]:
    """One JSON object a match, best first, without the line's end; keys are always all there.

    Unknown values and scores that are no number are null, and all text is ASCII (JSON escapes), so
    that a terminal may print it. Dates are ISO 8601 in UTC; scores are rounded to six decimals.
    """
    for match in ranking.matches:
        found = candidates.get(match.candidate_id) or Candidate(id=match.candidate_id)
        record = {
            "image": ranking.query.name,
            "prompt": ranking.query.prompt,
            "origin": origin_record(ranking.query.origin),
            "gallery_size": ranking.gallery_size,
            "rank": match.rank,
            "candidate_id": match.candidate_id,
            "score": _number(match.score),
            "verdict": match.verdict.value,
            "tile": match.tile,
            "channels": {name: _number(value) for name, value in match.channels.items()},
            "title": found.title,
            "creator": found.creator,
            "license": found.license,
            "license_url": found.license_url,
            "rights": list(found.rights),
            "page_url": found.page_url,
            "url": found.url or None,
            "source": found.source or None,
            "query": found.query,
            "fetched_at": found.fetched_at and found.fetched_at.astimezone(UTC).isoformat(),
            "width": found.width,
            "height": found.height,
        }
        # Surrogates without a partner are no text, and strict JSON readers stop at them.
        line = json.dumps(record, allow_nan=False, ensure_ascii=False)
        whole = line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield json.dumps(json.loads(whole), allow_nan=False)


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class _RankingTable:
    ranking: Ranking
    candidates: Mapping[str, Candidate]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.ranking.conclusion, "bold")
        if not self.ranking.matches:
            yield Text("There is no candidate to show.")
            return
        rows = [
            (match, _Told.of(self.candidates.get(match.candidate_id), options.encoding))
            for match in self.ranking.matches
        ]
        draw = _draw_wide if options.max_width >= WIDE else _draw_narrow
        yield draw(rows, grid=self.ranking.query.is_grid)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of a candidate, as text that a terminal can be given."""

    title: Text
    creator: Text
    license: Text
    page: Text

    @classmethod
    def of(cls, candidate: Candidate | None, encoding: str) -> _Told:
        candidate = candidate or Candidate(id="")
        address = candidate.page_url or candidate.url
        page = _text(address and short_address(address, 45), 45, encoding)
        link = web_link(address)
        if link is not None:
            page.stylize(Style(link=link))
        return cls(
            title=_text(candidate.title, 80, encoding),
            creator=_text(candidate.creator, 40, encoding),
            license=_text(candidate.license, 30, encoding),
            page=page,
        )


def _text(value: str | None, limit: int, encoding: str) -> Text:
    known = cut(clean(value or ""), limit)
    if not known:
        return Text("unknown", "dim")
    return Text(known.encode(encoding, "replace").decode(encoding))


def _draw_wide(rows: Iterable[tuple[Match, _Told]], *, grid: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name in ("", "Score", *(["Tile"] if grid else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Channels", no_wrap=True)
    for name, ratio in (("Title", 4), ("Creator", 2), ("Licence", 2), ("Page", 4)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for match, told in rows:
        table.add_row(
            str(match.rank),
            _score(match),
            *([str(match.tile or "whole")] if grid else []),
            _verdict(match),
            Text(" ".join(_channels(match))),
            *(told.title, told.creator, told.license, told.page),
        )
    return table


def _draw_narrow(rows: Iterable[tuple[Match, _Told]], *, grid: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("Verdict, scores")
    table.add_column("Title, creator, licence, page", overflow="fold")
    for match, told in rows:
        head = Text.assemble(_verdict(match), " ", _score(match))
        if grid:
            head.append(", whole" if match.tile is None else f", tile {match.tile}")
        maker = Text.assemble("creator ", told.creator, ", licence ", told.license)
        table.add_row(
            str(match.rank),
            Text("\n").join([head, Text(" ".join(_channels(match)))]),
            Text("\n").join([told.title, maker, told.page]),
        )
    return table


def _verdict(match: Match) -> Text:
    return Text(match.verdict.value, _STYLES[match.verdict])


def _score(match: Match) -> str:
    return f"{match.score:.2f}" if math.isfinite(match.score) else "-"


def _channels(match: Match) -> list[str]:
    """The channels that decide: likeness, text, and PDQ among the copies' hashes."""
    named: dict[str, float] = {}
    for name, value in match.channels.items():
        kind = KNOWN[name].kind if name in KNOWN else "image"
        if kind in {"image", "text"}:
            named["img" if kind == "image" else "text"] = value
        elif name == "pdq":
            named[name] = value
    return [f"{name} {_short(named[name])}" for name in ("img", "text", "pdq") if name in named]


def _short(value: float) -> str:
    """Two digits that count: `.83`, `4.2`, `12`; a dash where there is no score."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.1f}"
