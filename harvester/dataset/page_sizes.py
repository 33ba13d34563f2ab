"""This is the size check of Parquet pages: what a column unpacks to, read from page headers.

The footer tells sizes as well, but a footer may say anything: what the reader allocates goes by
the headers of the pages, which stand between the packed bytes and are read here alone.

Source: PageHeader in Apache Parquet's `parquet.thrift`; Thrift's compact protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow.parquet as pq

_FIRST_READ = 512  # bytes: a header without statistics has about 30
_LONGEST_HEADER = 1 << 20
_DEEPEST = 4  # a header holds a page's own header, and that holds statistics
_DICTIONARY_PAGE = 2
_DELTA_BYTE_ARRAY = 7


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the pages of one or more columns come to.

    Attributes:
        packed: bytes in the file.
        data: bytes of the data pages, unpacked.
        dictionary: bytes of the dictionary pages, unpacked; each value of the data may be as long.
        values: in the data pages, nulls and the elements of lists included.
        repeats: whether values may be built from the ones before them (DELTA_BYTE_ARRAY), so that
            sizes of pages say nothing of the sizes of values.
    """

    packed: int = 0
    data: int = 0
    dictionary: int = 0
    values: int = 0
    repeats: bool = False


def measure_chunk(stream: BinaryIO, chunk: pq.ColumnChunkMetaData) -> Unpacked:
    """What one column of a row group unpacks to.

    Args:
        stream: the file, whose position changes.
        chunk: where the column stands, from the footer.

    Raises:
        ValueError: if there are no pages where the footer says.
    """
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    packed = chunk.total_compressed_size
    end = at + packed
    data = dictionary = values = 0
    repeats = False
    while at < end:
        header, size = _read_header(stream, at, end)
        unpacked, here = _whole(header.get(2)), _whole(header.get(3))
        if header.get(1) == _DICTIONARY_PAGE:
            dictionary += unpacked
        else:
            data += unpacked
            page = header.get(5) or header.get(8) or {}
            values += _whole(page.get(1, 0))
            repeats |= page.get(2 if 5 in header else 4) == _DELTA_BYTE_ARRAY
        at += size + here
    return Unpacked(packed, data, dictionary, values, repeats)


def _read_header(stream: BinaryIO, at: int, end: int) -> tuple[dict[int, Any], int]:
    length = _FIRST_READ
    while True:
        stream.seek(at)
        reader = _CompactReader(stream.read(min(length, end - at)))
        try:
            return reader.read_struct(), reader.at
        except IndexError as exc:
            if length >= min(_LONGEST_HEADER, end - at):
                raise ValueError("a page whose header does not end") from exc
            length *= 8


def _whole(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a page that does not tell its size")
    return value


class _CompactReader:
    """Reads Thrift's compact protocol; texts are passed over. Past the end is an IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def read_struct(self, depth: int = 0) -> dict[int, Any]:
        """A struct's values by the numbers of their fields."""
        if depth > _DEEPEST:
            raise ValueError("a page header of an unknown kind")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._read_byte():
            number = number + (head >> 4) if head >> 4 else self._read_int()
            fields[number] = self._read_value(head & 15, depth)
        return fields

    def _read_value(self, kind: int, depth: int) -> Any:
        if kind in {1, 2}:
            return kind == 1
        if kind == 3:
            return self._read_byte()
        if kind in {4, 5, 6}:
            return self._read_int()
        if kind in {7, 8}:  # a double, or a text with its length before it
            length = 8 if kind == 7 else self._read_varint()
            self.at += length
            return None
        if kind == 12:
            return self.read_struct(depth + 1)
        raise ValueError("a page header of an unknown kind")

    def _read_int(self) -> int:
        value = self._read_varint()
        return (value >> 1) ^ -(value & 1)

    def _read_varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._read_byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a page header with an endless number")

    def _read_byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte
