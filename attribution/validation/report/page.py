"""This is the report of a run: a page of HTML, Markdown, and some lines for a terminal, all alike.

The page has the look of a ranking's report, and its promises: no script, no request, no second
file, every name escaped by jinja2, the same bytes for the same rows.

But: the sheets are embedded as they are, so a page is as large as its pictures.
"""

from __future__ import annotations

import base64
import struct
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from attribution.validation.report import plots
from attribution.validation.report.arms import in_order, kind_of, meaning_of, name_of
from attribution.validation.report.goals import Status, conclusion, goals_of, main_effect
from attribution.validation.report.numbers import Cell, interval_cell, multiple_cell, number
from attribution.validation.report.tables import ResultTable, escaped, markdown_of, tables_of
from attribution.validation.results import Proof, Sheet
from harvester.sanitize import clean

TITLE = "Do the pictures that whence names matter?"
_BADGES = {
    Status.REACHED: "rung-above-chance",
    Status.PARTLY: "rung-replication",
    Status.MISSED: "rung-near-copy",
    Status.UNDECIDED: "rung-none",
    Status.NOT_RUN: "rung-none",
}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WIDTH = 98
"""Columns of a terminal's lines."""


@dataclass(frozen=True, slots=True)
class ShownSheet:
    """A sheet for the page.

    Attributes:
        uri: a data: address; None where the bytes are no PNG.
    """

    title: str
    uri: str | None
    width: int = 0
    height: int = 0


def render_proof(proof: Proof) -> str:
    """The page; of a part that was not run it says so.

    Its tables hold every figure that its drawings show.
    """
    arms = in_order([one.arm for one in proof.effects])
    return _template().render(
        title=TITLE,
        conclusion=conclusion(proof),
        goals=[(goal, _BADGES[goal.status]) for goal in goals_of(proof)],
        sheets=[_shown(sheet) for sheet in proof.sheets],
        tables=tables_of(proof),
        arms=[(name_of(arm), meaning) for arm in arms if (meaning := meaning_of(arm))],
        plots={
            "effects": plots.effects_plot(proof.effects, proof.random),
            "multiples": plots.multiples_plot(proof.effects),
            "lds": plots.datamodelling_plot(proof.datamodelling),
            "forgetting": plots.forgetting_plot(proof.forgetting),
        },
        told=_provenance_lines(proof),
    )


def proof_markdown(proof: Proof) -> str:
    """The conclusion, the goals and every table as Markdown, with what to repeat them with.

    Names that strangers chose cannot act as markup.
    """
    goals = ResultTable(
        "goals",
        "Goals",
        ("Goal", "Wanted", "Status", "Found"),
        4,
        tuple(
            (Cell(one.name), Cell(one.wanted), Cell(one.status.value), Cell(one.found))
            for one in goals_of(proof)
        ),
    )
    repeated = [f"- {escaped(name)}: {escaped(value)}" for name, value in _provenance_lines(proof)]
    parts = [
        escaped(conclusion(proof)) + "\n",
        *(markdown_of(table) for table in (goals, *tables_of(proof).values())),
        *(["**How to repeat it**\n\n" + "\n".join(repeated) + "\n"] if repeated else []),
    ]
    return "\n".join(parts)


def is_proof_markdown(path: Path) -> bool:
    """Whether a file holds what `proof_markdown` makes; raises OSError."""
    text = path.read_bytes()
    return b"\n**Goals**\n" in text and b"\n| Goal | Wanted | Status | Found |\n" in text


def proof_text(proof: Proof) -> str:
    """The conclusion, the goals and the foremost arms in at most 40 lines; safe to print."""
    lines = [*textwrap.wrap(clean(conclusion(proof)), _WIDTH, max_lines=5), ""]
    for goal in goals_of(proof):
        text = clean(f"{goal.name}: {goal.found}")
        lines += textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=f"{goal.status.value:<16}",
            subsequent_indent=" " * 16,
            max_lines=3,
            placeholder=" …",
        )
    effect = main_effect(proof)
    if effect is not None:
        by_arm = {
            other.arm: other
            for other in proof.effects
            if other.k == effect.k and kind_of(other.arm) != "channel"
        }
        lines += ["", f"Removed at K = {effect.k:,}, and by how much the loss rises, nats a token:"]
        for arm in in_order(by_arm)[:12]:
            rise = interval_cell(by_arm[arm].effect, by_arm[arm].low, by_arm[arm].high)
            lines.append(
                f"  {name_of(arm, 24):<24} {rise.text:>7}  {rise.bounds:<18} "
                f"{multiple_cell(by_arm[arm]).text:>7}  of {number(by_arm[arm].removed, 0)}"
            )
    return "\n".join(lines) + "\n"


def _provenance_lines(proof: Proof) -> list[tuple[str, str]]:
    return [(clean(name), clean(value)) for name, value in proof.told.items()]


def _shown(sheet: Sheet) -> ShownSheet:
    """Its size stands in the file's head; whatever else is wrong with it is the browser's."""
    title = name_of(sheet.title, 300)
    head = sheet.png[:24]
    if len(head) < 24 or not head.startswith(_SIGNATURE) or head[12:16] != b"IHDR":
        return ShownSheet(title, None)
    width, height = struct.unpack(">II", head[16:24])
    uri = "data:image/png;base64," + base64.b64encode(sheet.png).decode("ascii")
    return ShownSheet(title, uri, width, height)


@cache
def _template() -> Template:
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("attribution.validation.report", ""),
                PackageLoader("attribution.report", ""),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("proof.html.j2")
