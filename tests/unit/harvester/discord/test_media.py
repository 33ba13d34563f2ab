"""Saved pictures are found inside the export's folder, and nothing outside is ever looked at."""

from __future__ import annotations

import os

import pytest

from harvester.discord.export import MessageTally, Post, read_exports
from harvester.schema import FetchStatus
from tests.support.discord_samples import GRID_JOB, PICTURE, export, file_name, message, write

STORED = "sample.user_a_glass_0c5ba97c-5a71-4b6e-9f3-0123456789ABCDEF.png"


@pytest.fixture
def folder(tmp_path):
    """An export's folder with a picture in its media folder, and a secret beside it."""
    export_folder = tmp_path / "exports"
    media = export_folder / "Guild: renders.json_Files"
    media.mkdir(parents=True)
    (media / STORED).write_bytes(PICTURE)
    (media / "100% glass-1A2B3.png").write_bytes(PICTURE)
    (tmp_path / "secret.png").write_bytes(PICTURE)
    return export_folder


def read_one(folder, url: str, *, key: bytes | None = b"key") -> Post:
    attachment = {"id": "1", "url": url, "fileName": file_name(GRID_JOB), "fileSizeBytes": 1}
    asked = message("**glass** - @Unknown (fast)", attachments=[attachment])
    path = write(folder / "Guild: renders.json", export(asked))
    [post] = read_exports([path], author_key=key, tally=MessageTally())
    return post


@pytest.mark.parametrize(
    "url",
    [
        f"Guild: renders.json_Files/{STORED}",
        f"Guild: renders.json_Files\\{STORED}",
        f"Guild%3A%20renders.json_Files/{STORED}",
        f"Guild%3A%20renders.json_Files%5C{STORED}",
        f"./Guild: renders.json_Files/../Guild: renders.json_Files/{STORED}",
        "Guild: renders.json_Files/100% glass-1A2B3.png",
        "Guild%3A%20renders.json_Files/100%25%20glass-1A2B3.png",
    ],
)
def test_a_saved_picture_is_found(folder, url):
    post = read_one(folder, url)
    assert post.media is not None
    assert post.media.read_bytes() == PICTURE
    assert post.generation.status is FetchStatus.OK
    assert post.generation.job_id == GRID_JOB


def test_the_stored_address_holds_no_user_name(folder):
    url = f"Guild: renders.json_Files/{STORED}"
    hidden = read_one(folder, url).generation.url
    assert hidden == "file:Guild: renders.json_Files/user-0123456789ABCDEF.png"
    assert read_one(folder, url, key=None).generation.url == f"file:{url}"


@pytest.mark.parametrize(
    "url",
    [
        "../secret.png",
        "Guild: renders.json_Files/../../secret.png",
        "..\\secret.png",
        "..%2Fsecret.png",
        "%2e%2e/secret.png",
        "..%5Csecret.png",
        "/etc/passwd.png",
        "link.png",
        "linked/secret.png",
        "C:\\Users\\x\\secret.png",
        "\\\\server\\share\\secret.png",
        "file:///etc/passwd.png",
        "ftp://example.org/a.png",
        "data:image/png;base64,AAAA",
    ],
)
def test_nothing_outside_the_folder_is_read(folder, url):
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "linked").symlink_to(folder.parent, target_is_directory=True)
    post = read_one(folder, url)
    assert post.media is None
    assert post.generation.status is FetchStatus.BAD_URL
    assert post.generation.url is None
    assert "leads elsewhere" in (post.generation.error or "")


@pytest.mark.parametrize(
    "url",
    [
        "Guild: renders.json_Files/gone.png",
        "Guild: renders.json_Files",
        "loop/a.png",
        "x" * 5000 + ".png",
        "a\0b.png",
        "pipe.png",
    ],
)
def test_a_missing_picture_is_a_row(folder, url):
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe.png")
    post = read_one(folder, url)
    assert post.media is None
    assert post.generation.status is FetchStatus.NOT_FOUND
    assert "media folder" in (post.generation.error or "")
