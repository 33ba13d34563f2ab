"""Sheets: every picture at its place as it is, whatever its caption is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from attribution.validation.experiments.generate_one import is_picture, write_png
from attribution.validation.report.contact_sheet import MAX_PIXELS, grid_sheet, sheet

HOSTILE = (
    "<script>alert(1)</script>",
    "photo\u202egnp.exe\u2066\x00\x1b[31m\x9b2J\ud800\u2028",
    "紅蘋果 красное яблоко تفاحة 🍎 e" + "\u0301" * 500,
    "w" * 100_000,
    "a b " * 30_000,
    "",
    "\n\t\r",
)


def pictures(count: int, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def opened(body: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(body))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB"))


def holds(shown: np.ndarray, one: np.ndarray, scale: int) -> tuple[int, int] | None:
    """Where a picture stands, each of its pixels a square of `scale`; None where it does not."""
    large = one.repeat(scale, 0).repeat(scale, 1)
    first = np.argwhere((shown == large[0, 0]).all(-1))
    for down, right in first:
        if np.array_equal(shown[down : down + len(large), right : right + len(large)], large):
            return int(down), int(right)
    return None


@pytest.mark.parametrize("scale", [1, 3])
def test_each_picture_stands_in_its_row_and_column_unsmoothed(scale):
    rows = [pictures(4, 16, seed) for seed in range(3)]
    shown = opened(
        sheet(rows, ["training", "generated", "without"], ["a", "b", "c", "d"], scale=scale)
    )
    places = [[holds(shown, one, scale) for one in row] for row in rows]
    assert not [row for row in places if None in row]
    downs = [{down for down, _ in row} for row in places]
    assert all(len(down) == 1 for down in downs)
    assert sorted(downs, key=min) == downs
    columns = [[right for _, right in row] for row in places]
    assert columns[0] == columns[1] == columns[2] == sorted(columns[0])


def test_labels_and_captions_are_drawn_beside_the_pictures():
    """What words add is outside of the pictures, and other words look otherwise."""
    row = [pictures(2)]
    plain, named = (
        opened(sheet(row, [label], ["apple", caption]))
        for label, caption in (("x", "pear"), ("y", "plum"))
    )
    assert plain.shape == named.shape
    changed = np.argwhere((plain != named).any(-1))
    down, right = holds(plain, row[0][0], 3)
    assert (changed[:, 1] < right).any()
    assert (changed[:, 0] < down).any()
    assert not ((changed[:, 0] >= down) & (changed[:, 1] >= right)).any()


def test_a_long_caption_is_cut_within_its_column():
    """The next column's caption, and its pictures, are as they were."""
    short, long = (
        opened(sheet([pictures(2)], ["r"], [words, "pear"])) for words in ("a", "m" * 999)
    )
    assert long.shape == short.shape
    _, second = holds(short, pictures(2)[1], 3)
    np.testing.assert_array_equal(short[:, second - 3 :], long[:, second - 3 :])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_any_words_can_be_drawn(hostile):
    row = pictures(3)
    shown = opened(sheet([row, row], [hostile, "b"], [hostile, "b", hostile]))
    assert holds(shown, row[2], 3)
    assert shown.shape[1] < 600
    assert holds(opened(grid_sheet(row, [hostile] * 3)), row[2], 3)


def test_a_grid_is_in_reading_order_and_the_last_line_may_be_short():
    ones = pictures(7, 8)
    shown = opened(grid_sheet(ones, [f"number {n}" for n in range(7)], columns=3))
    places = [holds(shown, one, 3) for one in ones]
    assert places == sorted(places)
    assert len({down for down, _ in places}) == 3
    assert [right for _, right in places] == [places[n % 3][1] for n in range(7)]


def test_the_same_input_gives_the_same_bytes():
    made = [sheet([pictures(2)], ["a"], ["b", "c"]) for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("rows", "labels", "captions"),
    [
        ([], [], []),
        ([pictures(2)], [], ["a", "b"]),
        ([pictures(2)], ["a"], ["a"]),
        ([pictures(2), pictures(3)], ["a", "b"], ["a", "b"]),
        ([pictures(2), pictures(2, 16)], ["a", "b"], ["a", "b"]),
        ([pictures(2).astype(np.float32)], ["a"], ["a", "b"]),
        ([pictures(2)[0]], ["a"], ["a"]),
        ([pictures(0)], ["a"], []),
    ],
)
def test_what_does_not_fit_is_refused(rows, labels, captions):
    with pytest.raises(ValueError, match=r"expected .* found"):
        sheet(rows, labels, captions)


def test_a_sheet_beyond_reason_is_refused_before_it_is_drawn():
    scale = int(MAX_PIXELS**0.5) // 32 + 1
    with pytest.raises(ValueError, match="fewer pictures or a smaller scale"):
        sheet([pictures(1)], ["a"], ["b"], scale=scale)
    with pytest.raises(ValueError, match="at least one column"):
        grid_sheet(pictures(1), ["a"], columns=0)


def test_a_picture_that_was_written_is_known_again_and_shows_the_same(tmp_path):
    body = grid_sheet(pictures(2), ["a", "b"], columns=2)
    write_png(tmp_path / "sheet.png", body)
    assert is_picture(tmp_path / "sheet.png")
    np.testing.assert_array_equal(opened((tmp_path / "sheet.png").read_bytes()), opened(body))
    (tmp_path / "mine.png").write_bytes(body)
    assert not is_picture(tmp_path / "mine.png")
