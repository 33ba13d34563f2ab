"""The key of the pseudonyms: made once, kept, private, and never empty."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from harvester.discord.pseudonyms import ENVIRONMENT, author_key
from harvester.errors import ShardError


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path):
    folder = tmp_path / "settings" / "whence"
    key = author_key(folder)
    assert len(key) == 64
    assert author_key(folder) == key
    assert stat.S_IMODE((folder / "author.key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["author.key"]


def test_two_homes_have_two_keys(tmp_path):
    assert author_key(tmp_path / "a") != author_key(tmp_path / "b")


def test_harvests_that_start_together_share_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(author_key, [tmp_path] * 64))
    assert len(keys) == 1


def test_the_environment_comes_first_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "my own secret")
    assert author_key(tmp_path / "new") == b"my own secret"
    assert not (tmp_path / "new").exists()


def test_an_empty_key_is_refused_because_it_would_hide_nobody(tmp_path):
    (tmp_path / "author.key").write_bytes(b"\n")
    with pytest.raises(ShardError, match="found an empty file; put the key back"):
        author_key(tmp_path)


def test_a_place_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ShardError, match=f"set {ENVIRONMENT} to a secret") as caught:
        author_key(tmp_path / "file" / "whence")
    assert "\n" not in str(caught.value)


def test_without_hard_links_the_key_is_whole_all_the_same(tmp_path, monkeypatch):
    """Some file systems have none: FAT, many network folders."""

    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(author_key, [tmp_path] * 64))
    [key] = keys
    assert len(key) == 64
    assert stat.S_IMODE((tmp_path / "author.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["author.key"]


def test_an_old_empty_key_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "author.key"
    path.touch()
    os.utime(path, (0, 0))
    waits: list[float] = []
    monkeypatch.setattr("harvester.discord.pseudonyms.time.sleep", waits.append)
    with pytest.raises(ShardError, match="empty file"):
        author_key(tmp_path)
    assert not waits
