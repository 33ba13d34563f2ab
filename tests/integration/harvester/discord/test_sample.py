"""The sample in data/ is what its README says: small, whole, licensed, and true."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.dataset.shards import read, rows
from harvester.discord.export import MessageTally, Post, read_exports
from harvester.pictures.decode import compute_hashes, open_picture
from harvester.schema import Candidate, FetchStatus, Finding, Search
from tests.support.checkout import ROOT

DATA = ROOT / "data"
SAMPLE = DATA / "sample"
EXPORT = SAMPLE / "discord" / "midjourney-sample.json"

FREE = {"Public domain", "CC0 1.0", "CC BY 4.0", "CC BY-SA 4.0"}


def _files() -> Iterator[Path]:
    # Using the sample leaves descriptors and a lock behind, which are no part of it.
    for path in sorted(SAMPLE.glob("**/*")):
        if path.is_file() and "descriptors" not in path.parts and path.name != ".lock":
            yield path


def _truth() -> list[dict[str, str]]:
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def candidates() -> dict[str, Candidate]:
    return {row.id: row for row in rows(SAMPLE / "candidates", Candidate)}


@pytest.fixture(scope="module")
def posts() -> list[Post]:
    return list(read_exports([EXPORT], author_key=b"a key of the tests", tally=MessageTally()))


def test_it_stays_below_five_megabytes():
    assert sum(path.stat().st_size for path in _files()) < 5_000_000


def test_the_readme_gives_the_sha256_of_every_file_and_of_no_other():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Files")[2].partition("## Pictures")[0]
    listed = dict(re.findall(r"^\| `(.+?)` \| \d+ \| `([0-9a-f]{64})` \|$", section, re.MULTILINE))
    found = {
        path.relative_to(SAMPLE).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files()
    }
    assert listed == found


def test_the_readme_names_origin_creator_and_licence_of_every_candidate(candidates):
    section = (DATA / "README.md").read_text(encoding="utf-8").partition("## Pictures")[2]
    lines = {line.split("`")[-2]: line for line in section.splitlines() if "](http" in line}
    assert lines.keys() == candidates.keys()
    for key, row in candidates.items():
        for named in (row.title, row.page_url, row.creator, row.license, row.license_url):
            assert named in lines[key]


def test_candidates_are_readable_in_the_contract_of_today():
    folder = SAMPLE / "candidates"
    assert read(folder, Candidate, ["id", "status"]).num_rows == 79
    assert read(folder, Finding).num_rows == 79 + 6
    assert read(folder, Search).num_rows == 8


def test_every_candidate_is_whole_and_says_whose_it_is(candidates):
    for row in candidates.values():
        assert row.status is FetchStatus.OK
        assert row.creator
        assert row.title
        assert row.caption
        assert row.license in FREE
        assert row.license_url.startswith("https://creativecommons.org/")
        assert row.page_url.startswith("https://")
        assert row.id == row.sha256
        picture = open_picture(row.image)
        assert max(picture.width, picture.height) <= 384


def test_there_are_sixty_candidates_and_more_of_five_subjects_and_more(candidates):
    subjects = Counter(row.query_prompt for row in candidates.values())
    assert sum(subjects.values()) >= 60
    assert len(subjects) >= 5
    assert min(subjects.values()) >= 7
    prompts = (SAMPLE / "prompts.txt").read_text(encoding="utf-8").splitlines()
    assert set(subjects) == set(prompts)


def test_every_finding_leads_to_a_candidate_and_some_candidates_were_found_twice(candidates):
    found = Counter(row.candidate_id for row in rows(SAMPLE / "candidates", Finding))
    assert found.keys() == candidates.keys()
    assert sorted(set(found.values())) == [1, 2]


def test_the_truth_names_pictures_and_candidates_that_are_there(candidates):
    truth = _truth()
    assert {row["candidate_id"] for row in truth} <= candidates.keys()
    assert all((SAMPLE / row["image"]).is_file() for row in truth)
    tiles = Counter(row["image"] for row in truth)
    assert set(tiles.values()) == {1, 4}
    assert "gen.png" in tiles


def test_no_made_picture_is_a_copy_of_its_source_or_bound_by_share_alike(candidates):
    """A copy would be found by its hash; the sample is there to show likeness."""
    for row in _truth():
        source = candidates[row["candidate_id"]]
        assert "SA" not in source.license
        if not row["tile"]:
            made = compute_hashes(open_picture((SAMPLE / row["image"]).read_bytes()).rgb)
            distance = (int(made.pdq, 16) ^ int(source.pdq, 16)).bit_count()
            assert distance > 31


def test_jobs_name_a_prompt_and_a_picture_beside_the_list():
    with (SAMPLE / "jobs.csv").open(encoding="utf-8", newline="") as stream:
        jobs = list(csv.DictReader(stream))
    assert len(jobs) == 10
    assert all(job["prompt"] and (SAMPLE / job["image"]).is_file() for job in jobs)


def test_the_export_holds_every_kind_of_finished_generation(posts):
    actions = Counter(post.generation.action for post in posts)
    assert actions == {
        "imagine": 7,
        "pick": 1,
        "variations": 1,
        "remix": 1,
        "upscale": 1,
        "zoom": 1,
        "pan": 1,
    }


def test_the_export_holds_what_is_no_finished_generation_as_well():
    tally = MessageTally()
    assert len(list(read_exports([EXPORT], author_key=b"key", tally=tally))) == 13
    assert tally.kinds == {
        "finished": 13,
        "other author": 2,
        "start": 1,
        "progress": 1,
        "stopped": 1,
        "describe": 1,
    }
    assert not tally.truncated


def test_every_generation_has_its_picture_and_its_prompt(posts):
    searched = {row.query_prompt for row in rows(SAMPLE / "candidates", Search)}
    made = {(SAMPLE / row["image"]).resolve() for row in _truth()}
    for post in posts:
        assert post.generation.status is FetchStatus.OK
        assert post.media is not None
        assert post.media.resolve() in made
        assert open_picture(post.media.read_bytes()).width >= 512
        assert post.generation.prompt in searched


def test_results_lead_back_to_the_grid_they_came_from(posts):
    by_message = {post.generation.message_id: post.generation for post in posts}
    derived = [post.generation for post in posts if post.generation.grid_id]
    assert {row.action for row in derived} == {
        "pick",
        "variations",
        "remix",
        "upscale",
        "zoom",
        "pan",
    }
    assert all(by_message[row.grid_id].action == "imagine" for row in derived)
    (picked,) = (row for row in derived if row.action == "pick")
    assert picked.tile == 3


def test_weights_negatives_and_references_are_in_the_export(posts):
    generations = [post.generation for post in posts]
    assert any([part.weight for part in row.weights] == [2, 1] for row in generations)
    assert any(row.negatives == ("people", "text") for row in generations)
    assert any(row.references for row in generations)


def test_users_are_invented_and_do_not_come_through(posts):
    exported = json.loads(EXPORT.read_text(encoding="utf-8"))
    people = {message["author"]["nickname"] for message in exported["messages"]}
    assert all(name == "Midjourney Bot" or name.startswith("Sample ") for name in people)
    for post in posts:
        assert "Sample User" not in post.generation.raw_content
        assert post.generation.author != "Sample User A"


def test_relays_are_left_out_unless_asked_for(posts):
    everyone = list(
        read_exports([EXPORT], any_author=True, author_key=b"key", tally=MessageTally())
    )
    assert len(posts) == 13
    assert len(everyone) == 14
