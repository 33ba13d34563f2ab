"""The inference engine of ResNet-50 on a processor: the network built in OpenVINO from the weights.

The only module that imports OpenVINO. The network is laid out here, operation by operation, out of
a safetensors file, with batch normalisation folded into the convolutions, so that no model file has
to be converted or shipped twice. Every picture is a request of its own, so that its numbers depend
neither on its neighbours nor on how many cores there are.

But: pictures of another size than 224 by 224 are not taken.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock
from types import ModuleType

import numpy as np
from numpy.typing import NDArray


@contextmanager
def _unreported() -> Iterator[None]:
    """Keep OpenVINO from reporting its import to Google Analytics, as it does by default.

    The report is sent by its model converter, which nothing here needs; where that or the telemetry
    package cannot be imported, OpenVINO does without.
    """
    names = [
        name for name in ("openvino.tools.ovc", "openvino_telemetry") if name not in sys.modules
    ]
    sys.modules.update({name: ModuleType(name) for name in names})
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


with _unreported():
    import openvino
    from openvino import opset13 as ops

SIDE = 224
STAGES = (3, 4, 6, 3)
"""ResNet-50's blocks, stage by stage; each stage but the first halves the picture."""

_NORM_EPSILON = 1e-5
_MAX_STREAMS = 4
"""Pictures under way at once, at most: each takes some 20 MB; further cores share one picture."""

State = Mapping[str, NDArray[np.float16]]
"""The weights by torchvision's names."""


class OpenVinoNetwork:
    """ResNet-50 up to the end of a stage, compiled for this processor.

    One picture a request is as quick as eight: the cores take a picture each, and never wait for
    one another within a layer, which counts where the machine is busy with anything else.

    Args:
        state: the weights.
        stages: how many of the four are computed.
        half: whether to compute in bfloat16.
    """

    def __init__(self, state: State, *, stages: int, half: bool) -> None:
        streams = min(_cores(), _MAX_STREAMS)
        compiled = _core().compile_model(
            _build_model(state, stages),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": _cores(),
                # Pinned threads of two processes would share the first cores.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._shape = tuple(compiled.output(0).shape)[1:]
        self._requests = openvino.AsyncInferQueue(compiled, streams)
        self._requests.set_callback(_keep)
        self._busy = Lock()

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised pictures (224, 224, 3) → (n, side, side, channels) float32, each 0 or more."""
        maps = np.empty((len(inputs), *self._shape), np.float32)
        with self._busy:
            for picture, output in zip(inputs, maps, strict=True):
                self._requests.start_async({0: picture[None]}, output)
            self._requests.wait_all()
        return maps


def _keep(request: openvino.InferRequest, output: NDArray[np.float32]) -> None:
    output[:] = request.get_output_tensor(0).data[0]


@cache
def _core() -> openvino.Core:
    return openvino.Core()


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; without, it is slower than float32."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _build_model(state: State, stages: int) -> openvino.Model:
    """(1, 224, 224, 3) float32 → (1, side, side, channels)."""
    picture = ops.parameter([1, SIDE, SIDE, 3], np.float32)
    x = ops.relu(_convolved(_permuted(picture, (0, 3, 1, 2)), state, "conv1", "bn1", stride=2))
    x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for block, stride in _blocks(stages):
        y = ops.relu(_convolved(x, state, f"{block}.conv1", f"{block}.bn1", stride=stride))
        y = ops.relu(_convolved(y, state, f"{block}.conv2", f"{block}.bn2"))
        y = _convolved(y, state, f"{block}.conv3", f"{block}.bn3")
        if f"{block}.downsample.0.weight" in state:
            shortcut = (f"{block}.downsample.0", f"{block}.downsample.1")
            x = _convolved(x, state, *shortcut, stride=stride)
        x = ops.relu(ops.add(y, x))
    return openvino.Model([_permuted(x, (0, 2, 3, 1))], [picture], "resnet50")


def _blocks(stages: int) -> Iterator[tuple[str, int]]:
    for stage, count in enumerate(STAGES[:stages], 1):
        for number in range(count):
            # ResNet v1 halves the picture in a block's first convolution, torchvision's own in the
            # second: these weights were trained for the former.
            yield f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1


def _permuted(x: openvino.Node, order: tuple[int, ...]) -> openvino.Node:
    return ops.transpose(x, np.array(order, np.int64))


def _convolved(
    x: openvino.Node | openvino.Output,
    state: State,
    convolution: str,
    norm: str,
    *,
    stride: int = 1,
) -> openvino.Node:
    """A convolution with its batch normalisation folded in; the padding keeps the size."""
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    scale = state[f"{norm}.weight"] / np.sqrt(variance.astype(np.float64) + _NORM_EPSILON)
    weight = (state[f"{convolution}.weight"] * scale[:, None, None, None]).astype(np.float32)
    bias = (state[f"{norm}.bias"] - mean * scale).astype(np.float32)
    padding = [weight.shape[-1] // 2] * 2
    kernel = ops.constant(weight, shared_memory=True)
    y = ops.convolution(x, kernel, [stride] * 2, padding, padding, [1, 1])
    return ops.add(y, bias.reshape(1, -1, 1, 1))
