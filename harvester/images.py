"""Bytes → a verified picture: upright, in sRGB, of a bounded size, with its hashes.

The one door for pictures: candidates, generations and queries all pass here, so that two pictures
are always compared after the same treatment. Every fault leaves as a `PictureError` with a status.

Pillow decodes, and not OpenCV, because it tells a picture cut short from a whole one, keeps ICC
profiles and alpha, and reduces a JPEG while decoding it. Its resampling works in whole numbers, so
the same bytes give the same pixels, and hence the same hashes, on every machine.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import imagehash
import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from harvester.errors import reason_of
from harvester.pixels import over_white, to_plain_mode, to_srgb
from harvester.schema import FetchStatus
from harvester.sniff import (
    PictureFormat,
    count_scans,
    describe_other,
    is_cut_short,
    recognise,
)

_log = logging.getLogger(__name__)

MAX_PIXELS = 64_000_000
"""Pixels that are decoded at most; a larger picture is refused by its header."""

_MAX_SCANS = 200
"""Progressive JPEGs have about ten; thousands of empty ones are made to burn time."""

_PDQ_SIDE = 128
_PILLOW = r"PIL\."
_TAKEN = "a JPEG, PNG, WebP, GIF, AVIF, BMP or TIFF picture"

# The decoders are called by name: `Image.open` would try others too, and warns, for the whole
# process, above a pixel count of its own.
_DECODERS: Mapping[PictureFormat, Callable[[io.BytesIO], Image.Image]] = {
    PictureFormat.JPEG: JpegImagePlugin.jpeg_factory,
    PictureFormat.PNG: PngImagePlugin.PngImageFile,
    PictureFormat.WEBP: WebPImagePlugin.WebPImageFile,
    PictureFormat.GIF: GifImagePlugin.GifImageFile,
    PictureFormat.AVIF: AvifImagePlugin.AvifImageFile,
    PictureFormat.BMP: BmpImagePlugin.BmpImageFile,
    PictureFormat.TIFF: TiffImagePlugin.TiffImageFile,
}

_UPRIGHT: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → the turn that undoes it."""

_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})


class PictureError(Exception):
    """Bytes that are not a picture which can be used; the text is a one-line reason."""

    def __init__(self, status: FetchStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        rgb: (h, w, 3), sRGB, upright, alpha laid over white, the first frame of an animation;
            writable and owned by the caller.
        width, height: in pixels, as served, upright: those of `rgb` before it was made smaller.
        mime: the media type of the bytes themselves, whatever the server called them.
    """

    rgb: NDArray[np.uint8] = field(repr=False)
    width: int
    height: int
    mime: str


@dataclass(frozen=True, slots=True)
class Hashes:
    """Three perceptual hashes, for finding copies; they say nothing about likeness.

    In each hexadecimal string the first digit holds the first four bits, the first of them
    highest. Hamming distances are taken between hashes of one kind.

    Attributes:
        phash: 64 bits, 16 digits: the 8x8 lowest frequencies of the 32x32 grey picture against
            their median, rows of vertical frequency first. Blind to crops, turns and mirroring.
        dhash: 64 bits, 16 digits: whether brightness rises from each cell of a 9x8 grey picture to
            its right neighbour, row by row. As blind, and weaker on smooth pictures.
        pdq: 256 bits, 64 digits, in the order of PDQ's own text form. Stands re-encoding, resizing
            and slight crops; blind to turns and mirroring (hash the turned picture for those).
        pdq_quality: 0 to 100; below 50 the picture is too plain for its PDQ hash to mean anything.
    """

    phash: str
    dhash: str
    pdq: str
    pdq_quality: int


def open_picture(
    body: bytes, *, max_side: int | None = 512, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode bytes of any origin; hostile ones cost at most `max_pixels` of work and memory.

    Args:
        body: the file as served.
        max_side: the longest side of `rgb`, in pixels; a smaller picture keeps its size, and None
            keeps every size.
        max_pixels: refuse a picture whose header announces more.

    Raises:
        PictureError: with the status that says why, and a one-line reason.
        ValueError: if `max_side` is below 1.
    """
    if max_side is not None and max_side < 1:
        raise ValueError(f"expected max_side of at least 1 pixel or None, found {max_side}")
    picture_format = recognise(body)
    if picture_format is None:
        status, found = describe_other(body)
        raise PictureError(status, f"expected {_TAKEN}, found {found}")
    _hush_metadata_warnings()
    try:
        return _decode(body, picture_format, max_side, max_pixels)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        # Pillow's own check, of GIF frames that outgrow the header and of its hard limit.
        reason = f"expected at most {max_pixels:,} pixels, found far more in the header"
        raise PictureError(FetchStatus.TOO_MANY_PIXELS, reason) from exc
    except Exception as exc:
        # Broken files end in every kind of error that Pillow, its C libraries and Python know
        # (SyntaxError, struct.error, zlib.error, MemoryError, KeyError, …): one door, one error.
        name = picture_format.name
        if is_cut_short(body, picture_format) or "truncated" in str(exc).lower():
            reason = f"expected a whole {name} picture, found it cut short after {len(body)} bytes"
            raise PictureError(FetchStatus.TRUNCATED, reason) from exc
        reason = f"expected a {name} picture, found it broken inside: {reason_of(exc)}"
        raise PictureError(FetchStatus.UNDECODABLE, reason) from exc


def _hush_metadata_warnings() -> None:
    """Keep Pillow's remarks on damaged EXIF off the screen; the picture is whole without it.

    A filter for the process and no `catch_warnings`: that one is not safe where threads decode.
    """
    wanted = ("ignore", UserWarning, _PILLOW)
    if not any((f[0], f[2], getattr(f[3], "pattern", None)) == wanted for f in warnings.filters):
        warnings.filterwarnings("ignore", category=UserWarning, module=_PILLOW)


def _decode(
    body: bytes, picture_format: PictureFormat, max_side: int | None, max_pixels: int
) -> Picture:
    if picture_format is PictureFormat.JPEG and count_scans(body) > _MAX_SCANS:
        raise PictureError(
            FetchStatus.UNDECODABLE,
            f"expected a JPEG picture of at most {_MAX_SCANS} scans, found {count_scans(body)}",
        )
    with _DECODERS[picture_format](io.BytesIO(body)) as source:
        width, height = source.size
        if width * height > max_pixels:
            raise PictureError(
                FetchStatus.TOO_MANY_PIXELS,
                f"expected at most {max_pixels:,} pixels, found {width}x{height} in the header",
            )
        size = _fit(width, height, max_side)
        source.draft(None, size)  # JPEG alone: decodes at a half, quarter or eighth, never below
        source.load()
        orientation = _read_orientation(source)
        profile = source.info.get("icc_profile")
        plain = to_plain_mode(source)
        if plain.size != size:
            plain = plain.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    plain = to_srgb(over_white(plain), profile)
    if orientation in _UPRIGHT:
        plain = plain.transpose(_UPRIGHT[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Picture(np.array(plain), width, height, picture_format.value)


def _fit(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    longest = max(width, height)
    if max_side is None or longest <= max_side:
        return width, height
    scale = max_side / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


def _read_orientation(source: Image.Image) -> int:
    try:
        return int(source.getexif().get(_ORIENTATION, 1))
    except Exception as exc:  # noqa: BLE001  # damaged EXIF raises anything; the picture is whole
        _log.debug("EXIF ignored: %s", exc)
        return 1


def encode_jpeg(rgb: NDArray[np.uint8], *, quality: int = 95) -> bytes:
    """Encode sRGB pixels as JPEG without metadata; the same pixels give the same bytes.

    Args:
        rgb: (h, w, 3).
        quality: 1 to 100; 95 costs about 0.2 bytes a pixel and no difference that can be seen.

    Raises:
        OSError: if a side is longer than the 65,500 pixels that JPEG allows.
    """
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def compute_hashes(rgb: NDArray[np.uint8]) -> Hashes:
    """Hash (h, w, 3) sRGB pixels of any size, as `open_picture` gives them.

    PDQ takes the picture at 128x128: its filter's width depends on the size it is given, so that
    a copy at 300 px differs from its 512 px original in 13 bits of 256 on average, and in 1 when
    both are first brought to one square. Of the squares tried this one stays nearest to PDQ's own
    512x512 (4 bits on average, 256x256: 13), and it is the fastest.

    Source: pHash and dHash, Krawetz, hackerfactor.com, as in the ImageHash package; PDQ, Meta's
    ThreatExchange, as in the pdqhash package.
    """
    picture = Image.fromarray(rgb)
    grey = picture.convert("L")
    square = picture.resize((_PDQ_SIDE, _PDQ_SIDE), Image.Resampling.BILINEAR)
    bits, quality = pdqhash.compute(np.asarray(square))
    return Hashes(
        phash=str(imagehash.phash(grey)),
        dhash=str(imagehash.dhash(grey)),
        pdq=np.packbits(bits.astype(np.uint8)).tobytes().hex(),
        pdq_quality=int(quality),
    )
