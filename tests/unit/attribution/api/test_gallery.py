"""Galleries from code: pictures of every kind, many at once, reports; the small method stands in."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from attribution import BackboneNameError, GalleryError, OpenGallery, QueryImageError, open_query
from attribution.api.gallery import describe, load_backbones
from harvester import Candidate, Generation, InputError
from harvester.dataset.writer import DatasetWriter
from harvester.pictures.decode import compute_hashes, encode_jpeg
from tests.support.tiny import TinyEmbedder, scene, tiny_method


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()


@pytest.fixture
def gallery(tmp_path) -> OpenGallery:
    with DatasetWriter(tmp_path / "candidates", Candidate) as store:
        for seed in range(12):
            hashes = compute_hashes(scene(seed))
            store.append(
                Candidate(
                    id=f"{seed:02d}",
                    title=f"scene {seed}",
                    image=encode_jpeg(scene(seed)),
                    pdq=hashes.pdq,
                    pdq_quality=hashes.pdq_quality,
                )
            )
    return describe([str(tmp_path / "candidates")], tiny_method(TinyEmbedder()))


def pictures_of_one_scene(folder):
    picture = scene(3)
    path = folder / "three.png"
    path.write_bytes(png(picture))
    return {
        "path": path,
        "text": str(path),
        "bytes": png(picture),
        "array": picture,
        "pillow": Image.fromarray(picture),
        "alpha": Image.fromarray(picture).convert("RGBA"),
    }


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "array", "pillow", "alpha"])
def test_a_picture_may_be_of_any_kind(gallery, tmp_path, kind):
    ranking = gallery.rank(pictures_of_one_scene(tmp_path)[kind], "scene 3", top=2)
    assert ranking.matches[0].candidate_id == "03"
    assert ranking.verdict == "near copy"
    assert len(gallery) == ranking.gallery_size == 12


def test_a_pillow_image_is_turned_as_its_file_would_be(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(scene(3))).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        in_memory = open_query(opened).views[0].picture
    assert (in_memory == open_query(tmp_path / "turned.png").views[0].picture).all()


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (b"<html>", "found a web page"),
        ("no.png", "no.png: expected a picture"),
        (scene(1)[:, :, 0], "uint8 of shape"),
        (scene(1).astype(np.float32), "float32 of shape"),
        (np.zeros((0, 0, 3), np.uint8), "shape"),
        (None, "found NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(image, found):
    with pytest.raises(QueryImageError, match=found):
        open_query(image)


def test_one_broken_picture_among_many_is_a_result(gallery):
    row = Generation(id="g", prompt="scene 2", raw_content="", image=encode_jpeg(scene(2)))
    pictures = [scene(1), b"broken", (png(scene(5)), "scene 5 --no birds"), None, row]
    results = list(gallery.rank_many(pictures, top=1))
    assert [one.outcome for one in results] == ["ranked", "failed", "ranked", "failed", "ranked"]
    assert [one.ranking.matches[0].candidate_id for one in results if one.ranking] == [
        "01",
        "05",
        "02",
    ]
    assert results[1].ranking is None
    assert "expected a JPEG" in results[1].error
    assert results[2].ranking.query.prompt_parts.negatives == ("birds",)
    assert [one.job.id for one in results] == ["1", "2", "3", "4", "g"]
    assert results[0].candidates["01"].title == "scene 1"


def test_many_pictures_are_read_as_their_results_are_asked_for(gallery):
    read: list[int] = []

    def endless():
        while True:
            read.append(1)
            yield scene(1)

    results = gallery.rank_many(endless(), top=1)
    assert next(results).outcome == "ranked"
    assert len(read) < 10
    results.close()


def test_a_ranking_becomes_records_text_and_a_page(gallery, tmp_path):
    ranking = gallery.rank(scene(3), "scene 3", top=2)
    records = json.loads(json.dumps(gallery.to_records(ranking)))
    assert records[0]["candidate_id"] == "03"
    assert records[0]["title"] == gallery.candidates(ranking)["03"].title == "scene 3"
    assert "scene 3" in gallery.to_text(ranking)
    gallery.write_report(tmp_path / "made" / "page.html", ranking, ranking)
    page = (tmp_path / "made" / "page.html").read_text("utf-8")
    assert page.count("near copy") >= 2
    gallery.write_report(tmp_path / "made" / "page.html", ranking)
    (tmp_path / "letter.html").write_text("mine")
    with pytest.raises(InputError, match="found another"):
        gallery.write_report(tmp_path / "letter.html", ranking)


def test_a_dataset_without_pictures_and_a_model_without_a_name_are_refused(tmp_path):
    with pytest.raises(GalleryError):
        describe([tmp_path], tiny_method(TinyEmbedder()))
    with pytest.raises(BackboneNameError):
        load_backbones(["nobody:model"])
