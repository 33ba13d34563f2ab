"""The report of a proof: its figures, its misses, and none of a stranger's markup."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import unicodedata
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from attribution.report.html import is_report
from attribution.validation.report.arms import in_order, kind_of
from attribution.validation.report.contact_sheet import sheet
from attribution.validation.report.goals import Goal, Status, conclusion, goals_of
from attribution.validation.report.numbers import number, times
from attribution.validation.report.page import (
    is_proof_markdown,
    proof_markdown,
    proof_text,
    render_proof,
)
from attribution.validation.report.plots import (
    datamodelling_plot,
    effects_plot,
    forgetting_plot,
    multiples_plot,
)
from attribution.validation.results import (
    AGAIN,
    ALONE,
    Datamodelling,
    Effect,
    ExemplarFound,
    Forgot,
    Paired,
    Proof,
    RandomEffect,
    Recognisable,
    Refitted,
    Sheet,
)
from tests.unit.attribution.report.test_report import Page

STRENGTHS = {
    "whence": 1.0,
    "image": 0.93,
    "text": 0.72,
    "cosine": 0.8,
    "aivalis2025": 0.66,
    "without own": 0.5,
    "same category": 0.2,
}
CHANNELS = {
    "resnet50-gem": 0.82,
    "resnet50-whitened": 0.85,
    "resnet50-parts": 0.78,
    "lab-histogram": 0.4,
    "lbp": 0.3,
    "bm25": 0.7,
    "tfidf": 0.68,
    "pdq": 0.15,
    "phash": 0.18,
    "dhash": 0.14,
}
GRADIENTS = {"trak": 1.1, "d-trak": 1.2, "grad-dot": 0.6}
KS = (1, 2, 4, 8)


def effect(arm: str = "whence", k: int = 4, strength: float = 1.0, **given) -> Effect:
    """As 16 prompts and three seeds might give it, of 500 pictures."""
    rise = 2.4 * strength * (1 - math.exp(-0.55 * k))
    like = 500 * (1 - math.exp(-rise / 1.5)) * 1.12
    removed = 14.7 * k
    made = {
        "prompts": 16,
        "seeds": 3,
        "removed": removed,
        "effect": rise,
        "low": rise - 0.19,
        "high": rise + 0.22,
        "equivalent": like,
        "equivalent_low": 0.8 * like,
        "equivalent_high": 1.2 * like,
        "at_least": False,
        "multiple": like / removed,
        "multiple_low": 0.8 * like / removed,
        "multiple_high": 1.2 * like / removed,
        "pixels": 0.041,
        "features": 0.21,
        "cosine": 0.61,
        "drift": 0.02,
        "own": 0.9,
    }
    return Effect(arm, k, **{**made, **given})


def pictures() -> bytes:
    """Blurred noise for pictures: rows before and after."""
    random = np.random.default_rng(3)
    rows = []
    for step in range(4):
        cells = random.integers(60, 250, (10, 4, 4, 3), np.uint8)
        rows.append(cells.repeat(8, 1).repeat(8, 2) // (1 + step % 2))
    names = "red apple,fox face,sailing boat,crescent moon,guitar,cactus,hot dog,teapot,owl,kite"
    labels = ["training picture", "generated", "without whence's first 4", "without 59 at random"]
    return sheet(rows, labels, names.split(","))


def made_up() -> Proof:
    """Every kind of row, as a full run might leave it."""
    effects = [effect("own", 1, 0.9)]
    effects += [effect(arm, k, strength) for arm, strength in STRENGTHS.items() for k in KS]
    effects += [effect(arm, 2, found) for arm, found in {**CHANNELS, **GRADIENTS}.items()]
    effects[4] = replace(effects[4], at_least=True, equivalent=450.0, multiple=450 / 117.6)
    scores = {**{arm: STRENGTHS[arm] for arm in list(STRENGTHS)[:5]}, **CHANNELS, **GRADIENTS}
    scores |= {"whence, shares": 0.9, "pdq, shares": 0.8}
    return Proof(
        told={
            "command": "attribute validate run data/emoji-twitter --size full --out build/proof",
            "seeds": "0, 1, 2",
            "pictures": "500 of emoji-datasource-twitter 16.0.0",
            "versions": "whence 0.5.0, torch 2.15.0, transformers 5.23.0, Python 3.11.7",
            "digests": "settings 3f0c9a1b22d4, pictures 9b1c77e0aa21",
        },
        recognisable=tuple(Recognisable(n, 420, 0.71 - n / 50, 0.66, 0.75, 0.93) for n in range(3)),
        effects=tuple(effects),
        random=tuple(
            RandomEffect(
                n, n / 500, 3, r := -1.5 * math.log(1 - n / 560), r - 0.1, r + 0.1, 0.8 * r
            )
            for n in (20, 50, 100, 175, 250, 350, 450)
        ),
        paired=tuple(
            Paired(
                k, "whence", other, d := 0.8 * (1 - found), d - 0.1, d + 0.1, 0.04 * found / k, 16
            )
            for other, found in list(STRENGTHS.items())[1:]
            for k in KS
        ),
        datamodelling=tuple(
            Datamodelling(
                arm,
                arm in GRADIENTS,
                v := 0.22 * found - 0.03,
                v - 0.03,
                v + 0.03,
                64,
                32,
                found / 9,
            )
            for arm, found in scores.items()
        ),
        exemplars=(
            ExemplarFound("whence", 30, 501, 0.83, 0.97, 0.9, 1.0, 0.88, 0.8, 0.95),
            ExemplarFound("cosine", 30, 501, 0.7, 0.87, 0.73, 0.97, 0.76, 0.66, 0.86),
        ),
        forgetting=tuple(
            Forgot(
                *(way, request, removed, *cost, 2.1, 2.1 + rise, 2.2, 2.2 + lost, 0.7, 0.7 - lost),
                *(lost, 0.3, way in {"retrain", "sisa-artist", "sisa-random"}),
            )
            for request, removed in (("the artist Google", 100), ("5 at random", 5))
            for way, cost, rise, lost in (
                ("retrain", (42.0, 1.0, 1.0, 1.0), 2.5, 0.01),
                ("sisa-random", (38.0, 1.1, 0.9, 0.92), 2.2, 0.2),
                ("sisa-artist", (9.3, 4.5, 0.2, 0.19), 2.3, 0.22),
                ("ascent", (3.1, 13.5, math.nan, math.nan), 1.9, 0.31),
                ("fisher", (1.2, 35.0, math.nan, math.nan), 1.4, 0.18),
            )
        ),
        refitted=(
            Refitted(
                *("twitter", "google", 0.201, 0.214, 0.013, -0.004, 0.03),
                ("resnet50-gem=0.41", "resnet50-whitened=0.66", "bm25=0.18", "sift=0.02"),
            ),
        ),
        sheets=(Sheet("removed", "Ten prompts before and after their pictures went", pictures()),),
    )


FULL = made_up()
EMPTY = Proof(told={})


def goals(proof: Proof) -> dict[str, Status]:
    return {goal.name: goal.status for goal in goals_of(proof)}


def test_the_page_tells_every_part_with_its_figures():
    html = render_proof(FULL)
    text = " ".join(Page(html).text.split())
    assert conclusion(FULL) in text
    assert "not run, so there is nothing" not in text
    for told in (
        *("1.60 1.41 to 1.82", "Wilcoxon", "0.22 0.12 to 0.32, p .029", "≥ 3.8× from 3.0×"),
        *("4.5×", "20% 19% 2.10 → 4.40 2.20 → 2.42 70% → 48%"),
        *("resnet50-whitened=0.66", "attribute validate run data/emoji-twitter", "3f0c9a1b22d4"),
        *("Park et al. 2023", "Bourtoule", "Aivalis & Klampanos 2025", "Wang et al. 2024"),
    ):
        assert told in text, told
    for kind in (*STRENGTHS, *CHANNELS, *GRADIENTS, "own"):
        assert kind in text


def test_every_figure_of_a_drawing_stands_in_a_table():
    text = Page(render_proof(FULL)).text
    for one in FULL.effects:
        assert f"{number(one.effect)} {number(one.low)} to {number(one.high)}" in text
        assert times(one.multiple) in text
    for one in FULL.datamodelling:
        assert f"{one.low:.3f} to {one.high:.3f}".replace("-0.000", "0.000") in text
    assert text.count("≥ 3.8×") == 3  # the goal, the table of multiples, and all figures


def test_drawings_are_told_in_words_and_take_the_pages_colours():
    html = render_proof(FULL)
    drawn = [one for one in Page(html).all("svg") if one["class"] == "plot"]
    assert len(drawn) == 4
    assert all(one["role"] == "img" and one["aria-label"] and one["viewbox"] for one in drawn)
    svgs = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    for svg in svgs:
        assert "var(--plot-" in svg
        assert not re.findall(r"#[0-9a-f]{6}\b", svg)
        assert "font-family" not in svg
    for name in set(re.findall(r"var\((--plot-\w+)\)", html)):
        assert f"{name}:" in html
    (legend,) = [svg for svg in svgs if "at random, any number" in svg]
    named = [arm for arm in STRENGTHS if f">{arm}</text>" in legend]
    assert named == list(STRENGTHS)
    assert legend.count(">single channels</text>") == 1
    assert ">lbp<" not in legend


def test_what_was_not_run_is_said():
    text = " ".join(Page(render_proof(EMPTY)).text.split())
    assert text.count("not run, so there is nothing to show") == 7
    assert "No counterfactual test of whence was run" in text
    assert "Of 6 goals: 6 not run." in text
    assert "No sheets were made" in text
    assert set(goals(EMPTY).values()) == {Status.NOT_RUN}
    assert "6 not run" in proof_text(EMPTY)
    assert "6 not run" in proof_markdown(EMPTY)


@pytest.mark.parametrize("part", [one.name for one in fields(Proof) if one.name != "told"])
def test_any_part_may_be_missing_or_alone(part):
    for proof in (replace(FULL, **{part: ()}), replace(EMPTY, **{part: getattr(FULL, part)})):
        Page(render_proof(proof))
        assert proof_markdown(proof)
        assert len(proof_text(proof).splitlines()) <= 40


def without_figures(row):
    """The same row with NaN wherever there was a fraction."""
    found = {one.name: getattr(row, one.name) for one in fields(row)}
    return replace(row, **{n: math.nan for n, value in found.items() if isinstance(value, float)})


def test_a_figure_that_is_none_is_a_dash_and_reaches_no_goal():
    parts = {one.name: getattr(FULL, one.name) for one in fields(Proof) if one.name != "told"}
    empty = replace(FULL, **{n: tuple(map(without_figures, rows)) for n, rows in parts.items()})
    html = render_proof(empty)
    shown = Page(html)
    assert "nan" not in shown.text.lower().replace("finance", "")
    assert "–" in shown.text
    assert not {Status.REACHED, Status.PARTLY} & set(goals(empty).values())
    assert "no effect was measured" in conclusion(empty)
    assert shown.all("svg") == []
    for text in (proof_text(empty), proof_markdown(empty)):
        assert "nan" not in text.lower()


def test_the_conclusion_says_what_was_measured_and_no_more():
    one = effect(k=4, removed=59.0, equivalent=1234.4, equivalent_low=900.0, equivalent_high=1600.0)
    one = replace(one, multiple=20.9, multiple_low=15.3, multiple_high=27.1)
    told = conclusion(Proof({}, effects=(one,)))
    assert told.startswith(
        "Removing the 4 pictures that whence ranks first for each of 16 prompts (59 in all) "
        "raises the loss of what was generated as much as removing 1,234 at random does "
        "(95%: 900 to 1,600), 21× as many."
    )
    bound = replace(one, at_least=True)
    assert "no less than removing 1,234 at random does, the most that was tried" in (
        conclusion(Proof({}, effects=(bound,)))
    )
    none = replace(one, effect=0.1, low=-0.1, high=0.3)
    assert "cannot be told from nothing" in conclusion(Proof({}, effects=(none,)))
    alone = replace(one, equivalent=math.nan)
    assert "Nothing was removed at random" in conclusion(Proof({}, effects=(alone,)))
    single = replace(one, k=1, prompts=1)
    assert "Removing the picture that whence ranks first for its prompt" in (
        conclusion(Proof({}, effects=(single,)))
    )


@pytest.mark.parametrize(
    ("multiple", "low", "at_least", "status"),
    [
        (25.0, 6.0, False, Status.REACHED),
        (25.0, 5.0, False, Status.MISSED),
        (19.9, 15.0, False, Status.MISSED),
        (19.9, 15.0, True, Status.UNDECIDED),
        (25.0, 6.0, True, Status.REACHED),
        (math.nan, math.nan, False, Status.UNDECIDED),
    ],
)
def test_the_multiple_has_to_be_20_and_surely_above_5(multiple, low, at_least, status):
    one = effect(multiple=multiple, multiple_low=low, at_least=at_least)
    assert goals(Proof({}, effects=(one,)))["What is named matters"] is status
    both = (one, effect(k=8, multiple=30.0, multiple_low=9.0))
    expected = Status.REACHED if status is Status.REACHED else Status.PARTLY
    assert goals(Proof({}, effects=both))["What is named matters"] is expected


def test_the_multiple_is_judged_for_one_prompt_at_a_time_and_for_all_together():
    def goal(*effects: Effect) -> Goal:
        found = goals_of(Proof({}, effects=effects))
        return next(one for one in found if one.name == "What is named matters")

    short = effect(multiple=8.0, multiple_low=7.0, largest=59.0 * 21, removed=59.0)
    alone = effect(ALONE, multiple=90.0, multiple_low=60.0, multiple_high=120.0)
    told = goal(short, alone)
    assert told.status is Status.PARTLY
    assert "for one prompt at a time, K = 4: 90×" in told.found
    assert "for all prompts together, K = 4: 8.0×" in told.found
    # What nothing could reach is told, and judged by what could.
    few = replace(short, largest=59.0 * 19)
    assert goal(few, alone).status is Status.REACHED
    assert "where at most 19× can be told" in goal(few, alone).found
    assert goal(few).status is Status.UNDECIDED


def test_a_larger_effect_has_to_be_so_against_all_rivals():
    rows = [
        Paired(4, "whence", other, 0.4, 0.2, 0.6, 0.003, 16)
        for other in ("text", "cosine", "aivalis2025")
    ]
    name = "More than its rivals"
    assert goals(Proof({}, paired=tuple(rows)))[name] is Status.REACHED
    assert goals(Proof({}, paired=tuple(rows[:2])))[name] is Status.PARTLY
    for worse in ({"low": -0.1}, {"p": 0.06}, {"difference": -0.4, "low": -0.6, "high": -0.2}):
        assert (
            goals(Proof({}, paired=(replace(rows[0], **worse), *rows[1:])))[name] is Status.PARTLY
        )
    lost = tuple(replace(one, p=0.5) for one in rows)
    assert goals(Proof({}, paired=lost))[name] is Status.MISSED
    assert goals(Proof({}, paired=(replace(rows[0], other="lbp"),)))[name] is Status.NOT_RUN
    more = replace(rows[0], k=8, p=0.2)
    (goal,) = [one for one in goals_of(Proof({}, paired=(*rows[:2], more))) if one.name == name]
    assert goal.found == (
        "text: larger at 1 of 2 values of K, p .003 to .2; "
        "cosine: larger at 1 of 1 values of K, p .003; not run against aivalis2025."
    )


@pytest.mark.parametrize("seed", range(12))
def test_any_figures_can_be_drawn(seed):
    """Bounds on the wrong side, nothing removed, no numbers at all: what can be drawn is."""
    random = np.random.default_rng(seed)
    odd = [math.nan, math.inf, -math.inf, 0.0, 1e-9]

    def drawn(row):
        found = [one.name for one in fields(row) if isinstance(getattr(row, one.name), float)]
        figures = np.where(
            random.random(len(found)) < 0.4,
            random.choice(odd, len(found)),
            random.normal(0, 10.0 ** random.integers(-3, 6), len(found)),
        )
        return replace(row, **dict(zip(found, figures.tolist(), strict=True)))

    for made in (
        effects_plot([drawn(one) for one in FULL.effects[:3]], [drawn(FULL.random[0])]),
        multiples_plot([drawn(one) for one in FULL.effects[:3]]),
        datamodelling_plot([drawn(one) for one in FULL.datamodelling[:2]]),
        forgetting_plot([drawn(one) for one in FULL.forgetting[:2]]),
    ):
        assert made is None or made.startswith('<svg class="plot"')


def test_a_single_figure_can_be_drawn():
    """One arm at one K, one way, one method: an axis has room around a single value."""
    assert "whence" in effects_plot([effect()], [])
    assert "whence" in multiples_plot([effect()])
    assert "whence" in datamodelling_plot(FULL.datamodelling[:1])
    assert "retrain" in forgetting_plot(FULL.forgetting[:1])


@pytest.mark.subprocess
def test_matplotlib_is_loaded_for_a_drawing_alone():
    told = "import attribution.validation.report.page, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0


def test_the_datamodelling_goal_is_of_channels_and_prints_the_distance_to_gradients():
    def row(method: str, lds: float, *, inside: bool = False) -> Datamodelling:
        return Datamodelling(method, inside, lds, lds - 0.01, lds + 0.01, 64, 32, 0.1)

    rows = (
        row("whence", 0.15),
        row("lbp", 0.1),
        row("image", 0.2),
        row("d-trak", 0.26, inside=True),
    )
    (goal,) = [one for one in goals_of(Proof({}, datamodelling=rows)) if "LDS" in one.wanted]
    assert goal.status is Status.REACHED
    assert "differs" not in goal.found
    assert "the best that looks inside, d-trak, 0.260 (95%: 0.250 to 0.270)" in goal.found
    assert "whence's score 0.150 (95%: 0.140 to 0.160), 0.110 below" in goal.found
    # What another seed's models do is no method: how far they agree says what there is to know.
    (goal,) = [
        one
        for one in goals_of(Proof({}, datamodelling=(*rows, row(AGAIN, 0.36, inside=True))))
        if "LDS" in one.wanted
    ]
    assert "the best that looks inside, d-trak, 0.260" in goal.found
    assert "agree by 0.360 (95%: 0.350 to 0.370), so that about 0.600 can be reached" in goal.found
    by_chance = Proof({}, datamodelling=(*rows, row(AGAIN, -0.1, inside=True)))
    (goal,) = [one for one in goals_of(by_chance) if "LDS" in one.wanted]
    assert "agree by -0.100" in goal.found
    assert "can be reached" not in goal.found
    best = (*rows, row("bm25", 0.16))
    assert goals(Proof({}, datamodelling=best))["Predicts other models"] is Status.PARTLY
    low = (row("whence", 0.05), row("lbp", 0.1))
    assert goals(Proof({}, datamodelling=low))["Predicts other models"] is Status.MISSED


def test_how_far_whence_is_from_the_best_channel_is_told_with_the_interval_of_the_difference():
    told = (0.77, 0.75, 0.83, 64, 32, 0.1, 0.01, -0.02, 0.05)
    rows = (
        Datamodelling("whence, shares", False, 0.78, 0.72, 0.8, 64, 32, 0.1),
        Datamodelling("pdq, shares", False, *told),
        Datamodelling("trak", True, 0.75, 0.7, 0.77, 64, 32, 0.1, 0.03, 0.01, 0.05),
    )
    proof = Proof({}, datamodelling=rows)
    (goal,) = [one for one in goals_of(proof) if "LDS" in one.wanted]
    assert "pdq, 0.770 (95%: 0.750 to 0.830), from which whence's differs by 0.010 (95%: " in (
        goal.found
    )
    assert "(95%: -0.020 to 0.050)" in goal.found
    assert goal.status is Status.PARTLY  # not surely above
    sure = (rows[0], replace(rows[1], above_low=0.001), rows[2])
    assert goals(Proof({}, datamodelling=sure))["Predicts other models"] is Status.REACHED
    table = proof_markdown(proof)
    assert "| pdq | shares | from outside | 0.770 (0.750 to 0.830) | 0.010 (-0.020 to 0.050) |" in (
        table
    )
    assert "| trak | scores | inside | 0.750 (0.700 to 0.770) | 0.030 (0.010 to 0.050) |" in table
    assert "| whence | shares | from outside | 0.780 (0.720 to 0.800) | – |" in table


def test_shares_are_held_against_the_shares_of_single_channels():
    def goal(*rows: tuple[str, float]) -> Goal:
        made = tuple(Datamodelling(name, False, lds, lds, lds, 64, 32, 0.1) for name, lds in rows)
        (found,) = [one for one in goals_of(Proof({}, datamodelling=made)) if "LDS" in one.wanted]
        return found

    scores = (("whence", 0.3), ("pdq", 0.2))
    assert goal(*scores, ("whence, shares", 0.8), ("pdq, shares", 0.7)).status is Status.REACHED
    partly = goal(*scores, ("whence, shares", 0.8), ("pdq, shares", 0.8))
    assert partly.status is Status.PARTLY
    assert "whence's shares 0.800" in partly.found
    assert "the best single channel's, pdq, 0.800" in partly.found
    # Whence's parts are no single channel.
    assert goal(*scores, ("whence, shares", 0.8), ("text, shares", 0.9)).status is Status.REACHED


def test_sisa_by_artist_is_judged_by_the_artists_that_were_forgotten():
    name = "Forgets an artist cheaply"
    assert goals(FULL)[name] is Status.REACHED
    rows = tuple(replace(one, speedup=2.9) for one in FULL.forgetting)
    assert goals(replace(FULL, forgetting=rows))[name] is Status.MISSED
    (goal,) = [one for one in goals_of(FULL) if one.name == name]
    assert "loss of the others 2.42 against 2.21 when trained anew" in goal.found
    assert "at random" not in goal.found
    dropped = tuple(replace(one, speedup=math.inf) for one in FULL.forgetting)
    (goal,) = [one for one in goals_of(replace(FULL, forgetting=dropped)) if one.name == name]
    assert "nothing to train, since whole shards are dropped" in goal.found


def test_kinds_and_order_of_arms():
    assert in_order(["random", "lbp", "d-trak", "cosine", "own", "text", "image", "whence"]) == [
        *("whence", "image", "text", "cosine", "lbp", "d-trak", "own", "random")
    ]
    assert kind_of("d-trak, shares") == "gradient"
    assert kind_of("whence's <i>evil</i> twin") == "channel"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.001, "0.00"), (-1.005, "-1.00"), (1234.5, "1,234.50"), (math.inf, "–"), (math.nan, "–")],
)
def test_numbers_are_short_and_none_is_minus_zero(value, shown):
    assert number(value) == shown


HOSTILE = (
    "<script>alert(1)</script>",
    "\"' onerror=alert(1) x='\"><img src=x onerror=alert(1)>",
    "</style></title></svg><iframe src=//evil.example>",
    "{{ 7*7 }} {% include '/etc/passwd' %} $\\frac{1}{0}$ %s",
    "photo\u202egnp.exe\u2066\x00\x1b[31m\x9b2J\ud800\u2028 紅蘋果 تفاحة 🍎",
    "-->]]>&lt;b&gt;&#0;&amp; | `x` [a](javascript:x) ![i](http://evil.example/i.png)",
    "_" * 5000,
)


def full_of(word: str) -> Proof:
    """The word in every field that words have, and as an arm beside whence."""
    told = {f"{word}{n}": word for n in range(2)}
    parts = {}
    for part in fields(Proof):
        if part.name == "told":
            continue
        rows = []
        for row in getattr(FULL, part.name)[:6]:
            words = {
                one.name: word for one in fields(row) if isinstance(getattr(row, one.name), str)
            }
            words |= {"weights": (word,)} if hasattr(row, "weights") else {}
            rows.append(replace(row, **words))
        parts[part.name] = (*rows, *getattr(FULL, part.name)[:2])
    return Proof(told=told, **parts)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_markup_in_names_is_shown_and_not_obeyed(hostile):
    """In every field at once: outside of the drawings, the same elements as with harmless words."""
    html = render_proof(full_of(hostile))
    shown, harmless = Page(html), Page(render_proof(full_of("boat")))

    def tags(page: Page) -> list[str]:
        return [
            tag for tag, _ in page.elements if tag in {"tr", "td", "th", "div", "svg", "img", "dd"}
        ]

    assert tags(shown) == tags(harmless)
    assert {tag for tag, _ in shown.elements} == {tag for tag, _ in harmless.elements}
    assert not [name for _, a in shown.elements for name in a if name.startswith("on")]
    odd = {unicodedata.category(letter) for letter in html if letter != "\n"}
    assert not odd & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    html.encode("utf-8")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_act_neither_on_a_terminal_nor_in_markdown(hostile):
    proof = full_of(hostile)
    text, markdown = (
        proof_text(replace(proof, effects=(*proof.effects, effect()))),
        proof_markdown(proof),
    )
    for told in (text, markdown):
        odd = {unicodedata.category(letter) for letter in told if letter != "\n"}
        assert not odd & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert not re.search(r"(?<!\\)[<>`\[\]]", markdown)
    assert "://" not in markdown
    assert len(text.splitlines()) <= 40
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    tables = "".join("r" if line.startswith("| ") else "." for line in markdown.splitlines())
    ends = np.cumsum([len(block) for block in re.findall("r+", tables)])
    assert all(len(set(block)) == 1 for block in np.split(np.array(columns), ends[:-1]))


def test_markdown_has_the_pages_figures():
    markdown = proof_markdown(FULL)
    page = Page(render_proof(FULL))
    for one in FULL.effects:
        assert f"{number(one.effect)} ({number(one.low)} to {number(one.high)})" in markdown
    assert markdown.count("\n**") + 1 >= len(page.all("table"))
    assert "- seeds: 0, 1, 2" in markdown


def test_the_terminals_lines_are_few_and_short():
    lines = proof_text(FULL).splitlines()
    assert 15 < len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("  whence ") for line in lines)


def test_nothing_is_loaded_from_outside():
    html = render_proof(FULL)
    shown = Page(html)
    for _, attributes in shown.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action"):
            if name in attributes:
                assert attributes[name].startswith(("data:image/png;base64,", "#"))
    assert re.findall(r"url\((?!#)", html) == []
    assert "@import" not in html
    assert not {"script", "iframe", "object", "embed", "form", "link"} & {
        t for t, _ in shown.elements
    }
    policy = shown.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


@pytest.mark.parametrize("proof", [FULL, EMPTY], ids=["full", "empty"])
def test_headings_are_in_order_and_anchors_lead_somewhere(proof):
    shown = Page(render_proof(proof))
    levels = [int(tag[1]) for tag, _ in shown.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [a["id"] for _, a in shown.elements if "id" in a]
    assert len(ids) == len(set(ids))
    leads = {a["href"][1:] for _, a in shown.elements if (a.get("href") or "").startswith("#")}
    named = {a["aria-labelledby"] for _, a in shown.elements if "aria-labelledby" in a}
    clips = set(re.findall(r"url\(#([^)]+)\)", render_proof(proof)))
    assert leads | named | clips <= set(ids)


def test_the_same_rows_give_the_same_bytes():
    assert render_proof(FULL) == render_proof(made_up())


@pytest.mark.parametrize("body", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n"])
def test_a_sheet_that_is_no_picture_is_not_shown(body):
    shown = Page(render_proof(replace(EMPTY, sheets=(Sheet("a", "broken", body),))))
    assert shown.all("img") == []
    assert "This sheet is no PNG" in shown.text


@pytest.mark.parametrize("proof", [EMPTY, FULL])
def test_what_was_written_is_known_again_so_that_it_may_be_replaced(tmp_path, proof):
    (tmp_path / "report.html").write_text(render_proof(proof), "utf-8")
    (tmp_path / "tables.md").write_text(proof_markdown(proof), "utf-8")
    assert is_report(tmp_path / "report.html")
    assert is_proof_markdown(tmp_path / "tables.md")
    (tmp_path / "tables.md").write_text("# Tables\n")
    assert not is_proof_markdown(tmp_path / "tables.md")
