"""This is the glossary of arms: their order, their kinds, and what each removes by. Pure.

But: an arm that is named nowhere here is taken for a single channel.
"""

from __future__ import annotations

from collections.abc import Iterable

from attribution.descriptors.channels import KNOWN
from attribution.report.safe_text import cut
from attribution.validation.results import AGAIN, AS_SHARES
from harvester.sanitize import clean

_KINDS: dict[str, tuple[str, ...]] = {
    "whence": ("whence",),
    "part": ("whence, one prompt", "without own", "image", "text", "whence, log-odds"),
    "baseline": ("aivalis2025", "cosine"),
    "channel": (),
    "gradient": ("trak", "d-trak", "grad-dot"),
    "reference": ("own", "same category", "random", AGAIN),
}
"""Kinds of arms in the order of their rows; what is named nowhere is a single channel."""
_MEANINGS = {
    "whence": "all channels fused, in the order that a ranking gives",
    "whence, one prompt": "whence's order, for one prompt at a time, not for all together",
    "image": "whence's image channels alone, fused",
    "text": "whence's text channels alone, fused",
    "without own": "whence's order without the pictures whose caption is a prompt of the test",
    "whence, log-odds": "whence's order by its log-odds, as they stand before they become a score",
    "aivalis2025": "the published ranker: words first, then nine terms of pixels and features "
    "(Aivalis & Klampanos 2025)",
    "cosine": "plain cosine of ResNet-50 features, not corrected by a background",
    "trak": "looks inside: projected gradients (TRAK, Park et al. 2023)",
    "d-trak": "looks inside: TRAK with another output function (D-TRAK, Zheng et al. 2024)",
    "grad-dot": "looks inside: dot product of gradients (TracIn, Pruthi et al. 2020)",
    "own": "the training pictures whose caption is the prompt itself, and no others",
    "same category": "as many pictures at random of the prompt's own category",
    "random": "as many pictures at random",
    AGAIN: "what models of another seed did: how far the losses repeat themselves",
}


def kind_of(arm: str) -> str:
    """whence, part, baseline, channel, gradient or reference, by an arm's or a method's name."""
    plain = arm.removesuffix(AS_SHARES)
    return next((kind for kind, names in _KINDS.items() if plain in names), "channel")


def in_order(arms: Iterable[str]) -> list[str]:
    """Each arm once: whence, its parts, baselines, channels, gradients, references."""
    kinds, known = list(_KINDS), list(_MEANINGS)

    def place(arm: str) -> tuple[int, int]:
        return kinds.index(kind_of(arm)), known.index(arm) if arm in known else len(known)

    return sorted(dict.fromkeys(arms), key=place)


def meaning_of(arm: str) -> str | None:
    """What an arm removes by, in a line; None where its name has to say it."""
    known = KNOWN.get(arm)
    return _MEANINGS.get(arm) or (known.meaning if known else None)


def name_of(text: str, limit: int = 60) -> str:
    """A name that anyone may have written, on one line; never empty."""
    return cut(clean(text), limit) or "unnamed"
