"""The commands run before the first ranking: `index` for descriptors, `background` for chance.

Part of the shell, as `attribution.cli.app` is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from attribution.cli.inputs import open_embedders, open_gallery, open_setup
from harvester.cli.console import (
    AsJson,
    Verbose,
    given_path,
    given_place,
    interruptible,
    print_json,
    set_up_logging,
    stderr,
    write_out,
)
from harvester.sanitize import clean

PATH: dict[str, Any] = {"parser": given_path, "metavar": "PATH"}
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbone",
        help="Model to compare pictures with as well; repeatable: dinov2, openclip, sscd:FILE, "
        "timm:MODEL[=FILE], openclip:MODEL/TAG[=FILE], torchscript:FILE.",
        metavar="MODEL",
    ),
]
BackgroundFile = Annotated[
    Path | None,
    typer.Option(
        "--background",
        help="What chance is measured on, as `attribute background` wrote it; a small one is "
        "part of whence.",
        **PATH,
    ),
]


def index(
    candidates: Annotated[
        list[Any],  # Places, whose module is too heavy to be imported for --help
        typer.Argument(
            help="Datasets of candidates to describe.", metavar="DATASET…", parser=given_place
        ),
    ],
    *,
    backbone: Backbones = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Compute the descriptors of a dataset's candidates ahead of the first ranking.

    Example: attribute index data/candidates
    """
    set_up_logging(verbose=verbose)
    gallery = open_gallery(candidates, open_setup(backbone, None)).gallery
    channels = [f"{channel}@{version}" for channel, version in gallery.versions.items()]
    if as_json:
        print_json({"candidates": len(gallery.ids), "channels": channels})
    else:
        write_out(f"{len(gallery.ids):,} candidates described by {', '.join(channels)}")


def background(
    datasets: Annotated[
        list[Any],
        typer.Argument(
            help="Pictures of many subjects, none of them ranked.",
            metavar="DATASET…",
            parser=given_place,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write.", **PATH)] = Path(
        "background.safetensors"
    ),
    *,
    backbone: Backbones = None,
    name: Annotated[
        str, typer.Option("--name", help="What reports call it; the file's name unless given.")
    ] = "",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Fit what chance is measured on: how near unrelated pictures come, in every channel.

    At least 200 pictures that resemble the candidates and have nothing to do with what is
    generated; descriptors are kept, pictures are not.

    Example: attribute background data/others --out background.safetensors
    """
    set_up_logging(verbose=verbose)
    from attribution.calibration.background import is_background, write_background
    from attribution.ranking.fit_background import fit_on_datasets
    from harvester.paths import check_output
    from harvester.progress.display import Counting

    check_output(out, is_background, option="--out")
    embedders, network = open_embedders(backbone)
    with (
        interruptible("descriptors computed so far are kept; run the same command again to go on"),
        Counting(stderr(), "describing pictures") as described,
        Counting(stderr(), "comparing pictures place by place") as placed,
    ):
        fitted = fit_on_datasets(
            datasets,
            embedders,
            network,
            name=name or out.stem,
            described=described.advance,
            placed=placed.advance,
        )
    write_background(out, fitted)
    summary = {
        "pictures": len(fitted),
        "channels": [f"{channel}@{version}" for channel, version in fitted.versions.items()],
        "regions_from": dict(fitted.thresholds),
        "background": str(out),
    }
    if as_json:
        print_json(summary)
    else:
        write_out(f"{summary['pictures']:,} pictures in {clean(str(out))}")
