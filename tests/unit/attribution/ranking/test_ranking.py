"""Ranking: one order out of named channels, the same however the gallery came about."""

from __future__ import annotations

import hashlib
import math
import os
import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from attribution.calibration.verdicts import Verdict
from attribution.descriptors.hashes import dihedral
from attribution.descriptors.store import descriptor_folder
from attribution.errors import DescriptorMismatchError, GalleryError, QueryImageError
from attribution.prompt import from_plain
from attribution.ranking.gallery import load_gallery
from attribution.ranking.query import open_query, query_from_bytes
from attribution.ranking.rank import rank
from harvester.dataset.writer import DatasetWriter
from harvester.pictures.decode import compute_hashes, encode_jpeg, open_picture
from harvester.schema import Candidate, FetchStatus, Finding
from tests.support.tiny import TinyEmbedder, scene, tiny_method


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()


def candidate(picture: np.ndarray, **fields) -> Candidate:
    body = png(picture)
    opened = open_picture(body)
    hashes = compute_hashes(opened.rgb)
    return Candidate(
        id=hashlib.sha256(body).hexdigest(),
        url="https://example.org/" + hashlib.sha256(body).hexdigest()[:8],
        image=encode_jpeg(opened.rgb),
        phash=hashes.phash,
        dhash=hashes.dhash,
        pdq=hashes.pdq,
        pdq_quality=hashes.pdq_quality,
        **fields,
    )


def store(folder: Path, rows) -> Path:
    with DatasetWriter(folder, Candidate) as opened:
        for row in rows:
            opened.append(row)
    return folder


@pytest.fixture
def folder(tmp_path):
    rows = [candidate(scene(seed), title=f"scene number {seed}") for seed in range(40)]
    return store(tmp_path / "candidates", rows)


def ids_of(ranking):
    return [match.candidate_id for match in ranking.matches]


def test_an_edited_copy_is_found_and_called_a_near_copy(folder):
    gallery = load_gallery([folder], [TinyEmbedder()])
    body = cv2.imencode(".jpg", scene(7)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    ranking = rank(query_from_bytes(body, "q.jpg", None), gallery, tiny_method(), k=3)
    assert ranking.matches[0].candidate_id == candidate(scene(7)).id
    assert ranking.matches[0].verdict is Verdict.NEAR_COPY
    assert ranking.matches[0].score > 1 >= ranking.matches[1].score
    assert ranking.verdict is Verdict.NEAR_COPY


@pytest.mark.parametrize("turn", range(8))
def test_a_turned_or_mirrored_copy_is_a_near_copy(folder, turn):
    gallery = load_gallery([folder], [TinyEmbedder()])
    query = query_from_bytes(png(dihedral(scene(7))[turn]), "q.png", None, grid="no")
    best = rank(query, gallery, tiny_method(), k=1).matches[0]
    assert (best.candidate_id, best.verdict) == (candidate(scene(7)).id, Verdict.NEAR_COPY)


def test_a_picture_of_its_own_gets_no_evidence(folder):
    """Abstaining is an answer: something is always nearest, and that is not evidence."""
    gallery = load_gallery([folder], [TinyEmbedder()])
    ranking = rank(query_from_bytes(png(scene(999)), "q.png", None), gallery, tiny_method(), k=5)
    assert {match.verdict for match in ranking.matches} == {Verdict.NO_EVIDENCE}
    assert ranking.verdict is Verdict.NO_EVIDENCE
    assert ranking.unattributed == 1


def test_a_flat_picture_is_nobodys_copy(tmp_path):
    """One colour agrees with every other flat picture in all bits, and that proves nothing."""
    flat = np.full((200, 200, 3), 90, np.uint8)
    gallery = load_gallery([store(tmp_path / "c", [candidate(flat)])], [TinyEmbedder()])
    ranking = rank(query_from_bytes(png(flat + 3), "q.png", None), gallery, tiny_method())
    assert ranking.found[Verdict.NEAR_COPY] == 0


def test_each_tile_of_a_grid_finds_its_own_source(folder):
    gallery = load_gallery([folder], [TinyEmbedder()])
    rows = [np.hstack([scene(1), scene(2)]), np.hstack([scene(3), scene(4)])]
    query = query_from_bytes(png(np.vstack(rows)), "grid.png", None, grid="yes")
    ranking = rank(query, gallery, tiny_method(), k=4)
    found = {match.tile: match.candidate_id for match in ranking.matches}
    assert found == {n: candidate(scene(n)).id for n in (1, 2, 3, 4)}
    assert ranking.found[Verdict.NEAR_COPY] == 4


def test_the_order_of_harvesting_changes_nothing(tmp_path):
    rows = [candidate(scene(seed), title=f"scene {seed}") for seed in range(30)]
    query = query_from_bytes(png(scene(500)), "q.png", "scene 12")
    rankings = []
    for number in range(3):
        random.Random(number).shuffle(rows)
        gallery = load_gallery([store(tmp_path / str(number), rows)], [TinyEmbedder()])
        rankings.append(rank(query, gallery, tiny_method(), k=30).matches)
    assert rankings[0] == rankings[1] == rankings[2]


def test_equal_scores_stand_in_the_order_of_ids(tmp_path):
    same = candidate(scene(3))
    twins = [Candidate(**{**_fields(same), "id": name}) for name in ("b", "a", "c")]
    gallery = load_gallery([store(tmp_path / "c", twins)], [TinyEmbedder()])
    ranking = rank(query_from_bytes(png(scene(4)), "q.png", None), gallery, tiny_method())
    assert ids_of(ranking) == ["a", "b", "c"]
    assert [match.rank for match in ranking.matches] == [1, 2, 3]


def _fields(row):
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def test_more_places_never_change_the_first_ones(folder):
    gallery = load_gallery([folder], [TinyEmbedder()])
    query = query_from_bytes(png(scene(77)), "q.png", "scene number 9")
    for k in (1, 5, 20):
        short, long = (
            rank(query, gallery, tiny_method(), k=k),
            rank(query, gallery, tiny_method(), k=k + 7),
        )
        assert ids_of(long)[:k] == ids_of(short)


def test_the_pool_keeps_what_a_full_comparison_would_put_first(folder, monkeypatch):
    """Stage one narrows a large gallery; copies, neighbours and texts must survive it."""
    gallery = load_gallery([folder], [TinyEmbedder()])
    query = query_from_bytes(png(cv2.GaussianBlur(scene(7), (9, 9), 0)), "q.png", "number 31")
    whole = ids_of(rank(query, gallery, tiny_method(), k=40))
    monkeypatch.setattr("attribution.ranking.comparison.POOL", 6)
    narrowed = ids_of(rank(query, gallery, tiny_method(), k=40))
    assert len(narrowed) < len(whole)
    assert narrowed[:3] == whole[:3]
    assert candidate(scene(31)).id in narrowed  # by its text alone


def test_text_decides_between_equal_pictures(tmp_path):
    twin = _fields(candidate(scene(3)))
    rows = [
        Candidate(**{**twin, "id": "a", "title": "A harbour at night"}),
        Candidate(**{**twin, "id": "b", "title": "Fisherman village, Ralph Steadman"}),
    ]
    gallery = load_gallery([store(tmp_path / "c", rows)], [TinyEmbedder()])
    query = query_from_bytes(png(scene(4)), "q.png", "a fisherman village by Ralph Steadman")
    ranking = rank(query, gallery, tiny_method())
    assert ids_of(ranking) == ["b", "a"]
    assert ranking.matches[0].channels["bm25"] > 0 == ranking.matches[1].channels["bm25"]


def test_flags_of_a_prompt_are_not_looked_for(tmp_path):
    """The words are searched; what `--no` names would else find just what was not wanted."""
    rows = [candidate(scene(3), title="people"), candidate(scene(4), title="village")]
    gallery = load_gallery([store(tmp_path / "c", rows)], [TinyEmbedder()])
    query = query_from_bytes(
        png(scene(5)),
        "q.png",
        "a village --no people",
        prompt_parts=from_plain("a village"),
        grid="no",
    )
    scores = {
        m.candidate_id: m.channels["bm25"] for m in rank(query, gallery, tiny_method()).matches
    }
    assert scores[rows[0].id] == 0 < scores[rows[1].id]
    assert query.prompt == "a village --no people"


def test_titles_of_later_findings_count_as_text(tmp_path):
    row = candidate(scene(3), title="IMG_0001")
    with DatasetWriter(tmp_path / "c", Candidate) as opened:
        opened.append(row)
        opened.append(candidate(scene(4)))
        opened.append(
            Finding(url=row.url, source="ddg", candidate_id=row.id, title="The red lighthouse")
        )
    gallery = load_gallery([tmp_path / "c"], [TinyEmbedder()])
    query = query_from_bytes(png(scene(5)), "q.png", "lighthouse")
    scores = {
        m.candidate_id: m.channels["bm25"] for m in rank(query, gallery, tiny_method()).matches
    }
    assert scores[row.id] > 0


def test_a_candidate_without_hashes_is_ranked_by_its_picture(tmp_path):
    bare = Candidate(**{**_fields(candidate(scene(3))), "pdq": None, "phash": "xyz", "dhash": None})
    gallery = load_gallery([store(tmp_path / "c", [bare])], [TinyEmbedder()])
    [match] = rank(query_from_bytes(png(scene(3)), "q.png", None), gallery, tiny_method()).matches
    assert match.verdict is Verdict.NEAR_COPY  # laid over the query, it agrees
    assert all(math.isnan(match.channels[name]) for name in ("pdq", "phash", "dhash"))
    assert match.channels["tiny"] > 0.9


def test_descriptors_are_computed_once(folder):
    first, second = TinyEmbedder(), TinyEmbedder()
    one = load_gallery([folder], [first])
    two = load_gallery([folder], [second])
    assert (first.embedded, second.embedded) == (40, 0)
    np.testing.assert_allclose(one.vectors["tiny"], two.vectors["tiny"], atol=1e-6)


def test_only_new_candidates_are_described(folder):
    load_gallery([folder], [TinyEmbedder()])
    store(folder, [candidate(scene(100))])
    again = TinyEmbedder()
    assert len(load_gallery([folder], [again]).ids) == 41
    assert again.embedded == 1


def test_another_models_vectors_are_refused(folder):
    load_gallery([folder], [TinyEmbedder()])
    other = TinyEmbedder()
    other.version = "2"
    mine = descriptor_folder(folder, "tiny", "1")
    mine.rename(descriptor_folder(folder, "tiny", "2"))
    with pytest.raises(DescriptorMismatchError, match="those of another model"):
        load_gallery([folder], [other])


def test_a_candidate_of_two_datasets_is_ranked_once(tmp_path):
    one = store(tmp_path / "one", [candidate(scene(1)), candidate(scene(2))])
    two = store(tmp_path / "two", [candidate(scene(2)), candidate(scene(3))])
    gallery = load_gallery([one, two], [TinyEmbedder()])
    assert len(gallery.ids) == len(set(gallery.ids)) == 3
    assert len(gallery.pick(gallery.ids)) == 3


def test_failed_candidates_and_undecodable_pictures_are_left_out(tmp_path):
    rows = [
        candidate(scene(1)),
        Candidate(id="failed-1", url="u", status=FetchStatus.NOT_FOUND),
        Candidate(**{**_fields(candidate(scene(2))), "image": b"not a picture"}),
    ]
    gallery = load_gallery([store(tmp_path / "c", rows)], [TinyEmbedder()])
    assert gallery.ids == (candidate(scene(1)).id,)


def test_nothing_to_rank_says_how_to_get_some(tmp_path):
    with pytest.raises(
        GalleryError, match="expected candidates with pictures, found none; harvest"
    ):
        load_gallery([tmp_path / "missing"], [TinyEmbedder()])


def test_a_hash_that_is_not_its_pictures_makes_no_near_copy(tmp_path):
    """A dataset may come from anybody: what is called a copy is checked against the picture."""
    genuine = candidate(scene(1))
    forged = Candidate(**{**_fields(candidate(scene(2))), "pdq": genuine.pdq, "pdq_quality": 100})
    gallery = load_gallery([store(tmp_path / "c", [forged])], [TinyEmbedder()])
    ranking = rank(query_from_bytes(png(scene(1)), "q.png", None), gallery, tiny_method())
    assert ranking.found[Verdict.NEAR_COPY] == 0
    assert ranking.matches[0].channels["pdq"] < 0.7


def test_a_copy_cannot_hide_behind_a_false_hash(tmp_path):
    hidden = Candidate(**{**_fields(candidate(scene(1))), "pdq": candidate(scene(2)).pdq})
    rows = [hidden, *(candidate(scene(seed)) for seed in range(3, 20))]
    gallery = load_gallery([store(tmp_path / "c", rows)], [TinyEmbedder()])
    ranking = rank(query_from_bytes(png(scene(1)), "q.png", None), gallery, tiny_method(), k=5)
    assert (ranking.found[Verdict.NEAR_COPY], ranking.matches[0].candidate_id) == (1, hidden.id)


def test_a_pipe_a_device_and_a_folder_are_no_pictures(tmp_path):
    """They may never end, or wait for ever to begin."""
    os.mkfifo(tmp_path / "pipe")
    for path, found in (
        (tmp_path / "pipe", "a device or pipe"),
        (Path("/dev/zero"), "a device or pipe"),
        (tmp_path, "a folder"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(QueryImageError, match=found):
            open_query(path, None)
