"""A gallery opened for ranking: candidates, described, and the setup that pictures are ranked by.

Nothing here asks the web for anything: candidates are harvested first, with `harvester`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from attribution.api.queries import Job, jobs_of, open_query, parse_prompt_parts
from attribution.backbones.load import load_backbone
from attribution.backbones.spec import parse_backbones
from attribution.baselines import aivalis2025
from attribution.batch.jobs import JobRanker, JobResult
from attribution.calibration.background import SHIPPED, read_background
from attribution.descriptors.describe import Progress
from attribution.descriptors.embedder import Embedder
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.errors import BackboneNameError
from attribution.ranking.feature_cache import FeatureCache
from attribution.ranking.gallery import Gallery, load_gallery
from attribution.ranking.method import RankingSetup, default_embedders, default_setup
from attribution.ranking.query import GridMode, Picture, Query
from attribution.ranking.rank import Ranking, rank
from attribution.report import html
from attribution.report.records import match_records
from attribution.report.terminal import ranking_text
from harvester.dataset.storage import Location, location_of
from harvester.distribution import VERSION
from harvester.paths import check_output, user_cache
from harvester.schema import Candidate


@dataclass(frozen=True)
class OpenGallery:
    """Candidates that pictures are ranked against; `len` counts them.

    Attributes:
        gallery: the candidates, described.
        setup: what a ranking is made by: models, background, weights.
    """

    gallery: Gallery
    setup: RankingSetup
    _picked: dict[tuple[str, ...], dict[str, Candidate]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.gallery.ids)

    def rank(
        self,
        image: Picture | Query,
        prompt: str | None = None,
        *,
        top: int = 10,
        grid: GridMode = "auto",
    ) -> Ranking:
        """Rank the candidates against one generated picture.

        Args:
            image: as `open_query` has it, or what that gave; the others then count for nothing.
            prompt: what it was generated from; the one that the file tells unless given.
            top: matches to give, at most.
            grid: rank a 2x2 grid tile by tile: by its looks, always, never.

        Returns:
            The matches, best first, each with its verdict, its regions and its share.

        Raises:
            QueryImageError: if the picture is missing, unreadable, or none.
            GalleryError: if a candidate is gone from its dataset.
        """
        query = image if isinstance(image, Query) else open_query(image, prompt, grid=grid)
        return rank(query, self.gallery, self.setup, k=top)

    def rank_published(self, images: Sequence[Picture | Query], *, top: int = 10) -> Ranking:
        """Order by the formula of Aivalis & Klampanos 2025, as a baseline; it gives no verdicts.

        Args:
            images: all of one prompt, which is the first one's.
            top: matches to give, at most.

        Raises:
            QueryImageError, GalleryError: as `rank` does.
        """
        queries = [one if isinstance(one, Query) else open_query(one) for one in images]
        return aivalis2025.rank(queries, self.gallery, ResNet50Gem(), k=top)

    def rank_many(
        self, pictures: Iterable[Job], *, top: int = 10, grid: GridMode = "auto"
    ) -> Iterator[JobResult]:
        """Rank the candidates against many pictures, each as its result is asked for.

        Args:
            pictures: each a picture as `open_query` has it, a tuple of one and its prompt, a
                `harvester.Generation`, or a `BatchJob`; read a few ahead.
            top: matches of each to give, at most.
            grid: as `rank` has it.

        Returns:
            A result each, in order; of a picture that cannot be read one with its error.

        Raises:
            GalleryError: if a candidate is gone from its dataset.
        """
        ranker = JobRanker(
            self.gallery, self.setup, k=top, grid=grid, parse_prompt=parse_prompt_parts
        )
        return ranker.run(jobs_of(pictures))

    def candidates(self, ranking: Ranking) -> dict[str, Candidate]:
        """What is known of a ranking's matches: their candidates by id, pictures included.

        Args:
            ranking: of this gallery.

        Raises:
            GalleryError: if a candidate is gone from its dataset.
        """
        ids = tuple(match.candidate_id for match in ranking.matches)
        if ids not in self._picked:  # of the last one alone: pictures are large
            self._picked.clear()
            self._picked[ids] = self.gallery.pick(ids)
        return self._picked[ids]

    def to_records(self, ranking: Ranking) -> list[dict[str, Any]]:
        """A ranking as JSON has it: an object a match, as `attribute --json` prints them.

        Args:
            ranking: of this gallery.

        Raises:
            GalleryError: as `candidates` does.
        """
        return list(match_records(ranking, self.candidates(ranking)))

    def to_text(self, ranking: Ranking) -> str:
        """A ranking as `attribute` prints it.

        Args:
            ranking: of this gallery.

        Raises:
            GalleryError: as `candidates` does.
        """
        return ranking_text(ranking, self.candidates(ranking))

    def to_html(self, *rankings: Ranking) -> str:
        """Rankings as one HTML page with pictures and evidence, without a second file.

        Args:
            rankings: of this gallery.

        Raises:
            GalleryError: as `candidates` does.
        """
        shown = [(one, self.candidates(one)) for one in rankings]
        is_published = any(one.found is None for one in rankings)
        return html.render_report(shown, self.provenance(published=is_published))

    def write_report(self, path: str | Path, *rankings: Ranking) -> None:
        """Write that page to a file, whole or not at all.

        Args:
            path: of the page; missing folders are made.
            rankings: of this gallery.

        Raises:
            InputError: if there is a file already that whence did not write; it is left as it is.
            ReportError: if it cannot be written.
            GalleryError: as `candidates` does.
        """
        check_output(Path(path), html.is_report, option="path")
        html.write_report(Path(path), self.to_html(*rankings))

    def provenance(self, *, published: bool = False) -> html.Provenance:
        """What a report says that it was made with, and when.

        Args:
            published: that of the published ranker, which has the network alone.
        """
        network = self.setup.embedders[0]
        named = f"{network.channel}@{network.version}" if published else self.setup
        return html.made_now(self.gallery.folders, named, VERSION)


def open_gallery(
    *datasets: str | Path | Location,
    backbones: Sequence[str] = (),
    background: Path | None = None,
    crop_resistant: bool = False,
    progress: Progress | None = None,
) -> OpenGallery:
    """Open datasets of candidates to rank them; those not described yet are described first.

    Args:
        datasets: folders, or addresses such as s3://bucket/path.
        backbones: models to compare pictures with beside the one that comes with whence: dinov2,
            openclip, sscd:FILE, timm:MODEL[=FILE], …
        background: what chance is measured on, as `attribute background` wrote it; a small one is
            part of whence.
        crop_resistant: compare the parts' hashes of the nearest too: seconds more.
        progress: told how many candidates are described, and how many there are.

    Raises:
        GalleryError: if there is no candidate with a picture.
        BackboneNameError, WeightsMissingError, BackgroundError: if those cannot be used.
        DescriptorMismatchError: if descriptors on disk are of another model.
        ShardError, SchemaError: if a dataset cannot be read, or is of another kind or version.
    """
    setup = load_setup(backbones, background, crop_resistant=crop_resistant)
    return describe(datasets, setup, progress)


def load_setup(
    backbones: Sequence[str] = (), background: Path | None = None, *, crop_resistant: bool = False
) -> RankingSetup:
    """What pictures are ranked by; arguments and errors as `open_gallery` has them."""
    embedders = default_embedders(load_backbones(backbones))
    embedders[0].prepare()  # meanwhile the background, the candidates and the query are read
    setup = default_setup(read_background(background or SHIPPED), embedders=embedders)
    cache = FeatureCache(user_cache() / "features")
    return replace(setup, crop_resistant=crop_resistant, feature_cache=cache)


def describe(
    datasets: Sequence[str | Path | Location], setup: RankingSetup, progress: Progress | None = None
) -> OpenGallery:
    """The candidates of datasets, described; arguments and errors as `open_gallery` has them."""
    places = [location_of(one) for one in datasets]
    return OpenGallery(load_gallery(places, setup.embedders, progress), setup)


def load_backbones(names: Sequence[str]) -> list[Embedder]:
    """Further models by their names.

    Raises:
        BackboneNameError: if a name is none.
        WeightsMissingError: if a model's weights cannot be had.
    """
    try:
        parsed = parse_backbones(names)
    except ValueError as exc:
        raise BackboneNameError(str(exc)) from exc
    return [load_backbone(one) for one in parsed]
