"""This is the `harvest` command: one subcommand a source, registered here.

Only what a command needs is imported, and only when it runs: `--help` answers at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harvester.cli import captions as caption_commands
from harvester.cli import maintenance
from harvester.cli import search as search_commands
from harvester.cli.console import (
    CANDIDATES,
    AsJson,
    Out,
    Verbose,
    Version,
    given_path,
    harvesting,
    new_app,
    print_harvest,
    print_json,
    run_loop,
    set_up_logging,
    write_out,
)
from harvester.cli.options import LogJson, NetworkOptions, StoringOptions, takes

GENERATIONS = Path("data/midjourney")
harvest_app = new_app(no_args_is_help=True)


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
    from harvester.discord import export as exports
    from harvester.discord import pseudonyms
    from harvester.discord.files import find_exports
    from harvester.pipeline import generations as run_generations
    from harvester.pipeline import run
    from harvester.readers.counts import count_messages

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
    from harvester.pipeline import run
    from harvester.readers.counts import count_rows
    from harvester.sources.url_list import read_url_list

    set_up_logging(verbose=verbose)
    plan = storing.plan(options)
    findings = read_url_list(addresses)
    with harvesting(count_rows(addresses), **storing.shown(plan, out, addresses)) as progress:
        tally = run_loop(
            run.run_found(findings, out, plan, progress.update, source="urls", list=str(addresses))
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
    from harvester.pipeline import run
    from harvester.readers.counts import count_files
    from harvester.sources.folder import read_folder

    set_up_logging(verbose=verbose)
    findings = read_folder(pictures, creator=creator)
    # One's own pictures are all kept: two states of one work are two works to their maker.
    plan = run.Plan(merge_near=False)
    with harvesting(count_files(pictures), out=out, stop=plan.stop) as progress:
        tally = run_loop(run.run_found(findings, out, plan, progress.update, source="folder"))
    print_harvest(tally, out, as_json=as_json)


caption_commands.register(harvest_app)
maintenance.register(harvest_app)
