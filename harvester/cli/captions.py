"""This is `harvest captions`, which takes in captioned sets of pictures, above all to train on.

Only what it needs is imported, and only when it runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harvester.cli.console import (
    AsJson,
    Out,
    Verbose,
    given_path,
    make,
    print_harvest,
    say,
    set_up_logging,
)

if TYPE_CHECKING:
    from harvester.schema import LocalPicture
    from harvester.sources.captioned import CaptionFilter, CaptionTally


CAPTIONS = Path("data/captions")


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(captions)


def captions(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            parser=given_path,
            help="npm package of emoji, its folder or .tgz; with --captions a folder of pictures.",
        ),
    ],
    out: Out = CAPTIONS,
    *,
    caption_list: Annotated[
        Path | None,
        typer.Option(
            "--captions",
            parser=given_path,
            metavar="LIST",
            help="csv, tsv, json, jsonl or parquet file with the columns file_name and caption, "
            "and any of title, creator, category, license, license_url.",
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--category", help="Take this category and no other; repeatable."),
    ] = None,
    without_category: Annotated[
        list[str] | None,
        typer.Option("--without-category", help="Leave this category out; repeatable."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Pictures to take at most.")
    ] = None,
    variants: Annotated[
        bool, typer.Option("--variants", help="Of emoji, also those of each skin tone.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Take in a set of pictures with captions, as models are trained on.

    Reads the npm packages emoji-datasource-twitter, emoji-datasource-google and openmoji (with
    the extra captions), as folder or .tgz, and any folder of pictures with a list of captions.

    Example: harvest captions emoji-datasource-twitter-16.0.0.tgz --category Objects
    """
    from harvester.api.harvest import harvest_found
    from harvester.api.settings import DEFAULT_SETTINGS
    from harvester.sources.captioned import CaptionFilter, CaptionTally

    set_up_logging(verbose=verbose)
    if variants and caption_list:
        raise typer.BadParameter(
            "expected a package of emoji, found --captions", param_hint="--variants"
        )
    choice = CaptionFilter(tuple(category or ()), tuple(without_category or ()))
    count = CaptionTally()
    # Two emoji that look alike are two works with two captions: all are kept.
    plan = DEFAULT_SETTINGS.plan(merge_near=False)
    with _open(source, caption_list, choice, count, variants=variants) as (pictures, most):
        tally = make(
            harvest_found(
                islice(pictures, limit),
                out,
                plan,
                lambda: min(most, limit or most),
                source="captions",
            )
        )
    if count.without_caption:
        say(f"without a caption: {count.without_caption:,} of {count.taken:,}")
    if count.lost:
        say(f"named by the set, but missing or not drawable: {count.lost:,}")
    print_harvest(tally, out, as_json=as_json, captions=count.record())


@contextmanager
def _open(
    source: Path,
    caption_list: Path | None,
    choice: CaptionFilter,
    count: CaptionTally,
    *,
    variants: bool,
) -> Iterator[tuple[Iterator[LocalPicture], int]]:
    """A set's pictures, and how many files it has at most; what was unpacked goes at the end."""
    from harvester.readers.counts import count_files
    from harvester.sources.captioned import read_captioned
    from harvester.sources.emoji import open_package

    if caption_list is not None:
        yield read_captioned(source, caption_list, choice=choice, tally=count), count_files(source)
        return
    with (
        tempfile.TemporaryDirectory(prefix="whence-") as unpacked,
        tempfile.TemporaryDirectory(prefix="whence-") as drawn,
    ):
        package = open_package(source, Path(unpacked), variants=variants)
        wanted = sum(choice.wants(one.category) for one in package.emoji)
        yield package.pictures(Path(drawn), choice=choice, tally=count), wanted
