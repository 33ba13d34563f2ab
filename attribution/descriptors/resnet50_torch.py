"""The inference engine of ResNet-50 on a GPU: torchvision's own network with the shipped weights.

Used where torch and torchvision are installed (extra `models`) and torch finds a CUDA device. The
vectors are those of the other engine but for rounding: cosines of .9999 and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torchvision.models import resnet50

_PARTS = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


class TorchNetwork:
    """ResNet-50 up to the end of a stage, in float32.

    Args:
        weights: a safetensors file with torchvision's names.
        stages: how many of the four are computed.
        device: by torch's name.
    """

    def __init__(self, weights: Path, *, stages: int, device: str = "cuda") -> None:
        net = torchvision_resnet50(weights)
        parts = [getattr(net, name) for name in _PARTS[: 4 + stages]]
        self._trunk = torch.nn.Sequential(*parts).to(device)
        self._device = device

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised pictures (224, 224, 3) → (n, side, side, channels) float32, each 0 or more."""
        batch = torch.from_numpy(np.stack(inputs)).to(self._device).permute(0, 3, 1, 2)
        with torch.inference_mode():
            maps: NDArray[np.float32] = self._trunk(batch).permute(0, 2, 3, 1).cpu().numpy()
        return maps


def torchvision_resnet50(weights: Path) -> torch.nn.Module:
    """Torchvision's ResNet-50 with given weights, without its last layer, ready to be asked."""
    net = resnet50(weights=None)
    for layer in (net.layer2, net.layer3, net.layer4):
        # ResNet v1 halves the picture in a block's first convolution, torchvision in its second.
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    net.fc = torch.nn.Identity()
    net.load_state_dict({name: values.float() for name, values in load_file(weights).items()})
    return net.eval().to(memory_format=torch.channels_last)  # type: ignore[no-any-return]
