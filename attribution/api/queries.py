"""Generated pictures and their prompts, opened to be ranked.

Prompts are read by the harvester's grammar of Midjourney's prompts and its reading of names, so
that a picture is ranked from code as it is by the command.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from attribution.batch.jobs import BatchJob, job_of
from attribution.prompt import PromptParts, from_midjourney, from_web_ui
from attribution.provenance.generators import MIDJOURNEY
from attribution.provenance.origin import Origin
from attribution.ranking import query as queries
from attribution.ranking.query import GridMode, Picture, Query
from harvester.midjourney.prompt import parse_prompt
from harvester.schema import Generation
from harvester.search.credits import names_in

Job = Picture | tuple[Picture, str | None] | Generation | BatchJob
"""A picture, alone or with its prompt; a row of a dataset of generations; or a job with an id."""


def open_query(image: Picture, prompt: str | None = None, *, grid: GridMode = "auto") -> Query:
    """Read a generated picture, to be ranked later or several times.

    Args:
        image: a path, the bytes of a file, a Pillow image, or an array (h, w, 3) of uint8 RGB.
        prompt: what it was generated from; the one that the file tells unless given. A Pillow
            image and an array have no file that tells of it.
        grid: rank a 2x2 grid tile by tile: by its looks, always, never.

    Raises:
        QueryImageError: if it is missing, unreadable, or no picture; says which.
    """
    prompt_parts = None if prompt is None else parse_prompt_parts(prompt)
    query = queries.open_query(image, prompt, grid=grid, prompt_parts=prompt_parts)
    return queries.with_own_prompt(query, parse_prompt_parts)


def parse_prompt_parts(prompt: str, origin: Origin | None = None) -> PromptParts:
    """What a prompt asks for; one out of another generator's file is read with that one's marks."""
    named = names_in(prompt)
    if origin is None or origin.generator in {None, MIDJOURNEY}:
        return from_midjourney(parse_prompt(prompt), artists=named.artists, titles=named.titles)
    return from_web_ui(prompt, origin.negative_prompt, artists=named.artists, titles=named.titles)


def jobs_of(pictures: Iterable[Job]) -> Iterator[BatchJob]:
    """Pictures of any kind as jobs; those without an id are known by their number."""
    for number, one in enumerate(pictures, 1):
        if isinstance(one, BatchJob):
            yield one
        elif isinstance(one, Generation):
            yield job_of(one, parse_prompt_parts)
        else:
            image, prompt = one if isinstance(one, tuple) else (one, None)
            yield job_with_prompt(str(number), prompt, image)


def job_with_prompt(name: str, prompt: str | None, image: Picture | None) -> BatchJob:
    """A job whose prompt is read as `open_query` reads it."""
    prompt_parts = None if prompt is None else parse_prompt_parts(prompt)
    shown = image if isinstance(image, str | Path) else ""
    return BatchJob(name, prompt, image, str(shown), prompt_parts)
