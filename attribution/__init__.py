"""The attribution, as a library: galleries opened, pictures ranked; see docs/api.md.

Importing it loads nothing else: a name is looked up in `attribution.api` when it is first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing, which alone takes 5 ms
    from attribution.api.errors import (
        BackboneNameError,
        BackgroundError,
        DescriptorMismatchError,
        GalleryError,
        QueryImageError,
        RankingError,
        ReportError,
        WeightsMissingError,
    )
    from attribution.api.gallery import OpenGallery, open_gallery
    from attribution.api.queries import open_query
    from attribution.api.records import (
        BatchJob,
        JobResult,
        Match,
        Query,
        Ranking,
        Region,
        Verdict,
    )

__all__ = [
    "BackboneNameError",
    "BackgroundError",
    "BatchJob",
    "DescriptorMismatchError",
    "GalleryError",
    "JobResult",
    "Match",
    "OpenGallery",
    "Query",
    "QueryImageError",
    "Ranking",
    "RankingError",
    "Region",
    "ReportError",
    "Verdict",
    "WeightsMissingError",
    "open_gallery",
    "open_query",
]
_ROOMS = {"OpenGallery": "gallery", "open_gallery": "gallery", "open_query": "queries"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "errors" if name.endswith("Error") else _ROOMS.get(name, "records")
    return getattr(import_module(f"{__name__}.api.{room}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
