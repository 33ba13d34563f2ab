"""This is colour conversion: pixels of every mode, depth and colour space → 8-bit sRGB, upright.

The order is fixed: plain mode, resize (by the caller), alpha over white, colour profile, turn. The
profile comes last because it is the dearest step and the picture is smallest then; white is white
in every profile, so laying alpha over it first changes nothing.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_log = logging.getLogger(__name__)
_MAX_PROFILE_BYTES = 4 << 20
_PLAIN_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "LAB"})
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
SIDEWAYS = frozenset({5, 6, 7, 8})
"""Orientations under which width and height change places."""


def to_plain_mode(source: Image.Image) -> Image.Image:
    """The picture as L, LA, RGB, RGBA, CMYK or LAB, 8 bits a channel."""
    mode = source.mode
    if mode in _PLAIN_MODES and "transparency" not in source.info:
        return source
    if mode == "La":
        return source.convert("LA")
    if mode.startswith("I") or mode == "F":
        return _to_eight_bits(source)
    if source.has_transparency_data or mode == "RGBa":
        return source.convert("RGBA")
    return source.convert("L" if mode == "1" else "RGB")


def _to_eight_bits(source: Image.Image) -> Image.Image:
    """Deep grey at 8 bits; where no range is known, the darkest and lightest pixel set it."""
    values: NDArray[np.float32] = np.nan_to_num(np.asarray(source, dtype=np.float32))
    low, high = float(values.min()), float(values.max())
    if source.mode.startswith("I;16") or (source.mode == "I" and low >= 0 and 255 < high < 65536):
        values /= 257
    elif source.mode == "F" and low >= 0 and high <= 1:
        values *= 255
    elif low < 0 or high > 255:
        values = (values - low) * (255 / max(high - low, 1e-9))
    return Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))


def over_white(plain: Image.Image) -> Image.Image:
    """The picture without alpha, as a page with a white ground would show it."""
    if plain.mode not in {"LA", "RGBA"}:
        return plain
    white = Image.new(plain.mode.removesuffix("A"), plain.size, "white")
    white.paste(plain.convert(white.mode), mask=plain.getchannel("A"))
    return white


def to_srgb(plain: Image.Image, profile: Any) -> Image.Image:
    """The picture in sRGB; a broken profile, or one of another colour model, is passed over."""
    if plain.mode == "LAB" or (isinstance(profile, bytes) and len(profile) <= _MAX_PROFILE_BYTES):
        transform = _build_transform(b"" if plain.mode == "LAB" else profile, plain.mode)
        if transform is not None:
            converted = ImageCms.applyTransform(plain, transform)
            if converted is not None:
                return converted
    return plain if plain.mode == "RGB" else plain.convert("RGB")


@lru_cache(maxsize=32)
def _build_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile (none: CIE L*a*b*) to sRGB; None where there is nothing to do."""
    try:
        source = (
            ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if profile
            else ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        )
        if profile and ImageCms.getProfileDescription(source).startswith("sRGB"):
            return None
        return ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # Without the cache, one transform may serve several threads at a time.
            ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as exc:
        _log.debug("colour profile ignored: %s", exc)
        return None


def read_orientation(source: Image.Image) -> int:
    """The EXIF orientation of a file, 1 to 8; other numbers, which are damage, mean nothing."""
    try:
        return int(source.getexif().get(_ORIENTATION, 1))
    except Exception as exc:  # noqa: BLE001  # damaged EXIF raises anything; the picture is whole
        _log.debug("EXIF ignored: %s", exc)
        return 1


def turn_upright(plain: Image.Image, orientation: int) -> Image.Image:
    """The picture as it is meant to be seen."""
    return plain.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else plain
