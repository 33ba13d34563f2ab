"""This is the reader of an export's messages: one by one, in one shape whatever the layout.

Nothing is held but the message at hand (of a Parquet file, the batch). A value of another type than
expected counts as absent: dumps are made by many hands.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.discord.files import Export, ExportLayout
from harvester.discord.people import Person
from harvester.errors import reason_of
from harvester.readers.json_stream import BrokenJsonError, JsonLimitError, read_values
from harvester.urls import is_web_address

_BATCH_ROWS = 1000
_DISCORD_EPOCH_MS = 1_420_070_400_000
_CDN_PATH = re.compile(r"/attachments/(\d{15,20})/(\d{15,20})/")
_MEDIA_END = re.compile(
    r"\.(?:png|webp|jpe?g|gif|avif|mp4|webm|mov|txt|json)(?:\?[^,]*)?\Z", re.IGNORECASE
)


class BrokenOffError(Exception):
    """The rest of a file cannot be read; what came before it has been yielded."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file that hangs on a message; width and height in pixels where the API gave them."""

    link: str
    name: str
    mime: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message as posted.

    Attributes:
        author_id, author_name, author_is_bot: None where the layout has no such column.
        people: those mentioned.
        replies_to: id of the message that it refers to.
        date: as written; ids are made of it where there is nothing better.
        posted_at: UTC.
        is_description: the answer to `/describe`: a picture in, four prompts out.
    """

    content: str
    message_id: str | None = None
    author_id: str | None = None
    author_name: str | None = None
    author_is_bot: bool | None = None
    attachments: tuple[Attachment, ...] = ()
    people: tuple[Person, ...] = ()
    replies_to: str | None = None
    channel: str | None = None
    date: str = ""
    posted_at: datetime | None = None
    is_description: bool = False


def read_records(export: Export) -> Iterator[Record | None]:
    """Yield every message of a file; None for one that is none.

    Raises:
        BrokenOffError: the file is cut or broken from here on.
    """
    if export.layout is ExportLayout.CSV:
        return _read_csv(export)
    if export.layout is ExportLayout.PARQUET:
        return _read_parquet(export)
    return _read_json(export)


def _read_json(export: Export) -> Iterator[Record | None]:
    try:
        with export.path.open("rb") as stream:
            several = export.layout is ExportLayout.LINES
            for value in read_values(stream, str(export.layout), several=several):
                message = _take_hit(value) if isinstance(value, list) else value
                yield _from_message(message, export) if isinstance(message, dict) else None
    except (BrokenJsonError, JsonLimitError, OSError) as exc:
        raise BrokenOffError(reason_of(exc)) from exc


def _take_hit(messages: list[Any]) -> Any:
    """The message that a search found, among those around it that Discord sends along."""
    hits = (entry for entry in messages if isinstance(entry, dict) and entry.get("hit") is True)
    return next(hits, messages[0] if messages else None)


def _from_message(message: dict[str, Any], export: Export) -> Record:
    author = _object(message.get("author"))
    reference = _object(message.get("reference")) or _object(message.get("message_reference"))
    is_bot = author.get("isBot", author.get("bot"))
    links = _list(message.get("attachments"))
    attachments = tuple(found for entry in links if (found := _from_attachment(entry)))
    message_id = _text(message.get("id"))
    date = _text(message.get("timestamp")) or ""
    return Record(
        content=_text(message.get("content")) or "",
        message_id=message_id,
        author_id=_text(author.get("id")),
        author_name=_text(author.get("name")) or _text(author.get("username")),
        # The raw API leaves `bot` out for people.
        author_is_bot=is_bot if isinstance(is_bot, bool) else False if author else None,
        attachments=attachments,
        people=tuple(_from_user(user) for user in _list(message.get("mentions")) if user),
        replies_to=_text(reference.get("messageId")) or _text(reference.get("message_id")),
        channel=export.channel or _text(message.get("channel_id")) or _channel_of(attachments),
        date=date,
        posted_at=_read_date(date) or _date_of(message_id) or _date_of_upload(attachments),
        is_description=not message.get("content") and _is_description(message),
    )


def _from_attachment(entry: Any) -> Attachment | None:
    fields = _object(entry)
    link = _text(fields.get("url")) or _text(fields.get("proxy_url"))
    if not link:
        return None
    return Attachment(
        link=link,
        name=_text(fields.get("fileName")) or _text(fields.get("filename")) or _last_part(link),
        mime=_text(fields.get("content_type")),
        width=_pixels(fields.get("width")),
        height=_pixels(fields.get("height")),
    )


def _from_user(user: Any) -> Person:
    fields = _object(user)
    names = (_text(fields.get(key)) for key in ("name", "username", "nickname", "global_name"))
    return Person(_text(fields.get("id")), tuple(dict.fromkeys(name for name in names if name)))


def _is_description(message: dict[str, Any]) -> bool:
    return any(
        _object(embed).get("description") and _object(embed).get("image")
        for embed in _list(message.get("embeds"))
    )


def _read_csv(export: Export) -> Iterator[Record | None]:
    try:
        # A stray byte of another encoding costs one letter, not the file.
        with export.path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            names = next(rows, [])
            places = {known: names.index(own) for known, own in export.columns.items()}
            for row in rows:
                if len(row) == len(names):
                    yield _from_row({known: row[at] for known, at in places.items()}, export)
                elif row:
                    yield None
    except (csv.Error, OSError, ValueError) as exc:
        raise BrokenOffError(reason_of(exc)) from exc


def _read_parquet(export: Export) -> Iterator[Record | None]:
    own_names = list(dict.fromkeys(export.columns.values()))
    try:
        with export.path.open("rb") as stream:  # paths that are no UTF-8 are not for pyarrow
            file = pq.ParquetFile(stream)
            for batch in file.iter_batches(_BATCH_ROWS, columns=own_names, use_threads=False):
                for row in _in_microseconds(batch).to_pylist():
                    fields = {name: row.get(own) for name, own in export.columns.items()}
                    yield _from_row(fields, export)
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as exc:
        raise BrokenOffError(reason_of(exc)) from exc


def _in_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Nanoseconds, which pandas writes, are more than Python's datetime holds."""
    for at, column in enumerate(batch.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            coarse = batch.column(at).cast(pa.timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(at, column.name, coarse)
    return batch


def _from_row(row: dict[str, Any], export: Export) -> Record:
    size = _pixels(row.get("width")), _pixels(row.get("height"))
    attachments = tuple(
        Attachment(link, _last_part(link), None, *size)
        for link in _split_links(_text(row.get("attachments")) or "")
    )
    message_id = _text(row.get("message_id")) or None
    date = row.get("date")
    if isinstance(date, datetime):
        posted_at: datetime | None = _in_utc(date)
        date = date.isoformat()
    else:
        date = _text(date) or ""
        # DiscordChatExporter writes local time in the exporter's own style: the ids are exact.
        posted_at = _date_of(message_id) or _date_of_upload(attachments) or _read_date(date)
    channel = _text(row.get("channel_id")) or _channel_of(attachments)
    return Record(
        content=_text(row.get("content")) or "",
        message_id=message_id,
        author_id=_text(row.get("author_id")) or None,
        author_name=_text(row.get("author")) or None,
        attachments=attachments,
        channel=channel or export.channel,
        date=date,
        posted_at=posted_at,
    )


def _split_links(joined: str) -> list[str]:
    """Part links joined by commas; one that holds a comma itself is told by its ending."""
    links: list[str] = []
    held: list[str] = []
    for piece in joined.split(","):
        if held and is_web_address(piece):
            links.append(",".join(held))
            held = []
        held.append(piece)
        if _MEDIA_END.search(piece):
            links.append(",".join(held))
            held = []
    return [link for link in (*links, ",".join(held)) if link.strip()]


def _read_date(written: str) -> datetime | None:
    try:
        return _in_utc(datetime.fromisoformat(written))
    except (ValueError, OverflowError):
        return None


def _in_utc(moment: datetime) -> datetime | None:
    """Moments without a zone are taken as UTC, as Discord's own are."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _date_of(snowflake: str | None) -> datetime | None:
    """The moment that one of Discord's ids was made; None for what is no such id."""
    if not snowflake or not (snowflake.isdecimal() and 15 <= len(snowflake) <= 20):
        return None
    return datetime.fromtimestamp(((int(snowflake) >> 22) + _DISCORD_EPOCH_MS) / 1000, UTC)


def _date_of_upload(attachments: tuple[Attachment, ...]) -> datetime | None:
    match = _CDN_PATH.search(attachments[0].link) if attachments else None
    return _date_of(match[2]) if match else None


def _channel_of(attachments: tuple[Attachment, ...]) -> str | None:
    match = _CDN_PATH.search(attachments[0].link) if attachments else None
    return match[1] if match else None


def _last_part(link: str) -> str:
    return link.partition("?")[0].replace("\\", "/").rpartition("/")[2]


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _pixels(value: Any) -> int | None:
    """A size; pandas turns whole numbers into floats where some are missing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < 1 << 31 else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
