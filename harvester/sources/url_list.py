"""This is the source of URL lists: csv, tsv, txt, JSON, JSON Lines and Parquet, streamed.

Reads what img2dataset reads, with the column names of LAION and of most others. Addresses are
handed on as they stand, whatever their scheme: the download refuses what is none of the web's,
and that refusal is a row like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.errors import InputError
from harvester.paths import ending_of, natural_key, what_is
from harvester.readers.lines import read_lines
from harvester.readers.tables import as_text, is_table, read_rows
from harvester.schema import Finding

SOURCE = "urls"
_LOG = logging.getLogger(__name__)
_FIELDS = {
    "url": ("url", "image_url", "image", "img_url", "image_link", "imageurl"),
    "caption": ("text", "caption", "alt", "alt_text", "description"),
    "title": ("title",),
    "page_url": ("page_url", "page", "foreign_landing_url", "landing_url"),
    "creator": ("creator", "author", "artist", "photographer"),
    "license": ("license", "licence"),
    "license_url": ("license_url", "licence_url"),
}
_ADDRESS_A_LINE = (".txt", "")


def read_url_list(path: str | Path) -> Iterator[Finding]:
    """Stream the addresses of a list, or of every list in a folder, as findings.

    The rank is the row's 1-based number, counted on through the lists of a folder; rows without
    an address are skipped, counted and logged.

    Raises:
        InputError: if there is no such list, if it has no column of addresses or no address at
            all, or if it is broken; addresses before a break have been yielded by then.
    """
    path = Path(path)
    lists = _lists_in(path) if path.is_dir() else [path]
    if not (path.is_file() or path.is_dir()):
        found = what_is(path)
        raise InputError(f"{path}: expected a list of addresses, found {found}; check the path")
    for each in lists:
        if not is_table(each) and ending_of(each) not in _ADDRESS_A_LINE:
            raise InputError(
                f"{each}: expected csv, tsv, txt, json, jsonl or parquet, found "
                f"{ending_of(each)!r}; give the file the ending of what it holds"
            )
    return _read(path, lists)


def _lists_in(folder: Path) -> list[Path]:
    lists = [
        entry
        for entry in folder.iterdir()
        if entry.is_file()
        and not entry.name.startswith((".", "_"))
        and (is_table(entry) or ending_of(entry) == ".txt")
    ]
    if not lists:
        raise InputError(
            f"{folder}: expected lists of addresses (csv, tsv, txt, json, jsonl, parquet), found "
            "none; for a folder of pictures use `harvest folder`"
        )
    return sorted(lists, key=lambda entry: natural_key(entry.name))


def _read(path: Path, lists: list[Path]) -> Iterator[Finding]:
    found_at = datetime.now(UTC)
    rows = yielded = 0
    for each in lists:
        for values in _rows_of(each):
            rows += 1
            url = values.get("url")
            if not isinstance(url, str) or (address := as_text(url)) is None:
                continue
            yielded += 1
            texts = {name: as_text(value) for name, value in values.items() if name != "url"}
            yield Finding(url=address, source=SOURCE, rank=rows, found_at=found_at, **texts)
    if rows > yielded:
        _LOG.warning("%s: skipped %d of %d rows: no address in them", path, rows - yielded, rows)
    if not yielded:
        raise InputError(
            f"{path}: expected at least one address, found none in {rows} rows; "
            "check the list's column of addresses"
        )


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    if is_table(path):
        yield from (values for _, values in read_rows(path, _FIELDS, any_of=("url",)))
    else:
        yield from ({"url": line} for line in read_lines(path) if line.strip())
