"""This is the reader of opt-outs in picture files: what a file says of its use and its making.

Read: PLUS `DataMining` (the prohibitions of data mining, of training, of all but search), IPTC
`DigitalSourceType` (in XMP or in a C2PA manifest; `trainedAlgorithmicMedia` marks a generated
picture), and who made it (`dc:creator`, `photoshop:Credit`).

The file's structure is not followed: an XMP packet is looked for by the namespace that each has to
declare, wherever a format keeps it, and the words that count are looked for in its bytes, so that
a packet which is cut or ill-formed is still obeyed. Only names are read by an XML parser, which
refuses document types, and with them entities. JPEG's extended XMP is put together first, and PNG's
compressed text unpacked. A file without any of it costs some searches for a string.

Source: PLUS LDF vocabulary, `DataMining`; IPTC Photo Metadata Standard 2023.1 and NewsCodes
`digitalsourcetype`; Adobe XMP specification, part 3. But: packets in UTF-16 and C2PA's own
`training-mining` assertion are not read; in a manifest, the sources of a picture count as itself.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from harvester.consent.signals import Signal, SignalKind
from harvester.readers.xmp import RDF, read_xmp
from harvester.sanitize import clean

_MAX_PACKETS = 8
_MAX_PACKET = 1 << 20
_MAX_SEARCHED = 4 << 20
"""Bytes of a file's beginning, and of its end, that are searched."""
_MAX_NAME = 500
_XMP_MARK = RDF.encode()
_OUTER = re.compile(rb"<(?:[\w.-]{1,40}:)?xmpmeta\b")
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PACKED = b"XML:com.adobe.xmp\0\1\0"
_SOURCE_MARK = b"/digitalsourcetype/"
_MINING = re.compile(rb"DMI-[A-Z]{3,40}(?:-[A-Z]{3,60})?", re.IGNORECASE)
# The list comes first: in a manifest, the letter behind the word belongs to what follows it.
_TERMS = (
    *("compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "algorithmicMedia"),
    *("algorithmicallyEnhanced", "compositeSynthetic", "compositeCapture", "composite"),
    *("computationalCapture", "digitalCapture", "digitalCreation", "digitalArt", "humanEdits"),
    *("minorHumanEdits", "dataDrivenMedia", "negativeFilm", "positiveFilm", "print"),
    *("screenCapture", "softwareImage", "virtualRecording", "trainedAlgorithmicData"),
)
_SOURCE = re.compile(rb"/digitalsourcetype/(%s|[A-Za-z]{3,60})" % "|".join(_TERMS).encode())
_BARE_SOURCE = re.compile(
    rb"DigitalSourceType(?:\s*=\s*[\"']|>)\s*(%s)\b" % "|".join(_TERMS).encode()
)
_MINING_KINDS = {
    "DMI-UNSPECIFIED": SignalKind.NOTE,
    "DMI-ALLOWED": SignalKind.NOTE,
    "DMI-PROHIBITED-AIMLTRAINING": SignalKind.AI,
    "DMI-PROHIBITED-GENAIMLTRAINING": SignalKind.AI,
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": SignalKind.TDM,
}
"""All other prohibitions (`DMI-PROHIBITED`, `…-SEECONSTRAINT`, …) speak of every use."""
_NAMES = {
    "http://purl.org/dc/elements/1.1/ creator": "creator",
    "http://ns.adobe.com/photoshop/1.0/ Credit": "credit",
}


@dataclass(frozen=True, slots=True)
class FileRights:
    """What a file says.

    Attributes:
        signals: `DataMining: …` and `DigitalSourceType: …`, each once.
        creator: as the file names it, printable, at most 500 characters.
    """

    signals: tuple[Signal, ...] = ()
    creator: str | None = None


_SILENT = FileRights()


def read_file_rights(data: bytes) -> FileRights:
    """Read what a picture file says of its use; of any bytes, and raises nothing.

    Args:
        data: the file as served; of a long one the first and the last 4 MiB.
    """
    if len(data) > 2 * _MAX_SEARCHED:
        data = data[:_MAX_SEARCHED] + data[-_MAX_SEARCHED:]
    packets = list(_packets(data))
    sourced = _SOURCE_MARK in data
    if not packets and not sourced:
        return _SILENT
    signals: dict[Signal, None] = {}
    names: dict[str, str] = {}
    for packet in packets:
        for match in _MINING.finditer(packet):
            signals.setdefault(_mining_signal(match[0].decode("ascii").upper()))
        for name, text in _read_names(packet):
            names.setdefault(name, text)
    matches = [_SOURCE.finditer(data)] if sourced else []
    matches += [pattern.finditer(part) for part in packets for pattern in (_SOURCE, _BARE_SOURCE)]
    terms = dict.fromkeys(match[1].decode("ascii") for each in matches for match in each)
    noted = list(terms)[:_MAX_PACKETS]
    signals |= {Signal(f"DigitalSourceType: {term}", SignalKind.NOTE): None for term in noted}
    return FileRights(
        signals=tuple(signals)[:_MAX_PACKETS],
        creator=names.get("creator") or names.get("credit"),
    )


def _mining_signal(term: str) -> Signal:
    prohibits = term.startswith("DMI-PROHIBITED")
    kind = _MINING_KINDS.get(term, SignalKind.ANY if prohibits else SignalKind.NOTE)
    return Signal(f"DataMining: {term}", kind)


def _packets(data: bytes) -> Iterator[bytes]:
    """XMP packets, each from its first tag on; what follows a packet may still hang on to it."""
    at = data.find(_XMP_MARK)
    if at >= 0:
        yield from _extended(data)
    for _ in range(_MAX_PACKETS):
        if at < 0:
            break
        before = data[max(0, at - 4096) : at]
        outer = [found.start() for found in _OUTER.finditer(before)]
        start = outer[-1] if outer else max(0, before.rfind(b"<"))
        start += at - len(before)
        end = data.find(b"</x:xmpmeta>", at, at + _MAX_PACKET)
        end = end + 12 if end > 0 else at + _MAX_PACKET
        yield data[start:end]
        at = data.find(_XMP_MARK, end)
    at = data.find(_PACKED) if data.startswith(b"\x89PNG") else -1
    if at >= 0:
        yield _unpack(data, at + len(_PACKED))


def _extended(data: bytes) -> Iterator[bytes]:
    """JPEG's extended XMP: parts of at most 64 KB beside a packet, each with its place."""
    parts: list[tuple[int, bytes]] = []
    at = data.find(_EXTENSION)
    while at >= 4 and len(parts) * 0xFFFF < _MAX_PACKET:
        length = struct.unpack_from(">H", data, at - 2)[0]
        head = at + len(_EXTENSION) + 32  # a digest, then two numbers
        if head + 8 > len(data):
            break
        offset = struct.unpack_from(">I", data, head + 4)[0]
        parts.append((offset, data[head + 8 : at - 2 + length]))
        at = data.find(_EXTENSION, head)
    if parts:
        whole = b"".join(part for _, part in sorted(parts))
        yield whole[max(0, whole.find(b"<")) :][:_MAX_PACKET]


def _unpack(data: bytes, at: int) -> bytes:
    """The text of a compressed `iTXt`, behind its language and its translated keyword."""
    for _ in range(2):
        at = data.find(b"\0", at, at + 256) + 1
        if not at:
            return b""
    try:
        return zlib.decompressobj().decompress(data[at : at + _MAX_PACKET], _MAX_PACKET)
    except zlib.error:
        return b""


def _read_names(packet: bytes) -> Iterator[tuple[str, str]]:
    """The names that a packet holds, as far as it is well-formed.

    Behind most packets come bytes of something else; what was whole by then is kept.
    """
    values, _ = read_xmp(packet[:_MAX_PACKET], _NAMES)
    for name, texts in values.items():
        joined = "; ".join(" ".join(text.split()) for text in texts)
        text = clean(joined[: 4 * _MAX_NAME])[:_MAX_NAME].strip()
        if text:
            yield name, text
