"""The cache of local features: what comes back is what was kept, and nothing stands in the way."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest

from attribution.matching.local_features import describe
from attribution.ranking.feature_cache import FeatureCache

PICTURE, MODEL = b"a file", "resnet50-1"


@pytest.fixture(scope="module")
def features():
    draw = np.random.default_rng(4)
    picture = np.kron(draw.integers(0, 256, (24, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    return describe(picture, draw.random((14, 14, 32), np.float32))


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features", room=3)


def files(cache):
    return sorted(path for path in cache._folder.iterdir())


def same(one, other):
    return one is not None and all(
        np.array_equal(mine, its) and np.asarray(mine).dtype == np.asarray(its).dtype
        for mine, its in (
            (getattr(one, field.name), getattr(other, field.name)) for field in fields(other)
        )
    )


def test_what_is_kept_comes_back_to_the_bit(cache, features):
    cache.put(PICTURE, MODEL, features)

    kept = cache.get(PICTURE, MODEL)

    assert len(features.points)
    assert len(features.cells)
    assert same(kept, features)


def test_a_picture_without_keypoints_and_cells_comes_back_too(cache):
    bare = describe(np.zeros((40, 60, 3), np.uint8))

    cache.put(PICTURE, MODEL, bare)

    assert same(cache.get(PICTURE, MODEL), bare)


@pytest.mark.parametrize(("picture", "model"), [(b"another", MODEL), (PICTURE, "resnet50-2")])
def test_another_picture_or_model_has_nothing(cache, features, picture, model):
    cache.put(PICTURE, MODEL, features)

    assert cache.get(picture, model) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:0],
        lambda body: body[:-1],
        lambda body: body[:40],
        lambda body: body[:-9] + bytes(9),
        lambda body: bytes(len(body) + 1)[1:],
    ],
)
def test_a_damaged_file_is_nothing_and_is_put_right(cache, features, damage):
    cache.put(PICTURE, MODEL, features)
    (path,) = files(cache)
    path.write_bytes(damage(path.read_bytes()))

    assert cache.get(PICTURE, MODEL) is None
    cache.put(PICTURE, MODEL, features)
    assert same(cache.get(PICTURE, MODEL), features)


def test_those_used_least_make_room(tmp_path, features):
    folder = tmp_path / "features"
    for number in range(3):
        FeatureCache(folder, room=3).put(b"%d" % number, MODEL, features)
        for path in folder.iterdir():
            os.utime(path, (path.stat().st_mtime - 60,) * 2)
    cache = FeatureCache(folder, room=3)
    assert cache.get(b"0", MODEL) is not None  # used now: 1 is the one not used for longest

    cache.put(b"3", MODEL, features)

    there = [name for name in (b"0", b"1", b"2", b"3") if cache.get(name, MODEL) is not None]
    assert there == [b"0", b"2", b"3"]
    assert len(files(cache)) == 3


def test_one_run_writes_no_more_than_there_is_room_for(cache, features):
    for number in range(9):
        cache.put(b"%d" % number, MODEL, features)

    assert [number for number in range(9) if cache.get(b"%d" % number, MODEL)] == [0, 1, 2]


def test_what_a_killed_process_left_behind_goes(cache, features):
    cache.put(PICTURE, MODEL, features)
    left, written_now = cache._folder / ".a.tmp", cache._folder / ".b.tmp"
    left.write_bytes(b"half")
    written_now.write_bytes(b"half")
    os.utime(left, (left.stat().st_mtime - 7200,) * 2)

    cache.put(b"another", MODEL, features)

    assert not left.exists()
    assert written_now.exists()
    assert cache.get(PICTURE, MODEL) is not None


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, features):
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(tmp_path / "file" / "features")

    cache.put(PICTURE, MODEL, features)

    assert cache.get(PICTURE, MODEL) is None
    assert (tmp_path / "file").read_text() == "in the way"


def test_many_threads_and_caches_share_a_folder(tmp_path, features):
    kept = [replace(features, size=complex(number, 1)) for number in range(8)]

    def write_and_read(turn):
        cache, number = FeatureCache(tmp_path / "features", room=8), turn % 8
        cache.put(b"%d" % number, MODEL, kept[number])
        return same(cache.get(b"%d" % number, MODEL), kept[number])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(write_and_read, range(64)))
    assert len(list((tmp_path / "features").iterdir())) == 8
