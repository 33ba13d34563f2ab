"""This is the `harvest` command: one subcommand a source, registered here.

Only what a command needs is imported, and only when it runs: `--help` answers at once.
"""

from __future__ import annotations

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
    make,
    new_app,
    print_harvest,
    print_json,
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
    set_up_logging(verbose=verbose)
    if dry_run:
        from harvester.discord.export import MessageTally, read_exports

        messages = MessageTally()
        for _ in read_exports(discord_export, any_author=any_author, tally=messages):
            pass
        if as_json:
            print_json(messages.record())
        else:
            write_out(messages.describe())
        return
    from harvester.api.harvest import harvest_midjourney

    made = harvest_midjourney(
        discord_export,
        out,
        any_author=any_author,
        keep_authors=keep_authors,
        settings=options.settings(max_side=max_side),
    )
    tally = make(made, log_json=log_json)
    read = made.messages.record() if made.messages else {}
    print_harvest(tally, out, as_json=as_json, messages=read)


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
    from harvester.api.harvest import harvest_urls

    set_up_logging(verbose=verbose)
    made = harvest_urls(addresses, out, settings=storing.settings(options))
    print_harvest(make(made, log_json=storing.log_json), out, as_json=as_json)


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
    from harvester.api.harvest import harvest_folder

    set_up_logging(verbose=verbose)
    print_harvest(make(harvest_folder(pictures, out, creator=creator)), out, as_json=as_json)


caption_commands.register(harvest_app)
maintenance.register(harvest_app)
