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
from functools import cache, partial
from pathlib import Path
from threading import Lock
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open


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

Convolutions = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""By torchvision's name, a convolution's weights and bias, batch normalisation folded in."""


class OpenVinoNetwork:
    """ResNet-50 up to the end of a stage, compiled for this processor.

    One picture a request is as quick as eight: the cores take a picture each, and never wait for
    one another within a layer, which counts where the machine is busy with anything else.

    Args:
        convolutions: as `fold` gives them; networks that share them share their memory.
        stages: how many of the four are computed.
        half: whether to compute in bfloat16.
    """

    def __init__(self, convolutions: Convolutions, *, stages: int, half: bool) -> None:
        streams = min(_cores(), _MAX_STREAMS)
        compiled = _core().compile_model(
            _build_model(convolutions, stages),
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


def fold(weights: Path) -> Convolutions:
    """The convolutions of a safetensors file with torchvision's names.

    Each batch normalisation goes into the convolution before it, computed in float64. One tensor is
    read at a time: all together take 47 MB.

    Raises:
        OSError, SafetensorError: if the file cannot be read.
    """
    folded = {}
    with safe_open(weights, "numpy") as file:
        for name in file.keys():  # noqa: SIM118  # it is no dict
            convolution, _, kind = name.rpartition(".")
            if kind == "weight" and len(file.get_slice(name).get_shape()) == 4:
                read = partial(_read, file, _norm_of(convolution))
                scale = read("weight") / np.sqrt(read("running_var") + _NORM_EPSILON)
                weight = (file.get_tensor(name) * scale[:, None, None, None]).astype(np.float32)
                bias = (read("bias") - read("running_mean") * scale).astype(np.float32)
                folded[convolution] = weight, bias
    return folded


def _read(file: safe_open, norm: str, kind: str) -> NDArray[np.float64]:
    values: NDArray[np.float16] = file.get_tensor(f"{norm}.{kind}")  # type: ignore[no-untyped-call]
    return values.astype(np.float64)


def _norm_of(convolution: str) -> str:
    """`layer1.0.conv2` is followed by `layer1.0.bn2`, `layer1.0.downsample.0` by its `.1`."""
    if convolution.endswith("downsample.0"):
        return convolution[:-1] + "1"
    return convolution[:-5] + "bn" + convolution[-1]


def _build_model(convolutions: Convolutions, stages: int) -> openvino.Model:
    """(1, 224, 224, 3) float32 → (1, side, side, channels)."""

    def convolve(x: openvino.Node | openvino.Output, name: str, stride: int = 1) -> openvino.Node:
        """A convolution whose padding keeps the size."""
        weight, bias = convolutions[name]
        padding = [weight.shape[-1] // 2] * 2
        kernel = ops.constant(weight, shared_memory=True)
        y = ops.convolution(x, kernel, [stride] * 2, padding, padding, [1, 1])
        return ops.add(y, bias.reshape(1, -1, 1, 1))

    picture = ops.parameter([1, SIDE, SIDE, 3], np.float32)
    x = ops.relu(convolve(_permuted(picture, (0, 3, 1, 2)), "conv1", 2))
    x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for block, stride in _blocks(stages):
        y = ops.relu(convolve(x, f"{block}.conv1", stride))
        y = ops.relu(convolve(y, f"{block}.conv2"))
        y = convolve(y, f"{block}.conv3")
        if f"{block}.downsample.0" in convolutions:
            x = convolve(x, f"{block}.downsample.0", stride)
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
