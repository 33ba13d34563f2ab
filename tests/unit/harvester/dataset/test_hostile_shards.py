"""Shards that whence did not write: they are refused in one line, before they fill memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester.dataset import shards
from harvester.dataset.arrow import file_schema, to_table
from harvester.dataset.page_sizes import measure_chunk
from harvester.errors import ShardError
from harvester.schema import (
    MAX_TEXT,
    Candidate,
    FetchStatus,
    Finding,
    Generation,
    Parameter,
    Reference,
    ReferenceRole,
    SchemaError,
    WeightedText,
)
from tests.support.checkout import ROOT

LONG = "x" * (200 << 20)


def write(folder: Path, table: pa.Table, row_group_size: int | None = None, **options) -> Path:
    """As pyarrow writes, but the footer leaves out which columns were dictionaries."""
    path = folder / "part-0.parquet"
    with pq.ParquetWriter(path, table.schema, store_schema=False, **options) as writer:
        writer.write_table(table, row_group_size)
        writer.add_key_value_metadata(table.schema.metadata)
    return path


def candidates(*rows: Candidate, **columns: pa.Array) -> pa.Table:
    table = to_table(rows, Candidate)
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), column)
    return table


def repeated(count: int, text: str) -> pa.Table:
    """Rows with one title, which the file holds once; to be written without Arrow's schema."""
    rows = candidates(*(Candidate(id=str(n), url="u") for n in range(count)))
    place = rows.schema.get_field_index("title")
    return rows.set_column(place, "title", same(count, text))


def same(count: int, text: str) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip"])
def test_a_packed_bomb_is_refused_before_it_is_unpacked(tmp_path, codec):
    path = write(tmp_path, candidates(Candidate(id="a", url="u", title="t")), compression=codec)
    assert list(shards.rows(tmp_path, Candidate))
    table = candidates(Candidate(id="a", url="u"), title=pa.array([LONG]))
    write(tmp_path, table, compression=codec, use_dictionary=False)
    assert path.stat().st_size < 16 << 20
    with pytest.raises(ShardError, match=r"part-0\.parquet: .* bytes that unpack to 209,"):
        list(shards.rows(tmp_path, Candidate))


def test_a_footer_that_plays_the_size_down_is_not_believed(tmp_path):
    """The same bomb with a footer that gives 9 bytes as what its longest column unpacks to."""
    table = candidates(Candidate(id="a", url="u"), title=pa.array([LONG]))
    path = write(tmp_path, table, compression="zstd", use_dictionary=False)
    body = path.read_bytes()
    metadata = pq.read_metadata(path).row_group(0)
    column = metadata.column(table.schema.get_field_index("title"))
    size = varint(column.total_uncompressed_size)
    footer = body.rindex(size)
    path.write_bytes(body[:footer] + b"\x92\x80\x80\x80\x00" + body[footer + len(size) :])
    lied = pq.read_metadata(path).row_group(0).column(table.schema.get_field_index("title"))
    assert lied.total_uncompressed_size < 1 << 20
    with pytest.raises(ShardError, match="unpack to 209,"):
        list(shards.rows(tmp_path, Candidate))


def varint(value: int) -> bytes:
    value *= 2
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def test_one_long_text_in_every_row_by_a_dictionary_is_refused(tmp_path):
    """The file has the text once; rows that hold it would have it a thousand times."""
    write(tmp_path, repeated(1000, "y" * (1 << 20)), row_group_size=1000)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 << 20
    with pytest.raises(ShardError, match="title of 1,048,576 bytes"):
        list(shards.rows(tmp_path, Candidate))


def test_rows_that_share_a_text_are_too_much_where_a_small_file_holds_them_all(tmp_path):
    """Each text is short enough; a table of them all would not be."""
    write(tmp_path, repeated(20_000, "y" * 4 * MAX_TEXT), row_group_size=20_000)
    with pytest.raises(ShardError, match=r"rows of more than .* MiB in a small file"):
        shards.read(tmp_path, Candidate, ["id", "title"])


def test_a_list_without_end_is_refused(tmp_path):
    rights = pa.array([["noai"] * 300_000])
    write(tmp_path, candidates(Candidate(id="a", url="u"), rights=rights))
    with pytest.raises(ShardError, match="300,000 elements in rights"):
        list(shards.rows(tmp_path, Candidate))


def test_lists_of_one_long_text_are_refused_before_they_are_unpacked(tmp_path):
    write(tmp_path, one_list())
    with pytest.raises(ShardError, match=r"lists of rights\.list\.element that may unpack"):
        list(shards.rows(tmp_path, Candidate))


def test_texts_built_from_the_ones_before_are_refused(tmp_path):
    titles = pa.array(["w" * 10_000] * 1000)
    rows = candidates(*(Candidate(id=str(n), url="u") for n in range(1000)), title=titles)
    encoding = {"title": "DELTA_BYTE_ARRAY"}
    write(tmp_path, rows, use_dictionary=False, column_encoding=encoding)
    with pytest.raises(ShardError, match="title in an encoding that whence does not write"):
        list(shards.rows(tmp_path, Candidate))


def test_what_is_measured_is_what_arrow_unpacks(tmp_path):
    path = write(tmp_path, repeated(500, "text"), compression="zstd", data_page_size=1000)
    with path.open("rb") as stream:
        group = pq.ParquetFile(stream).metadata.row_group(0)
        for place in range(group.num_columns):
            chunk = group.column(place)
            found = measure_chunk(stream, chunk)
            assert found.packed == chunk.total_compressed_size
            assert found.values == chunk.num_values
            # The footer counts the headers as well.
            assert 0 < chunk.total_uncompressed_size - found.data - found.dictionary < 2000


@pytest.mark.parametrize("at", range(4, 400, 13))
def test_a_damaged_page_is_one_error(tmp_path, at):
    path = write(tmp_path, repeated(3, "text"))
    body = bytearray(path.read_bytes())
    body[at : at + 13] = b"\xff" * 13
    path.write_bytes(body)
    with pytest.raises((ShardError, SchemaError), match=r"part-0\.parquet"):
        list(shards.rows(tmp_path, Candidate))


def test_the_longest_rows_that_whence_writes_can_be_read_again(tmp_path):
    """Texts are cut when they are stored, and groups of long rows are small."""
    text = "\U0001f600" * (MAX_TEXT + 1)
    names = ("query_prompt", "query", "url", "final_url", "page_url", "title", "caption")
    rows = [
        Candidate(id=str(n), **{name: f"{n}{name}{text}" for name in names}) for n in range(100)
    ]
    shards.write_shard(tmp_path / "part-0.parquet", to_table(rows, Candidate))
    [first, *_] = back = list(shards.rows(tmp_path, Candidate))
    assert len(back) == 100
    assert first.title == f"0title{text}"[:MAX_TEXT]


def test_a_generation_with_everything_comes_back(tmp_path):
    row = Generation(
        id="a",
        prompt="p",
        raw_content="r",
        parameters=(Parameter("v", "6"),),
        weights=(WeightedText("p", 1.0),),
        negatives=("n",),
        references=(Reference("u", ReferenceRole.STYLE),),
        image=b"x",
    )
    shards.write_shard(tmp_path / "part-0.parquet", to_table([row] * 3, Generation))
    assert list(shards.rows(tmp_path, Generation)) == [row] * 3
    [records] = shards.records(tmp_path, Generation, ["status", "id"])
    assert records == [{"status": "ok", "id": "a"}] * 3


@pytest.mark.parametrize(
    "column", ["id", "url", "source", "rights", "status"], ids=lambda name: f"no {name}"
)
def test_a_row_without_what_every_row_has_is_refused(tmp_path, column):
    field = file_schema(Candidate).field(column)
    write(tmp_path, candidates(Candidate(id="a", url="u"), **{column: pa.nulls(1, field.type)}))
    for read in (list, lambda found: shards.pick(tmp_path, Candidate, ["a"]) and found):
        with pytest.raises(ShardError, match=f"a row without {column}"):
            read(shards.batches(tmp_path, Candidate, [column]))
            shards.read(tmp_path, Candidate, [column])


@pytest.mark.parametrize(
    "stamp",
    [b"[" * 100_000, b"\xff", json.dumps({"row": "r" * 9999}).encode(), b'{"row": {}}'],
    ids=["nested", "no text", "long", "object"],
)
def test_a_stamp_that_is_none_is_one_short_line(tmp_path, stamp):
    table = candidates(Candidate(id="a", url="u")).replace_schema_metadata({b"whence": stamp})
    write(tmp_path, table)
    with pytest.raises(SchemaError) as caught:
        list(shards.rows(tmp_path, Candidate))
    assert len(str(caught.value)) < 400


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    table = candidates(Candidate(id="a", url="u"))
    write(tmp_path, table.append_column("id", pa.array(["b"])))
    with pytest.raises(SchemaError, match="found id missing"):
        list(shards.rows(tmp_path, Candidate))


def test_columns_of_others_are_passed_over(tmp_path):
    table = candidates(Candidate(id="a", url="u")).append_column("id.x", pa.array([1]))
    write(tmp_path, table)
    assert [row.id for row in shards.rows(tmp_path, Candidate)] == ["a"]
    assert shards.read(tmp_path, Candidate, ["id"]).column_names == ["id"]


def test_a_pipe_and_a_folder_called_shard_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "part-0.parquet")
    with pytest.raises(ShardError, match="no file"):
        list(shards.rows(tmp_path, Candidate))
    (tmp_path / "findings" / "part-0.parquet").mkdir(parents=True)
    with pytest.raises(ShardError, match="no file"):
        list(shards.rows(tmp_path, Finding))


def test_a_folder_whose_name_is_no_utf_8_is_read_and_written(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    row = Candidate(id="a", url="u", status=FetchStatus.DNS)
    shards.write_shard(folder / "part-0.parquet", to_table([row], Candidate))
    assert list(shards.rows(folder, Candidate)) == [row]
    assert shards.count_rows(folder, Candidate) == 1
    assert shards.pick(folder, Candidate, ["a"]) == {"a": row}


def one_text() -> pa.Table:
    return candidates(Candidate(id="a", url="u"), title=pa.array([LONG]))


def one_list() -> pa.Table:
    rights = pa.ListArray.from_arrays([0, 100_000], same(100_000, "z" * 100_000))
    rows = candidates(Candidate(id="a", url="u"))
    return rows.set_column(rows.schema.get_field_index("rights"), "rights", rights)


@pytest.mark.subprocess
@pytest.mark.parametrize(
    "make",
    [one_text, one_list, lambda: repeated(1000, "y" * (8 << 20))],
    ids=["text", "list", "dictionary"],
)
def test_a_bomb_fits_a_process_with_little_memory(tmp_path, make):
    """What is claimed above, held against the system's own count."""
    write(tmp_path, make(), compression="zstd")
    script = (
        "import resource, sys; from pathlib import Path; from harvester.dataset import shards\n"
        "from harvester.errors import ShardError; from harvester.schema import Candidate\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: list(shards.rows(Path(sys.argv[1]), Candidate))\n"
        "except ShardError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ran.stdout) < 192 << 10  # KiB
