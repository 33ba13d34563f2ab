"""This is the recogniser of formats: the first bytes tell a picture that we take from the rest.

The server's Content-Type and the address's extension are not asked: both are often wrong. Only
seven formats are taken; for anything else the reason names what was found (a web page, an SVG, a
video, …), because that is what the reader of a failed row wants to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from harvester.schema import FetchStatus

_HEAD = 4096
"""Bytes in which a web page or SVG must show itself."""
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Sizes that a bitmap's second header can have; "BM" alone begins many a text."""
_ROOT_ELEMENT = re.compile(rb"<([a-z][a-z0-9:._-]*)")
_JSON_START = re.compile(rb"[\[{]\s*(?:[\"\[{\]}]|$)")
_HTML_ROOTS = frozenset(
    {b"html", b"head", b"body", b"script", b"title", b"meta", b"link", b"style", b"div", b"p"}
)
_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}


class PictureFormat(StrEnum):
    """A format that is decoded here; the value is its media type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    AVIF = "image/avif"
    BMP = "image/bmp"
    TIFF = "image/tiff"


_STARTS: tuple[tuple[bytes, PictureFormat], ...] = (
    (b"\xff\xd8\xff", PictureFormat.JPEG),
    (b"\x89PNG", PictureFormat.PNG),
    (b"GIF87a", PictureFormat.GIF),
    (b"GIF89a", PictureFormat.GIF),
    (b"II*\x00", PictureFormat.TIFF),
    (b"MM\x00*", PictureFormat.TIFF),
    (b"II+\x00", PictureFormat.TIFF),
    (b"MM\x00+", PictureFormat.TIFF),
)
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"\x00\x00\x01\x00", "an icon file"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftyp", "an MP4 video"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (8, b"AVI ", "an AVI video"),
    (0, b"ID3", "sound"),
)
"""Offset, bytes there, and what they mean; the first that fits counts."""


def recognise(body: bytes) -> PictureFormat | None:
    """The picture format that `body` begins as; None if it is none that is decoded here."""
    for start, picture_format in _STARTS:
        if body.startswith(start):
            return picture_format
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return PictureFormat.WEBP
    if body.startswith(b"BM") and int.from_bytes(body[14:18], "little") in _BMP_HEADERS:
        return PictureFormat.BMP
    if body[4:8] == b"ftyp" and _has_avif_brand(body):
        return PictureFormat.AVIF
    return None


def _has_avif_brand(body: bytes) -> bool:
    end = min(int.from_bytes(body[:4], "big"), 256)
    brands = {body[i : i + 4] for i in (8, *range(16, end, 4))}
    return not brands.isdisjoint({b"avif", b"avis"})


def describe_other(body: bytes) -> tuple[FetchStatus, str]:
    """Say what a body is that `recognise` does not know.

    Returns:
        `EMPTY`, `HTML` (web pages and the XML and JSON that servers answer errors with) or
        `NOT_AN_IMAGE`, and the thing as a noun phrase ("a web page").
    """
    if not body:
        return FetchStatus.EMPTY, "0 bytes"
    for offset, mark, noun in _FOREIGN:
        if body.startswith(mark, offset):
            return FetchStatus.NOT_AN_IMAGE, noun
    head = _as_text(body[:_HEAD]).lstrip()
    if head.startswith(b"<"):
        return _describe_markup(head.lower())
    if _JSON_START.match(head):
        return FetchStatus.HTML, "a JSON answer"
    if _TEXT_BYTES.issuperset(head):
        # What it says stays out of the reason: a list may point at any file of its reader's.
        return FetchStatus.NOT_AN_IMAGE, "plain text"
    return FetchStatus.NOT_AN_IMAGE, f"unknown bytes that begin {body[:8].hex()}"


def _describe_markup(head: bytes) -> tuple[FetchStatus, str]:
    root = _ROOT_ELEMENT.search(head)
    name = root.group(1) if root else b""
    if name == b"svg" or name.endswith(b":svg"):
        return FetchStatus.NOT_AN_IMAGE, "an SVG drawing, which has no pixels"
    if name in _HTML_ROOTS or head.startswith((b"<!doctype html", b"<!--")):
        return FetchStatus.HTML, "a web page"
    return FetchStatus.HTML, "an XML document"


def _as_text(head: bytes) -> bytes:
    """The head without a byte order mark, UTF-16 brought to UTF-8."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return head[2:].decode(encoding, "ignore").encode("utf-8", "ignore")
    return head.removeprefix(b"\xef\xbb\xbf")


def is_cut_short(body: bytes, picture_format: PictureFormat) -> bool:
    """Whether a picture that does not decode lacks its end, judged by the file's own structure.

    The decoders word this differently in every version, so their messages alone do not tell.
    """
    return _ENDLESS[picture_format](body)


def count_scans(body: bytes) -> int:
    """Scans of a JPEG file, thumbnails included: entropy-coded data cannot hold the marker."""
    return body.count(b"\xff\xda")


def _jpeg_lacks_end(body: bytes) -> bool:
    # A thumbnail ends earlier, so an end counts only behind the last start of a scan.
    return body.rfind(b"\xff\xd9") <= body.rfind(b"\xff\xda")


def _png_lacks_end(body: bytes) -> bool:
    return b"IEND" not in body[-4096:]


def _gif_lacks_end(body: bytes) -> bool:
    return not body.rstrip(b"\x00").endswith(b";")


def _webp_lacks_end(body: bytes) -> bool:
    return int.from_bytes(body[4:8], "little") + 8 > len(body)


def _bmp_lacks_end(body: bytes) -> bool:
    return int.from_bytes(body[2:6], "little") > len(body)


def _tiff_lacks_end(body: bytes) -> bool:
    return int.from_bytes(body[4:8], "little" if body.startswith(b"II") else "big") >= len(body)


def _avif_lacks_end(body: bytes) -> bool:
    start = 0
    while start + 8 <= len(body):
        size = int.from_bytes(body[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(body[start + 8 : start + 16], "big")
        if size < 8:  # 0 runs to the end of the file; less than a header is no box
            return False
        start += size
    return start != len(body)


_ENDLESS: Mapping[PictureFormat, Callable[[bytes], bool]] = {
    PictureFormat.JPEG: _jpeg_lacks_end,
    PictureFormat.PNG: _png_lacks_end,
    PictureFormat.GIF: _gif_lacks_end,
    PictureFormat.WEBP: _webp_lacks_end,
    PictureFormat.BMP: _bmp_lacks_end,
    PictureFormat.TIFF: _tiff_lacks_end,
    PictureFormat.AVIF: _avif_lacks_end,
}
