"""Bytes → a verified picture: upright, in sRGB, of a bounded size, with its hashes.

The one door for pictures: candidates, generations and queries all pass here, so that two pictures
are always compared after the same treatment. Every fault leaves as a `PictureError` with a status.

Pillow decodes, and not OpenCV, because it tells a picture cut short from a whole one, keeps ICC
profiles and alpha, and reduces a JPEG while decoding it. Its resampling works in whole numbers, so
the same bytes give the same pixels, and hence the same hashes, on every machine.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
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
from harvester.pictures import pdq
from harvester.pictures.color import (
    SIDEWAYS,
    over_white,
    read_orientation,
    to_plain_mode,
    to_srgb,
    turn_upright,
)
from harvester.pictures.formats import (
    PictureFormat,
    count_scans,
    describe_other,
    is_cut_short,
    recognise,
)
from harvester.schema import FetchStatus

MAX_PIXELS = 64_000_000
"""Pixels that are decoded at most; a larger picture is refused by its header."""
_MAX_SCANS = 200
"""Progressive JPEGs have about ten; thousands of empty ones are made to burn time."""
_DEAR_PIXELS: Mapping[PictureFormat, int] = {
    PictureFormat.WEBP: 18_000_000,
    PictureFormat.AVIF: 32_000_000,
}
"""As MAX_PIXELS, for decoders that take 16 and 9 bytes a pixel where others take 5."""
_ALWAYS_PIXELS = 4_000_000
_PIXELS_A_BYTE = 10_000
"""More than deflate packs of one colour; 75 bytes of PNG else cost 2.5 s and 500 MB, as black."""
_PDQ_SIDE = 128
_COSINES: NDArray[np.float64] = np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(32) + 1) / 64)
"""The 8 lowest of the 32 cosines of the discrete cosine transform, type 2."""
_CLEAR = 1e-3
"""Far above what rounding can move a frequency, far below what parts two in a photograph."""
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


class PictureError(Exception):
    """Bytes that are not a picture which can be used; the text is a one-line reason."""

    def __init__(self, status: FetchStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    def __reduce__(self) -> tuple[type[PictureError], tuple[FetchStatus, str]]:
        """Pickle both arguments; an exception by itself remembers the text alone."""
        return PictureError, (self.status, str(self))


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
class OpenedImage:
    """A `Picture` as Pillow holds it, mode RGB, for those who encode or hash it: no array."""

    image: Image.Image = field(repr=False)
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
    opened = open_image(body, max_side=max_side, max_pixels=max_pixels)
    return Picture(np.array(opened.image), opened.width, opened.height, opened.mime)


def open_image(
    body: bytes, *, max_side: int | None = 512, max_pixels: int = MAX_PIXELS
) -> OpenedImage:
    """As `open_picture`, with the same arguments, pixels and errors, but without the array."""
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
    except MemoryError as exc:
        name = picture_format.name
        reason = f"expected a {name} picture that can be held in memory, found one too large for it"
        raise PictureError(FetchStatus.UNDECODABLE, reason) from exc
    except Exception as exc:
        # Broken files end in every kind of error that Pillow, its C libraries and Python know
        # (SyntaxError, struct.error, zlib.error, KeyError, …): one door, one error.
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
) -> OpenedImage:
    if picture_format is PictureFormat.JPEG and count_scans(body) > _MAX_SCANS:
        raise PictureError(
            FetchStatus.UNDECODABLE,
            f"expected a JPEG picture of at most {_MAX_SCANS} scans, found {count_scans(body)}",
        )
    with _DECODERS[picture_format](io.BytesIO(body)) as source:
        width, height = source.size
        max_pixels = min(max_pixels, _DEAR_PIXELS.get(picture_format, max_pixels))
        if width * height > max_pixels:
            raise PictureError(
                FetchStatus.TOO_MANY_PIXELS,
                f"expected at most {max_pixels:,} pixels, found {width}x{height} in the header",
            )
        if width * height > max(_ALWAYS_PIXELS, _PIXELS_A_BYTE * len(body)):
            raise PictureError(
                FetchStatus.TOO_MANY_PIXELS,
                f"expected at most {_PIXELS_A_BYTE:,} pixels a byte, found {width}x{height} in "
                f"{len(body):,} bytes",
            )
        size = _fit(width, height, max_side)
        source.draft(None, _drafted(width, height, size))
        source.load()
        orientation = read_orientation(source)
        profile = source.info.get("icc_profile")
        plain = to_plain_mode(source)
        if plain.size != size:
            plain = plain.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    plain = to_srgb(over_white(plain), profile)
    plain = turn_upright(plain, orientation)
    if orientation in SIDEWAYS:
        width, height = height, width
    plain.info = {}  # Pillow would carry a comment on into the next file
    return OpenedImage(plain, width, height, picture_format.value)


def announced_pixels(body: bytes) -> int:
    """Pixels that a file's header announces, before anything is decoded; 0 where none is read."""
    picture_format = recognise(body)
    if picture_format is None:
        return 0
    _hush_metadata_warnings()
    try:
        with _DECODERS[picture_format](io.BytesIO(body)) as source:
            width, height = source.size
    except Exception:  # noqa: BLE001  # the same bytes give a named error when they are decoded
        return 0
    return int(width * height)


def _drafted(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """The size to ask a JPEG decoder for: a half, quarter or eighth, never below `size`.

    Reckoned here because the decoder rounds up and Pillow's `draft` down: by itself it would decode
    1024x683, for 512x342, at full size.
    """
    for scale in (8, 4, 2):
        if -(-width // scale) >= size[0] and -(-height // scale) >= size[1]:
            return max(1, width // scale), max(1, height // scale)
    return width, height


def _fit(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    longest = max(width, height)
    if max_side is None or longest <= max_side:
        return width, height
    scale = max_side / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


def encode_jpeg(rgb: NDArray[np.uint8], *, quality: int = 95) -> bytes:
    """Encode sRGB pixels as JPEG without metadata; the same pixels give the same bytes.

    Args:
        rgb: (h, w, 3).
        quality: 1 to 100; 95 costs about 0.2 bytes a pixel and no difference that can be seen.

    Raises:
        OSError: if a side is longer than the 65,500 pixels that JPEG allows.
    """
    return encode_image(Image.fromarray(rgb), quality=quality)


def encode_image(image: Image.Image, *, quality: int = 95) -> bytes:
    """As `encode_jpeg`, of a picture as `open_image` gives it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def compute_hashes(rgb: NDArray[np.uint8]) -> Hashes:
    """Hash (h, w, 3) sRGB pixels of any size, as `open_picture` gives them.

    PDQ takes the picture at 128x128: its filter's width depends on the size it is given, so that
    a copy at 300 px differs from its 512 px original in 13 bits of 256 on average, and in 1 when
    both are first brought to one square. Of the squares tried this one stays nearest to PDQ's own
    512x512 (4 bits on average, 256x256: 13), and it is the fastest.

    Source: pHash and dHash, Krawetz, hackerfactor.com, bit for bit as in the ImageHash package;
    PDQ: see `pdq`.
    """
    return hash_image(Image.fromarray(rgb))


def hash_image(image: Image.Image) -> Hashes:
    """As `compute_hashes`, of a picture as `open_image` gives it."""
    grey = image.convert("L")
    square = image.resize((_PDQ_SIDE, _PDQ_SIDE), Image.Resampling.BILINEAR)
    hashed = pdq.compute(np.asarray(square))
    return Hashes(
        phash=_phash(grey),
        dhash=_dhash(grey),
        pdq=_to_hex(hashed.bits),
        pdq_quality=hashed.quality,
    )


def _dhash(grey: Image.Image) -> str:
    cells = np.asarray(grey.resize((9, 8), Image.Resampling.LANCZOS))
    return _to_hex(cells[:, 1:] > cells[:, :-1])


def _phash(grey: Image.Image) -> str:
    """The low corner of the cosine transform against its median.

    A product of matrices, where ImageHash loads all of scipy.fft. The two agree to about 1e-9, so
    where the median does not lie clear of the frequencies next to it, as in pictures that are
    their own mirror image, ImageHash itself decides.
    """
    small = np.asarray(grey.resize((32, 32), Image.Resampling.LANCZOS))
    low = _COSINES @ small.astype(np.float64) @ _COSINES.T
    ordered = np.sort(low, axis=None)
    below, above = float(ordered[31]), float(ordered[32])
    if above - below > _CLEAR:
        return _to_hex(low > (below + above) / 2)
    if small.min() == small.max():  # the most common of those: placeholders of one colour
        return "8000000000000000" if small[0, 0] else "0000000000000000"
    import imagehash  # noqa: PLC0415  # with scipy it costs 30 MB, and few pictures need it

    return str(imagehash.phash(grey))


def _to_hex(bits: NDArray[np.uint8] | NDArray[np.bool_]) -> str:
    return np.packbits(bits).tobytes().hex()
