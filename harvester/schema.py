"""This is the Parquet contract: every row that whence writes, and every status it can have.

The ground floor of the house: imports nothing of whence, and both the harvester and the
attribution rest on it. How the rows look in Arrow is in `arrow`, files are in `shards`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TypeVar

SCHEMA_VERSION = 1
"""Raised when a column changes its name, type or meaning; readers refuse another version."""
MAX_TEXT = 20_000
"""Characters of any text or address of a row; longer ones are cut when they are stored."""


def stored_text(text: str) -> str:
    """A text as a row holds it: cut, and without lone surrogates, which Arrow's UTF-8 refuses."""
    text = text[:MAX_TEXT]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class SchemaError(Exception):
    """A dataset is of another kind or version than the reader expects (exit code 3)."""

    exit_code = 3


Encoded = bytes
"""An encoded picture; a name of its own because `Candidate` has a column called bytes."""


class FailureClass(StrEnum):
    """What a failed download calls for: only the last two are tried again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    THROTTLED = "throttled"


class FetchStatus(StrEnum):
    """How one picture ended; a closed set, stored in every row."""

    OK = "ok"
    # Permanent: asking again gives the same answer.
    BAD_URL = "bad_url"  # no http(s) address, or no path inside the export
    BLOCKED_ADDRESS = "blocked_address"  # private, loopback, link-local, … after DNS
    NOT_FOUND = "not_found"  # 404, 410, or a local file that is missing
    FORBIDDEN = "forbidden"  # 401, 403, 451
    EXPIRED = "expired"  # a signed link whose time is over
    REFUSED = "refused"  # any other 4xx
    OPTED_OUT = "opted_out"  # the owner's signals say no
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"  # bytes over the cap
    TOO_MANY_PIXELS = "too_many_pixels"  # read from the header, before decoding
    EMPTY = "empty"  # 0 bytes
    HTML = "html"  # a web page served or saved as a picture
    NOT_AN_IMAGE = "not_an_image"
    UNDECODABLE = "undecodable"  # an image by its first bytes, broken inside
    # Transient: worth another try later.
    TRUNCATED = "truncated"  # fewer bytes than promised, or a picture cut short
    TIMEOUT = "timeout"
    DNS = "dns"
    TLS = "tls"
    CONNECTION = "connection"
    SERVER_ERROR = "server_error"  # 5xx but 503
    # Throttled: worth another try after a pause.
    THROTTLED = "throttled"  # 429, 503

    @property
    def failure_class(self) -> FailureClass | None:
        """The class of a failure; None for `OK`."""
        if self is FetchStatus.OK:
            return None
        if self is FetchStatus.THROTTLED:
            return FailureClass.THROTTLED
        return FailureClass.TRANSIENT if self in _TRANSIENT else FailureClass.PERMANENT


_TRANSIENT = frozenset(
    {
        FetchStatus.TRUNCATED,
        FetchStatus.TIMEOUT,
        FetchStatus.DNS,
        FetchStatus.TLS,
        FetchStatus.CONNECTION,
        FetchStatus.SERVER_ERROR,
    }
)


class SearchStatus(StrEnum):
    """How one search ended: `BLOCKED` is never mistaken for `EMPTY`."""

    OK = "ok"
    EMPTY = "empty"
    BLOCKED = "blocked"
    ERROR = "error"


class ReferenceRole(StrEnum):
    """What a Midjourney job was told to take from a linked picture."""

    IMAGE = "image"  # a link in the prompt, or --iw
    STYLE = "style"  # --sref
    CHARACTER = "character"  # --cref
    OBJECT = "object"  # --oref


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture, or a style code, that the prompt itself names.

    Attributes:
        url: a link, or for style codes the code as written (`2067381016`, `random`).
    """

    url: str
    role: ReferenceRole


@dataclass(frozen=True, slots=True)
class WeightedText:
    """One part of a multi-prompt (`cat::2 dog::-1`); weight 1 where none is written."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """One flag as written, in order; flags may repeat, so this is a list and not a map."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generated picture and what it was asked for.

    Attributes:
        id: the job's uuid, else the message's id, else a hash of the message; never changes
            between exports of one channel.
        prompt: the words alone: no flags, no links, no multi-prompt weights.
        raw_content: the message as posted, with user mentions taken out.
        action: `imagine`, `pick`, `variations`, `remix`, `upscale`, `zoom`, `pan`, … or a
            new verb as Midjourney wrote it, in lower case.
        variant: of the action: `strong`, `subtle`, `region`, `4x`, `creative`, `left`, …
        tile: 1 to 4 where one picture of a grid was picked, else None.
        job_id: uuid of the job that made this picture.
        grid_id: `message_id` of the message that this one was made from.
        author: pseudonym (keyed hash), or the name with `--keep-authors`.
        sha256: of the bytes as downloaded; image is the picture re-encoded, upright, in sRGB.
        phash: 64-bit perceptual hash of image, 16 hexadecimal digits.
    """

    id: str
    prompt: str
    raw_content: str
    parameters: tuple[Parameter, ...] = ()
    weights: tuple[WeightedText, ...] = ()
    negatives: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    action: str = "imagine"
    variant: str | None = None
    tile: int | None = None
    mode: str | None = None
    version: str | None = None
    model: str | None = None
    job_id: str | None = None
    grid_id: str | None = None
    channel: str | None = None
    message_id: str | None = None
    author: str | None = None
    created_at: datetime | None = None
    url: str | None = None
    width: int | None = None
    height: int | None = None
    image: Encoded | None = field(default=None, repr=False)
    sha256: str | None = None
    phash: str | None = None
    status: FetchStatus = FetchStatus.OK
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One picture of the web, or the record of its failure.

    Attributes:
        id: sha256 of the bytes served; without bytes, `failed-` and a hash of the address.
        query_prompt, query, source, rank: of the finding that brought it first; the others
            are in `Finding`. rank is 1-based.
        rights: opt-out signals seen, as written.
        width, height, bytes: of the picture as served, in pixels and bytes.
        image: re-encoded, upright, sRGB, at most 512 px a side by default.
        phash, dhash: 64 bits, 16 hexadecimal digits; pdq: 256 bits, 64 digits.
        pdq_quality: 0 to 100; PDQ is reliable from 50.
    """

    id: str
    query_prompt: str | None = None
    query: str | None = None
    source: str = ""
    rank: int | None = None
    url: str = ""
    final_url: str | None = None
    page_url: str | None = None
    title: str | None = None
    caption: str | None = None
    creator: str | None = None
    license: str | None = None
    license_url: str | None = None
    rights: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    mime: str | None = None
    etag: str | None = None
    fetched_at: datetime | None = None
    image: Encoded | None = field(default=None, repr=False)
    sha256: str | None = None
    phash: str | None = None
    dhash: str | None = None
    pdq: str | None = None
    pdq_quality: int | None = None
    status: FetchStatus = FetchStatus.OK
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """That one search, list or folder led to one address: what a source yields.

    Attributes:
        candidate_id: the picture it led to; None until it has been fetched.
        url: the picture's address, as the source gave it.
        rank: 1-based place among the source's results for the query.
    """

    url: str
    source: str
    candidate_id: str | None = None
    query_prompt: str | None = None
    query: str | None = None
    rank: int | None = None
    page_url: str | None = None
    title: str | None = None
    caption: str | None = None
    creator: str | None = None
    license: str | None = None
    license_url: str | None = None
    found_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """That one query was put to one search engine, and how that ended.

    Attributes:
        scope: where and how it searched, `us-en moderate`: region and filter.
        found: findings; wanted: how many were asked for, so that a later run which wants more
            searches again.
    """

    query_prompt: str
    query: str
    source: str
    status: SearchStatus
    found: int
    wanted: int = 0
    scope: str = ""
    error: str | None = None
    searched_at: datetime | None = None


Row = Generation | Candidate | Finding | Search
AnyRow = TypeVar("AnyRow", Generation, Candidate, Finding, Search)
Pictured = TypeVar("Pictured", Generation, Candidate)
"""A row that has an id and holds a picture."""


def failed_id(url: str) -> str:
    """The id of a candidate whose bytes were never had."""
    return "failed-" + hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


def category_of(url: str) -> str:
    """The category of a picture that was read from a folder; "" where there is none.

    It is the folder right above it in a finding's address: `file:<set>/<category>/<file name>`.
    """
    scheme, _, path = url.partition(":")
    parts = PurePosixPath(path).parts
    return parts[-2] if scheme == "file" and len(parts) > 2 else ""


OPTED_OUT = "opted_out"


def class_of(status: FetchStatus) -> str | None:
    """The class that a failure is counted under; None for `OK`.

    Its `failure_class`, but that an opt-out is a class of its own: nothing is wrong with those.
    """
    if status is FetchStatus.OPTED_OUT:
        return OPTED_OUT
    return status.failure_class and str(status.failure_class)


CLASSES = tuple(dict.fromkeys(name for name in map(class_of, FetchStatus) if name))


class Retry(StrEnum):
    """Which failures `harvest retry` asks for again; an opt-out is among none of them."""

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class LocalPicture:
    """A file that may be a picture, and the finding that leads to it."""

    finding: Finding
    path: Path
