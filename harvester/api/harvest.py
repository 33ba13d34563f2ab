"""Harvests from code: each an async iterator of outcomes, which the commands go through as well.

A harvest begins with the first outcome that is asked for. Leaving the loop early, a cancelled task
included, ends it in order: what was yielded is in the dataset, which is whole, and the same harvest
made again goes on. But: one harvest writes to a dataset at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import typer

from harvester.api.settings import DEFAULT_SETTINGS, HarvestSettings, check_engines
from harvester.dataset.storage import Location, location_of
from harvester.discord.export import MessageTally, read_exports
from harvester.discord.files import find_exports
from harvester.discord.pseudonyms import author_key
from harvester.pipeline.frontier import FoundPicture
from harvester.pipeline.generations import run_generations
from harvester.pipeline.run import Outcomes, Plan, run_found
from harvester.pipeline.search import check_prompts, run_search
from harvester.progress.tally import Tally
from harvester.readers.counts import count_files, count_messages, count_rows
from harvester.schema import Finding, LocalPicture
from harvester.search.registry import open_engines
from harvester.sources import folder as folders
from harvester.sources import url_list


class Harvest:
    """A harvest, ready to be made, once: `async for outcome in harvest`.

    Attributes:
        out: the dataset that it writes to.
        plan: how it is made.
        tally: what it has come to so far.
        messages: of an export, how many of each kind were read; None for other sources.
        inputs: files that it reads.
    """

    def __init__(
        self,
        run: Callable[[Tally], Outcomes],
        out: Location,
        plan: Plan,
        expect: Callable[[], int | None] = lambda: None,
        *,
        messages: MessageTally | None = None,
        inputs: Sequence[str | Path] = (),
    ) -> None:
        self.out, self.plan, self.tally = out, plan, Tally()
        self.messages, self.inputs = messages, inputs
        self._run, self._expect = run, expect
        self._is_begun = False

    def __aiter__(self) -> Outcomes:
        if self._is_begun:
            raise RuntimeError("expected a harvest that was not begun, found one that was")
        self._is_begun = True
        return self._run(self.tally)

    @property
    def expected(self) -> int | None:
        """How many outcomes there may be, found out cheaply; None where nobody can tell."""
        return self._expect()

    def stop(self) -> None:
        """End in order: no download is begun any more, and the outcomes of those under way come."""
        self.plan.stop.set()

    async def run(self) -> Tally:
        """Make it to the end.

        Returns:
            What it came to.

        Raises:
            HarvestError: as going through it does.
        """
        async for _ in self:
            pass
        return self.tally


def harvest_urls(
    addresses: str | Path | Iterable[str | Finding | LocalPicture],
    out: str | Path | Location,
    *,
    settings: HarvestSettings = DEFAULT_SETTINGS,
) -> Harvest:
    """Download the pictures of a list.

    Args:
        addresses: the path of a csv, tsv, txt, json, jsonl or parquet file, with the column names
            of LAION, img2dataset and others; or addresses, or findings that tell more of each.
        out: the dataset, made if missing: a folder, or an address such as s3://bucket/path.
        settings: how.

    Returns:
        The harvest, not begun.

    Raises:
        InputError: if there is no such list.
        ShardError: if `out` cannot be an address of a dataset.
    """
    if isinstance(addresses, str | Path):
        path = Path(addresses)
        return harvest_found(
            url_list.read_url_list(path),
            out,
            settings.plan(),
            lambda: count_rows(path),
            inputs=[path],
            source=url_list.SOURCE,
            list=str(addresses),
        )
    return harvest_found(_findings(addresses), out, settings.plan(), source=url_list.SOURCE)


def harvest_folder(
    folder: str | Path,
    out: str | Path | Location,
    *,
    creator: str | None = None,
    settings: HarvestSettings = DEFAULT_SETTINGS,
) -> Harvest:
    """Take in a folder of pictures, with the captions in files beside them.

    Args:
        folder: of pictures, those of its own folders included.
        out: the dataset, as `harvest_urls` has it.
        creator: maker of the pictures that name none.
        settings: how.

    Returns:
        The harvest, not begun.

    Raises:
        InputError: if there is no such folder.
        ShardError: if `out` cannot be an address of a dataset.
    """
    found = folders.read_folder(Path(folder), creator=creator)
    plan = settings.plan(merge_near=False)
    return harvest_found(found, out, plan, lambda: count_files(Path(folder)), source=folders.SOURCE)


def harvest_search(
    prompts: Iterable[str],
    out: str | Path | Location,
    *,
    engines: Sequence[str] = ("ddg",),
    settings: HarvestSettings = DEFAULT_SETTINGS,
) -> Harvest:
    """Search the web's images for each prompt and download what is found.

    Searches that an earlier harvest finished are not made again.

    Args:
        prompts: as written for a generator; what they ask for is searched for.
        out: the dataset, as `harvest_urls` has it.
        engines: any of ddg, openverse and commons.
        settings: how; how many pictures, too.

    Returns:
        The harvest, not begun.

    Raises:
        SettingError: if an engine is not known, or tells no licenses where some are wanted.
        InputError: if no prompt has a word in it.
        ShardError: if `out` cannot be an address of a dataset.
    """
    wanted, place, plan = list(prompts), location_of(out), settings.plan()
    check_engines(engines, settings.licenses)
    check_prompts(wanted)

    async def run(tally: Tally) -> Outcomes:
        with open_engines(engines, settings.asking(), app_folder=app_folder()) as opened:
            outcomes = run_search(
                wanted,
                opened,
                place,
                plan,
                tally,
                per_prompt=settings.per_prompt,
                pause_s=settings.pause_s,
            )
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    yield outcome

    return Harvest(run, place, plan, lambda: len(wanted) * settings.per_prompt * len(engines))


def harvest_midjourney(
    exports: str | Path | Sequence[str | Path],
    out: str | Path | Location,
    *,
    any_author: bool = False,
    keep_authors: bool = False,
    settings: HarvestSettings = DEFAULT_SETTINGS,
) -> Harvest:
    """Read prompt and picture pairs out of Discord exports.

    WHENCE_DISCORD_TOKEN in the environment, a bot's token, renews old links.

    Args:
        exports: files, folders of parts, or globs.
        out: the dataset, as `harvest_urls` has it.
        any_author: also take what others than the bots posted.
        keep_authors: keep users' names instead of pseudonyms.
        settings: how.

    Returns:
        The harvest, not begun.

    Raises:
        ExportFormatError: if a path leads to nothing, or to something else than an export.
        ShardError: if `out` cannot be an address of a dataset, or pseudonyms have no key.
    """
    paths = [exports] if isinstance(exports, str | Path) else list(exports)
    key = None if keep_authors else author_key(app_folder())
    read = [export.path for export in find_exports(paths, [])]
    place, plan, messages = location_of(out), settings.plan(max_side=1024), MessageTally()

    def run(tally: Tally) -> Outcomes:
        return run_generations(
            read_exports(paths, any_author=any_author, author_key=key, tally=messages),
            place,
            plan,
            tally,
            token=os.environ.get("WHENCE_DISCORD_TOKEN"),
            any_author=any_author,
            keep_names=keep_authors,
        )

    return Harvest(run, place, plan, lambda: count_messages(read), messages=messages, inputs=read)


def harvest_found(
    found: Iterable[FoundPicture],
    out: str | Path | Location,
    plan: Plan,
    expect: Callable[[], int | None] = lambda: None,
    *,
    inputs: Sequence[str | Path] = (),
    is_retry: bool = False,
    **noted: str,
) -> Harvest:
    """A harvest of what any source finds; `noted` is for the dataset's manifest."""
    place = location_of(out)

    def run(tally: Tally) -> Outcomes:
        return run_found(found, place, plan, tally, is_retry=is_retry, **noted)

    return Harvest(run, place, plan, expect, inputs=inputs)


def app_folder() -> Path:
    """Where this user's own files of whence are kept, such as budgets."""
    return Path(typer.get_app_dir("whence"))


def _findings(addresses: Iterable[str | Finding | LocalPicture]) -> Iterator[FoundPicture]:
    for number, one in enumerate(addresses, 1):
        if isinstance(one, str):
            yield Finding(url=one, source=url_list.SOURCE, rank=number)
        else:
            yield one
