"""The library's vocabulary: rows, statuses, outcomes and errors, each from the room that owns it.

Nothing heavy is imported here.
"""

from __future__ import annotations

from harvester.errors import (
    ExportFormatError,
    HarvestError,
    InputError,
    RateLimitedError,
    SettingError,
    ShardError,
    SourceChangedError,
    SourceError,
)
from harvester.progress.tally import Outcome, Tally
from harvester.schema import (
    Candidate,
    FetchStatus,
    Finding,
    Generation,
    LocalPicture,
    SchemaError,
    Search,
    SearchStatus,
)

__all__ = [
    "Candidate",
    "ExportFormatError",
    "FetchStatus",
    "Finding",
    "Generation",
    "HarvestError",
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
]
