"""A folder or dataset → candidates and what they are ranked by; a suite → all answers to it.

Part of the shell, as `inputs` is: folders are read by the harvester, and progress is shown.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.cli.inputs import open_gallery
from harvester.cli.console import follow, harvesting, interruptible, stderr

if TYPE_CHECKING:
    from attribution.evaluate.suites import Suite
    from attribution.evaluate.systems import Answers
    from attribution.ranking.gallery import Gallery
    from attribution.ranking.method import RankingSetup


_STOPPED = "figures are of whole suites only; run the same command again"


@contextmanager
def opened(
    gallery: Path, work: Path | None, backbones: list[str] | None, background: Path | None
) -> Iterator[tuple[Gallery, RankingSetup]]:
    """A dataset, or a folder brought into one, described; Ctrl-C ends it in order."""
    from harvester.dataset.shards import shard_paths
    from harvester.schema import Candidate

    with tempfile.TemporaryDirectory(prefix="whence-") as temporary, interruptible(_STOPPED):
        folder = gallery
        if not shard_paths(gallery, Candidate):
            folder = work or Path(temporary) / "pictures"
            _take_in(gallery, folder)
        described = open_gallery([folder], backbones, background)
        yield described.gallery, described.setup


def _take_in(pictures: Path, out: Path) -> None:
    from harvester.api.harvest import harvest_folder
    from harvester.pipeline.run import check_reached

    harvest = harvest_folder(pictures, out)
    with harvesting(harvest.expected) as progress:
        tally = asyncio.run(follow(harvest, progress))
    check_reached(tally)


def ask_all(
    suite: Suite, method: RankingSetup, *, peers: bool, published: int, standardised: bool = False
) -> Answers:
    """Ask whence, the peers and the published formula, and show how far that is."""
    from attribution.descriptors.resnet50 import ResNet50Gem
    from attribution.evaluate.systems import System, peer_systems, published_system, run_systems
    from harvester.progress.display import Counting

    ways: list[System] = []
    if peers:
        from attribution.baselines.peers import PEERS

        made = [make() for make in PEERS.values()]
        with Counting(stderr(), "describing for peers", len(suite.gallery.ids)) as counting:
            ways += peer_systems(made, suite.gallery, _each(counting.advance))
    if published:
        ways.append(
            published_system(
                suite.gallery,
                ResNet50Gem(),
                len(suite.cases),
                queries=published,
                seed=suite.seed,
            )
        )
    with Counting(stderr(), "asking", len(suite.cases)) as counting:
        return run_systems(suite, method, ways, standardised=standardised, step=counting.advance)


def _each(advance: Callable[[], None]) -> Callable[[int], None]:
    def advance_by(count: int) -> None:
        for _ in range(count):
            advance()

    return advance_by
