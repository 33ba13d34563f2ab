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
            a generated picture and pictures of its subject they see nothing. A `term` is one
            summand of another ranker's score, shown in its report alone.
        meaning: of the score, for a person.
        low, high: the score's range; None where there is no bound.
        chance: what unrelated pictures have on average; None where nobody measured.
        source: where it was published.
    """

    name: str
    kind: Literal["copy", "image", "text", "term"]
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

_AIVALIS = "Aivalis & Klampanos, arXiv 2504.01771, 2025"


def _term(
    name: str, meaning: str, low: float | None, high: float | None, chance: float | None = None
) -> Channel:
    kind: Literal["image", "term"] = "image" if name == "emb_cosine" else "term"
    return Channel(name, kind, meaning, low, high, chance, _AIVALIS)


AIVALIS2025: Mapping[str, Channel] = {
    channel.name: channel
    for channel in (
        _term(
            "mse",
            "minus the mean squared distance of two pixels' colours, 0 to 255",
            -195075.0,
            0.0,
        ),
        _term("mae", "minus the mean difference of two pixels, 0 to 255 a colour", -255.0, 0.0),
        _term("cosine", "cosine of the pixels as they are, with black as the origin", 0.0, 1.0),
        _term(
            "ssim",
            "structural similarity with black of what the candidate leaves of the picture",
            0.0,
            1.0,
        ),
        _term("emb_cosine", "cosine of ResNet-50's last maps, place by place", 0.0, 1.0),
        _term("emb_mse", "minus the mean squared difference of those maps", None, 0.0),
        _term("emb_kl", "minus the Kullback-Leibler sum of those maps, unnormalised", None, None),
        _term("emb_manhattan", "minus the summed difference of those maps", None, 0.0),
        _term("emb_l2", "minus the Euclidean distance of those maps", None, 0.0),
    )
}
"""The nine terms of `aivalis2025.WEIGHTS`; distances with their sign turned, so that all rise."""

KNOWN: Mapping[str, Channel] = {**CHANNELS, **AIVALIS2025}
"""Every channel that a ranking may show."""
