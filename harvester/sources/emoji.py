"""This is the source of emoji from npm packages: the same things by several artists, each named.

Reads `emoji-datasource-twitter` and `emoji-datasource-google` (PNG, 64 px) and `openmoji` (SVG,
drawn here at 256 px), each as an unpacked folder or as the `.tgz` that npm serves. The vendor is
the creator, so that who made a picture is known beyond doubt.

Packages are strangers' files. Of an archive only members of the expected names are unpacked, by
names that cannot lead elsewhere, and each and all only up to a size.

But: Apple's and Facebook's emoji are theirs alone and are refused.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.errors import InputError, reason_of
from harvester.paths import what_is
from harvester.readers.tables import as_text
from harvester.sanitize import clean
from harvester.schema import Finding, LocalPicture
from harvester.sources.captioned import SOURCE, CaptionFilter, CaptionTally, as_category
from harvester.sources.folder import is_inside
from harvester.sources.svg import draw_svg, load_resvg

_LOG = logging.getLogger(__name__)
_LONGEST_JSON = 32 << 20  # bytes; those of version 16 have 2
_LARGEST_PICTURE = 1 << 20  # bytes; the largest of version 16 has 35,000
_LARGEST_PACKAGE = 256 << 20  # bytes, unpacked; those of version 16 have 78 MB
_SHOWN = 200  # characters


@dataclass(frozen=True, slots=True)
class EmojiPackage:
    """A package that is open: its pictures lie in a folder.

    Attributes:
        name: as npm knows it.
        emoji: in the package's order.
    """

    name: str
    emoji: tuple[Emoji, ...]
    _layout: PackageLayout
    _root: Path

    def pictures(
        self, scratch: Path, *, choice: CaptionFilter | None = None, tally: CaptionTally
    ) -> Iterator[LocalPicture]:
        """Stream the pictures; SVG is drawn into `scratch`, which must outlive their use.

        Raises:
            InputError: if a category does not exist, if SVG is to be drawn and `resvg_py` is not
                installed, or if no picture is left.
        """
        choice = choice or CaptionFilter()
        choice.check((one.category for one in self.emoji), self.name)
        if self._layout.file_name is SVG:
            load_resvg()
        return self._stream(scratch, choice, tally)

    def _stream(
        self, scratch: Path, choice: CaptionFilter, tally: CaptionTally
    ) -> Iterator[LocalPicture]:
        found_at = datetime.now(UTC)
        for rank, emoji in enumerate(self.emoji, start=1):
            if not choice.wants(emoji.category):
                tally.left_out += 1
                continue
            path = self._picture(emoji.file, scratch)
            if path is None:
                tally.lost += 1
                continue
            finding = Finding(
                url=f"file:{self.name}/{emoji.category}/{emoji.file}",
                source=SOURCE,
                rank=rank,
                found_at=found_at,
                title=emoji.name,
                caption=emoji.name,
                creator=self._layout.creator,
                license=self._layout.license,
                license_url=self._layout.license_url,
            )
            yield tally.take(LocalPicture(finding=finding, path=path))
        if not tally.taken:
            raise InputError(
                f"{self.name}: expected pictures in {self._layout.pictures}, found none of "
                f"{tally.lost:,} wanted; unpack the package anew, or leave out less"
            )

    def _picture(self, name: str, scratch: Path) -> Path | None:
        path = self._root / self._layout.pictures / name
        if not is_inside(path, self._root):
            _LOG.warning("%s: passed over: the package names it and does not hold it", name)
            return None
        if path.suffix != ".svg":
            return path
        drawn = scratch / f"{path.stem}.png"
        try:
            drawn.write_bytes(draw_svg(_read_bounded(path, _LARGEST_PICTURE)))
        except (ValueError, OSError) as exc:
            _LOG.warning("%s: passed over: %s", name, reason_of(exc))
            return None
        return drawn


def open_package(source: Path, scratch: Path, *, variants: bool = False) -> EmojiPackage:
    """Open a package of emoji.

    Args:
        source: the folder that holds its `package.json`, the folder above `package`, or its `.tgz`.
        scratch: a folder of one's own; an archive is unpacked into it.
        variants: also take the pictures of each skin tone.

    Raises:
        InputError: if it is no package, none of those that are read here, or broken.
    """
    source = Path(source)
    if source.is_dir():
        below = source / "package"  # as npm packs it
        root = below if (below / "package.json").is_file() else source
        name = _name_of(root, source)
    elif source.is_file():
        name = _unpack(source, scratch)
        root = scratch
    else:
        raise InputError(
            f"{source}: expected a package of emoji, found {what_is(source)}; check the path"
        )
    layout = LAYOUTS[name]
    emoji = tuple(_read_names(root.resolve(), layout, source, variants=variants))
    if not emoji:
        raise InputError(f"{source}: expected emoji in {layout.names}, found none; get it anew")
    return EmojiPackage(name=name, emoji=emoji, _layout=layout, _root=root.resolve())


def _read_bounded(path: Path, most: int) -> bytes:
    """A file's content; raises OSError, or ValueError where it has more than `most` bytes."""
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"more than {most:,} bytes")
    return content


def _parse(path: Path, source: Path) -> Any:
    try:
        return json.loads(_read_bounded(path, _LONGEST_JSON).decode("utf-8-sig"))
    except FileNotFoundError as exc:
        raise InputError(
            f"{source}: expected an npm package, found no {path.name} in it; name the folder that "
            "holds package.json, or use --captions LIST for a folder of other pictures"
        ) from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise InputError(
            f"{source}: expected JSON in {path.name}, found {reason_of(exc)}; get the package anew"
        ) from exc


def _name_of(root: Path, source: Path) -> str:
    """The package's name, checked."""
    record = _parse(root / "package.json", source)
    name = record.get("name") if isinstance(record, dict) else None
    if isinstance(name, str) and name in LAYOUTS:
        return name
    found = clean(name)[:_SHOWN] if isinstance(name, str) else "none"
    if found.startswith("emoji-datasource"):
        raise InputError(
            f"{source}: expected emoji under a free license ({', '.join(LAYOUTS)}), found "
            f"{found}: Apple's and Facebook's are proprietary; use one of the free ones"
        )
    raise InputError(
        f"{source}: expected one of the packages {', '.join(LAYOUTS)}, found {found}; use "
        "--captions LIST for a folder of other pictures"
    )


class _Bounded:
    """A stream that raises ValueError where it outgrows any package; tar's headers count, too."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream, self._left = stream, _LARGEST_PACKAGE

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"more than {_LARGEST_PACKAGE >> 20} MiB in it")
        return content


def _unpack(archive: Path, folder: Path) -> str:
    """Unpack what is read here of a package, and say its name."""
    try:
        with gzip.open(archive) as packed:
            bounded: Any = _Bounded(packed)  # `read` is all that a stream of tar is asked for
            stream = tarfile.open(fileobj=bounded, mode="r|")  # noqa: SIM115  # holds no file
            for member in stream:
                name = member.name.removeprefix("package/")
                if not member.isreg() or member.size > _most_bytes(name):
                    continue
                content = stream.extractfile(member)
                if content is not None:
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, zlib.error) as exc:
        raise InputError(
            f"{archive}: expected an npm package (.tgz), found {reason_of(exc)}; give one as "
            "`npm pack` fetches it"
        ) from exc
    return _name_of(folder, archive)


def _most_bytes(name: str) -> int:
    """Bytes that a member of an archive may have; -1 if it is none that is read here."""
    if name == "package.json" or any(name == one.names for one in LAYOUTS.values()):
        return _LONGEST_JSON
    above, _, last = name.rpartition("/")
    is_picture = any(
        above == one.pictures and one.file_name.fullmatch(last) for one in LAYOUTS.values()
    )
    return _LARGEST_PICTURE if is_picture else -1


def _read_names(
    root: Path, layout: PackageLayout, source: Path, *, variants: bool
) -> Iterator[Emoji]:
    records = _parse(root / layout.names, source)
    if not isinstance(records, list):
        raise InputError(
            f"{source}: expected a list of emoji in {layout.names}, found a "
            f"{type(records).__name__}; get the package anew"
        )
    strange = 0
    for record in records:
        named = layout.read(record, variants) if isinstance(record, dict) else ()
        for emoji in named:
            if layout.file_name.fullmatch(emoji.file):
                yield emoji
            else:
                strange += 1
        strange += not isinstance(record, dict)
    if strange:
        _LOG.warning("%s: records of another form, passed over: %d", source, strange)


_PNG = re.compile(r"[0-9a-f]{2,6}(-[0-9a-f]{2,6}){0,15}\.png")
SVG = re.compile(r"[0-9A-F]{2,6}(-[0-9A-F]{2,6}){0,15}\.svg")
_LONGEST_NAME = 200  # characters
_TONES = {
    "1F3FB": "light skin tone",
    "1F3FC": "medium-light skin tone",
    "1F3FD": "medium skin tone",
    "1F3FE": "medium-dark skin tone",
    "1F3FF": "dark skin tone",
}


@dataclass(frozen=True, slots=True)
class Emoji:
    """One picture that a package names; `name` in plain words, `file` without a folder."""

    name: str | None
    category: str
    file: str


@dataclass(frozen=True, slots=True)
class PackageLayout:
    """Where a package has its names and pictures, and whose they are.

    Attributes:
        names, pictures: paths in the package.
        file_name: of every picture.
        read: what a record names; with pictures of skin tones or without.
    """

    creator: str
    license: str
    license_url: str
    names: str
    pictures: str
    file_name: re.Pattern[str]
    read: Callable[[Mapping[str, Any], bool], Iterator[Emoji]]


def plain_words(name: str) -> str | None:
    """A Unicode name as plain words in lower case: `FAMILY: MAN, BOY` → `family man boy`."""
    text = re.sub(r"[^\w\s’'#*&+!?-]|_", " ", clean(name).replace(".", "")).lower()
    return " ".join(text.split())[:_LONGEST_NAME].strip() or None


def _datasource(vendor: str) -> Callable[[Mapping[str, Any], bool], Iterator[Emoji]]:
    """Reads a record of `emoji.json`, for one vendor."""

    def read(record: Mapping[str, Any], variants: bool) -> Iterator[Emoji]:  # noqa: FBT001  # one signature for all
        name = plain_words(as_text(record.get("name")) or "") or plain_words(
            as_text(record.get("short_name")) or ""
        )
        category = as_category(record.get("category")) or "Other"
        if record.get(f"has_img_{vendor}") is True:
            yield Emoji(name, category, str(record.get("image")))
        varied = record.get("skin_variations") if variants else None
        for tones, variant in varied.items() if isinstance(varied, dict) else ():
            if isinstance(variant, dict) and variant.get(f"has_img_{vendor}") is True:
                tone_names = (_TONES.get(tone, "") for tone in tones.split("-"))
                words = " ".join(filter(None, (name, *tone_names)))
                yield Emoji(words or None, category, str(variant.get("image")))

    return read


def _openmoji(record: Mapping[str, Any], variants: bool) -> Iterator[Emoji]:  # noqa: FBT001  # as above
    """Reads a record of `openmoji.json`."""
    if record.get("skintone") and not variants:
        return
    group = as_text(record.get("group")) or ""
    yield Emoji(
        plain_words(as_text(record.get("annotation")) or ""),
        as_category(group.replace("-", " " if group.startswith("extras") else " & ").title())
        or "Other",
        f"{record.get('hexcode')}.svg",
    )


_BY = "https://creativecommons.org/licenses/by"
LAYOUTS: Mapping[str, PackageLayout] = {
    "emoji-datasource-twitter": PackageLayout(
        creator="Twitter",
        license="CC BY 4.0",
        license_url=f"{_BY}/4.0/",
        names="emoji.json",
        pictures="img/twitter/64",
        file_name=_PNG,
        read=_datasource("twitter"),
    ),
    "emoji-datasource-google": PackageLayout(
        creator="Google",
        license="Apache-2.0",
        license_url="https://www.apache.org/licenses/LICENSE-2.0",
        names="emoji.json",
        pictures="img/google/64",
        file_name=_PNG,
        read=_datasource("google"),
    ),
    "openmoji": PackageLayout(
        creator="OpenMoji",
        license="CC BY-SA 4.0",
        license_url=f"{_BY}-sa/4.0/",
        names="data/openmoji.json",
        pictures="color/svg",
        file_name=SVG,
        read=_openmoji,
    ),
}
