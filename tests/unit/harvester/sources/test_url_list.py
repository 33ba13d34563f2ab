"""Lists of addresses in every format, with LAION's and other columns; hostile lists too."""

from __future__ import annotations

import gzip
import json
import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester.errors import InputError
from harvester.sources.url_list import read_url_list

ROWS = [
    {"URL": "https://a.example/1.jpg", "TEXT": "a boat"},
    {"URL": "https://a.example/2%20b.jpg?x=%2B", "TEXT": "a house, old"},
]


def brief(path):
    return [(found.url, found.caption, found.rank) for found in read_url_list(path)]


EXPECTED = [(row["URL"], row["TEXT"], rank) for rank, row in enumerate(ROWS, start=1)]


def test_laion_parquet(tmp_path):
    path = tmp_path / "laion.parquet"
    columns = {
        **{name: [row[name] for row in ROWS] for name in ("URL", "TEXT")},
        "WIDTH": [640, 640],
        "similarity": [0.3, 0.4],
        "hash": [1, 2],
        "punsafe": [0.0, 0.1],
    }
    pq.write_table(pa.table(columns), path)
    found = list(read_url_list(path))
    assert [(each.url, each.caption, each.rank) for each in found] == EXPECTED
    assert {each.source for each in found} == {"urls"}
    assert all(each.found_at is not None for each in found)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", 'URL,TEXT\n{0[URL]},{0[TEXT]}\n{1[URL]},"{1[TEXT]}"\n'),
        ("list.CSV", '\ufeffurl ,Caption\r\n{0[URL]},{0[TEXT]}\r\n\r\n{1[URL]},"{1[TEXT]}"\r\n'),
        ("half.csv", "\n\nalt;image_url\n{0[TEXT]};{0[URL]}\n{1[TEXT]};{1[URL]}\n"),
        ("list.tsv", "text\timage\n{0[TEXT]}\t{0[URL]}\n{1[TEXT]}\t{1[URL]}"),
    ],
)
def test_separated_values(tmp_path, name, content):
    (tmp_path / name).write_text(content.format(*ROWS), encoding="utf-8", newline="")
    assert brief(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("array.json", json.dumps(ROWS, indent=1)),
        ("marked.json", "\ufeff  " + json.dumps(ROWS)),
        ("lines.json", "\n".join(map(json.dumps, ROWS))),
        ("spread.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("lines.jsonl", "\n\n".join(map(json.dumps, ROWS)) + "\n"),
        ("lines.ndjson", "\ufeff" + "\r\n".join(map(json.dumps, ROWS))),
    ],
)
def test_json_in_every_layout(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert brief(tmp_path / name) == EXPECTED


def test_an_array_of_addresses(tmp_path):
    (tmp_path / "a.json").write_text('["https://a.example/1.jpg", "https://a.example/2.jpg"]')
    assert [found.url for found in read_url_list(tmp_path / "a.json")] == [
        "https://a.example/1.jpg",
        "https://a.example/2.jpg",
    ]


def test_an_address_a_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(
        b"\xef\xbb\xbfhttps://a.example/1.jpg\r\n\n  http://b.example/x "
    )
    assert [(found.url, found.rank) for found in read_url_list(tmp_path / "a.txt")] == [
        ("https://a.example/1.jpg", 1),
        ("http://b.example/x", 2),
    ]


def test_gzipped_text(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wt") as stream:
        stream.write("url,text\nhttps://a.example/1.jpg,a boat\n")
    assert brief(tmp_path / "a.csv.gz") == [("https://a.example/1.jpg", "a boat", 1)]


def test_every_list_of_a_folder_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        (tmp_path / f"part{number}.txt").write_text(f"https://a.example/{number}.jpg\n")
    (tmp_path / "README.md").write_text("no list")
    assert [(found.url, found.rank) for found in read_url_list(tmp_path)] == [
        ("https://a.example/1.jpg", 1),
        ("https://a.example/2.jpg", 2),
        ("https://a.example/10.jpg", 3),
    ]


def test_provenance_columns_are_kept(tmp_path):
    record = {
        "Image": "https://a.example/1.jpg",
        "title": "The boat",
        "Author": "A. Painter",
        "page_url": "https://a.example/boat",
        "license": "CC BY 4.0",
        "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "similarity": 0.4,
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    (found,) = read_url_list(tmp_path / "a.jsonl")
    assert (found.title, found.creator, found.license) == ("The boat", "A. Painter", "CC BY 4.0")
    assert found.page_url == "https://a.example/boat"
    assert found.license_url == "https://creativecommons.org/licenses/by/4.0/"
    assert found.caption is None


def test_rows_without_an_address_are_skipped_and_counted(tmp_path, caplog):
    rows = [{"url": "https://a.example/1.jpg"}, {"url": None}, {"url": 7}, {"url": "  "}, {"x": 1}]
    rows += [{"url": ["https://a.example/2.jpg"]}, {"url": "https://a.example/3.jpg"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with caplog.at_level(logging.WARNING):
        found = list(read_url_list(tmp_path / "a.jsonl"))
    assert [(each.url, each.rank) for each in found] == [
        ("https://a.example/1.jpg", 1),
        ("https://a.example/3.jpg", 7),
    ]
    assert "skipped 5 of 7 rows" in caplog.text


def test_text_that_parquet_cannot_hold_is_mended(tmp_path):
    (tmp_path / "a.jsonl").write_text(r'{"url": "https://a.example/1.jpg", "text": "a \ud800 b"}')
    (found,) = read_url_list(tmp_path / "a.jsonl")
    assert found.caption == "a \ufffd b"


def test_no_column_of_addresses_names_the_columns_found(tmp_path):
    (tmp_path / "a.csv").write_text("link,words\nhttps://a.example/1.jpg,x\n")
    with pytest.raises(InputError, match=r"expected a column called one of url.*'link', 'words'"):
        list(read_url_list(tmp_path / "a.csv"))
    (tmp_path / "a.jsonl").write_text('{"link": "https://a.example/1.jpg"}\n')
    with pytest.raises(InputError, match="'link'"):
        list(read_url_list(tmp_path / "a.jsonl"))
    pq.write_table(pa.table({"link": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'link'"):
        list(read_url_list(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "found nothing"),
        ("a.xlsx", b"PK", "found '.xlsx'"),
        ("a.csv", b"", "found none in 0 rows"),
        ("a.txt", b"\n\n", "found none in 0 rows"),
        ("a.csv", b"url\n \n", "found none in 1 rows"),
        ("a.json", b"", "expected"),
        ("a.json", b"{}", "found the columns none"),
        ("a.json", b"[]", "found none in 0 rows"),
        ("a.json", b"[1, 2]", "found a int"),
        ("a.json", b'[{"url": "https://a.exa', "copied to the end"),
        ("a.json", b"\xff\xfe[\x00]\x00", "expected a whole .json"),
        ("a.json", b"[" * 200_000, "nested more than 100 deep; give a list of records"),
        ("a.json", b'{"a":' * 200_000, "nested more than 100 deep"),
        ("a.json", b'["' + b"x" * (17 << 20), "one value of more than 16 MiB"),
        ("a.json", b'[{"url": ' + b"9" * 10_000 + b"}]", "integer overflow"),
        ("a.jsonl", b'{"url": "x"}\n{"url": ', "line 2"),
        ("a.jsonl", b"[" * 200_000, "line 1"),
        ("a.jsonl", b'{"url": ' + b"9" * 10_000 + b"}", "line 1"),
        ("a.csv", "url\nhttps://a.example/ü.jpg".encode("latin-1"), "byte offset 22"),
        ("a.csv", "url\nhttps://a.example".encode("utf-16"), "byte offset 0"),
        ("a.csv", "url\nhttps://a.example".encode("utf-16-le"), "zero byte at byte offset 1"),
        ("a.csv", b'url\n"' + b"x,\n" * 100_000, "near line"),
        ("a.parquet", b"PAR1 and no more", "expected a whole .parquet"),
        ("a.csv.gz", b"url\nnot gzipped", "expected a whole .csv"),
        # Without the time of day, which would be in the test's name.
        ("a.csv.gz", gzip.compress(b"url\n" + bytes(range(256)) * 99, mtime=0)[:60], "expected"),
    ],
)
def test_bad_lists_are_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        list(read_url_list(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_folder_without_lists_points_to_the_other_command(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="harvest folder"):
        read_url_list(tmp_path)


def test_a_line_without_end_is_refused_before_it_fills_memory(tmp_path):
    with (tmp_path / "a.csv").open("wb") as stream:
        stream.truncate(64 << 20)
    with pytest.raises(InputError, match="over 16 MiB at byte offset 0"):
        list(read_url_list(tmp_path / "a.csv"))


def test_what_came_before_a_break_is_kept(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"url": "https://a.example/1.jpg"}\nbroken')
    found = read_url_list(tmp_path / "a.jsonl")
    assert next(found).url == "https://a.example/1.jpg"
    with pytest.raises(InputError, match="line 2"):
        next(found)
