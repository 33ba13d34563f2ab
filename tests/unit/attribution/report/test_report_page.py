"""What a report says of a ranking, before it is laid out: facts, bars and pictures."""

from __future__ import annotations

import base64
import io
import itertools
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.calibration.verdicts import Verdict
from attribution.matching.geometry import Box
from attribution.ranking.gallery import Gallery, load_gallery
from attribution.ranking.query import query_from_bytes
from attribution.ranking.rank import Match, Ranking, rank
from attribution.report.facts import SafeText
from attribution.report.overlays import embed, outline
from attribution.report.page import ShownMatch, show_query
from attribution.report.score_bars import channels_of, show_shares
from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.pictures.decode import encode_jpeg
from harvester.schema import Candidate
from tests.support.checkout import ROOT
from tests.support.tiny import TinyEmbedder, tiny_method


def noise(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth random picture, structured enough for PDQ."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC))


def match(name: str = "a", number: int = 1, **given) -> Match:
    default = {
        "score": 0.7,
        "verdict": Verdict.NO_EVIDENCE,
        "tile": None,
        "channels": {"pdq": 0.52},
    }
    return Match(name, number, **(default | given))


def ranking(*matches: Match) -> Ranking:
    query = query_from_bytes(encode_jpeg(noise(1)), "gen.png", "boats", grid="no")
    rest = 1 - sum(one.share for one in matches)
    return Ranking(query, matches, 1234, Counter(m.verdict for m in matches), rest)


def shown(*matches: Match, **given) -> tuple[ShownMatch, ...]:
    return show_query(1, ranking(*matches), {"a": Candidate(id="a", **given)}).matches


def facts(**given) -> dict[str, SafeText | str]:
    (only,) = shown(match(), **given)
    return {fact.label: fact.words or fact.missing for fact in only.facts}


def sample_of(folder: Path, count: int) -> tuple[Gallery, list[Candidate]]:
    """The first candidates of the sample, as a dataset of their own."""
    rows = shards.rows(ROOT / "data" / "sample" / "candidates", Candidate)
    some = list(itertools.islice((row for row in rows if row.image), count))
    with DatasetWriter(folder, Candidate) as store:
        for row in some:
            store.append(row)
    return load_gallery([folder], (TinyEmbedder(),)), some


def test_a_real_ranking_leads_with_its_near_copy(tmp_path):
    """Query and gallery through `rank`, in a gallery smaller than the ten that were asked for."""
    gallery, rows = sample_of(tmp_path, 3)
    query = query_from_bytes(rows[1].image, "gen.png", rows[1].title, grid="no")
    ranked = rank(query, gallery, tiny_method(), k=10)
    known = {row.id: row for row in rows}
    page = show_query(1, ranked, known)
    assert (page.verdict.text, page.verdict.style) == ("1 near copy", "rung-near-copy")
    assert page.gallery_size == 3
    first, *others = page.matches
    assert first.verdict.text == "near copy"
    assert {other.verdict.text for other in others} <= {"no evidence", "above chance"}
    assert [score.channel for score in first.scores][:2] == ["tiny", "bm25"]
    assert {"pdq", "sift"} <= {score.channel for score in first.scores}
    assert [score.z is not None for score in first.scores][:2] == [True, False]
    assert len(first.query_boxes) == len(first.boxes) == len(first.regions) > 0
    assert all(other.picture is not None for other in page.matches)
    assert next(channel.name for channel in channels_of([ranked])) == "tiny"


def test_without_a_verdict_there_is_no_evidence():
    assert show_query(1, ranking(match()), {}).verdict.text == "no evidence"


def test_the_shares_fill_the_bar():
    """Six matches of their own, the others together, and what no candidate has."""
    matches = [match(str(n), n, share=0.08) for n in range(1, 10)]
    made = replace(ranking(*matches), unattributed=0.2)
    parts = show_shares(made)
    assert [part.rank for part in parts] == [1, 2, 3, 4, 5, 6, None, None]
    assert [part.label for part in parts][-2:] == ["other candidates", "unattributed"]
    assert [part.text for part in parts][-2:] == ["30%", "20%"]
    assert sum(part.percent for part in parts) == pytest.approx(100)
    assert show_shares(replace(made, found=None)) == ()
    (whole,) = show_shares(ranking(match()))
    assert (whole.label, whole.text, whole.percent) == ("unattributed", "100%", 100)


def test_a_count_of_points_is_a_whole_number_and_z_is_small_beside_it():
    (only,) = shown(match(inliers={"sift": 1234}, z={"pdq": -0.26}))
    assert [(one.channel, one.value, one.z) for one in only.scores] == [
        ("sift", "1,234", None),
        ("pdq", "0.52", "z\N{NO-BREAK SPACE}-0.3"),
    ]


@pytest.mark.parametrize("box", [Box(0, 0, 1, 1), Box(-0.2, 0.9, 1.4, 2), Box(1, 1, 1, 1)])
def test_a_box_and_its_number_stay_within_the_picture(box):
    for one in outline([box, box], 200, 100):
        assert 0 <= one.x <= one.x + one.width <= 200
        assert 0 <= one.y <= one.y + one.height <= 100
        assert one.label_radius <= one.label_x <= 200 - one.label_radius
        assert one.label_radius <= one.label_y <= 100 - one.label_radius


def test_the_numbers_of_two_boxes_at_one_place_do_not_cover_each_other():
    first, second = outline([Box(0.1, 0.1, 0.6, 0.6)] * 2, 300, 300)
    assert (first.number, second.number) == (1, 2)
    assert abs(first.label_x - second.label_x) > first.label_radius + second.label_radius


def test_bars_run_over_their_channels_own_range():
    """A cosine from -1, a share from 0, BM25 up to the best match shown; never past the ends."""
    first = match(channels={"pdq": 0.5, "resnet50-gem": -1.5, "bm25": 8.0})
    second = match("b", 2, channels={"pdq": 1.0, "resnet50-gem": 0.0, "bm25": 2.0})
    bars = [{score.channel: score.bar for score in one.scores} for one in shown(first, second)]
    assert bars == [
        {"resnet50-gem": 0.0, "bm25": 100.0, "pdq": 50.0},
        {"resnet50-gem": 50.0, "bm25": 25.0, "pdq": 100.0},
    ]
    marks = {score.channel: score.mark for score in shown(first)[0].scores}
    assert marks == {"resnet50-gem": 72.5, "bm25": None, "pdq": 50.0}


def test_words_without_any_in_common_have_an_empty_bar():
    (only,) = shown(match(channels={"bm25": 0.0}))
    assert (only.scores[0].value, only.scores[0].bar) == ("0.00", 0.0)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_none_and_has_no_bar(score):
    (only,) = shown(match(score=score, channels={"pdq": score, "bm25": score}))
    assert only.score == "none"
    assert only.chance == ("-", "-")
    assert [(one.value, one.bar) for one in only.scores] == [("none", None)] * 2


def test_known_facts_are_told():
    told = facts(
        page_url="https://www.example.org/boats?x=1",
        creator="Ana Lima",
        source="duckduckgo",
        query="fishing boats",
        rank=3,
        width=2048,
        height=1365,
        bytes=123_456,
        fetched_at=datetime(2025, 3, 4, 5, 6, tzinfo=UTC),
        rights=("noai", "TDM-Reservation: 1"),
    )
    assert told["Page"] == SafeText(
        "example.org/boats",
        "https://www.example.org/boats?x=1",
        "https://www.example.org/boats?x=1",
    )
    assert told["Creator"] == SafeText("Ana Lima")
    assert told["Found by"] == SafeText("duckduckgo, result 3, searching for “fishing boats”")
    assert told["Harvested"] == SafeText("2025-03-04 05:06 UTC")
    assert told["Size"] == SafeText("2,048 \N{MULTIPLICATION SIGN} 1,365 pixels, 124 kB")
    assert told["Owner's signals"] == SafeText("noai, TDM-Reservation: 1")


def test_unknown_facts_are_named_as_such():
    told = facts()
    assert told.pop("Licence") == "unknown \N{EN DASH} ask the maker"
    assert set(told.values()) == {"unknown"}
    assert "Owner's signals" not in told


def test_a_licence_is_named_and_linked_as_far_as_it_is_known():
    link = "https://cc.example/by"
    assert facts(license="CC BY", license_url=link)["Licence"] == SafeText("CC BY", None, link)
    assert facts(license_url=link)["Licence"] == SafeText("cc.example/by", link, link)
    assert facts(license="CC0", license_url="urn:cc0")["Licence"] == SafeText("CC0 (urn:cc0)")


def test_what_is_only_invisible_is_unknown():
    assert facts(creator="\u202e \x00\u200b")["Creator"] == "unknown"


@pytest.mark.parametrize("body", [None, b"", b"<html>", encode_jpeg(noise(1))[:300]])
def test_a_broken_picture_is_left_out(body):
    (only,) = shown(match(), image=body)
    assert only.picture is None


@pytest.mark.parametrize(("height", "width"), [(300, 900), (4, 12), (1, 3000)])
def test_an_embedded_picture_is_small_and_whole(height, width):
    """Within the side that was asked for, in its own proportions, and a JPEG that opens."""
    embedded = embed(noise(3, height, width), 360)
    assert max(embedded.width, embedded.height) == min(360, width)
    body = base64.b64decode(embedded.uri.removeprefix("data:image/jpeg;base64,"), validate=True)
    picture = Image.open(io.BytesIO(body))
    picture.load()
    assert picture.size == (embedded.width, embedded.height)
