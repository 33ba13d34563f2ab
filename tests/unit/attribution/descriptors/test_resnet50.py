"""The cells of the third stage, with the real weights, against torchvision's own ResNet-50."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import resnet50

from attribution.descriptors.resnet50 import SIDE, WEIGHTS, ResNet50Gem, has_bfloat16


@pytest.fixture(scope="module")
def pictures():
    """Smooth noise of the input's own size, so that nothing depends on resizing."""
    rng = np.random.default_rng(0)
    coarse = [rng.random((9, 7, 3), np.float32) for _ in range(3)]
    large = [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in coarse]
    return [(one.clip(0, 1) * 255).astype(np.uint8) for one in large]


@pytest.fixture(scope="module")
def reference(pictures):
    net = resnet50(weights=None)
    for layer in (net.layer2, net.layer3, net.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    net.fc = torch.nn.Identity()
    net.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    net.eval()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.from_numpy(((np.stack(pictures) / 255 - mean) / std).astype(np.float32))
    x = x.permute(0, 3, 1, 2)
    with torch.inference_mode():
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"):
            x = getattr(net, name)(x)
    cells = x.permute(0, 2, 3, 1).double().numpy()
    return cells / np.linalg.norm(cells, axis=3, keepdims=True)


def test_cells_are_the_third_stages_map(pictures, reference):
    cells = ResNet50Gem(precision="float32").cells(pictures)
    assert cells.dtype == np.float32
    assert cells.shape == (3, 14, 14, 1024)
    assert cells.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(cells, axis=3), 1, rtol=1e-5)
    assert (cells * reference).sum(axis=3).min() > 0.999999


@pytest.mark.skipif(not has_bfloat16(), reason="this processor does not compute in bfloat16")
def test_cells_in_bfloat16_are_nearly_the_same(pictures, reference):
    cells = ResNet50Gem(precision="bfloat16").cells(pictures)
    assert (cells * reference).sum(axis=3).min() > 0.995


def test_no_pictures_have_no_cells():
    assert ResNet50Gem().cells([]).shape == (0, 14, 14, 1024)
