"""Which files are read, in which order, and what the others are told."""

from __future__ import annotations

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester.discord.export import MessageTally, read_exports
from harvester.errors import ExportFormatError
from tests.support.discord_samples import CHANNEL, export, message, raw, write
from tests.support.patience import cpu_seconds


def job(prompt: str) -> dict:
    return message(f"**{prompt}** - @Unknown (fast)")


def prompts(*paths, tally: MessageTally | None = None) -> list[str]:
    posts = read_exports([str(path) for path in paths], tally=tally or MessageTally())
    return [post.generation.prompt for post in posts]


def error_of(path) -> str:
    with pytest.raises(ExportFormatError) as caught:
        read_exports([path], tally=MessageTally())
    text = str(caught.value)
    assert "\n" not in text
    assert "expected" in text
    assert "found" in text
    return text


@pytest.fixture
def parts(tmp_path):
    """Eleven parts of one export, the first without a number."""
    stem = f"Guild - renders [{CHANNEL}]"
    for number in range(1, 12):
        name = f"{stem}.json" if number == 1 else f"{stem} [part {number}].json"
        write(tmp_path / name, export(job(f"p{number}")))
    return tmp_path


IN_ORDER = [f"p{number}" for number in range(1, 12)]


def test_parts_of_a_folder_are_read_by_number(parts):
    assert prompts(parts) == IN_ORDER


@pytest.mark.parametrize("pattern", ["*.json", f"Guild - renders [{CHANNEL}]*.json"])
def test_a_glob_may_hold_the_brackets_of_the_exporter(parts, pattern):
    assert prompts(parts / pattern) == IN_ORDER


def test_a_file_with_brackets_in_its_name_is_a_file(parts):
    assert prompts(parts / f"Guild - renders [{CHANNEL}] [part 2].json") == ["p2"]


def test_a_file_given_twice_is_read_once(parts):
    first = parts / f"Guild - renders [{CHANNEL}].json"
    assert prompts(first, first, parts / "*part 3*") == ["p1", "p3"]


def test_the_layout_is_told_by_content_and_not_by_the_ending(tmp_path):
    path = write(tmp_path / "e.json", export(job("a")))
    path.rename(tmp_path / "e.csv")
    assert prompts(tmp_path / "e.csv") == ["a"]


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = tmp_path / "e.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(export(job("a"))).encode())
    assert prompts(path) == ["a"]


def test_an_empty_channel_is_an_export(tmp_path):
    assert prompts(write(tmp_path / "e.json", export())) == []


def test_a_folder_leaves_out_other_files_and_says_so(tmp_path, caplog):
    write(tmp_path / "e.json", export(job("a")))
    write(tmp_path / "settings.json", {"theme": "dark"})
    (tmp_path / ".hidden.json").write_text("x", encoding="utf-8")
    (tmp_path / "e.json_Files").mkdir()
    tally = MessageTally()
    assert prompts(tmp_path, tally=tally) == ["a"]
    assert len(tally.skipped) == 1
    assert "settings.json" in tally.skipped[0]
    assert "settings.json" in caplog.text


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b" \n\t ", "an empty file"),
        (b"\xef\xbb\xbf", "an empty file"),
        (b"hello world", "no JSON"),
        (b"{", "broken JSON"),
        (b"{'a': 1}", "broken JSON"),
        (b"{}", "no key"),
        (b"[]", "an empty list at $[0]"),
        (b"[1, 2]", "a number at $[0]"),
        (b'[["a"]]', "a string at $[0][0]"),
        (b'{"theme": "dark"}', "(theme) at $"),
        (b'{"messages": 5}', "a number at $.messages"),
        (b'{"messages": ["a"]}', "a string at $.messages[0]"),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', "(content, role) at $.messages[0]"),
        (b'{"messages": [[{"text": 1}]]}', "(text) at $.messages[0][0]"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"\x1f\x8b\x08", "gzip"),
        ('{"a":1}'.encode("utf-16"), "UTF-16"),
        (b"=====\nGuild: Sample", "plain text"),
        (b"name,age\nx,2\n", "(name, age)"),
        (b"PAR1 but no more", "a broken Parquet file"),
        (b"\x00\x01\x02", "no JSON"),
    ],
)
def test_what_is_no_export_is_named(tmp_path, content, found):
    path = tmp_path / "given.json"
    path.write_bytes(content)
    text = error_of(path)
    assert found in text
    assert str(path) in text
    assert "DiscordChatExporter" in text


def test_a_table_with_other_columns_names_them(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"URL": ["a"], "TEXT": ["b"]}), path)
    assert "(URL, TEXT)" in error_of(path)


def test_missing_paths_are_named(tmp_path):
    assert "nothing there" in error_of(tmp_path / "none.json")
    assert "no file that matches" in error_of(tmp_path / "*.json")
    assert "none among 0 entries" in error_of(tmp_path)
    assert error_of(tmp_path / ("x" * 5000))


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    assert "a pipe" in error_of(tmp_path / "pipe.json")


PACKAGE_MESSAGE = {"ID": 1, "Timestamp": "2024-01-05", "Contents": "hi", "Attachments": ""}


def test_a_data_package_is_told_that_it_holds_no_generations(tmp_path):
    package = tmp_path / "unpacked" / "package"
    channel = write(package / "messages" / "c123" / "messages.json", [PACKAGE_MESSAGE])
    index = write(package / "messages" / "index.json", {"123": "renders", "456": None})
    table = package / "messages" / "c456" / "messages.csv"
    table.parent.mkdir()
    table.write_text("ID,Timestamp,Contents,Attachments\n1,2024,hi,\n", encoding="utf-8")
    for path in (package.parent, package, package / "messages", channel, index, table):
        text = error_of(path)
        assert "data package" in text, path
        assert "no bot generations" in text
        assert "DiscordChatExporter" in text


def test_a_cut_export_gives_what_stands_before_the_break(tmp_path, caplog):
    whole = write(tmp_path / "e.json", export(job("a"), job("b"), job("c"))).read_bytes()
    path = tmp_path / "cut.json"
    for cut in (whole.index(b"**c**"), len(whole) - 5, whole.index(b"}", whole.index(b"**b**"))):
        path.write_bytes(whole[:cut])
        tally = MessageTally()
        found = prompts(path, tally=tally)
        assert found == ["a", "b", "c"][: len(found)]
        assert found
        assert tally.kinds["finished"] == len(found)
        assert len(tally.truncated) == 1
        assert str(path) in tally.truncated[0]
    assert "export the channel again" in caplog.text


@pytest.mark.parametrize("cut_at", [b'"messages": [', b'"content"', b'"id": "11900000'])
def test_a_cut_in_the_first_message_is_still_an_export(tmp_path, cut_at):
    whole = write(tmp_path / "e.json", export(job("a"))).read_bytes()
    path = tmp_path / "cut.json"
    path.write_bytes(whole[: whole.index(cut_at) + len(cut_at)])
    tally = MessageTally()
    assert prompts(path, tally=tally) == []
    assert len(tally.truncated) == 1


def test_other_layouts_that_break_off_are_noted_too(tmp_path):
    header = "AuthorID,Author,Date,Content,Attachments,Reactions\n"
    row = '"","","","**a** - @x","https://x/y.png",""\n'
    csv_path = tmp_path / "cut.csv"
    csv_path.write_text(header + row + row[:12], encoding="utf-8")
    listed = write(tmp_path / "list.json", [raw("**a** - @x"), raw("**b** - @x")])
    listed.write_bytes(listed.read_bytes()[:-40])
    for path in (csv_path, listed):
        tally = MessageTally()
        assert prompts(path, tally=tally) == ["a"]
        assert len(tally.truncated) == 1


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 1_000_000,
        '{"messages": [' + "[" * 1_000_000,
        '{"messages": [{"id": "1", "content": ' + '{"a":' * 300_000,
        '{"messages": [{"id": "1", "content": "' + "x" * 20_000_000,
        '{"a": "' + "\\" * 500_001 + '"' + "[" * 1000,
        '{"messages": [{"id": "1", "content": ' + "9" * 5000,
        '{"messages": [{"id": "1", "content": ' + "9" * 5000 + "}]}",
        "9" * 5000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_json_bombs_are_refused_in_bounded_memory(tmp_path, bomb):
    path = tmp_path / "bomb.json"
    path.write_text(bomb, encoding="utf-8")
    with cpu_seconds(5):
        tally = MessageTally()
        try:
            assert prompts(path, tally=tally) == []
            assert len(tally.truncated) == 1
        except ExportFormatError as exc:
            assert "JSON" in str(exc)  # noqa: PT017 - which of the two it is depends on the bomb


def test_brackets_in_strings_are_no_nesting(tmp_path):
    texts = ["[" * 500, '\\"[[' * 200, "\\" * 301 + '"' + "{" * 300, '"' * 99 + "[" * 200]
    path = write(tmp_path / "e.json", export(*(message(text) for text in texts * 40), job("a")))
    tally = MessageTally()
    assert prompts(path, tally=tally) == ["a"]
    assert tally.truncated == []
