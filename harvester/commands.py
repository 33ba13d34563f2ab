"""The `harvest` command: one subcommand a source.

Only what a command needs is imported, and only when it runs: `--help` answers at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester import caption_commands, maintenance, search_commands
from harvester.loops import run_loop
from harvester.options import LogJson, NetworkOptions, StoringOptions, takes
from harvester.shell import (
    CANDIDATES,
    AsJson,
    Out,
    PerPrompt,
    SearchProxy,
    Verbose,
    Version,
    given_path,
    given_place,
    harvesting,
    open_engine,
    print_harvest,
    print_json,
    say,
    set_up_logging,
    write_out,
)

if TYPE_CHECKING:
    from harvester.places import Place
    from harvester.references import DeclaredReference
    from harvester.schema import Reference

GENERATIONS = Path("data/midjourney")

harvest_app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@harvest_app.callback()
def harvest(*, version: Version = False) -> None:  # its callback has acted on it
    """Bring generated pictures, and candidates for their sources, into Parquet."""


@harvest_app.command()
@takes(NetworkOptions)
def midjourney(
    discord_export: Annotated[
        list[str],
        typer.Option("--discord-export", help="Export file, folder of parts, or glob; repeatable."),
    ],
    out: Out = GENERATIONS,
    *,
    any_author: Annotated[
        bool, typer.Option("--any-author", help="Also take what others than the bots posted.")
    ] = False,
    keep_authors: Annotated[
        bool, typer.Option("--keep-authors", help="Keep users' names instead of pseudonyms.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the messages by kind; fetch and write nothing.")
    ] = False,
    max_side: Annotated[
        int, typer.Option("--max-side", min=64, help="Longest side of stored pictures, in pixels.")
    ] = 1024,
    log_json: LogJson = None,
    options: NetworkOptions,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Read prompt and picture pairs out of Discord exports.

    Takes DiscordChatExporter's JSON and CSV, raw API dumps and Parquet dumps. Run it again on a
    longer export and it adds what is new. WHENCE_DISCORD_TOKEN, a bot's token, renews old links.
    Only JSON tells which grid an upscale was made from.

    Example: harvest midjourney --discord-export export.json
    """
    from harvester import pseudonyms, run, run_generations
    from harvester.discord.files import find_exports
    from harvester.expected import count_messages
    from harvester.sources import discord_export as exports

    set_up_logging(verbose=verbose)
    messages = exports.MessageTally()
    key = None
    if not keep_authors and not dry_run:
        key = pseudonyms.author_key(Path(typer.get_app_dir("whence")))
    posts = exports.read_exports(
        discord_export, any_author=any_author, author_key=key, tally=messages
    )
    if dry_run:
        for _ in posts:
            pass
        if as_json:
            print_json(messages.record())
        else:
            write_out(messages.describe())
        return
    plan = run.Plan(network=options.network(), max_side=max_side)
    read = find_exports(discord_export, [])
    expected = count_messages(export.path for export in read)
    with harvesting(
        expected,
        lambda: messages.messages,
        out=out,
        stop=plan.stop,
        hosts=plan.pace.snapshot,
        log_json=log_json,
        inputs=[export.path for export in read],
    ) as progress:
        tally = run_loop(
            run_generations.run_generations(
                posts,
                out,
                plan,
                progress.update,
                token=os.environ.get("WHENCE_DISCORD_TOKEN"),
                any_author=any_author,
                keep_names=keep_authors,
            )
        )
    print_harvest(tally, out, as_json=as_json, messages=messages.record())


@harvest_app.command()
@takes(NetworkOptions)
@takes(StoringOptions)
def ddg(
    prompts: Annotated[
        str | None,
        typer.Option("--prompts", help="List: .txt (a prompt a line), .csv, .jsonl, .parquet; -."),
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="One prompt; repeatable.")
    ] = None,
    generations: Annotated[
        Any,
        typer.Option(
            "--generations",
            parser=given_place,
            metavar="PATH",
            help="Dataset that `harvest midjourney` made.",
        ),
    ] = None,
    out: Out = CANDIDATES,
    *,
    per_prompt: PerPrompt = 100,
    region: Annotated[str, typer.Option("--region", help="DuckDuckGo's region.")] = "us-en",
    safesearch: Annotated[
        str, typer.Option("--safesearch", help="on, moderate, off.")
    ] = "moderate",
    pause: Annotated[
        float, typer.Option("--pause", min=0.0, help="Seconds between two requests.")
    ] = 1.0,
    search_proxy: SearchProxy = None,
    options: NetworkOptions,
    storing: StoringOptions,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Search DuckDuckGo's images for each prompt and download what is found.

    Searches that an earlier run finished are not made again, pictures are not fetched twice.

    Example: harvest ddg --prompt "a fisherman village by Ralph Steadman" --per-prompt 30
    """
    from harvester import run_search
    from harvester.sources.prompt_list import read_prompts

    set_up_logging(verbose=verbose)
    if not (prompts or prompt or generations):
        raise typer.BadParameter("expected --prompt, --prompts or --generations, found none")
    wanted = list(prompt or ())
    wanted += [job.prompt for job in read_prompts(prompts) if job.prompt] if prompts else []
    wanted += run_search.prompts_of(generations) if generations else []
    run_search.check_prompts(wanted)
    engine = open_engine(search_proxy, options.ca_file, region=region, safesearch=safesearch)
    plan = storing.plan(options)
    shown = storing.shown(plan, out, *filter(None, [prompts]))
    with harvesting(len(wanted) * per_prompt, **shown) as progress:
        tally = run_loop(
            run_search.run_search(
                wanted, [engine], out, plan, progress.update, per_prompt=per_prompt, pause_s=pause
            )
        )
    print_harvest(tally, out, as_json=as_json)


search_commands.register(harvest_app)


@harvest_app.command()
@takes(NetworkOptions)
@takes(StoringOptions)
def urls(
    addresses: Annotated[
        Path,
        typer.Argument(
            metavar="LIST", parser=given_path, help="csv, tsv, txt, json, jsonl or parquet file."
        ),
    ],
    out: Out = CANDIDATES,
    *,
    options: NetworkOptions,
    storing: StoringOptions,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Download the pictures of a list; LAION's and img2dataset's column names are understood.

    Example: harvest urls list.parquet --out data/candidates
    """
    from harvester import run
    from harvester.expected import count_rows
    from harvester.sources.url_list import read_url_list

    set_up_logging(verbose=verbose)
    plan = storing.plan(options)
    found = read_url_list(addresses)
    with harvesting(count_rows(addresses), **storing.shown(plan, out, addresses)) as progress:
        tally = run_loop(
            run.run_found(found, out, plan, progress.update, source="urls", list=str(addresses))
        )
    print_harvest(tally, out, as_json=as_json)


@harvest_app.command()
def folder(
    pictures: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", parser=given_path, help="Folder of pictures, with sidecar captions."
        ),
    ],
    out: Out = CANDIDATES,
    *,
    creator: Annotated[
        str | None, typer.Option("--creator", help="Maker of the pictures that name none.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Take in a folder of pictures, such as an artist's portfolio.

    Captions are read from files beside the pictures: .txt, .caption, .json, metadata.csv or .jsonl.

    Example: harvest folder ~/portfolio --creator "Ada Example"
    """
    from harvester import run
    from harvester.expected import count_files
    from harvester.sources.folder import read_folder

    set_up_logging(verbose=verbose)
    found = read_folder(pictures, creator=creator)
    # One's own pictures are all kept: two states of one work are two works to their maker.
    plan = run.Plan(merge_near=False)
    with harvesting(count_files(pictures), out=out, stop=plan.stop) as progress:
        tally = run_loop(run.run_found(found, out, plan, progress.update, source="folder"))
    print_harvest(tally, out, as_json=as_json)


def fetch_declared(
    references: Sequence[Reference],
    *,
    offline: bool,
    allow_private: bool = False,
    ca_file: Path | None = None,
) -> tuple[DeclaredReference, ...]:
    """Fetch the pictures that a prompt links to, or list them where nothing may be fetched.

    Raises:
        InputError: if the authority's file cannot be used.
    """
    from harvester.names import hide_credentials
    from harvester.network import Network
    from harvester.references import fetch_references, links_of, list_references

    links = links_of(references)
    if offline or not links:
        return list_references(references)
    shown = ", ".join(map(hide_credentials, links))
    say(f"fetching what the prompt links to: {shown} (--offline to leave that)")
    network = Network(allow_private=allow_private, ca_file=ca_file)

    async def fetch() -> tuple[DeclaredReference, ...]:
        async with network.fetcher(crawls=False) as fetcher:
            return await fetch_references(references, fetcher)

    return asyncio.run(fetch())


def harvest_prompt(
    prompt: str,
    folders: Sequence[Place],
    *,
    is_default: bool,
    per_prompt: int,
    search_proxy: str | None = None,
    allow_private: bool = False,
    ca_file: Path | None = None,
) -> None:
    """Search for a prompt before it is ranked, where that is called for.

    The default dataset gathers the candidates of all prompts, so it is searched for this one's. A
    dataset that the user names is ranked as it is, unless it is empty.

    Raises:
        HarvestError: as `run_search.run_search` does.
    """
    from harvester import run, run_search
    from harvester.network import Network

    if run_search.has_candidates(folders, prompt if is_default else None):
        return
    out = folders[0]
    say(f"no candidates for this prompt in {out}: searching the web (--offline to leave that)")
    engine = open_engine(search_proxy, ca_file)
    plan = run.Plan(network=Network(allow_private=allow_private, ca_file=ca_file))
    with harvesting(per_prompt, out=out, stop=plan.stop, hosts=plan.pace.snapshot) as progress:
        tally = run_loop(
            run_search.run_search(
                [prompt], [engine], out, plan, progress.update, per_prompt=per_prompt
            )
        )
    run.check_reached(tally)


caption_commands.register(harvest_app)
maintenance.register(harvest_app)
