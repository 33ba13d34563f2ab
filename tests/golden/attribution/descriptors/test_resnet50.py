"""The shipped ResNet-50, with its real weights, against a plain computation of the same formula."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import resnet50

from attribution.descriptors import resnet50 as embeddings
from attribution.descriptors.resnet50 import SIDE, WEIGHTS, ResNet50Gem, has_bfloat16
from attribution.errors import ProcessorError, WeightsMissingError
from tests.support.checkout import ROOT


def scene(seed: int, height: int = 300, width: int = 200) -> np.ndarray:
    noise = np.random.default_rng(seed).random((9, 7, 3), np.float32)
    large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return (large * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures():
    return [scene(0), scene(1, 640, 480), scene(2, 100, 90), scene(3, 224, 224)]


@pytest.fixture(scope="module")
def reference(pictures):
    """Torchvision's own ResNet-50 in float32, nothing fused, one picture at a time."""
    net = resnet50(weights=None)
    for layer in (net.layer2, net.layer3, net.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    state = {name: value.float() for name, value in load_file(WEIGHTS).items()}
    net.fc = torch.nn.Identity()
    net.load_state_dict(state)
    net.eval()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    vectors = []
    for picture in pictures:
        shrinks = min(picture.shape[:2]) > SIDE
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        square = (cv2.resize(picture, (SIDE, SIDE), interpolation=how) / 255 - mean) / std
        x = torch.from_numpy(square.transpose(2, 0, 1)[None].astype(np.float32))
        with torch.inference_mode():
            for name, part in net.named_children():
                if name not in ("avgpool", "fc"):
                    x = part(x)
        pooled = (x[0].clamp(min=1e-6).double() ** 3).mean((1, 2)) ** (1 / 3)
        vectors.append((pooled / pooled.norm()).numpy())
    return np.array(vectors)


def test_float32_is_the_plain_computation(pictures, reference):
    vectors = ResNet50Gem(precision="float32").embed(pictures)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 2048)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert (vectors * reference).sum(axis=1).min() > 0.999999


@pytest.mark.skipif(not has_bfloat16(), reason="this processor does not compute in bfloat16")
def test_bfloat16_is_nearly_the_plain_computation(pictures, reference):
    vectors = ResNet50Gem(precision="bfloat16").embed(pictures)
    assert (vectors * reference).sum(axis=1).min() > 0.999


def test_a_processor_without_bfloat16_is_told_in_one_line(monkeypatch, pictures):
    monkeypatch.setattr(embeddings, "has_bfloat16", lambda: False)
    with pytest.raises(ProcessorError, match=r"computes in bfloat16 .*; give auto or float32$"):
        ResNet50Gem(precision="bfloat16")
    auto, plain = (ResNet50Gem(precision=how).embed(pictures[:1]) for how in ("auto", "float32"))
    assert np.array_equal(auto, plain)


def test_a_picture_has_one_vector_whatever_stands_beside_it(pictures):
    embedder = ResNet50Gem(precision="float32")
    together = embedder.embed(pictures * 3)
    alone = np.concatenate([embedder.embed([picture]) for picture in pictures])
    np.testing.assert_allclose(together[:4], alone, atol=2e-5)


def test_both_engines_give_the_same_vectors_and_cells(pictures):
    """Torch runs on the processor here; on a GPU it was not tried."""
    plain, other = ResNet50Gem(precision="float32"), ResNet50Gem(engine="torch")
    assert plain.version == other.version
    assert (plain.embed(pictures) * other.embed(pictures)).sum(axis=1).min() >= 0.9999
    assert (plain.cells(pictures) * other.cells(pictures)).sum(axis=3).min() >= 0.9999
    np.testing.assert_allclose(plain.maps(pictures), other.maps(pictures), rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not has_bfloat16(), reason="this processor does not compute in bfloat16")
def test_vectors_in_bfloat16_are_compared_with_those_in_float32(pictures):
    plain, half = ResNet50Gem(precision="float32"), ResNet50Gem(precision="bfloat16")
    assert plain.version == half.version
    assert (plain.embed(pictures) * half.embed(pictures)).sum(axis=1).min() >= 0.9995


def test_a_picture_s_numbers_depend_on_nothing_else(pictures):
    network = ResNet50Gem()
    with ThreadPoolExecutor(4) as pool:
        apart = list(pool.map(lambda picture: network.embed([picture])[0], pictures * 3))
    assert np.array_equal(np.array(apart), network.embed(pictures * 3))


def test_the_engine_reports_nothing_to_anybody(tmp_path):
    """OpenVINO tells Google Analytics of each import unless it is kept from it."""
    code = """
import socket, sys
def refuse(*_):
    raise SystemExit("a connection was asked for")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import numpy as np
from attribution.descriptors.resnet50 import ResNet50Gem
ResNet50Gem().embed([np.zeros((9, 9, 3), np.uint8)])
print([name for name in sys.modules if "telemetry" in name or name.startswith("openvino.tools")])
"""
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
    assert not any(tmp_path.iterdir())


def test_no_pictures_are_no_vectors():
    assert ResNet50Gem().embed([]).shape == (0, 2048)


def test_known_numbers():
    """Pinned: a change of weights, of preprocessing or of a library's arithmetic shows here."""
    vector = ResNet50Gem(precision="float32").embed([scene(0)])[0]
    top = np.argsort(-vector)[:5]
    assert top.tolist() == TOP
    np.testing.assert_allclose(vector[top], VALUES, rtol=1e-3)


TOP = [551, 130, 1158, 1486, 613]
VALUES = [0.24849, 0.22103, 0.17683, 0.15719, 0.13767]


def test_damaged_weights_are_refused_and_missing_ones_named(tmp_path):
    with pytest.raises(WeightsMissingError, match="install whence again"):
        ResNet50Gem(tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    shutil.copy(WEIGHTS, damaged)
    with damaged.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"\0\1\2\3")
    with pytest.raises(WeightsMissingError, match=r"expected sha256 .* found .*; the file is"):
        ResNet50Gem(damaged)
