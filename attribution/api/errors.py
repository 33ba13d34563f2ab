"""The errors that a ranking can end in, for whoever catches them; nothing heavy is imported."""

from __future__ import annotations

from attribution.errors import (
    BackboneNameError,
    BackgroundError,
    DescriptorMismatchError,
    GalleryError,
    QueryImageError,
    RankingError,
    ReportError,
    WeightsMissingError,
)

__all__ = [
    "BackboneNameError",
    "BackgroundError",
    "DescriptorMismatchError",
    "GalleryError",
    "QueryImageError",
    "RankingError",
    "ReportError",
    "WeightsMissingError",
]
