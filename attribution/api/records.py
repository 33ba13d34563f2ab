"""The library's vocabulary: rankings, what they rest on, and errors, each from its own room."""

from __future__ import annotations

from attribution.batch.jobs import BatchJob, JobResult
from attribution.calibration.verdicts import Verdict
from attribution.errors import (
    BackboneNameError,
    BackgroundError,
    DescriptorMismatchError,
    GalleryError,
    QueryImageError,
    RankingError,
    WeightsMissingError,
)
from attribution.matching.geometry import Region
from attribution.ranking.query import Query
from attribution.ranking.rank import Match, Ranking
from attribution.report.html import ReportError

__all__ = [
    "BackboneNameError",
    "BackgroundError",
    "BatchJob",
    "DescriptorMismatchError",
    "GalleryError",
    "JobResult",
    "Match",
    "Query",
    "QueryImageError",
    "Ranking",
    "RankingError",
    "Region",
    "ReportError",
    "Verdict",
    "WeightsMissingError",
]
