"""How much there is to do, told before it is done."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from harvester.progress.display import Counting, HarvestProgress, summarise
from harvester.progress.tally import Outcome, Tally
from harvester.readers.counts import count_files, count_messages, count_rows
from harvester.schema import FetchStatus


def test_rows_of_lists_are_counted_from_footers_and_lines(tmp_path):
    pq.write_table(pa.table({"URL": ["a", "b", "c"]}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("URL\na\nb\n")
    (tmp_path / "broken.parquet").write_bytes(b"nothing")
    assert count_rows(tmp_path / "a.parquet") == 3
    assert count_rows(tmp_path / "a.csv") == 3
    assert count_rows(tmp_path / "broken.parquet") is None
    assert count_rows(tmp_path / "missing.csv") is None
    assert count_rows(tmp_path / "a.json") is None


def test_files_below_a_folder_are_counted(tmp_path):
    (tmp_path / "x").mkdir()
    for name in ("a", "x/b", "x/c"):
        (tmp_path / name).write_text("")
    assert count_files(tmp_path) == 3


def test_an_export_tells_its_messages_at_its_end(tmp_path):
    one = tmp_path / "1.json"
    one.write_text('{"messages": [' + " " * 9000 + '],\n "messageCount": 246000\n}')
    other = tmp_path / "2.json"
    other.write_text('{"messages": []}')
    assert count_messages([one, one]) == 492_000
    assert count_messages([one, other]) is None
    assert count_messages([]) is None


def tally() -> Tally:
    counted = Tally()
    for status, new in ((FetchStatus.OK, True), (FetchStatus.OK, False), (FetchStatus.DNS, False)):
        counted.count(Outcome("u", status, "id", is_new=new, bytes=1_500_000))
    return counted


def test_without_a_terminal_progress_is_plain_lines_with_time_left(monkeypatch):
    out = io.StringIO()
    console = Console(file=out, width=200)
    monkeypatch.setattr("harvester.progress.display.PLAIN_EVERY_S", 0)
    with HarvestProgress(console, 30) as progress:
        progress.update(tally())
    with Counting(console, "ranking", 10) as counting:
        counting.advance()
        counting.advance(5, 20)
    text = out.getvalue()
    assert "3 found · 1 new · 1 known · 1 failed" in text
    assert "s left" in text
    assert "ranking" in text
    assert "5 of 20" in text
    assert "\x1b" not in text


def test_on_a_terminal_progress_is_one_live_line():
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    with HarvestProgress(console, 30) as progress:
        progress.update(tally())
    assert "3 of 30 done" in out.getvalue()


@pytest.mark.parametrize("line", ["1 dns (transient, tried again by the next run)"])
def test_the_end_says_what_failed_and_whether_it_is_tried_again(line):
    assert any(line in said for said in summarise(tally()))
