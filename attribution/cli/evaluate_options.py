"""These are the options that the commands of `attribute evaluate` share, and what they do.

They open the gallery, ask every system and show the figures, so that a command is its suite alone.
Part of the shell, as `attribution.cli.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attribution.cli.evaluate_inputs import ask_all, opened
from attribution.cli.prepare import PATH, Backbones, BackgroundFile
from harvester.cli.console import AsJson, Verbose, given_path, print_json, write_out

if TYPE_CHECKING:
    from attribution.evaluate.suites import Suite
    from attribution.evaluate.systems import Answers
    from attribution.ranking.gallery import Gallery
    from attribution.ranking.method import RankingSetup


GalleryPath = Annotated[
    Path,
    typer.Argument(
        help="Dataset of candidates, or any folder of pictures.",
        parser=given_path,
        metavar="GALLERY",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemOptions:
    """Who is asked beside whence."""

    peers: Annotated[
        bool,
        typer.Option(
            "--peers/--no-peers", help="Ask imagededup and plain cosine too; yes by default."
        ),
    ] = True
    published: Annotated[
        int,
        typer.Option(
            "--published",
            min=0,
            help="Queries that the formula of Aivalis & Klampanos 2025 is asked, seconds each; 12.",
        ),
    ] = 12

    def ask(self, suite: Suite, setup: RankingSetup, *, standardised: bool = False) -> Answers:
        """All answers to a suite."""
        return ask_all(
            suite, setup, peers=self.peers, published=self.published, standardised=standardised
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """How a suite's gallery is described and drawn from, and how its figures are shown."""

    backbone: Backbones = None
    background: BackgroundFile = None
    work: Annotated[
        Path | None,
        typer.Option(
            "--work",
            help="Where a folder's pictures are kept as a dataset, with descriptors, for the next "
            "time; nowhere unless given.",
            **PATH,
        ),
    ] = None
    same: Annotated[
        Path | None,
        typer.Option(
            "--same",
            help="csv file, columns image and source, of pictures of the gallery that are the same "
            "and were not recognised; they are no false alarms.",
            **PATH,
        ),
    ] = None
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of all draws; 1 unless given.")] = 1
    as_json: AsJson = False
    verbose: Verbose = False

    def opened(self, gallery: Path) -> AbstractContextManager[tuple[Gallery, RankingSetup]]:
        """The gallery's candidates, and what they are ranked by."""
        return opened(gallery, self.work, self.backbone, self.background)

    def twins(self) -> dict[str, set[str]]:
        """Pictures that a person found to be the same: by id, the ids of the others."""
        from attribution.evaluate.ground_truth import read_same

        return read_same(self.same) if self.same is not None else {}

    def show(self, figures: dict[str, Any], text: str) -> None:
        """Print the figures, as JSON or as a table."""
        if self.as_json:
            print_json(figures)
        else:
            write_out(text)
