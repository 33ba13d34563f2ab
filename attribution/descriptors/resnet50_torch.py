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
    """ResNet-50 in float32, up to the end of its third stage or of its fourth.

    Args:
        weights: a safetensors file with torchvision's names.
        device: by torch's name.
    """

    def __init__(self, weights: Path, device: str = "cuda") -> None:
        net = torchvision_resnet50(weights).to(device)
        parts = torch.nn.Sequential(*(getattr(net, name) for name in _PARTS))
        self._trunk, self._last = parts[:-1], parts[-1]
        self._device = device

    def whole(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised pictures (224, 224, 3) → (n, 7, 7, 2048) float32, each 0 or more."""
        with torch.inference_mode():
            return _to_numpy(self._last(self._trunk(self._batch(inputs))))

    def three_stages(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised pictures (224, 224, 3) → (n, 14, 14, 1024) float32, each 0 or more."""
        with torch.inference_mode():
            return _to_numpy(self._trunk(self._batch(inputs)))

    def _batch(self, inputs: Sequence[NDArray[np.float32]]) -> torch.Tensor:
        return torch.from_numpy(np.stack(inputs)).to(self._device).permute(0, 3, 1, 2)


def _to_numpy(maps: torch.Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = maps.permute(0, 2, 3, 1).cpu().numpy()
    return values


def torchvision_resnet50(weights: Path) -> torch.nn.Module:
    """Torchvision's ResNet-50 with given weights, without its last layer, ready to be asked."""
    net = resnet50(weights=None)
    for layer in (net.layer2, net.layer3, net.layer4):
        # ResNet v1 halves the picture in a block's first convolution, torchvision in its second.
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    net.fc = torch.nn.Identity()
    net.load_state_dict({name: values.float() for name, values in load_file(weights).items()})
    return net.eval().to(memory_format=torch.channels_last)  # type: ignore[no-any-return]
