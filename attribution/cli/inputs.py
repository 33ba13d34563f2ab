"""The arguments of commands, opened: pictures, prompts, jobs, candidates, models.

Part of the shell, as `attribution.cli.app` is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harvester.cli.console import given_place, interruptible, say, stderr

if TYPE_CHECKING:
    from attribution.api.gallery import OpenGallery
    from attribution.batch.jobs import BatchJob
    from attribution.descriptors.embedder import Embedder
    from attribution.descriptors.resnet50 import ResNet50Gem
    from attribution.ranking.method import RankingSetup
    from attribution.ranking.query import GridMode, Query
    from harvester.dataset.storage import Location


def open_setup(
    backbones: Sequence[str] | None, background: Path | None, *, crop_resistant: bool = False
) -> RankingSetup:
    """What pictures are ranked by; says which models take no part in the order.

    Raises:
        RankingError: as `api.gallery.load_setup` does.
    """
    from attribution.api.gallery import load_setup

    with as_backbones():
        setup = load_setup(backbones or (), background, crop_resistant=crop_resistant)
    chance = setup.background
    for one in setup.embedders:
        if one.channel not in chance.null:
            say(
                f"{one.channel} is shown and takes no part in the order: {chance.name} was not "
                "described by it; fit a background with `attribute background --backbone`"
            )
    return setup


def open_gallery(folders: Sequence[Location], setup: RankingSetup) -> OpenGallery:
    """The candidates, described; says how far describing is.

    Raises:
        RankingError: as `api.gallery.describe` does.
    """
    from attribution.api.gallery import describe
    from harvester.progress.display import Counting

    kept = "descriptors computed so far are kept; run the same command again to go on"
    with interruptible(kept), Counting(stderr(), "describing candidates") as counting:
        return describe(folders, setup, counting.advance)


def open_embedders(backbones: Sequence[str] | None) -> tuple[tuple[Embedder, ...], ResNet50Gem]:
    """The models that describe pictures, and the one that describes cells.

    Raises:
        WeightsMissingError: if a model's weights cannot be had.
    """
    from attribution.api.gallery import load_backbones
    from attribution.ranking.method import default_embedders

    with as_backbones():
        embedders = default_embedders(load_backbones(backbones or ()))
    return embedders, embedders[0]


@contextmanager
def as_backbones() -> Iterator[None]:
    """A model's name that is refused in the block is refused as the option's value."""
    from attribution.errors import BackboneNameError

    try:
        yield
    except BackboneNameError as exc:
        raise typer.BadParameter(str(exc), param_hint="--backbone") from exc


def open_queries(images: Sequence[Path], prompt: str | None, grid: GridMode) -> list[Query]:
    """The pictures to rank; without a prompt, the first file's own is taken for all."""
    from attribution.api.queries import open_query

    first, *others = (open_query(one, prompt, grid=grid) for one in images)
    if first.prompt != prompt:
        claim = next(one for one in first.origin.claims if "prompt" in one.facts)
        say(f"prompt out of the file ({claim.where}): {(first.prompt or '')[:200]}")
    prompt, prompt_parts = first.prompt, first.prompt_parts
    return [first, *(replace(one, prompt=prompt, prompt_parts=prompt_parts) for one in others)]


@dataclass(frozen=True, slots=True)
class Listed:
    """The jobs of a list or of a generations dataset.

    Attributes:
        count: how many there are.
        was_number: tells of an id that an earlier version of whence kept whether it was the number
            of a row, which may be another row by now.
    """

    jobs: Iterator[BatchJob]
    count: int
    was_number: Callable[[str], bool]


def read_jobs(jobs: str) -> Listed:
    """Read a list, or open a dataset, that holds the jobs of a batch.

    Raises:
        InputError: if there is none.
    """
    from attribution.api.queries import job_with_prompt, parse_prompt_parts
    from attribution.batch.jobs import jobs_of_dataset
    from harvester.dataset.shards import count_rows
    from harvester.schema import Generation
    from harvester.sources.prompt_list import read_image_jobs

    place = given_place(jobs) if jobs.strip() else Path(jobs)
    if not isinstance(place, Path) or place.is_dir():
        count = count_rows(place, Generation)
        return Listed(jobs_of_dataset(place, parse_prompt_parts), count, lambda _: False)
    listed = read_image_jobs(jobs)
    batch_jobs = (job_with_prompt(job.id, job.prompt, job.image) for job in listed)
    named = frozenset(job.id for job in listed if job.has_own_id)
    are_all_named = len(named) == len(listed)
    return Listed(
        batch_jobs,
        len(listed),
        lambda name: not are_all_named and name.isdecimal() and name not in named,
    )
