"""What is asked in an evaluation, what is true of it, and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from attribution.batch.jobs import BatchJob
from attribution.calibration.background import fit_background
from attribution.errors import SuiteError
from attribution.evaluate.edits import EDITS
from attribution.evaluate.galleries import folders_of, only, prompts_of, twins
from attribution.evaluate.ground_truth import read_pairs, read_same
from attribution.evaluate.null import figures_of_null
from attribution.evaluate.suites import (
    SPARE,
    make_copies,
    make_folder_prompts,
    make_null,
    make_pairs,
    make_prompts,
)
from attribution.evaluate.systems import FUSION, System, own_answer, published_system, run_systems
from attribution.ranking.gallery import load_gallery
from attribution.ranking.query import query_from_bytes
from attribution.ranking.rank import rank
from harvester.api.harvest import harvest_folder
from harvester.pictures.decode import encode_jpeg, open_picture
from tests.support.checkout import SAMPLE
from tests.support.tiny import TinyEmbedder, scene, tiny_method

DATASET = SAMPLE / "candidates"
KINGFISHER = "a kingfisher perched on a mossy branch, loose oil painting"

pytestmark = pytest.mark.subprocess  # pictures are decoded in processes of their own


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample's candidates, in a copy: descriptors are written beside them."""
    folder = tmp_path_factory.mktemp("sample") / "candidates"
    shutil.copytree(DATASET, folder)
    return load_gallery([folder], [TinyEmbedder()])


def bodies(count: int) -> list[bytes]:
    """Pictures of the sample, as they are stored."""
    rows = pq.read_table(DATASET / "part-sample-00000.parquet", columns=["image"])
    return [row["bytes"] for row in rows.column("image").slice(0, count).to_pylist()]


def gallery_of(pictures: dict[str, bytes], folder: Path):
    """A folder of pictures, harvested and described as the commands do it."""
    for name, body in pictures.items():
        path = folder / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    asyncio.run(harvest_folder(folder / "pictures", folder / "set").run())
    return load_gallery([folder / "set"], [TinyEmbedder()])


@pytest.fixture(scope="module")
def by_folder(tmp_path_factory):
    """Three folders of four pictures."""
    names = [
        f"{folder}/{number}.jpg" for folder in ("cat", "dog_fox", "owl") for number in range(4)
    ]
    pictures = dict(zip(names, bodies(len(names)), strict=True))
    return gallery_of(pictures, tmp_path_factory.mktemp("folders"))


def test_copies_are_asked_for_each_edit_and_each_has_its_one_source(sample):
    suite = make_copies(sample, queries=3)
    kinds = [case.kind for case in suite.cases]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(EDITS, 3)
    assert (suite.is_source.sum(axis=1) == 1).all()
    assert suite.is_source.shape == (3 * len(EDITS), len(suite.gallery.ids))
    groups = {case.group: set() for case in suite.cases}
    for case in suite.cases:
        groups[case.group].add(int(case.sources[0]))
    assert all(len(rows) == 1 for rows in groups.values())
    assert sorted(groups) == list(range(len(groups)))


def test_a_copy_is_nearest_to_its_own_source(sample):
    """Whoever edits another picture than the one that is called its source fails here."""
    suite = make_copies(sample, edits=["jpeg-90", "resize-75"], queries=8)
    answers = run_systems(suite, tiny_method())
    best = answers.scores["pdq"].argmax(axis=1)
    np.testing.assert_array_equal(best, [case.sources[0] for case in suite.cases])


def test_the_same_seed_draws_the_same_and_another_does_not(sample):
    first, again, other = (
        make_copies(sample, edits=["crop-50", "grid"], queries=4, seed=seed) for seed in (1, 1, 2)
    )
    assert [case.name for case in first.cases] == [case.name for case in again.cases]
    assert [case.name for case in first.cases] != [case.name for case in other.cases]
    for left, right in zip(first.cases, again.cases, strict=True):
        np.testing.assert_array_equal(left.open().views[0].picture, right.open().views[0].picture)


def test_what_collages_take_from_is_no_candidate(sample):
    suite = make_copies(sample, queries=1)
    assert len(suite.gallery.ids) <= len(sample.ids) - SPARE
    assert set(suite.gallery.ids) < set(sample.ids)


def test_a_twin_of_a_source_is_neither_source_nor_false_alarm(tmp_path):
    pictures = {f"{number}.jpg": body for number, body in enumerate(bodies(24))}
    rgb = open_picture(pictures["0.jpg"]).rgb
    pictures["twin.jpg"] = encode_jpeg(rgb, quality=60)
    gallery = gallery_of(pictures, tmp_path)
    row, other = (
        gallery.ids.index(hashlib.sha256(pictures[name]).hexdigest())
        for name in ("0.jpg", "twin.jpg")
    )
    assert twins(gallery, row, {}) == [other]
    assert twins(gallery, other, {}) == [row]
    suite = make_pairs(gallery, {tmp_path / "pictures" / "0.jpg": [gallery.ids[row]]})
    assert suite.is_passed_over.sum() == 1
    assert suite.is_passed_over[0, other]
    for case in make_null(gallery, queries=25).cases:
        if case.name in {gallery.ids[row], gallery.ids[other]}:
            assert set(case.passed_over) == {row, other}


def test_a_part_of_a_gallery_ranks_as_if_it_were_all_there_is(sample):
    rows = list(range(0, len(sample.ids), 3))
    part = only(sample, rows)
    query = query_from_bytes(bodies(1)[0], "a.jpg", None)
    whole = own_answer(query, sample, tiny_method()).scores["pdq"]
    np.testing.assert_array_equal(own_answer(query, part, tiny_method()).scores["pdq"], whole[rows])
    ranked = rank(query, part, tiny_method())
    assert {match.candidate_id for match in ranked.matches} <= set(part.ids)
    assert ranked.gallery_size == len(rows)


def test_the_fusion_answers_as_a_ranking_does(sample):
    query = query_from_bytes(bodies(3)[2], "a.jpg", KINGFISHER)
    own = own_answer(query, sample, tiny_method())
    ranked = rank(query, sample, tiny_method(), k=len(sample.ids))
    for match in ranked.matches:
        row = sample.ids.index(match.candidate_id)
        odds = math.log(match.score / (1 - match.score)) if match.score < 1 else None
        expected = own.scores[FUSION][row]
        assert expected > 1e5 if odds is None else expected == pytest.approx(odds, abs=0.01)


def test_some_cases_alone_are_asked_of_a_slow_way(sample):
    suite = make_copies(sample, edits=["mirror"], queries=6)
    asked = []

    def slow(query):
        asked.append(query)
        return np.zeros(len(suite.gallery.ids), np.float32)

    answers = run_systems(suite, tiny_method(), [System("slow", slow, frozenset({1, 4}))])
    assert len(asked) == 2
    missing = np.isnan(answers.scores["slow"]).all(axis=1)
    assert np.flatnonzero(~missing).tolist() == [1, 4]
    assert not np.isnan(answers.scores[FUSION]).any()
    drawn = published_system(suite.gallery, None, 6, queries=2, seed=1).case_numbers
    assert len(drawn) == 2
    assert drawn <= set(range(6))


def test_prompts_have_the_candidates_that_they_found(sample):
    job = BatchJob("1", KINGFISHER, bodies(1)[0], "gen.png")
    other = BatchJob("2", "never searched for", bodies(1)[0], "none.png")
    suite = make_prompts(sample, [job, other])
    [case] = suite.cases
    assert [KINGFISHER in told for told in prompts_of(sample)] == suite.is_source[0].tolist()
    assert len(case.sources) == 12
    assert case.open().prompt == KINGFISHER
    answers = run_systems(suite, tiny_method(), standardised=True)
    assert {"bm25", "tiny", "tiny z", FUSION} <= set(answers.scores)


def test_folders_stand_in_for_prompts(by_folder):
    assert {name: len(rows) for name, rows in folders_of(by_folder).items()} == {
        "cat": 4,
        "dog_fox": 4,
        "owl": 4,
    }
    suite = make_folder_prompts(by_folder)
    assert [case.kind for case in suite.cases] == ["cat", "dog_fox", "owl"]
    assert [case.open().prompt for case in suite.cases] == ["cat", "dog fox", "owl"]
    for case, own, out in zip(suite.cases, suite.is_source, suite.is_passed_over, strict=True):
        query = by_folder.ids.index(case.name)
        assert out[query]
        assert not (own & out).any()
        assert set(np.flatnonzero(own | out)) >= set(folders_of(by_folder)[case.kind])


def test_a_query_without_source_has_none_of_its_folder(by_folder):
    suite = make_null(by_folder, queries=12)
    assert len(suite.cases) == 12
    for case in suite.cases:
        [own] = [r for r in folders_of(by_folder).values() if by_folder.ids.index(case.name) in r]
        assert set(own) <= set(case.passed_over)
        assert len(case.passed_over) < len(by_folder.ids) - 2


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """450 unrelated pictures without folders."""
    pictures = {
        f"{seed}.png": cv2.imencode(".png", scene(seed, 40))[1].tobytes() for seed in range(450)
    }
    return gallery_of(pictures, tmp_path_factory.mktemp("scenes"))


def test_p_values_hold_where_the_background_is_like_the_gallery(scenes):
    method = replace(tiny_method(), verified=0)
    suite = make_null(scenes, queries=60)
    for split in (False, True):
        figures = figures_of_null(suite, method, split=split)
        assert figures.uniformity.p_value > 0.01
        assert figures.discovered.value <= 0.1
        assert figures.below[0.05].value == pytest.approx(0.05, abs=0.02)
        assert sum(figures.verdicts.values()) == figures.pairs
    assert figures.pairs < 60 * 250  # half of the gallery was the background


def test_p_values_that_do_not_hold_are_seen(scenes):
    """A background of one picture over and over makes some of the gallery look near."""
    random = np.random.default_rng(1).standard_normal((400, 48)).astype(np.float32)
    alike = 0.02 * random + random[0]
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    strange = fit_background(
        "strange", [str(number) for number in range(400)], {"tiny": alike}, {"tiny": "1"}, {}
    )
    method = replace(tiny_method(), background=strange, verified=0)
    figures = figures_of_null(make_null(scenes, queries=60), method)
    assert figures.uniformity.p_value < 0.01


def test_too_little_for_a_background_of_its_own_is_refused(by_folder):
    with pytest.raises(SuiteError, match="at least 400 pictures beside a query"):
        figures_of_null(make_null(by_folder, queries=1), tiny_method(), split=True)


def test_unknown_edits_are_refused_with_those_that_there_are(sample):
    with pytest.raises(SuiteError, match=r"found crop-1, melt; there are crop-98, .*paste"):
        make_copies(sample, edits=["crop-1", "grid", "melt"])


def test_too_few_pictures_are_refused(by_folder, sample):
    with pytest.raises(SuiteError, match=r"at least 22 pictures, 12 of them .* found 12"):
        make_copies(by_folder)
    with pytest.raises(SuiteError, match="two or more sub-folders of pictures, found 0"):
        make_folder_prompts(sample)
    with pytest.raises(SuiteError, match="beside a query and its folder, found 1"):
        make_null(only(sample, [0, 1]), queries=2)
    with pytest.raises(SuiteError, match="found none for any of 1 jobs"):
        make_prompts(sample, [BatchJob("1", "unheard of", b"", "a.png")])


@pytest.fixture
def pictures(tmp_path):
    for name in ("gen.png", "source.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def id_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def write(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text("\n".join(lines), "utf-8-sig")
    return path


def test_pairs_name_sources_by_file_or_id_and_an_image_may_have_several(pictures):
    path = write(
        pictures,
        "source,image,note",
        "source.jpg,gen.png,x",
        f"{id_of('other.jpg')},gen.png,",
        "other.jpg,source.jpg,",
    )
    assert read_pairs(path, {id_of("source.jpg"), id_of("other.jpg")}) == {
        pictures / "gen.png": [id_of("source.jpg"), id_of("other.jpg")],
        pictures / "source.jpg": [id_of("other.jpg")],
    }


def test_missing_files_and_unknown_candidates_are_named_with_their_lines(pictures):
    path = write(
        pictures,
        "image,source",
        "gen.png,source.jpg",
        "gone.png,source.jpg",
        "gen.png,lost.jpg",
        "gen.png,other.jpg",
        f"gen.png,{'0' * 64}",
    )
    expected = (
        r"line 3: no picture gone\.png; line 4: no source lost\.jpg; "
        rf"line 5: other\.jpg is no candidate; line 6: {'0' * 64} is no candidate; correct"
    )
    with pytest.raises(SuiteError, match=expected):
        read_pairs(path, {id_of("source.jpg")})
    many = write(pictures, "image,source", *["gone.png,source.jpg"] * 8)
    with pytest.raises(SuiteError, match=re.escape("line 6: no picture gone.png and 3 more;")):
        read_pairs(many, {id_of("source.jpg")})


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"picture,source\na,b\n", "columns image and source, found picture, source"),
        (b"", "columns image and source, found none"),
        (b"image,source\n", "pairs of image and source, found none"),
        (b"\xff\xfe\x00\x01", "a csv file in UTF-8, found something else"),
        (b"image,source\ngen.png\n", "line 2: no source"),
        (b"image,source\n\x00,a\n", "line 2: no picture"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(pictures, content, found):
    path = pictures / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(SuiteError, match=re.escape(found)):
        read_pairs(path, set())


def test_pictures_that_a_person_found_to_be_the_same_are_passed_over(pictures, sample):
    first, second = sample.ids[3], sample.ids[9]
    path = write(pictures, "image,source", f"{first},{second}", f"gen.png,{first}")
    same = read_same(path)
    assert same == {first: {second, id_of("gen.png")}, second: {first}, id_of("gen.png"): {first}}
    assert 9 not in twins(sample, 3, {})
    assert 9 in twins(sample, 3, same)
    assert 3 in twins(sample, 9, same)
    suite = make_pairs(sample, {pictures / "gen.png": [first]}, same=same)
    assert suite.is_passed_over[0, 9]
    lost = write(pictures, "image,source", f"{first},lost.jpg")
    with pytest.raises(SuiteError, match=r"line 2: no picture lost\.jpg; correct the list"):
        read_same(lost)


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SuiteError, match=r"none\.csv: expected a csv file in UTF-8, found "):
        read_pairs(tmp_path / "none.csv", set())
