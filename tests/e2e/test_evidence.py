"""A part of a picture in another composition, further models, other backgrounds: by the commands."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings

import cv2
import numpy as np
import pytest
import torch

from harvester.dataset import shards
from harvester.schema import Candidate
from tests.e2e.conftest import SAMPLE
from tests.support.tiny import scene


class Average(torch.nn.Module):
    """A model as small as can be: the colours of an 8 by 8 picture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 8).flatten(1)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "average.torchscript.pt"
    with warnings.catch_warnings():  # torch deprecates what it still reads
        warnings.simplefilter("ignore")
        torch.jit.script(Average()).save(str(path))
    return path


@pytest.fixture
def candidates(sample, tmp_path):
    """A copy, for descriptors are written beside it."""
    return shutil.copytree(sample / "candidates", tmp_path / "candidates")


def test_a_pasted_part_is_a_replication_with_boxes_in_both_pictures(run, candidates, tmp_path):
    rows = {row.title: row for row in shards.rows(candidates, Candidate) if row.image}
    source = next(row for title, row in rows.items() if "Scarlet macaw" in (title or ""))
    part = cv2.imdecode(np.frombuffer(source.image, np.uint8), cv2.IMREAD_COLOR)
    height, width = part.shape[:2]
    part = part[height // 6 : -height // 6, width // 6 : -width // 6]
    canvas = cv2.resize(scene(5), (2 * part.shape[1], 2 * part.shape[0]))
    top, left = part.shape[0] // 2, part.shape[1] // 2
    canvas[top : top + part.shape[0], left : left + part.shape[1]] = part[:, ::-1]
    cv2.imwrite(str(tmp_path / "pasted.png"), canvas)

    done = run(
        "attribute", "--image", tmp_path / "pasted.png", "--candidates", candidates,
        "--offline", "--json", "--top", "3", "--grid", "no",
        "--report", tmp_path / "page.html",
    )  # fmt: skip
    assert done.code == 0, done.err
    best, *others = (json.loads(line) for line in done.out.splitlines())
    assert (best["candidate_id"], best["verdict"]) == (source.id, "replication")
    assert not {other["verdict"] for other in others} & {
        "near copy",
        "altered version",
        "replication",
    }
    [region] = [one for one in best["regions"] if one["method"] == "sift"]
    assert region["mirrored"]
    box = region["query"]
    assert 0.2 < box["left"] < 0.5 < box["right"] < 0.8
    assert 0.2 < box["top"] < 0.5 < box["bottom"] < 0.8
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "mirrored" in page
    assert "<rect" in page


def test_a_further_model_is_shown_and_says_why_it_has_no_part(run, sample, candidates, model):
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    done = run(
        "attribute", "--image", sample / "gen.png", "--candidates", candidates, "--offline",
        "--json", "--top", "1", "--backbone", f"torchscript:{model}#sha256:{digest[:16]}",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "takes no part in the order" in done.err
    assert "attribute background --backbone" in done.err
    [match] = map(json.loads, done.out.splitlines())
    [channel] = [name for name in match["channels"] if name.startswith("torchscript")]
    assert -1 <= match["channels"][channel] <= 1
    assert channel not in match["z"]
    assert any(folder.name.startswith(channel) for folder in (candidates / "descriptors").iterdir())


@pytest.mark.parametrize(
    ("backbone", "code", "said"),
    [
        ("torchscript:{model}#sha256:" + "0" * 64, 5, "expected sha256"),
        ("torchscript:missing.pt", 5, "missing.pt"),
        ("sscd", 5, "sscd:FILE"),
        ("nonsense", 2, "expected"),
    ],
    ids=["hash", "missing", "unnamed", "nonsense"],
)
def test_a_model_that_is_not_the_one_named_is_refused_in_a_line(run, model, backbone, code, said):
    done = run(
        "attribute", "--image", SAMPLE / "gen.png", "--candidates", SAMPLE / "candidates",
        "--offline", "--backbone", backbone.format(model=model),
    )  # fmt: skip
    assert done.code == code, done.err
    assert said in done.err


def test_a_background_too_small_is_refused_and_a_fitted_one_is_used(
    run, sample, candidates, tmp_path
):
    small = run("attribute", "background", candidates, "--out", tmp_path / "b.safetensors")
    assert small.code == 5
    assert "expected at least 200 different pictures for a background, found 7" in small.err
    assert not (tmp_path / "b.safetensors").exists()

    (tmp_path / "pictures").mkdir()
    for seed in range(210):
        noisy = cv2.add(scene(seed, 160), np.random.default_rng(seed).integers(
            0, 60, (160, 160, 3), np.uint8))  # fmt: skip
        cv2.imwrite(str(tmp_path / "pictures" / f"{seed}.png"), noisy)
    assert run("harvest", "folder", tmp_path / "pictures", "--out", tmp_path / "set").code == 0
    made = run(
        "attribute", "background", tmp_path / "set", "--out", tmp_path / "b.safetensors", "--json"
    )
    assert made.code == 0, made.err
    assert json.loads(made.out)["pictures"] == 210
    done = run(
        "attribute", "--image", sample / "gen.png", "--candidates", candidates, "--offline",
        "--json", "--top", "1", "--background", tmp_path / "b.safetensors",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out)["p"] >= 1e-300

    (tmp_path / "b.safetensors").write_bytes(b"no background")
    broken = run(
        "attribute", "--image", sample / "gen.png", "--candidates", candidates, "--offline",
        "--background", tmp_path / "b.safetensors",
    )  # fmt: skip
    assert (broken.code, "expected a background" in broken.err) == (5, True)


def test_a_flat_picture_has_no_evidence_whatever_is_searched(run, candidates, tmp_path):
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((300, 300, 3), 120, np.uint8))
    done = run(
        "attribute", "--image", tmp_path / "flat.png", "--candidates", candidates, "--offline",
        "--json", "--top", "2",
    )  # fmt: skip
    assert done.code == 0, done.err
    for match in map(json.loads, done.out.splitlines()):
        assert (match["verdict"], match["share"], match["unattributed"]) == ("no evidence", 0, 1)
        assert match["is_flat"]


def test_a_declared_picture_is_listed_apart_and_not_fetched_offline(run, sample, candidates):
    link = "https://example.org/style.png"
    done = run(
        "attribute", "--image", sample / "gen.png", "--candidates", candidates, "--offline",
        "--json", "--top", "1", "--prompt", f"a kingfisher --sref {link} --no text",
    )  # fmt: skip
    assert done.code == 0, done.err
    [match] = map(json.loads, done.out.splitlines())
    [declared] = match["declared"]
    assert (declared["role"], declared["url"]) == ("style", link)
    assert declared["status"] is None
