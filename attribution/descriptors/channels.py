"""The table of channels: what each one compares, and what its score means.

All scores rise with likeness. A channel's numbers are comparable within itself only;
`calibration.significance` places them among those of unrelated pictures, and `fusion` is where they
meet.

But: means of unrelated pictures (`chance`) are of Caltech-101 photographs of different subjects;
pictures of another kind have others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

ChannelKind = Literal["copy", "image", "text", "place", "term"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One way of comparing a query with a candidate.

    Attributes:
        kind: `copy` channels know copies: between a generated picture and pictures of its subject
            they see nothing. PDQ decides near copies, and adds to the score where it is nearer
            than unrelated pictures' (`fusion.from_hashes`). A `place` channel
            counts the points in which two pictures agree. A `term` is one summand of another
            ranker's score, shown in its report alone.
        meaning: of the score, for a person.
        low, high: the score's range, which its bar runs over; None where there is no bound. BM25
            can fall below: its bar is then empty.
        chance: what unrelated pictures have on average; None where nobody measured.
        source: where it was published.
    """

    name: str
    kind: ChannelKind
    meaning: str
    low: float | None
    high: float | None
    chance: float | None
    source: str


_WHITENING = "Jégou & Chum, Negative Evidences and Co-occurrences in Image Retrieval, 2012"
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
    "crop-resistant": Channel(
        "crop-resistant",
        "copy",
        "share of the picture's bright and dark parts that the candidate has too; computed on "
        "request, and 0 for most unrelated photographs",
        0.0,
        1.0,
        0.0,
        "Steinebach, Liu & Yannikos, Efficient Cropping-Resistant Robust Image Hashing, 2014",
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
    "resnet50-whitened": Channel(
        "resnet50-whitened",
        "image",
        "cosine of the same features after whitening: what all pictures have counts for less",
        -1.0,
        1.0,
        None,
        _WHITENING,
    ),
    "resnet50-parts": Channel(
        "resnet50-parts",
        "image",
        "the same for the best of ten windows of the generated picture: a source can fill a part "
        "of it",
        -1.0,
        1.0,
        None,
        _WHITENING,
    ),
    "lab-histogram": Channel(
        "lab-histogram",
        "image",
        "share of the colours that two pictures have in common, wherever they stand; unrelated "
        "photographs have .41 on average",
        0.0,
        1.0,
        0.41,
        "Swain & Ballard, Color Indexing, 1991; coefficient of Bhattacharyya after Kailath, 1967",
    ),
    "lbp": Channel(
        "lbp",
        "image",
        "likeness of texture: how often each small pattern of light and dark occurs; unrelated "
        "photographs have .92 on average",
        0.0,
        1.0,
        0.92,
        "Ojala, Pietikäinen & Mäenpää, Multiresolution Gray-Scale and Rotation Invariant Texture "
        "Classification with Local Binary Patterns, 2002",
    ),
    "bm25": Channel(
        "bm25",
        "text",
        "how much the prompt's rarer words stand in the candidate's title and caption; below 0 "
        "where words stand there that the prompt excludes",
        0.0,
        None,
        None,
        "Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009",
    ),
    "tfidf": Channel(
        "tfidf",
        "text",
        "cosine of the words of the prompt and of the candidate's text, rarer ones counting more",
        0.0,
        1.0,
        None,
        "Salton & Buckley, Term-weighting approaches in automatic text retrieval, 1988",
    ),
    "names": Channel(
        "names",
        "text",
        "share of the artists and titles in the prompt that are written with the candidate; a "
        "family name alone counts half",
        0.0,
        1.0,
        None,
        "whence's own",
    ),
}
"""Those that a ranking of whence's own may have, without further models."""
PLACES: Mapping[str, Channel] = {
    "sift": Channel(
        "sift",
        "place",
        "points of structure that one movement carries from one picture onto the other; how many "
        "unrelated pictures have was counted on the background",
        0.0,
        None,
        None,
        "Lowe, Distinctive Image Features from Scale-Invariant Keypoints, 2004; RootSIFT after "
        "Arandjelović & Zisserman, 2012; LO-RANSAC after Chum, Matas & Kittler, 2003",
    ),
    "cells": Channel(
        "cells",
        "place",
        "cells of ResNet-50's third stage, of 14 by 14, that one movement carries over: they "
        "stand a change of style; likewise counted on the background",
        0.0,
        None,
        None,
        "He et al. 2015; LO-RANSAC after Chum, Matas & Kittler, 2003",
    ),
}
"""The methods of `regions`; their scores are counts of agreeing points."""
_MODELS: tuple[tuple[str, str, str], ...] = (
    (
        "dinov2",
        "cosine of DINOv2's features, learnt from pictures without words",
        "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2023",
    ),
    (
        "openclip",
        "cosine of CLIP's picture features, learnt from pictures with their captions",
        "Radford et al., 2021; weights after Cherti et al., Reproducible Scaling Laws, 2022",
    ),
    (
        "sscd",
        "cosine of SSCD's features, learnt to know copies again",
        "Pizzi et al., A Self-Supervised Descriptor for Image Copy Detection, 2022",
    ),
)
"""Families of `backbones`: what stands in a channel's name, what it means, where from."""
_AIVALIS = "Aivalis & Klampanos, arXiv 2504.01771, 2025"


def _term(
    name: str, meaning: str, low: float | None, high: float | None, chance: float | None = None
) -> Channel:
    kind: ChannelKind = "image" if name == "emb_cosine" else "term"
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
"""The nine terms of `aivalis2025_terms.WEIGHTS`; distances with their sign turned: all rise."""
KNOWN: Mapping[str, Channel] = {**CHANNELS, **PLACES, **AIVALIS2025}
"""Every channel that a ranking may show, but for those of further models."""


def describe_channel(name: str) -> Channel:
    """What a channel means; further models (`--backbone`) are known by their family's name.

    A model that nobody described is still one, and says so: any may be given.
    """
    if name in KNOWN:
        return KNOWN[name]
    for family, meaning, source in _MODELS:
        if family in name:
            known = Channel(name, "image", meaning, -1.0, 1.0, None, source)
            if family == "openclip" and name.endswith("-text"):
                words = "cosine of CLIP's features of the prompt and of the candidate's picture"
                return replace(known, kind="text", meaning=words)
            return known
    meaning = "cosine of this model's features; it is not described here"
    return Channel(name, "image", meaning, -1.0, 1.0, None, "")
