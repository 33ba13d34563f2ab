"""The query: the generated picture as it is compared, whole, and by tiles where it is a grid."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from attribution.descriptors.hashes import dihedral
from attribution.errors import QueryImageError
from attribution.matching.geometry import Box
from attribution.prompt import NotFetched, PromptParts, ReferencePicture, from_plain
from attribution.provenance.origin import Origin, read_origin
from attribution.ranking.borders import content_box, cut_out
from attribution.ranking.tiles import looks_like_grid, split_tiles
from harvester.errors import reason_of
from harvester.pictures.decode import PictureError, compute_hashes, open_picture

MAX_SIDE = 1024
"""Pixels kept of a query's longest side: a grid's tiles are then as large as candidates."""
CANDIDATE_SIDE = 512
"""Pixels of a stored candidate's longest side, as harvested by default."""
MAX_BYTES = 256 << 20
WHOLE = Box(0, 0, 1, 1)
TILE_WINDOWS = tuple(Box(x, y, x + 0.5, y + 0.5) for y in (0, 0.5) for x in (0, 0.5))
UNNAMED = "a picture without a name"
GridMode = Literal["auto", "yes", "no"]
Picture = str | Path | bytes | Image.Image | NDArray[np.uint8]
"""A path, the bytes of a file, a Pillow image, or (h, w, 3) uint8 RGB."""
_LOSSLESS_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})


@dataclass(frozen=True, slots=True)
class View:
    """One picture to compare: the whole query, the whole without its borders, or one tile.

    Attributes:
        tile: 1 to 4 in reading order; None for the whole.
        picture: (h, w, 3) uint8 RGB.
        hashes: by channel, one hexadecimal hash for each of the eight turns.
        window: where in the query it is.
    """

    tile: int | None
    picture: NDArray[np.uint8]
    hashes: dict[str, tuple[str, ...]]
    pdq_quality: int
    window: Box = WHOLE


@dataclass(frozen=True, slots=True)
class Query:
    """A generated picture and its prompt.

    Attributes:
        name: for a person; the file's name.
        prompt: as a person sees it, flags and all.
        views: the whole first; then four tiles if it is a grid, else the whole without its borders
            if they are wide.
        prompt_parts: what the prompt asks for; None without a prompt.
        fetched_references: the pictures that the prompt itself names, once somebody fetched them.
        origin: what the file says of itself, whatever prompt was given.
    """

    name: str
    prompt: str | None
    views: tuple[View, ...]
    prompt_parts: PromptParts | None = None
    fetched_references: tuple[ReferencePicture, ...] = ()
    origin: Origin = field(default_factory=Origin)

    @property
    def words(self) -> str | None:
        """What of the prompt is wanted, without weights; None without a prompt."""
        return self.prompt_parts.words if self.prompt_parts else None

    @property
    def references(self) -> tuple[ReferencePicture, ...]:
        """What became of the declared pictures, or only that the prompt declares them."""
        if self.fetched_references or self.prompt_parts is None:
            return self.fetched_references
        return tuple(NotFetched(one.url, one.role) for one in self.prompt_parts.references)

    @property
    def content(self) -> Box:
        """Where the query shows something: the whole of it, but for wide borders."""
        last = self.views[-1]
        return last.window if last.tile is None else WHOLE

    @property
    def is_grid(self) -> bool:
        """Whether the tiles are ranked too."""
        return any(view.tile is not None for view in self.views)


def open_query(
    image: Picture,
    prompt: str | None,
    *,
    name: str | None = None,
    grid: GridMode = "auto",
    prompt_parts: PromptParts | None = None,
) -> Query:
    """Read a generated picture; without `prompt_parts`, all words of a prompt are wanted.

    Args:
        image: a file or a picture in memory.
        prompt: what it was generated from.
        name: what errors and reports call it; its path unless given.
        grid: whether it is ranked tile by tile.
        prompt_parts: what the prompt asks for.

    Raises:
        QueryImageError: if it is missing, unreadable, or no picture; says which.
    """
    if isinstance(image, str | Path):
        name = name or str(image)
        try:
            body = _read_regular(Path(image))
        except (OSError, ValueError) as exc:
            raise QueryImageError(
                f"{image}: expected a picture, found {reason_of(exc)}; check the path"
            ) from exc
    else:
        name = name or UNNAMED
        body = image if isinstance(image, bytes) else _encoded(image, name)
    return query_from_bytes(body, name, prompt, grid=grid, prompt_parts=prompt_parts)


def query_from_bytes(
    body: bytes,
    name: str,
    prompt: str | None,
    *,
    grid: GridMode = "auto",
    prompt_parts: PromptParts | None = None,
) -> Query:
    """As `open_query`, for a picture in memory; `name` is what errors and reports call it."""
    try:
        picture = open_picture(body, max_side=MAX_SIDE).rgb
    except PictureError as exc:
        raise QueryImageError(
            f"{name}: {exc}; give the picture itself, as the generator saved it"
        ) from exc
    is_grid = grid == "yes" or (grid == "auto" and looks_like_grid(picture))
    tiles = split_tiles(picture) if is_grid and min(picture.shape[:2]) > 1 else ()
    views = [_view(None, picture), *map(_view, range(1, 5), tiles, TILE_WINDOWS)]
    box = None if tiles else content_box(picture)
    if box is not None:
        views.append(_view(None, cut_out(picture, box), box))
    if prompt_parts is None and prompt:
        prompt_parts = from_plain(prompt)
    return Query(Path(name).name, prompt, tuple(views), prompt_parts, origin=read_origin(body))


def with_own_prompt(query: Query, parse: Callable[[str, Origin], PromptParts]) -> Query:
    """A query without a prompt with the one that its file tells, if it tells one.

    Args:
        query: as it was opened.
        parse: reads a prompt that stands in a file which says this of itself.
    """
    if query.prompt is not None or not query.origin.prompt:
        return query
    return replace(
        query, prompt=query.origin.prompt, prompt_parts=parse(query.origin.prompt, query.origin)
    )


def _encoded(image: Image.Image | NDArray[np.uint8], name: str) -> bytes:
    """A picture in memory as a file without loss, so that one way of reading holds for all."""
    if isinstance(image, Image.Image):
        buffer = io.BytesIO()
        try:
            upright = ImageOps.exif_transpose(image)
            profile = image.info.get("icc_profile")
            if upright.mode not in _LOSSLESS_MODES:
                upright, profile = upright.convert("RGB"), None
            upright.save(buffer, "PNG", compress_level=1, icc_profile=profile)
        except (OSError, ValueError, SyntaxError) as exc:
            raise QueryImageError(
                f"{name}: expected a Pillow image that can be read, found {reason_of(exc)}; load "
                "it before it is ranked"
            ) from exc
        return buffer.getvalue()
    shape = getattr(image, "shape", None)
    is_picture = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
    if not is_picture or image.shape[2] != 3 or not image.size:
        found = type(image).__name__ if shape is None else f"{image.dtype} of shape {shape}"
        raise QueryImageError(
            f"{name}: expected a path, bytes, a Pillow image or an array (h, w, 3) of uint8 RGB, "
            f"found {found}; convert it"
        )
    return bytes(cv2.imencode(".png", image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def _read_regular(path: Path) -> bytes:
    """A file's bytes; a pipe or device, which may never end or never begin, is refused."""
    # Without O_NONBLOCK the opening itself would wait for the other end of a pipe.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            found = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
            raise OSError(errno.EINVAL, found)
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            body = stream.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(body) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAX_BYTES >> 20} MiB")
    return body


def _view(tile: int | None, picture: NDArray[np.uint8], window: Box = WHOLE) -> View:
    turns = [compute_hashes(turned) for turned in dihedral(_as_large_as_candidates(picture))]
    return View(
        tile,
        picture,
        {
            "pdq": tuple(turn.pdq for turn in turns),
            "phash": tuple(turn.phash for turn in turns),
            "dhash": tuple(turn.dhash for turn in turns),
        },
        turns[0].pdq_quality,
        window,
    )


def _as_large_as_candidates(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most `CANDIDATE_SIDE`: candidates were hashed at that size, and eight turns cost less."""
    height, width = picture.shape[:2]
    scale = CANDIDATE_SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
