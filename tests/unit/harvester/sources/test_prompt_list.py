"""Lists of prompts and of pictures with their prompts."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester.errors import InputError
from harvester.sources.prompt_list import PromptJob, read_prompts


def id_of(prompt: str | None, image: str | None) -> str:
    return hashlib.sha256(json.dumps([prompt, image]).encode()).hexdigest()[:16]


def test_a_prompt_a_line(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("# my prompts\n\na boat --ar 1:1\r\n   \n#1 on the list\n#\n a fox \n")
    assert list(read_prompts(path)) == [
        PromptJob(prompt="a boat --ar 1:1", image=None, id=id_of("a boat --ar 1:1", None)),
        PromptJob(prompt="#1 on the list", image=None, id=id_of("#1 on the list", None)),
        PromptJob(prompt="a fox", image=None, id=id_of("a fox", None)),
    ]


def test_standard_input():
    stdin = io.BytesIO("\ufeffein Schiff bei Nacht, März\n".encode())
    assert [job.prompt for job in read_prompts("-", stdin=stdin)] == ["ein Schiff bei Nacht, März"]


def test_the_process_s_own_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a boat\n")))
    assert [job.prompt for job in read_prompts(Path("-"))] == ["a boat"]


@pytest.mark.parametrize(
    "name", ["jobs.csv", "jobs.tsv", "jobs.jsonl", "jobs.json", "jobs.parquet"]
)
def test_tables_name_pictures_from_their_own_folder(tmp_path, name):
    rows = [
        {"Prompt": "a boat, at sea", "image": "gen/1.png", "id": "b"},
        {"Prompt": "a fox", "image": "/elsewhere/2.png", "id": None},
        {"Prompt": None, "image": "3.png", "id": "7"},
    ]
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith("sv"):
        separator = "," if name.endswith(".csv") else "\t"
        lines = [[f'"{value or ""}"' for value in row.values()] for row in rows]
        path.write_text("\n".join(map(separator.join, [rows[0], *lines])))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    assert list(read_prompts(path)) == [
        PromptJob(prompt="a boat, at sea", image=tmp_path / "gen/1.png", id="b", has_own_id=True),
        PromptJob("a fox", Path("/elsewhere/2.png"), id_of("a fox", "/elsewhere/2.png")),
        PromptJob(prompt=None, image=tmp_path / "3.png", id="7", has_own_id=True),
    ]


def test_rows_with_nothing_are_skipped_and_counted(tmp_path, caplog):
    (tmp_path / "a.csv").write_text("prompt,image\na boat,\n,\n,x.png\n")
    found = [job.id for job in read_prompts(tmp_path / "a.csv")]
    assert found == [id_of("a boat", None), id_of(None, "x.png")]
    assert "skipped 1 rows" in caplog.text


def ids(path: Path, *rows: str) -> list[str]:
    path.write_text("image,prompt,id\n" + "".join(f"{row}\n" for row in rows))
    return [job.id for job in read_prompts(path)]


def test_a_row_without_an_id_is_the_same_job_wherever_it_stands(tmp_path):
    one, two, three = ids(tmp_path / "a.csv", "1.png,a boat,", "2.png,a boat,", "1.png,a fox,")
    assert len({one, two, three}) == 3
    again = ids(tmp_path / "b.csv", "0.png,,", "1.png,a fox,", "own.png,,1", "1.png,a boat,")
    assert (again[1], again[2], again[3]) == (three, "1", one)
    (tmp_path / "c.jsonl").write_text('{"prompt": "a boat", "path": "2.png"}')
    assert [job.id for job in read_prompts(tmp_path / "c.jsonl")] == [two]


def test_rows_that_say_the_same_are_counted(tmp_path):
    first, other, *more = ids(tmp_path / "a.csv", "a.png,x,", "b.png,x,", "a.png,x,", "a.png,x,")
    assert more == [f"{first}-2", f"{first}-3"]
    assert other != first


def test_what_belongs_to_which_column_tells_rows_apart(tmp_path):
    assert len(set(ids(tmp_path / "a.csv", "a,,", ",a,", "a,a,"))) == 3


def test_numbers_may_be_ids(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"prompt": "a boat", "id": 17}')
    assert [job.id for job in read_prompts(tmp_path / "a.jsonl")] == ["17"]


def test_a_zero_byte_in_a_name_is_a_missing_picture(tmp_path):
    (tmp_path / "a.jsonl").write_text(r'{"image": "a\u0000b.png"}')
    (job,) = read_prompts(tmp_path / "a.jsonl")
    assert not job.image.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "found nothing"),
        ("a.docx", b"PK", "found '.docx'"),
        ("a.txt", b"", "at least one prompt, found none"),
        ("a.txt", b"# only a remark\n\n", "at least one prompt, found none"),
        ("a.csv", b"prompt\n", "at least one prompt, found none"),
        ("a.csv", b"words\na boat\n", "found the columns 'words'"),
        ("a.txt", b"a boat\n\x89PNG", "0x89 at byte offset 7"),
        ("a.txt", "a boat\n".encode("utf-16"), "byte offset 0"),
        ("a.csv", b"prompt,id\na,1\nb,1\n", "found '1' twice"),
        ("a.jsonl", b'{"image": {"bytes": "x"}}', "row 1, found a dict"),
    ],
)
def test_bad_lists_are_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        list(read_prompts(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_list(tmp_path):
    with pytest.raises(InputError, match="found a folder"):
        read_prompts(tmp_path)


def test_empty_standard_input_says_so():
    with pytest.raises(InputError, match="standard input: expected at least one prompt"):
        list(read_prompts("-", stdin=io.BytesIO(b"\n")))
