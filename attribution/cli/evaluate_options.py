"""These are the options that the commands of `attribute evaluate` share, and what they do.

They open the gallery, ask every system and show the figures, so that a command is its suite alone.
Part of the shell, as `attribution.cli.app` is. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attribution.cli.inputs import open_gallery, open_setup
from attribution.cli.prepare import PATH, Backbones, BackgroundFile
from harvester.cli.console import (
    AsJson,
    Verbose,
    follow,
    given_path,
    harvesting,
    interruptible,
    print_json,
    run_loop,
    stderr,
    write_out,
)

if TYPE_CHECKING:
    from attribution.evaluate.suites import Suite
    from attribution.evaluate.systems import Answers, System
    from attribution.ranking.gallery import Gallery
    from attribution.ranking.method import RankingSetup


STOPPED = "figures are of whole suites only; run the same command again"
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
        """All answers to a suite, of whence and of these; shows how far that is."""
        from attribution.descriptors.resnet50 import ResNet50Gem
        from attribution.evaluate.systems import peer_systems, published_system, run_systems
        from harvester.progress.display import Counting

        systems: list[System] = []
        if self.peers:
            from attribution.baselines.peers import PEERS

            all_peers = [make() for make in PEERS.values()]
            with Counting(stderr(), "describing for peers", len(suite.gallery.ids)) as counting:
                systems += peer_systems(all_peers, suite.gallery, _each(counting.advance))
        if self.published:
            systems.append(
                published_system(
                    suite.gallery,
                    ResNet50Gem(),
                    len(suite.cases),
                    queries=self.published,
                    seed=suite.seed,
                )
            )
        with Counting(stderr(), "asking", len(suite.cases)) as counting:
            return run_systems(
                suite, setup, systems, standardised=standardised, step=counting.advance
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

    @contextmanager
    def opened(self, gallery: Path) -> Iterator[tuple[Gallery, RankingSetup]]:
        """A dataset, or a folder brought into one, described; Ctrl-C ends it in order."""
        from harvester.dataset.shards import shard_paths
        from harvester.distribution import needs_extra
        from harvester.schema import Candidate

        with needs_extra("evaluate", "evaluate", "scipy"):
            pass
        with tempfile.TemporaryDirectory(prefix="whence-") as temporary, interruptible(STOPPED):
            folder = gallery
            if not shard_paths(gallery, Candidate):
                folder = self.work or Path(temporary) / "pictures"
                _take_in(gallery, folder)
            described = open_gallery([folder], open_setup(self.backbone, self.background))
            yield described.gallery, described.setup

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


def _take_in(pictures: Path, out: Path) -> None:
    from harvester.api.harvest import harvest_folder
    from harvester.pipeline.run import check_reached

    harvest = harvest_folder(pictures, out)
    with harvesting(harvest.expected) as progress:
        tally = run_loop(follow(harvest, progress))
    check_reached(tally)


def _each(advance: Callable[[], None]) -> Callable[[int], None]:
    def advance_by(count: int) -> None:
        for _ in range(count):
            advance()

    return advance_by
