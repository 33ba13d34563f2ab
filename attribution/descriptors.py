"""The table of channels: what each one compares, and what its score means.

All scores rise with likeness. A channel's numbers are comparable within itself only; `fusion` is
where they meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Channel:
    """One way of comparing a query with a candidate.

    Attributes:
        kind: `copy` channels decide near copies and have no part in the blended score: between
            a generated picture and pictures of its subject they see nothing.
        meaning: of the score, for a person.
        low, high: the score's range; None where there is no bound.
        chance: what unrelated pictures have on average; None where nobody measured.
        source: where it was published.
    """

    name: str
    kind: Literal["copy", "image", "text"]
    meaning: str
    low: float | None
    high: float | None
    chance: float | None
    source: str


CHANNELS: Mapping[str, Channel] = {
    "pdq": Channel(
        "pdq",
        "copy",
        "share of PDQ's 256 bits that agree, best of eight turns; .5 is chance, .88 a near copy",
        0.0,
        1.0,
        0.5,
        "Facebook, The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm, 2019",
    ),
    "phash": Channel(
        "phash",
        "copy",
        "share of 64 DCT bits that agree, best of eight turns; .5 is chance",
        0.0,
        1.0,
        0.5,
        "Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010",
    ),
    "dhash": Channel(
        "dhash",
        "copy",
        "share of 64 gradient bits that agree, best of eight turns; .5 is chance",
        0.0,
        1.0,
        0.5,
        "Krawetz, Kind of Like That, 2013",
    ),
    "resnet50-gem": Channel(
        "resnet50-gem",
        "image",
        "cosine of ResNet-50 features; unrelated photographs have .45 on average",
        -1.0,
        1.0,
        0.45,
        "He et al. 2015; pooling after Radenović et al. 2018",
    ),
    "bm25": Channel(
        "bm25",
        "text",
        "how much the prompt's rarer words stand in the candidate's title, caption and maker",
        0.0,
        None,
        None,
        "Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009",
    ),
}
