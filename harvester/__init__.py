"""The harvester, as a library: datasets and harvests from code; see docs/api.md.

Importing it loads nothing else: a name is looked up in `harvester.api` when it is first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing, which alone takes 5 ms
    from harvester.api.dataset import Dataset, open_dataset
    from harvester.api.harvest import (
        Harvest,
        harvest_folder,
        harvest_midjourney,
        harvest_search,
        harvest_urls,
    )
    from harvester.api.records import (
        Candidate,
        ExportFormatError,
        FetchStatus,
        Finding,
        Generation,
        HarvestError,
        InputError,
        LocalPicture,
        Outcome,
        RateLimitedError,
        SchemaError,
        Search,
        SearchStatus,
        SettingError,
        ShardError,
        SourceChangedError,
        SourceError,
        Tally,
    )
    from harvester.api.settings import HarvestSettings

__all__ = [
    "Candidate",
    "Dataset",
    "ExportFormatError",
    "FetchStatus",
    "Finding",
    "Generation",
    "Harvest",
    "HarvestError",
    "HarvestSettings",
    "InputError",
    "LocalPicture",
    "Outcome",
    "RateLimitedError",
    "SchemaError",
    "Search",
    "SearchStatus",
    "SettingError",
    "ShardError",
    "SourceChangedError",
    "SourceError",
    "Tally",
    "harvest_folder",
    "harvest_midjourney",
    "harvest_search",
    "harvest_urls",
    "open_dataset",
]
_ROOMS = {"Dataset": "dataset", "open_dataset": "dataset", "HarvestSettings": "settings"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    is_harvest = name == "Harvest" or name.startswith("harvest_")
    room = "harvest" if is_harvest else _ROOMS.get(name, "records")
    return getattr(import_module(f"{__name__}.api.{room}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
