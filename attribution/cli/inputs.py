"""What a command names → what the ranking takes: pictures, prompts, jobs, candidates, models.

Part of the shell, as `attribution.cli.app` is: prompts are read by the harvester's grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harvester.cli.console import given_place, interruptible, say, stderr

if TYPE_CHECKING:
    from attribution.batch.run import BatchJob
    from attribution.descriptors.embedder import Embedder
    from attribution.descriptors.resnet50 import ResNet50Gem
    from attribution.prompt import PromptParts
    from attribution.provenance.origin import Origin
    from attribution.ranking.gallery import Gallery
    from attribution.ranking.method import RankingSetup
    from attribution.ranking.query import GridMode, Query
    from harvester.dataset.storage import Location


def open_gallery(
    folders: Sequence[Location], backbones: Sequence[str] | None, background: Path | None
) -> tuple[Gallery, RankingSetup]:
    """The candidates, described, and what they are ranked by.

    Raises:
        RankingError: of the kinds that `load_gallery`, `read_background` and `load_backbone` raise.
    """
    from attribution.calibration.background import SHIPPED, read_background
    from attribution.ranking.gallery import load_gallery
    from attribution.ranking.method import default_setup
    from harvester.progress.display import Counting

    chance = read_background(background or SHIPPED)
    setup = default_setup(chance, more=_open_backbones(backbones))
    for one in setup.embedders:
        if one.channel not in chance.null:
            say(
                f"{one.channel} is shown and takes no part in the order: {chance.name} was not "
                "described by it; fit a background with `attribute background --backbone`"
            )
    kept = "descriptors computed so far are kept; run the same command again to go on"
    with interruptible(kept), Counting(stderr(), "describing candidates") as counting:
        return load_gallery(folders, setup.embedders, counting.advance), setup


def open_embedders(backbones: Sequence[str] | None) -> tuple[tuple[Embedder, ...], ResNet50Gem]:
    """The models that describe pictures, and the one that describes cells.

    Raises:
        WeightsMissingError: if a model's weights cannot be had.
    """
    from attribution.ranking.method import default_embedders

    embedders = default_embedders(_open_backbones(backbones))
    return embedders, embedders[0]


def _open_backbones(texts: Sequence[str] | None) -> Sequence[Embedder]:
    if not texts:
        return []
    from attribution.backbones.load import load_backbone
    from attribution.backbones.spec import parse_backbones

    try:
        parsed = parse_backbones(texts)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--backbone") from exc
    return [load_backbone(one) for one in parsed]


def open_queries(images: Sequence[Path], prompt: str | None, grid: GridMode) -> list[Query]:
    """The pictures to rank; without a prompt, the first file's own is taken for all."""
    from attribution.ranking.query import open_query, with_own_prompt

    prompt_parts = parse_prompt_parts(prompt) if prompt is not None else None
    queries = [open_query(one, prompt, grid=grid, prompt_parts=prompt_parts) for one in images]
    first = with_own_prompt(queries[0], parse_prompt_parts)
    if first.prompt != prompt:
        claim = next(one for one in first.origin.claims if "prompt" in one.facts)
        say(f"prompt out of the file ({claim.where}): {(first.prompt or '')[:200]}")
    return [
        replace(query, prompt=first.prompt, prompt_parts=first.prompt_parts) for query in queries
    ]


def parse_prompt_parts(prompt: str, origin: Origin | None = None) -> PromptParts:
    """What a prompt asks for; one out of another generator's file is read with that one's marks."""
    from attribution.prompt import from_midjourney, from_web_ui
    from attribution.provenance.generators import MIDJOURNEY
    from harvester.midjourney.prompt import parse_prompt
    from harvester.pipeline.references import names_in

    named = names_in(prompt)
    if origin is None or origin.generator in {None, MIDJOURNEY}:
        return from_midjourney(parse_prompt(prompt), artists=named.artists, titles=named.titles)
    return from_web_ui(prompt, origin.negative_prompt, artists=named.artists, titles=named.titles)


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
    from attribution.batch.run import BatchJob, jobs_of_dataset
    from harvester.dataset.shards import count_rows
    from harvester.schema import Generation
    from harvester.sources.prompt_list import read_image_jobs

    place = given_place(jobs) if jobs.strip() else Path(jobs)
    if not isinstance(place, Path) or place.is_dir():
        counted = count_rows(place, Generation)
        return Listed(jobs_of_dataset(place, parse_prompt_parts), counted, lambda _: False)
    listed = read_image_jobs(jobs)
    made = (
        BatchJob(
            job.id,
            job.prompt,
            job.image,
            str(job.image or ""),
            None if job.prompt is None else parse_prompt_parts(job.prompt),
        )
        for job in listed
    )
    named = frozenset(job.id for job in listed if job.has_own_id)
    are_all_named = len(named) == len(listed)
    return Listed(
        made,
        len(listed),
        lambda name: not are_all_named and name.isdecimal() and name not in named,
    )
