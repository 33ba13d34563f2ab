"""The setup of a ranking: its descriptors, text channels, background and fitted weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from attribution.calibration.background import Background, read_background
from attribution.calibration.fusion import Fusion, load_fusion
from attribution.descriptors import whitening
from attribution.descriptors.bm25 import Bm25Scorer
from attribution.descriptors.colour import LabHistogram
from attribution.descriptors.embedder import CellEmbedder, Embedder
from attribution.descriptors.names import NamesScorer
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.descriptors.text import CandidateText, TextScorer
from attribution.descriptors.texture import LocalBinaryPatterns
from attribution.descriptors.tfidf import TfidfScorer
from attribution.ranking.feature_cache import FeatureCache
from attribution.ranking.scores import ImageChannel

TEXT_SCORERS: tuple[Callable[[Sequence[CandidateText]], TextScorer], ...] = (
    Bm25Scorer,
    TfidfScorer,
    NamesScorer,
)
"""The text channels, in the order that they are shown in; `fusion.TEXTS` says what each adds."""
Embedders = tuple[ResNet50Gem, *tuple[Embedder, ...]]
VERIFIED = 20
"""Candidates at the head of the order that are compared place by place."""


@dataclass(frozen=True)
class RankingSetup:
    """Everything that a ranking depends on beside the query and the candidates.

    Attributes:
        embedders: of candidates and queries; the first one's vectors choose whom to compare.
        cells: describes cells for `regions`; without it, keypoints alone speak.
        verified: how many candidates are compared place by place.
        crop_resistant: also compare the hashes of their parts, .2 s a picture.
        feature_cache: keeps the local features of candidates; None describes them anew.
    """

    embedders: tuple[Embedder, ...]
    background: Background
    fusion: Fusion
    cells: CellEmbedder | None = None
    verified: int = VERIFIED
    crop_resistant: bool = False
    feature_cache: FeatureCache | None = None

    def __post_init__(self) -> None:
        self.background.check(self.embedders)

    @cached_property
    def channels(self) -> tuple[ImageChannel, ...]:
        """How pictures are compared, in the order of the embedders."""
        channels: list[ImageChannel] = []
        for embedder in self.embedders:
            channels.append(ImageChannel(embedder.channel, embedder.channel, "whole"))
            if embedder.channel == whitening.BASE:
                space = whitening.CHANNEL
                channels += [
                    ImageChannel(space, space, "whole"),
                    ImageChannel("resnet50-parts", space, "parts"),
                ]
        return tuple(channels)

    @property
    def neighbourhood(self) -> ImageChannel:
        """The channel that chooses whom to compare, and that distances are taken in."""
        names = {one.name: one for one in self.channels}
        return names.get(whitening.CHANNEL, self.channels[0])

    @property
    def described(self) -> str:
        """In a line, for reports: models, background and weights with their versions."""
        models = [f"{one.channel}@{one.version}" for one in self.embedders]
        if whitening.BASE in {one.channel for one in self.embedders}:
            models.append(f"{whitening.CHANNEL}@{whitening.load_whitening().digest[:12]}")
        return ", ".join(
            [
                *models,
                f"weights {self.fusion.digest[:12]}",
                f"background {self.background.name}@{self.background.digest[:12]}",
            ]
        )


def default_setup(
    background: Background | None = None,
    fusion: Fusion | None = None,
    embedders: Embedders | None = None,
) -> RankingSetup:
    """The default embedders or others, with what is shipped for them.

    Raises:
        BackgroundError, WeightsMissingError: if a file of the package is missing or damaged, or
            the background is of another model.
    """
    embedders = embedders or default_embedders()
    return RankingSetup(
        embedders,
        background=background or read_background(),
        fusion=fusion or load_fusion(),
        cells=embedders[0],
    )


def default_embedders(more: Sequence[Embedder] = ()) -> Embedders:
    """The embedded ResNet-50, colour and texture, and those that are given."""
    simple: tuple[Embedder, ...] = (LabHistogram(), LocalBinaryPatterns(), *more)
    return (ResNet50Gem(), *simple)
