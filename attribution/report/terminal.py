"""The terminal report: rankings as tables that fit the width at hand.

Whatever a stranger wrote goes through `sanitize.clean` and a `rich.text.Text`, so that neither
an escape sequence nor rich's own markup in a title can act on the reader's terminal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text

from attribution.calibration.verdicts import Verdict
from attribution.ranking.rank import Match, Ranking
from attribution.report.safe_text import cut, short_address, web_link
from attribution.report.wording import (
    UNTESTED,
    conclusion,
    shares_line,
    short_regions,
    show_chance,
    show_share,
)
from harvester.sanitize import clean
from harvester.schema import Candidate

WIDE = 130
"""Columns from which each match has a line of its own; below, its facts stand under each other."""
_STYLES = {
    Verdict.NEAR_COPY: "bold red",
    Verdict.ALTERED: "bold magenta",
    Verdict.REPLICATION: "bold blue",
    Verdict.TEMPLATE: "yellow",
    Verdict.ABOVE_CHANCE: "green",
    Verdict.NO_EVIDENCE: "dim",
    None: "dim",
}


def ranking_table(ranking: Ranking, candidates: Mapping[str, Candidate]) -> RenderableType:
    """The conclusion, the shares, and a table that fits the terminal that it is printed on.

    A candidate that is missing is shown with nothing known of it.
    """
    return _RankingTable(ranking, candidates)


def ranking_text(ranking: Ranking, candidates: Mapping[str, Candidate]) -> str:
    """`ranking_table` as it is printed, with colours where standard output shows them."""
    console = Console()
    with console.capture() as captured:
        console.print(ranking_table(ranking, candidates))
    return captured.get().rstrip("\n")


@dataclass(frozen=True, slots=True)
class _RankingTable:
    ranking: Ranking
    candidates: Mapping[str, Candidate]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(conclusion(self.ranking), "bold")
        shares = shares_line(self.ranking)
        if shares is not None:
            yield Text(f"Shares: {shares}")
        if not self.ranking.matches:
            yield Text("There is no candidate to show.")
            return
        rows = [
            _MatchRow(
                match,
                _CandidateTexts.of(self.candidates.get(match.candidate_id), options.encoding),
            )
            for match in self.ranking.matches
        ]
        draw = _draw_wide if options.max_width >= WIDE else _draw_narrow
        yield draw(rows, grid=self.ranking.query.is_grid)


@dataclass(frozen=True, slots=True)
class _CandidateTexts:
    """What is known of a candidate, as text that a terminal can be given."""

    title: Text
    creator: Text
    license: Text
    page: Text

    @classmethod
    def of(cls, candidate: Candidate | None, encoding: str) -> _CandidateTexts:
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


@dataclass(frozen=True, slots=True)
class _MatchRow:
    match: Match
    texts: _CandidateTexts

    @property
    def rung(self) -> Text:
        verdict = self.match.verdict
        return Text(UNTESTED if verdict is None else verdict.value, _STYLES[verdict])

    @property
    def q(self) -> str:
        return show_chance(self.match.q)

    @property
    def share(self) -> str:
        return "-" if self.match.verdict is None else show_share(self.match.share)


def _draw_wide(rows: Iterable[_MatchRow], *, grid: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name in ("", "Score", *(["Tile"] if grid else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    for name in ("q", "Share"):
        table.add_column(name, justify="right", no_wrap=True)
    columns = (("Agrees at", 3), ("Title", 4), ("Creator", 2), ("Licence", 2), ("Page", 4))
    for name, ratio in columns:
        table.add_column(name, ratio=ratio, overflow="fold")
    for row in rows:
        table.add_row(
            str(row.match.rank),
            _score(row.match),
            *([str(row.match.tile or "whole")] if grid else []),
            *(row.rung, row.q, row.share, short_regions(row.match) or "-"),
            *(row.texts.title, row.texts.creator, row.texts.license, row.texts.page),
        )
    return table


def _draw_narrow(rows: Iterable[_MatchRow], *, grid: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("Verdict, score, q, share")
    table.add_column("Title, creator, licence, page", overflow="fold")
    for row in rows:
        match, texts = row.match, row.texts
        head = Text.assemble(row.rung, " ", _score(match))
        if grid:
            head.append(", whole" if match.tile is None else f", tile {match.tile}")
        lines = [head]
        if match.verdict is not None:
            lines.append(Text(f"q {row.q}, share {row.share}"))
        if match.regions:
            lines.append(Text(short_regions(match)))
        maker = Text.assemble("creator ", texts.creator, ", licence ", texts.license)
        table.add_row(
            str(match.rank),
            Text("\n").join(lines),
            Text("\n").join([texts.title, maker, texts.page]),
        )
    return table


def _score(match: Match) -> str:
    return f"{match.score:.2f}" if math.isfinite(match.score) else "-"
