"""Weights learnt from halves: outcomes that are made from known weights."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from typer.testing import CliRunner

from attribution.calibration.fusion import WEIGHTS, Fusion, load_fusion, probability
from attribution.cli.app import attribute_app
from attribution.errors import ProofError
from attribution.validation.experiments import refit
from attribution.validation.experiments.halves import HALVES, Halves, open_run
from attribution.validation.experiments.refit import cases_of, write_fusion
from attribution.validation.methods.scores import Scored, write_scores
from attribution.validation.outcomes import RetrainingOutcome, write_outcome
from attribution.validation.results import LOG_ODDS, Refitted, read_rows, write_rows
from attribution.validation.statistics import fit_weights as fitting
from attribution.validation.statistics.fit_weights import (
    Cases,
    cross_validate,
    fit,
    fit_link,
    fit_weights,
    objective,
)

SHIPPED = Fusion(-6.0, {"gem": 0.8, "lab": 0.1, "noise": 0.3}, {"sift": 1.0}, {})
HELD = np.array([0.8, 0.1, 0.3, 1.0])
TRUE = np.array([0.3, 0.9, 0.0, 1.5])
SAME = np.array([0.8, 0.1, 0.3, 1.0])


_FITS: dict[bytes, tuple] = {}


@pytest.fixture(autouse=True)
def _fitted_once(monkeypatch):
    """The same cases have the same fit: it takes seconds, and is made once."""

    def fit_once(cases, shipped):
        key = b"".join(
            one.tobytes() for one in (cases.features, cases.rest, cases.kept, cases.losses, shipped)
        )
        if key not in _FITS:
            _FITS[key] = fit(cases, shipped)
        beta, gains = _FITS[key]
        return beta.copy(), list(gains)

    monkeypatch.setattr(refit, "fit", fit_once)


def made_up(weights, *, seed=0, queries=24, halves=32, pictures=120, noise=0.0):
    """Features as z-scores have them, and losses that fall by the influences of what was kept."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(queries, pictures, len(weights)))
    features[:, :, -1] = 2 * random.random((queries, pictures)) ** 4
    rest = np.where(random.random((queries, pictures)) < 0.05, 2.0, 0.0)
    kept = np.zeros((halves, pictures), bool)
    for row in kept:
        row[random.permutation(pictures)[: pictures // 2]] = True
    losses = -probability(-4 + features @ weights + rest) @ kept.T
    losses += noise * losses.std(axis=1, keepdims=True) * random.normal(size=losses.shape)
    return Cases(features, rest, kept, 7 + losses)


def written(folder: Path, weights, *, prefix="a", names=("gem", "lab", "noise"), **made) -> Path:
    """A run's folder with halves, scores and outcomes, and a query of another seed in between."""
    cases = made_up(weights, **made)
    ids = tuple(f"{prefix}{number:04d}" for number in range(cases.kept.shape[1]))
    features = np.insert(cases.features, 1, 99.0, axis=0).astype(np.float32)
    rest = np.insert(cases.rest, 1, 0.0, axis=0).astype(np.float32)
    losses = np.insert(cases.losses, 1, 99.0, axis=0).astype(np.float32)
    z = {name: features[:, :, place] for place, name in enumerate(names)}
    text = features[:, :, -1]
    image = np.stack(
        [SHIPPED.log_odds({n: one[row] for n, one in z.items()}) for row in range(len(text))]
    )
    results, outcomes = folder / "results" / "abc", folder / "outcomes"
    results.mkdir(parents=True)
    outcomes.mkdir()
    arms = {LOG_ODDS: image + text + rest, "image": image, "text": text}
    write_scores(results / "scores.parquet", Scored(arms, z, {}))
    files = []
    for number, mask in enumerate(cases.kept):
        removed = tuple(name for name, one in zip(ids, mask, strict=True) if not one)
        files.append(f"{number}.parquet")
        codes = np.zeros((1, 1), np.int32)
        outcome = RetrainingOutcome(
            0, removed, losses[:, number], np.zeros(len(ids)), codes, 0.1, 1.0
        )
        write_outcome(outcomes / files[-1], outcome)
    prompts = tuple("" if row == 1 else f"prompt {row}" for row in range(len(losses)))
    write_rows(results / HALVES, [Halves(f"digest of {prefix}", ids, prompts, tuple(files))])
    return folder


def two_runs(folder, weights, *, noise=0.5, **tried):
    told = {"prefix": "b", "seed": 9, **tried}
    first = written(folder / "first", weights, noise=noise)
    return open_run(first), open_run(written(folder / "other", weights, noise=noise, **told))


def test_the_gradient_is_that_of_finite_differences():
    cases, beta = (
        made_up(TRUE, queries=5, halves=9, pictures=30, noise=1),
        np.array([-2.0, 0.7, 0.4, 0.2, 0.6, 1.2]),
    )
    cases.losses[3] = 5.0  # a query that nothing changes
    slope = objective(beta, cases, HELD)[1]
    found = approx_fprime(beta, lambda one: objective(one, cases, HELD)[0], 1e-7)
    np.testing.assert_allclose(slope, found, atol=1e-5)
    assert np.abs(slope).min() > 1e-4


def test_the_objective_is_the_mean_correlation_less_the_penalty():
    cases = made_up(TRUE, queries=4, halves=9, pictures=30, noise=1)
    beta = np.array([-3.0, 1.0, *TRUE])
    sums = cases.influence(beta) @ cases.kept.T
    found = [np.corrcoef(*pair)[0, 1] for pair in zip(sums, -cases.losses, strict=True)]
    away = fitting.RIDGE * ((TRUE - HELD) ** 2).sum()
    assert objective(beta, cases, HELD)[0] == pytest.approx(away - np.mean(found))


def test_known_weights_are_recovered(monkeypatch):
    monkeypatch.setattr(fitting, "RIDGE", 0.0)
    found = fit_weights(made_up(TRUE), HELD, np.ones(4, bool))
    np.testing.assert_allclose(found, [-4, 1, *TRUE], atol=0.05)


def test_shipped_weights_get_the_best_bias_and_scale_and_stay():
    found = fit_link(made_up(SAME), SAME)
    np.testing.assert_allclose(found, [-4, 1, *SAME], atol=0.05)
    np.testing.assert_array_equal(found[2:], SAME)


def test_without_noise_held_out_queries_and_halves_are_foretold():
    assert cross_validate(made_up(TRUE), HELD, np.ones(4, bool)).mean() > 0.95
    alone = cross_validate(made_up(TRUE), HELD, np.array([0, 0, 1, 0], bool))
    assert abs(alone).mean() < 0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_does_not_help_gets_the_weight_0_and_what_helps_does_not(seed):
    beta, gains = fit(made_up(TRUE, noise=0.5, seed=seed), HELD)
    assert beta[4] == 0
    assert (beta[[2, 3, 5]] > 0.1).all()
    assert min(gains[place][0] for place in (0, 1, 3)) > 0.01 > gains[2][0]


def test_of_two_channels_that_say_the_same_one_stays():
    cases = made_up(TRUE, noise=1)
    cases.features[:, :, 2] = cases.features[:, :, 1]
    beta, _ = fit(cases, HELD)
    assert sorted(beta[3:5] > 0) == [False, True]
    assert beta[3:5].sum() > beta[2]


def test_an_improvement_is_found_on_other_pictures_where_there_is_one(tmp_path):
    made = refit.refit(*two_runs(tmp_path, TRUE), SHIPPED, repeats=200)
    assert made.improved
    assert made.tried.difference == pytest.approx(made.tried.after - made.tried.before)
    assert made.tried.low < made.tried.difference < made.tried.high
    assert made.fusion.weights["lab"] > made.fusion.weights["gem"] > 0
    texts = made.fusion.texts
    assert texts["bm25"] == pytest.approx(2 * texts["names"], abs=1e-3)
    assert (made.fusion.bias, made.fusion.regions) == (SHIPPED.bias, SHIPPED.regions)


def test_none_is_found_where_the_shipped_weights_are_right(tmp_path):
    made = refit.refit(*two_runs(tmp_path, SAME), SHIPPED, repeats=200)
    assert not made.improved
    assert abs(made.tried.difference) < 0.05


def test_none_is_found_where_the_other_pictures_follow_other_weights(tmp_path):
    first = open_run(written(tmp_path / "first", TRUE, noise=0.5))
    other = open_run(written(tmp_path / "other", SAME, noise=0.5, prefix="b", seed=9))
    made = refit.refit(first, other, SHIPPED, repeats=200)
    assert made.tried.high < 0


def test_a_run_is_opened_as_it_was_written_without_queries_of_other_seeds(tmp_path):
    run = open_run(written(tmp_path / "run", TRUE, seed=3))
    cases, wanted = cases_of(run, tuple(SHIPPED.weights)), made_up(TRUE, seed=3)
    np.testing.assert_allclose(cases.features, wanted.features, rtol=1e-6)
    np.testing.assert_allclose(cases.rest, wanted.rest, atol=1e-5)
    np.testing.assert_array_equal(cases.kept, wanted.kept)
    np.testing.assert_allclose(cases.losses, wanted.losses, rtol=1e-6)


def test_z_scores_are_cut_where_the_fusion_cuts_them(tmp_path):
    run = open_run(written(tmp_path / "run", TRUE))
    run.scored.z["gem"][0, 0] = 50
    assert cases_of(run, tuple(SHIPPED.weights)).features[0, 0, 0] == 12


def test_runs_that_share_a_picture_are_refused(tmp_path):
    with pytest.raises(
        ProofError, match=r"without a picture in common, found 120 in both \(such as a0000\)"
    ):
        refit.refit(*two_runs(tmp_path, TRUE, prefix="a"), SHIPPED)


def test_a_run_of_other_channels_is_refused(tmp_path):
    runs = two_runs(tmp_path, TRUE, names=("gem", "lab", "dino"))
    with pytest.raises(ProofError, match=r"other: expected scores of the channels gem, lab, noise"):
        refit.refit(*runs, SHIPPED)


def test_a_run_of_few_halves_is_refused(tmp_path):
    with pytest.raises(ProofError, match="at least 8 prompts and 8 halves, found 24 and 7"):
        refit.refit(*two_runs(tmp_path, TRUE, halves=7), SHIPPED)


def test_a_run_without_halves_is_refused(tmp_path):
    with pytest.raises(ProofError, match=f"--part lds --out {tmp_path}`, found none"):
        open_run(tmp_path)


def test_a_run_of_several_sets_of_halves_is_refused(tmp_path):
    results = written(tmp_path / "run", TRUE) / "results"
    shutil.copytree(results / "abc", results / "def")
    with pytest.raises(ProofError, match="one set of halves, found 2, in abc, def; delete all but"):
        open_run(tmp_path / "run")


@pytest.mark.parametrize("wrong", ["scores", "outcome", "ids", "rows"])
def test_files_of_other_runs_are_refused(tmp_path, wrong):
    run = written(tmp_path / "run", TRUE)
    results = run / "results" / "abc"
    if wrong == "scores":
        other = written(tmp_path / "other", TRUE, pictures=100) / "results" / "abc"
        (other / "scores.parquet").replace(results / "scores.parquet")
    elif wrong == "outcome":
        other = written(tmp_path / "other", TRUE, prefix="b") / "outcomes"
        (other / "3.parquet").replace(run / "outcomes" / "3.parquet")
    else:
        (told,) = read_rows(results / HALVES, Halves)
        twice = replace(told, ids=(told.ids[1], *told.ids[1:]))
        rows = [twice] if wrong == "ids" else [told, told]
        write_rows(results / HALVES, rows)
    with pytest.raises(ProofError, match="of one run, found some of others"):
        open_run(run)


def test_weights_are_read_again_as_they_were_written(tmp_path):
    made = refit.refit(*two_runs(tmp_path, TRUE), SHIPPED, repeats=200)
    write_fusion(tmp_path / "fusion.json", made)
    read = load_fusion(tmp_path / "fusion.json")
    assert (read.digest, read.fitted_on) == (made.fusion.digest, made.fusion.fitted_on)
    told = json.loads((tmp_path / "fusion.json").read_text("utf-8"))
    assert told["texts"] == made.fusion.texts
    assert told["fitted_on"]["halves_of"] == {
        "pictures": 120,
        "pictures_sha256": "digest of a",
        "prompts": 24,
        "halves": 32,
        "seed": 0,
    }
    assert told["fitted_on"]["tried_on"]["improved"] is True


def test_shipped_weights_are_not_replaced_by_none_better(tmp_path):
    before = WEIGHTS.read_bytes()
    made = refit.refit(*two_runs(tmp_path, SAME), SHIPPED, repeats=200)
    with pytest.raises(ProofError, match=r"no improvement \([+-]0\.\d{4}, .*the shipped ones stay"):
        write_fusion(WEIGHTS, made)
    assert WEIGHTS.read_bytes() == before


def test_the_command_tells_whether_it_helped_and_keeps_a_row_for_the_report(tmp_path):
    names = tuple(load_fusion().weights)
    weights = np.array([0.2, 0.9, 0.0, 0.7, 0.0, 1.5])
    few = {"names": names, "queries": 12, "halves": 16, "pictures": 80, "noise": 0.3}
    runs = [
        str(written(tmp_path / name, weights, prefix=name, seed=seed, **few))
        for seed, name in enumerate(("first", "other"))
    ]
    out = tmp_path / "fusion.json"
    found = CliRunner().invoke(attribute_app, ["validate", "fit", *runs, "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert "may replace the shipped ones" in found.stdout
    assert "in the report of other, run its command again" in found.stdout
    (row,) = read_rows(Path(runs[1]) / "results" / "abc" / refit.REFITTED, Refitted)
    assert (row.fitted_on, row.tried_on) == ("first", "other")
    assert load_fusion(out).weights["resnet50-whitened"] > 0.4
    found = CliRunner().invoke(attribute_app, ["validate", "fit", *runs, "--json"])
    told = json.loads(found.stdout)
    assert told["difference"] == pytest.approx(row.difference)
    assert (told["tried_on"], told["details"]["tried_on"]["improved"]) == ("other", True)
