"""The library's vocabulary: rankings and what they rest on, each from the room that owns it."""

from __future__ import annotations

from attribution.batch.jobs import BatchJob, JobResult
from attribution.calibration.verdicts import Verdict
from attribution.matching.geometry import Region
from attribution.ranking.query import Query
from attribution.ranking.rank import Match, Ranking

__all__ = [
    "BatchJob",
    "JobResult",
    "Match",
    "Query",
    "Ranking",
    "Region",
    "Verdict",
]
