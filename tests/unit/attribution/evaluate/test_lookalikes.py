"""What look-alikes are drawn, what is asked of them, and what counts as said wrongly."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from attribution.calibration.verdicts import Verdict
from attribution.cli import evaluate_options
from attribution.cli.evaluate import evaluate_app
from attribution.errors import SuiteError
from attribution.evaluate import lookalike_figures, lookalikes
from attribution.evaluate.edits import rng_for
from attribution.evaluate.galleries import folders_of, only, paths_of
from attribution.evaluate.lookalike_art.sheet import Sheet
from attribution.evaluate.lookalike_figures import STRONG, figures_of_lookalikes
from attribution.evaluate.lookalikes import KINDS, Kind, count_lookalikes, draw_lookalikes, kind_of
from attribution.evaluate.suites import make_lookalikes
from attribution.ranking.comparison import compare
from attribution.ranking.gallery import load_gallery
from harvester.api.harvest import harvest_folder
from tests.support.tiny import TinyEmbedder, scene, tiny_method


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three pictures of one family of each kind."""
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookalikes, "FAMILIES", 1)
        steps = []
        assert draw_lookalikes(folder, each=3, seed=4, step=lambda: steps.append(1)) == len(steps)
        assert len(steps) == count_lookalikes(3) == 3 * len(KINDS)
    return folder


def test_there_are_many_kinds_and_by_default_many_pictures():
    assert len(KINDS) >= 16
    assert count_lookalikes(9) >= 400
    assert [kind_of(f"{kind}-3") for kind in KINDS] == list(KINDS)


def test_each_family_has_a_folder_of_pictures_of_one_size(drawn):
    assert sorted(below.name for below in drawn.iterdir()) == sorted(f"{kind}-1" for kind in KINDS)
    sizes = set()
    for below in drawn.iterdir():
        assert sorted(path.name for path in below.iterdir()) == ["01.png", "02.png", "03.png"]
        [(height, width, channels)] = {pixels(path).shape for path in below.iterdir()}
        sizes.add((height, width))
        assert channels == 3
        assert 320 <= min(height, width) <= max(height, width) <= 640
    assert len(sizes) > 10


def test_pictures_of_a_family_are_different_ones_on_one_ground(drawn):
    for below in drawn.iterdir():
        first, second, third = (pixels(path).astype(np.int16) for path in sorted(below.iterdir()))
        for one, other in ((first, second), (first, third), (second, third)):
            assert (np.abs(one - other).max(axis=2) >= 48).mean() > 0.005, below.name


def test_the_same_seed_draws_the_same_however_many_are_asked_for(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(lookalikes, "FAMILIES", 1)
    draw_lookalikes(tmp_path / "same", each=2, seed=4)
    for path in sorted((tmp_path / "same").rglob("*.png")):
        np.testing.assert_array_equal(
            pixels(path), pixels(drawn / path.parent.name / path.name), path.parent.name
        )
    monkeypatch.setattr(lookalikes, "KINDS", {"flag": KINDS["flag"], "table": KINDS["table"]})
    draw_lookalikes(tmp_path / "other", each=2, seed=5)
    for path in (tmp_path / "other").rglob("*.png"):
        known = pixels(drawn / path.parent.name / path.name)
        assert not np.array_equal(pixels(path), known)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_picture_shows_takes_nothing_from_its_template(kind):
    """Whoever draws from the template as often as the content has words breaks the family."""
    for family in "123":
        states = []
        for content in "123":
            template = rng_for(9, kind, family)
            KINDS[kind].draw(Sheet((330, 420), template, rng_for(9, family, content)))
            states.append(template.bit_generator.state)
        assert states[0] == states[1] == states[2]


def test_more_pictures_than_a_kind_has_are_refused(tmp_path, monkeypatch):
    alike = Kind(lambda sheet: sheet.fill((9, 9, 9)))
    monkeypatch.setattr(lookalikes, "KINDS", {"blank": alike})
    monkeypatch.setattr(lookalikes, "_TRIES", 3)
    with pytest.raises(SuiteError, match="blank-1: expected 2 pictures that differ, found 1 in 3"):
        draw_lookalikes(tmp_path, each=2, seed=1)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "text-card-1").write_bytes(b"")
    with pytest.raises(SuiteError, match="text-card-1: expected to write a picture, found File ex"):
        draw_lookalikes(tmp_path, each=2, seed=1)


def png(picture: np.ndarray, compress_level: int = 6) -> bytes:
    body = io.BytesIO()
    Image.fromarray(picture).save(body, "png", compress_level=compress_level)
    return body.getvalue()


def lighter(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture.astype(np.int16) + 6, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Two families of one kind and one of another: near copies in one of them, and across."""
    folder = tmp_path_factory.mktemp("known")
    pictures = {
        "card-1/1.png": png(scene(1)),
        "card-1/2.png": png(lighter(scene(1))),
        "card-2/1.png": png(scene(2)),
        "card-2/2.png": png(scene(3)),
        "card-2/3.png": png(scene(3), compress_level=1),  # the same picture in other bytes
        "wall-1/1.png": png(scene(4)),
        "wall-1/2.png": png(lighter(scene(2))),
    }
    for name, body in pictures.items():
        (folder / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / name).write_bytes(body)
    asyncio.run(harvest_folder(folder / "pictures", folder / "set").run())
    return load_gallery([folder / "set"], [TinyEmbedder()])


@pytest.mark.subprocess
def test_a_query_has_the_rest_of_its_folder_as_look_alikes(gallery):
    suite = make_lookalikes(gallery, queries_each=9, seed=3)
    names = paths_of(gallery)
    of = {
        case.name: (case.kind, sorted(names[row] for row in case.lookalikes))
        for case in suite.cases
    }
    assert of["card-1/2.png"] == ("card", ["card-1/1.png"])
    assert of["card-2/1.png"] == ("card", ["card-2/2.png", "card-2/3.png"])
    assert of["card-2/2.png"] == of["card-2/3.png"] == ("card", ["card-2/1.png"])
    assert of["wall-1/1.png"] == ("wall", ["wall-1/2.png"])
    [twin] = [case for case in suite.cases if case.name == "card-2/2.png"]
    assert sorted(names[row] for row in twin.passed_over) == ["card-2/2.png", "card-2/3.png"]
    assert len({case.group for case in suite.cases}) == 3
    some = make_lookalikes(gallery, queries_each=1, seed=3)
    again = make_lookalikes(gallery, queries_each=1, seed=3)
    assert [case.name for case in some.cases] == [case.name for case in again.cases]
    assert len(some.cases) == 3


@pytest.mark.subprocess
def test_strong_verdicts_are_counted_where_they_are_said(gallery):
    suite = make_lookalikes(gallery, queries_each=9)
    asked = []
    setup = replace(tiny_method(), verified=0)
    figures = figures_of_lookalikes(suite, setup, lambda: asked.append(1))
    assert len(asked) == figures.queries == 7
    assert (figures.candidates, figures.families) == (7, 3)
    shares = {one.kind: one.near_copy.value for one in figures.kinds}
    assert shares == {"card": 2 / 5, "wall": 0.0}
    assert figures.pooled.near_copy.value == 2 / 7
    assert figures.pooled.strong.value == 0.0
    assert figures.verdicts[Verdict.NEAR_COPY] == 2
    assert sum(figures.verdicts.values()) == sum(len(case.lookalikes) for case in suite.cases)
    assert (figures.of_other_families, figures.of_other_kinds) == (0, 2)
    across = {"card-2/1.png", "wall-1/2.png"}
    assert [{query, candidate} for _, query, candidate in figures.worst[:2]] == [across, across]
    assert len(figures.worst) == 4
    assert figures.pooled.near_copy.low <= 2 / 7 <= figures.pooled.near_copy.high


@pytest.mark.subprocess
def test_the_largest_share_is_that_of_one_look_alike(gallery):
    suite = make_lookalikes(gallery, queries_each=9)
    setup = replace(tiny_method(), verified=0)
    one = replace(suite, cases=suite.cases[:1])
    [case] = one.cases
    rows = [row for row in range(len(gallery.ids)) if row not in case.passed_over]
    shares, _ = compare(case.open(), only(gallery, rows), setup).shares()
    expected = shares[rows.index(case.lookalikes[0])]
    assert figures_of_lookalikes(one, setup).pooled.largest_share.value == pytest.approx(expected)
    assert expected > 0


def test_every_verdict_between_near_copy_and_above_chance_is_strong():
    assert STRONG
    assert not STRONG & {Verdict.NEAR_COPY, Verdict.ABOVE_CHANCE, Verdict.NO_EVIDENCE}


@pytest.mark.subprocess
def test_what_has_no_families_is_refused(gallery):
    card = next(rows for name, rows in folders_of(gallery).items() if name == "card-1")
    with pytest.raises(SuiteError, match="two or more sub-folders of different pictures, found 0"):
        make_lookalikes(only(gallery, card), queries_each=1)


@pytest.fixture
def few(monkeypatch):
    """The command, with two kinds and without the network."""
    chosen = {kind: KINDS[kind] for kind in ("flag", "matrix-code")}
    monkeypatch.setattr(lookalikes, "KINDS", chosen)
    method = replace(tiny_method(), verified=0)
    monkeypatch.setattr(evaluate_options, "open_setup", lambda *_: method)
    command = ["lookalikes", "--each", "2", "--queries", "1"]
    return lambda *more: CliRunner().invoke(evaluate_app, [*command, *map(str, more)])


@pytest.mark.subprocess
def test_the_command_tells_its_figures_and_keeps_the_pictures(few, tmp_path):
    ran = few("--json", "--keep", tmp_path / "new" / "kept")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["queries"] == told["families"] == 2 * lookalikes.FAMILIES
    assert [one["kind"] for one in told["kinds"]] == ["flag", "matrix-code"]
    assert len(list((tmp_path / "new" / "kept").rglob("*.png"))) == told["candidates"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["kept"]


@pytest.mark.subprocess
def test_the_command_prints_a_table_and_fills_an_empty_folder(few, tmp_path):
    ran = few("--keep", tmp_path)
    assert ran.exit_code == 0, ran.output
    assert "6 queries against 12 candidates, of 6 templates" in ran.stdout
    assert "flag-1" in {path.name for path in tmp_path.iterdir()}


def test_a_folder_that_holds_something_is_refused_before_anything_is_drawn(few, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for place, found in ((tmp_path, "a folder with files"), (tmp_path / "mine.txt", "a file")):
        ran = few("--keep", place)
        assert isinstance(ran.exception, SuiteError)
        expected = (
            f"{place}: expected an empty folder or none for the pictures, found {found}; name"
        )
        assert str(ran.exception).startswith(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.subprocess
@pytest.mark.parametrize("while_drawing", [True, False])
def test_ctrl_c_leaves_nothing_behind(few, tmp_path, monkeypatch, while_drawing):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    place = (
        (lookalikes, "draw_lookalikes")
        if while_drawing
        else (
            lookalike_figures,
            "figures_of_lookalikes",
        )
    )
    monkeypatch.setattr(*place, interrupt)
    ran = few("--keep", tmp_path / "kept")
    assert ran.exit_code == 130
    assert "stopped: figures are of whole suites only; run the same command again" in ran.stderr
    assert list(tmp_path.iterdir()) == []
