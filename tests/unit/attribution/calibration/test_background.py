"""The background: two halves that share nothing, and files that are what they say."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from attribution.calibration import background
from attribution.calibration.background import (
    FEWEST,
    fit_background,
    read_background,
    write_background,
)
from attribution.descriptors.hashes import pack
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.descriptors.whitening import BASE, CHANNEL
from attribution.errors import BackgroundError
from attribution.ranking.fit_background import DUPLICATE_BITS, different, fit_on_datasets
from attribution.ranking.method import default_embedders
from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.pictures.decode import open_picture
from harvester.schema import Candidate
from tests.support.checkout import SAMPLE
from tests.support.tiny import TinyEmbedder, scene, tiny_background
from tests.unit.attribution.ranking.test_ranking import candidate


def names(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def small(count: int = 240, dimension: int = 8, **fields) -> background.Background:
    rows = np.random.default_rng(1).normal(size=(count, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    made = {
        "vectors": {"tiny": rows},
        "versions": {"tiny": "1"},
        "inliers": {"sift": np.arange(30) % 4},
    } | fields
    return fit_background("small", names(count), **made)


@pytest.fixture(scope="module")
def body(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("background") / "b.safetensors"
    write_background(path, small())
    return path.read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(BackgroundError) as caught:
        read_background(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: expected a background")
    assert "found" in text
    assert "attribute background" in text
    return text


def test_a_background_comes_back_from_its_file(tmp_path):
    made = tiny_background()
    write_background(tmp_path / "b.safetensors", made)
    again = read_background(tmp_path / "b.safetensors")
    assert (again.name, again.digest, again.versions) == (made.name, made.digest, made.versions)
    assert len(again) == len(made) == 400
    for half in ("reference", "null", "inliers", "hubs"):
        ours, theirs = getattr(made, half), getattr(again, half)
        assert ours.keys() == theirs.keys()
        for name, rows in ours.items():
            np.testing.assert_array_equal(rows, theirs[name])
    assert again.thresholds == made.thresholds


def test_a_file_is_read_and_written_to_the_same_bytes(tmp_path):
    """The shipped one too, whose whitened vectors follow from others and are not stored."""
    shipped = read_background()
    write_background(tmp_path / "again.safetensors", shipped)
    assert (tmp_path / "again.safetensors").read_bytes() == background.SHIPPED.read_bytes()


def test_the_halves_share_no_picture_and_ids_decide():
    ids = names(301)
    reference, null = background.draw_halves(ids)
    assert len(reference) - len(null) == 1
    assert sorted([*reference, *null]) == list(range(301))
    shuffled = ids.copy()
    random.Random(3).shuffle(shuffled)
    again = background.draw_halves(shuffled)
    for half, other in zip((reference, null), again, strict=True):
        assert {ids[row] for row in half} == {shuffled[row] for row in other}


def test_of_too_many_pictures_the_same_are_kept(monkeypatch):
    monkeypatch.setattr(background, "MOST", 250)
    ids = names(400)
    reference, null = background.draw_halves(ids)
    assert (len(reference), len(null)) == (125, 125)
    kept = {ids[row] for row in [*reference, *null]}
    assert kept == set(sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())[:250])


def test_the_hubs_of_the_null_are_its_ten_nearest_in_the_reference():
    made = small()
    reference, null = made.reference["tiny"], made.null["tiny"]
    expected = [np.mean(sorted(row @ one for one in reference)[-10:]) for row in null]
    np.testing.assert_allclose(made.hubs["tiny"], expected, atol=1e-6)


def test_fewer_than_200_pictures_are_no_background():
    assert len(small(FEWEST)) == FEWEST
    with pytest.raises(BackgroundError, match=r"at least 200 different pictures .* found 199"):
        small(FEWEST - 1)


def test_a_file_of_too_few_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(background, "FEWEST", 10)
        write_background(tmp_path / "b", small(50))
    assert "at least 200 pictures, found 50" in refused(tmp_path / "b")


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\x89PNG\r\n\x1a\n" + bytes(400), b"[1, 2]" * 100, struct.pack("<Q", 1 << 62)],
    ids=["empty", "a byte", "png", "json", "endless header"],
)
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    refused(tmp_path / "b")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path / "none")
    assert "directory" in refused(tmp_path)


def test_the_whitening_and_the_network_are_no_background():
    weights = background.SHIPPED.parent
    refused(weights / "resnet50-whitening.safetensors")


def test_a_huge_file_is_refused_unread(tmp_path, monkeypatch):
    """Its size is known before it is in memory."""
    monkeypatch.setattr(background, "_MAX_BYTES", 1000)
    with (tmp_path / "b").open("wb") as stream:
        stream.truncate(1 << 40)
    refused(tmp_path / "b")
    write_background(tmp_path / "c", small())
    assert "more than" in refused(tmp_path / "c")


@pytest.mark.parametrize("seed", range(60))
def test_truncated_files_are_refused(tmp_path, body, seed):
    (tmp_path / "b").write_bytes(body[: random.Random(seed).randrange(len(body))])
    refused(tmp_path / "b")


@pytest.mark.parametrize("seed", range(150))
def test_a_flipped_bit_gives_a_background_or_a_refusal(tmp_path, body, seed):
    """Most in the header, where they can mean anything."""
    draw = random.Random(seed)
    changed = bytearray(body)
    header = 8 + int.from_bytes(body[:8], "little")
    for _ in range(draw.choice([1, 1, 3, 20])):
        changed[draw.randrange(header if draw.random() < 0.8 else len(body))] ^= (
            1 << draw.randrange(8)
        )
    (tmp_path / "b").write_bytes(changed)
    try:
        made = read_background(tmp_path / "b")
    except BackgroundError as exc:
        assert "\n" not in str(exc)  # noqa: PT017  # either outcome is right
    else:
        assert len(made) >= FEWEST
        assert all(np.isfinite(rows).all() for rows in made.null.values())
        assert all(value >= 8 for value in made.thresholds.values())


def crafted(path: Path, told: object, **changed: np.ndarray) -> Path:
    """A file of safetensors with any words and arrays."""
    rows = np.eye(8, dtype=np.float16)[np.arange(120) % 8]
    arrays = {"tiny/reference": rows, "tiny/null": rows, "inliers/sift": np.arange(30)} | {
        name.replace("__", "/"): array for name, array in changed.items()
    }
    words = told if isinstance(told, str) else json.dumps(told)
    path.write_bytes(save(arrays, metadata={"whence": words}))
    return path


TOLD = {"format": 1, "name": "small", "versions": {"tiny": "1"}}


def test_crafted_words_are_read_where_they_are_right(tmp_path):
    assert len(read_background(crafted(tmp_path / "b", TOLD))) == 240


@pytest.mark.parametrize(
    "told",
    [
        TOLD | {"format": 2},
        TOLD | {"versions": {}},
        TOLD | {"versions": ["tiny"]},
        TOLD | {"versions": {"tiny": "1", "other": "1"}},
        {"versions": {"tiny": "1"}},
        [],
        "",
        "null",
        "{",
        "[" * 100_000,
    ],
    ids="format no-channel list lacking bare array empty null half deep".split(),
)
def test_a_file_with_other_words_is_refused(tmp_path, told):
    refused(crafted(tmp_path / "b", told))


@pytest.mark.parametrize(
    "changed",
    [
        {"tiny__null": np.zeros((120, 7), np.float16)},
        {"tiny__null": np.zeros((0, 8), np.float16)},
        {"tiny__null": np.zeros(120, np.float16)},
        {"tiny__null": np.full((120, 8), np.nan, np.float16)},
        {"tiny__null": np.full((120, 8), np.inf, np.float16)},
        {"inliers__sift": np.zeros(0, np.int64)},
        {"inliers__sift": np.zeros((3, 3), np.int64)},
        {"inliers__sift": np.full(30, np.nan, np.float32)},
        {"inliers__sift": np.full(30, -5, np.int64)},
    ],
    ids="dimension empty flat nan infinite no-counts table nan-counts negative".split(),
)
def test_arrays_that_do_not_fit_together_are_refused(tmp_path, changed):
    refused(crafted(tmp_path / "b", TOLD, **changed))


def test_rows_are_of_length_one_whatever_the_file_says(tmp_path):
    """A background of long rows would make every candidate look near."""
    rows = np.random.default_rng(1).normal(size=(120, 8)).astype(np.float16)
    path = crafted(tmp_path / "b", TOLD, tiny__null=rows * np.float16(9), tiny__reference=rows)
    try:
        made = read_background(path)
    except BackgroundError:
        return
    for half in (made.reference, made.null):
        np.testing.assert_allclose(np.linalg.norm(half["tiny"], axis=1), 1, atol=2e-3)


def test_another_models_background_is_refused():
    made, other = tiny_background(), TinyEmbedder()
    made.check([other])
    other.version = "2"
    with pytest.raises(BackgroundError, match=r"tiny@2, found tiny@1; fit it again"):
        made.check([other])


def test_a_background_that_lacks_the_first_channel_is_refused():
    """Nothing could be calibrated with it; a further channel may be without."""
    tiny_background().check([TinyEmbedder(), TinyEmbedder("another")])
    with pytest.raises(BackgroundError, match="another"):
        tiny_background().check([TinyEmbedder("another")])


def test_vectors_of_another_length_are_refused():
    longer = TinyEmbedder()
    longer.dimension = 49
    with pytest.raises(BackgroundError, match="tiny"):
        tiny_background().check([longer])


def test_near_duplicates_are_left_out_the_first_kept():
    base = np.zeros(256, np.uint8)
    hashes = []
    for bits in (0, DUPLICATE_BITS, DUPLICATE_BITS + 1, 200, 250):
        changed = base.copy()
        changed[:bits] = 1
        hashes.append(np.packbits(changed).tobytes().hex())
    words, _ = pack(hashes, 256)
    # 250 is within 60 bits of 200, and 61 of 60, which itself was left out.
    assert different(words).tolist() == [0, 2, 3]


class TinyCells:
    """Random cells, the same for the same picture."""

    def cells(self, pictures):
        made = [np.random.default_rng(int(p.sum())).normal(size=(14, 14, 8)) for p in pictures]
        cells = np.array(made, np.float32)
        return cells / np.linalg.norm(cells, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """210 scenes, and 20 copies of them a shade lighter."""
    folder = tmp_path_factory.mktemp("scenes") / "candidates"
    with DatasetWriter(folder, Candidate) as opened:
        for seed in range(210):
            opened.append(candidate(scene(seed, 96)))
        for seed in range(20):
            opened.append(
                candidate(np.clip(scene(seed, 96).astype(int) + 9, 0, 255).astype(np.uint8))
            )
    return folder


def test_a_dataset_makes_the_same_background_each_time(dataset, monkeypatch):
    monkeypatch.setattr("attribution.ranking.fit_background.PLACED", 16)
    seen = []
    one, two = (
        fit_on_datasets(
            [dataset],
            [TinyEmbedder()],
            TinyCells(),
            name="scenes",
            placed=lambda *n: seen.append(n),
        )
        for _ in range(2)
    )
    assert len(one) == 210
    assert one.digest == two.digest
    assert {name: len(counts) for name, counts in one.inliers.items()} == {
        "sift": 16 * 12,
        "cells": 16 * 12,
    }
    assert seen[:16] == [(number, 16) for number in range(1, 17)]


def test_datasets_of_too_few_different_pictures_are_refused(tmp_path):
    with DatasetWriter(tmp_path / "c", Candidate) as opened:
        for seed in range(30):
            opened.append(candidate(scene(seed, 64)))
    with pytest.raises(BackgroundError, match="found 30; harvest more"):
        fit_on_datasets([tmp_path / "c"], [TinyEmbedder()], TinyCells(), name="few")


def test_the_shipped_background_fits_the_present_models():
    shipped = read_background()
    shipped.check(default_embedders())
    assert len(shipped) >= 1000
    assert {one.channel for one in default_embedders()} == set(shipped.versions)
    assert CHANNEL in shipped.null
    assert set(shipped.thresholds) == {"sift", "cells"}
    for half in (shipped.reference, shipped.null):
        for rows in half.values():
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=5e-3)


def test_the_shipped_background_has_no_picture_of_the_sample():
    """It keeps vectors alone, so a picture that is in both would have the cosine 1."""
    folder = SAMPLE / "candidates"
    ids = shards.read(folder, Candidate, ["id"]).column("id").to_pylist()
    found = shards.pick(folder, Candidate, ids).values()
    pictures = [open_picture(one.image).rgb for one in found if one.image]
    assert len(pictures) > 50
    vectors = ResNet50Gem().embed(pictures)
    shipped = read_background()
    for half in (shipped.reference, shipped.null):
        assert (vectors @ half[BASE].T).max() < 0.98


def test_the_two_halves_of_the_shipped_background_share_no_picture():
    shipped = read_background()
    assert (shipped.reference[BASE] @ shipped.null[BASE].T).max() < 0.995
