"""The HTML report: rankings as one page without a script, a request or a second file.

The page is laid out by jinja2, and not by joining strings, because there escaping is what happens
unless it is switched off: every title, prompt and address on the page was written by a stranger,
and a call forgotten once would let its markup in. The page's content security policy forbids
scripts and requests besides, should anything ever slip through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from attribution.calibration.verdicts import FALSE_DISCOVERIES
from attribution.errors import ReportError
from attribution.ranking.rank import Ranking
from attribution.report.facts import show_instant
from attribution.report.page import show_query
from attribution.report.score_bars import channels_of
from harvester.dataset.atomic import replacing
from harvester.dataset.storage import Location
from harvester.errors import reason_of
from harvester.paths import beginning_of
from harvester.sanitize import clean
from harvester.schema import Candidate

if TYPE_CHECKING:
    from attribution.ranking.method import RankingSetup


_HEAD = 4096
_GENERATOR = b'<meta name="generator" content="whence">'
_POLICY = b"content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
_TITLE = b"<title>whence: "


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a report was made with, and when.

    Attributes:
        made_at: with its time zone; shown in UTC.
        candidates: the datasets searched, named as the user gave them.
        method: models and background with their versions, as `RankingSetup.described` has them.
        background: name and number of the pictures that chance is measured on; None for a ranker
            that measures none.
    """

    whence_version: str
    made_at: datetime
    candidates: tuple[str, ...]
    method: str
    background: tuple[str, int] | None = None


def made_now(folders: Iterable[Location], setup: RankingSetup | str, version: str) -> Provenance:
    """What a report that is made now is made with.

    Args:
        folders: the datasets searched.
        setup: of the ranking; of a ranker that has none, its model as `channel@version`.
        version: whence's.
    """
    if isinstance(setup, str):
        described, background = setup, None
    else:
        described = setup.described
        background = (setup.background.name, len(setup.background))
    return Provenance(
        whence_version=version,
        made_at=datetime.now(UTC),
        candidates=tuple(str(folder) for folder in folders),
        method=described,
        background=background,
    )


def render_report(
    rankings: Sequence[tuple[Ranking, Mapping[str, Candidate]]], provenance: Provenance
) -> str:
    """One page that shows each ranking, with its candidates by id as `Gallery.pick` gives them.

    A page of 20 matches stays below 2 MB. Candidates that are missing, or whose pictures cannot be
    decoded, are shown with what is known.
    """
    return _template("ranking.html.j2").render(
        queries=[
            show_query(number, ranking, candidates)
            for number, (ranking, candidates) in enumerate(rankings, 1)
        ],
        channels=channels_of(ranking for ranking, _ in rankings),
        is_published=any(ranking.found is None for ranking, _ in rankings),
        is_judged=any(ranking.found is not None for ranking, _ in rankings),
        false_discoveries=f"{FALSE_DISCOVERIES:.0%}",
        **_shown(provenance),
    )


def render_index(
    jobs: Sequence[Mapping[str, Any]],
    provenance: Provenance,
    *,
    before: str | None = None,
    after: str | None = None,
) -> str:
    """The page that leads to the pages of a batch.

    Args:
        jobs: name, prompt, verdict, style (a class for its badge), title, error, href and thumb
            (a data: address) of each.
        provenance: of the whole batch.
        before: address of the index page that stands before this one.
        after: address of the one behind it.
    """
    template = _template("index.html.j2")
    return template.render(jobs=jobs, before=before, after=after, **_shown(provenance))


def _shown(provenance: Provenance) -> dict[str, Any]:
    return {
        "version": clean(provenance.whence_version),
        "made_at": show_instant(provenance.made_at),
        "datasets": [clean(name) for name in provenance.candidates],
        "method": clean(provenance.method),
        "background": provenance.background
        and (clean(provenance.background[0]), f"{provenance.background[1]:,}"),
    }


def write_report(path: Path, html: str) -> None:
    """Write the page to `path`, whole or not at all; missing folders are made.

    Raises:
        ReportError: if it cannot be written; no partial file is left behind.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(html, encoding="utf-8")
    except OSError as exc:
        raise ReportError(
            f"{path}: expected to write the report there, found {reason_of(exc)}; give another "
            "--report"
        ) from exc


def is_report(path: Path) -> bool:
    """Whether whence wrote a page, of this version or an earlier one; raises OSError."""
    head = beginning_of(path, _HEAD)
    return _GENERATOR in head or (_POLICY in head and _TITLE in head)


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("attribution.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
