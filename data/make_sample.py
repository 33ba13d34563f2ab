"""Builds `data/sample` from the pictures of one Debian package; `data/README.md` says how and why.

    python -m data.make_sample FOLDER

FOLDER is where `dpkg-deb -x gcompris-qt-data_3.1-2_all.deb FOLDER` put the package's files. The
same package gives the same rows and pictures; only the hand-written files (this script, the table
of sources, the README's text) are not made here.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from data.sample_art import Picture, Tile, draw, lay_grid
from data.sample_discord import EXPORT, MEDIA, file_names, write_export
from data.sample_posts import BIRD, CASTLE, CHURCH, FISH, MILL, PALACE, PANDA, POSTS, REMIXED, Post
from data.sample_rcc import read_rcc
from harvester.dataset.writer import MANIFEST, DatasetWriter
from harvester.pictures.decode import compute_hashes, encode_jpeg, open_picture
from harvester.schema import Candidate, Finding, Search, SearchStatus
from harvester.search.queries import plan_queries

HERE = Path(__file__).parent
SAMPLE = HERE / "sample"
TABLES = "<!-- below: written by make_sample.py -->"
SEED = 20260105
FETCHED_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
PACKAGE = "gcompris-qt-data_3.1-2_all.deb"
ARCHIVE = "https://sources.debian.org/data/main/g/gcompris-qt/3.1-2/"
SOURCE = "sample"
MAX_SIDE = 384
"""Pixels; the candidates' longest side as stored."""

SUBJECTS: Mapping[str, str] = {
    "bird": BIRD,
    "fish": FISH,
    "windmill": MILL,
    "castle": CASTLE,
    "animal": PANDA,
    "palace": PALACE,
    "van gogh": CHURCH,
}
"""Subject → the prompt that asks for it."""

GEN = Tile("kingfisher", "oil", (0.05, 0.0, 0.85, 1.0), mirrored=True, hue=8)


@dataclass(frozen=True, slots=True)
class Original:
    """A row of `sources.csv` with the bytes it names.

    Attributes:
        path: in GCompris' source tree.
    """

    path: str
    subject: str
    title: str
    caption: str
    creator: str
    license: str
    license_url: str
    page_url: str
    body: bytes

    @property
    def sha256(self) -> str:
        """Of the bytes, and so the candidate's id."""
        return hashlib.sha256(self.body).hexdigest()


def read_originals(package: Path) -> dict[str, Original]:
    """The pictures that `sources.csv` names, by the stem of their file.

    Raises:
        SystemExit: if the package holds other bytes than the table was written for.
    """
    folder = package / "usr" / "share" / "gcompris-qt" / "rcc"
    if not folder.is_dir():
        sys.exit(f"{folder}: expected the files of {PACKAGE}; unpack it as data/README.md says")
    packed: dict[str, dict[str, bytes]] = {}
    originals: dict[str, Original] = {}
    with (SAMPLE / "sources.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            path, expected = row.pop("path"), row.pop("sha256")
            activity = path.split("/")[2]
            if activity not in packed:
                packed[activity] = read_rcc(folder / f"{activity}.rcc")
            original = Original(path=path, **row, body=packed[activity][f"gcompris/{path}"])
            if original.sha256 != expected:
                sys.exit(f"{path}: expected sha256 {expected}, found {original.sha256}; {PACKAGE}?")
            stem = Path(path).stem
            originals[f"{stem} {row['subject']}" if stem in originals else stem] = original
    return originals


def write_candidates(originals: Iterable[Original]) -> int:
    """The dataset, as a harvest of the sample's prompts would have left it; its rows."""
    folder = SAMPLE / "candidates"
    for old in sorted(folder.glob("**/*")):
        if old.is_file():
            old.unlink()
    rng = np.random.default_rng(SEED)
    by_subject: dict[str, list[Original]] = {}
    for original in originals:
        by_subject.setdefault(original.subject, []).append(original)
    count = 0
    with DatasetWriter(folder, Candidate) as store:
        store.run = "sample"
        for subject, prompt in SUBJECTS.items():
            found = [by_subject[subject][at] for at in rng.permutation(len(by_subject[subject]))]
            for rank, original in enumerate(found, start=1):
                finding = _finding(original, prompt, rank)
                store.append(finding)
                store.append(_candidate(original, finding))
            count += len(found)
            store.append(_search(prompt, len(found)))
        # Another prompt leads to pictures that are there already: stored once, found twice.
        again = [by_subject["castle"][at] for at in rng.permutation(12)[:6]]
        for rank, original in enumerate(again, start=1):
            store.append(_finding(original, REMIXED, rank))
        store.append(_search(REMIXED, len(again)))
        store.note({"made by": "data/make_sample.py", "package": PACKAGE})
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["updated_at"] = FETCHED_AT.isoformat(timespec="seconds")
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    (folder / ".lock").unlink(missing_ok=True)
    return count


def _finding(original: Original, prompt: str, rank: int) -> Finding:
    return Finding(
        url=ARCHIVE + original.path,
        source=SOURCE,
        candidate_id=original.sha256,
        query_prompt=prompt,
        query=plan_queries(prompt)[0],
        rank=rank,
        page_url=original.page_url,
        title=original.title,
        caption=original.caption,
        creator=original.creator,
        license=original.license,
        license_url=original.license_url,
        found_at=FETCHED_AT,
    )


def _candidate(original: Original, finding: Finding) -> Candidate:
    picture = open_picture(original.body, max_side=MAX_SIDE)
    hashes = compute_hashes(picture.rgb)
    return Candidate(
        id=original.sha256,
        query_prompt=finding.query_prompt,
        query=finding.query,
        source=finding.source,
        rank=finding.rank,
        url=finding.url,
        final_url=finding.url,
        page_url=finding.page_url,
        title=finding.title,
        caption=finding.caption,
        creator=finding.creator,
        license=finding.license,
        license_url=finding.license_url,
        width=picture.width,
        height=picture.height,
        bytes=len(original.body),
        mime=picture.mime,
        fetched_at=FETCHED_AT,
        image=encode_jpeg(picture.rgb, quality=82),
        sha256=original.sha256,
        phash=hashes.phash,
        dhash=hashes.dhash,
        pdq=hashes.pdq,
        pdq_quality=hashes.pdq_quality,
    )


def _search(prompt: str, found: int) -> Search:
    return Search(
        query_prompt=prompt,
        query=plan_queries(prompt)[0],
        source=SOURCE,
        status=SearchStatus.OK,
        found=found,
        searched_at=FETCHED_AT,
    )


def write_pictures(originals: Mapping[str, Original]) -> list[tuple[str, str, str]]:
    """The export with its media, and `gen.png`; the rows of `truth.csv`."""
    media = SAMPLE / "discord" / MEDIA
    media.mkdir(parents=True, exist_ok=True)
    for old in media.iterdir():
        old.unlink()
    rgb: dict[str, Picture] = {}
    drawn: dict[str, list[Picture]] = {}
    tiles: dict[str, tuple[Tile, ...]] = {}
    sizes: dict[str, int] = {}
    truth: list[tuple[str, str, str]] = []

    def paint(tile: Tile, size: tuple[int, int], name: str) -> Picture:
        original = originals[tile.source]
        if "SA" in original.license:
            sys.exit(f"{tile.source}: its licence would bind what is made from it; take another")
        if tile.source not in rgb:
            rgb[tile.source] = open_picture(original.body, max_side=None).rgb
        seed = int(hashlib.sha256(f"{SEED} {name}".encode()).hexdigest()[:8], 16)
        return draw(tile, rgb[tile.source], size, np.random.default_rng(seed))

    for post in POSTS:
        if not post.has_picture:
            continue
        if post.of is not None:
            key, number = post.of
            tiles[post.key] = (tiles[key][number - 1],)
            drawn[post.key] = [_enlarge(drawn[key][number - 1], post.size)]
        else:
            tiles[post.key] = post.tiles
            drawn[post.key] = [
                paint(tile, post.size, f"{post.key} {at}") for at, tile in enumerate(post.tiles)
            ]
        path = media / file_names(post)[1]
        whole = drawn[post.key]
        path.write_bytes(_encode(lay_grid(whole) if len(whole) > 1 else whole[0], path.suffix))
        sizes[post.key] = path.stat().st_size
        truth += _truth_rows(path, tiles[post.key], originals)
    described = media / "moose-5C1B7E02D4A9F386.jpg"
    moose = open_picture(originals["moose"].body, max_side=240).rgb
    described.write_bytes(encode_jpeg(moose, quality=82))
    export = write_export(sizes, f"{MEDIA}/{described.name}")
    text = json.dumps(export, indent=2, ensure_ascii=False) + "\n"
    (media.parent / EXPORT).write_text(text, encoding="utf-8")
    gen = SAMPLE / "gen.png"
    gen.write_bytes(_encode(paint(GEN, (512, 512), "gen"), gen.suffix))
    return [*truth, *_truth_rows(gen, (GEN,), originals)]


def _enlarge(picture: Picture, size: tuple[int, int]) -> Picture:
    height, width = size
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def _encode(picture: Picture, ending: str) -> bytes:
    stream = BytesIO()
    image = Image.fromarray(picture)
    if ending == ".png":
        image = image.quantize(96, dither=Image.Dither.NONE)
        image.save(stream, "PNG", optimize=True)
    else:
        image.save(stream, "WEBP", quality=78, method=6)
    return stream.getvalue()


def _truth_rows(
    path: Path, tiles: Sequence[Tile], originals: Mapping[str, Original]
) -> list[tuple[str, str, str]]:
    name = path.relative_to(SAMPLE).as_posix()
    return [
        (name, originals[tile.source].sha256, str(at) if len(tiles) > 1 else "")
        for at, tile in enumerate(tiles, start=1)
    ]


def write_lists(truth: Sequence[tuple[str, str, str]]) -> None:
    """`truth.csv`, `prompts.txt` and `jobs.csv`; the jobs name pictures from their folder on."""
    _write_csv(SAMPLE / "truth.csv", ("image", "candidate_id", "tile"), truth)
    prompts = "".join(f"{prompt}\n" for prompt in SUBJECTS.values())
    (SAMPLE / "prompts.txt").write_text(prompts, encoding="utf-8")
    jobs = [(BIRD, "gen.png")]
    jobs += [(post.words, _picture(post)) for post in POSTS if len(post.tiles) > 1]
    _write_csv(SAMPLE / "jobs.csv", ("prompt", "image"), jobs)


def _picture(post: Post) -> str:
    return f"discord/{MEDIA}/{file_names(post)[1]}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_tables(originals: Iterable[Original]) -> int:
    """The two tables at the end of the README; the bytes of all files in the sample."""
    readme = HERE / "README.md"
    lines = [TABLES, "", "## Files", "", "| file | bytes | sha256 |", "|---|---|---|"]
    total = 0
    for path in sorted(SAMPLE.glob("**/*")):
        if path.is_file() and "descriptors" not in path.parts:
            body = path.read_bytes()
            total += len(body)
            name = path.relative_to(SAMPLE).as_posix()
            lines.append(f"| `{name}` | {len(body)} | `{hashlib.sha256(body).hexdigest()}` |")
    lines += ["", "## Pictures", "", "| picture | subject | creator | licence | sha256 |"]
    lines.append("|---|---|---|---|---|")
    for original in originals:
        picture = f"[{original.title}]({original.page_url})<br>`{original.path}`"
        rights = f"[{original.license}]({original.license_url})"
        cells = (picture, original.subject, original.creator, rights, f"`{original.sha256}`")
        lines.append(f"| {' | '.join(cells)} |")
    text = readme.read_text(encoding="utf-8").partition(TABLES)[0]
    readme.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    return total


def main() -> None:
    """Build everything and say what was made."""
    if len(sys.argv) != 2:
        sys.exit(f"expected one folder, that of the unpacked {PACKAGE}; see data/README.md")
    originals = read_originals(Path(sys.argv[1]))
    count = write_candidates(originals.values())
    truth = write_pictures(originals)
    write_lists(truth)
    total = write_tables(originals.values())
    print(f"{count} candidates of {len(SUBJECTS)} subjects, {len(POSTS)} messages, ", end="")
    print(f"{len({image for image, _, _ in truth})} made pictures, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
