"""JSON is read as a stream, to the value, and hostile files are stopped before they fill memory."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.readers.json_stream import (
    BrokenJsonError,
    JsonLimitError,
    _BoundedStream,
    read_events,
    read_values,
)

awkward = st.text(st.sampled_from('ab"\\[]{}:,é\n'), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | awkward,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(awkward, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)  # the machine may be shared
@given(st.lists(values, max_size=5))
def test_a_list_is_read_as_json_reads_it(written):
    for indent, mark in ((None, b""), (1, b"\xef\xbb\xbf")):
        stream = io.BytesIO(mark + json.dumps(written, indent=indent).encode())
        assert list(read_values(stream, "item")) == written


@settings(deadline=None)
@given(values, st.integers(1, 7), st.booleans())
def test_brackets_are_counted_wherever_a_read_ends(written, size, ascii_only):
    """A read may end within an escape, a string or a letter; strings hold brackets too."""
    text = json.dumps(written, ensure_ascii=ascii_only).encode()
    stream = _BoundedStream(io.BytesIO(text))
    taken = b""
    while chunk := stream.read(size):
        taken += chunk
    assert json.loads(taken) == written
    assert stream._depth == 0


def test_values_after_one_another_are_read_where_several_are_allowed():
    assert list(read_values(io.BytesIO(b'{"a": 1}\n[2]\n"x"'), "", several=True)) == [
        {"a": 1},
        [2],
        "x",
    ]
    with pytest.raises(BrokenJsonError, match="trailing garbage"):
        list(read_values(io.BytesIO(b"1 2"), ""))


def test_what_stands_before_a_break_is_kept():
    found = read_values(io.BytesIO(b'[{"a": 1}, {"b": 2}, {"c'), "item")
    assert [next(found), next(found)] == [{"a": 1}, {"b": 2}]
    with pytest.raises(BrokenJsonError, match="premature EOF") as caught:
        next(found)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"[" * 101, "nested more than 100 deep"),
        (b'{"a":' * 101, "nested more than 100 deep"),
        (b'["' + b"x" * (17 << 20), "one value of more than 16 MiB"),
        (b" " * (17 << 20), "one value of more than 16 MiB"),
    ],
    ids=["lists", "objects", "string", "space"],
)
def test_what_would_fill_memory_is_refused(start, reason):
    with pytest.raises(JsonLimitError, match=reason):
        list(read_values(io.BytesIO(start), "item"))
    with pytest.raises(JsonLimitError, match=reason):
        list(read_events(io.BytesIO(start)))


def test_the_limit_is_of_one_value_and_not_of_the_file():
    value = b'"' + b"x" * (1 << 20) + b'"'
    stream = io.BytesIO(b"[" + b",".join([value] * 40) + b"]")
    assert sum(1 for _ in read_values(stream, "item")) == 40
