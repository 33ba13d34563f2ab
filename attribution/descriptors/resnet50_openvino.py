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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property, partial
from pathlib import Path
from queue import SimpleQueue
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

MANY = 64
"""Pictures from which on a network of their own pays: to compile it takes what 40 save."""

Convolutions = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""By torchvision's name, a convolution's weights and bias, batch normalisation folded in."""


class OpenVinoNetwork:
    """ResNet-50 compiled for this processor.

    It is in two parts, the first three stages and the last, which takes what they gave where it
    lies: the weights are in memory once, and cells do not cost the last stage. In float32 whoever
    has `MANY` pictures embedded pays for a third, of all four stages, which takes 4 % less time:
    there nothing but the fourth reads what the third stage gave, and three quarters of its last
    layer are left out. The numbers are the same to the bit; in bfloat16 they would not be.

    One picture a request is as quick as eight: the cores take a picture each, and never wait for
    one another within a layer, which counts where the machine is busy with anything else.

    Args:
        weights: a safetensors file with torchvision's names.
        half: whether to compute in bfloat16.

    Raises:
        OSError, SafetensorError: if the weights cannot be read.
    """

    def __init__(self, weights: Path, *, half: bool) -> None:
        convolutions = fold(weights)
        self._compile, self._half = partial(_compiled, convolutions, half=half), half
        trunk, last = self._compile((1, 2, 3)), self._compile((4,))
        self._parts: SimpleQueue[_Request] = SimpleQueue()
        for _ in range(_streams()):
            self._parts.put(_Request(trunk, last))
        self._pool = ThreadPoolExecutor(_streams())
        self._embedded = 0

    def whole(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised pictures (224, 224, 3) → (n, 7, 7, 2048) float32, each 0 or more."""
        self._embedded += len(inputs)
        pays = not self._half and self._embedded >= MANY
        requests = self._undivided if pays else self._parts
        return self._computed(inputs, requests, is_whole=True)

    def three_stages(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised pictures (224, 224, 3) → (n, 14, 14, 1024) float32, each 0 or more."""
        return self._computed(inputs, self._parts, is_whole=False)

    @cached_property
    def _undivided(self) -> SimpleQueue[_Request]:
        compiled = self._compile((1, 2, 3, 4))
        requests: SimpleQueue[_Request] = SimpleQueue()
        for _ in range(_streams()):
            requests.put(_Request(compiled))
        return requests

    def _computed(
        self,
        inputs: Sequence[NDArray[np.float32]],
        requests: SimpleQueue[_Request],
        *,
        is_whole: bool,
    ) -> NDArray[np.float32]:
        maps = np.empty((len(inputs), *((7, 7, 2048) if is_whole else (14, 14, 1024))), np.float32)

        def compute(picture: NDArray[np.float32], output: NDArray[np.float32]) -> None:
            request = requests.get()
            try:
                output[:] = request.compute(picture, is_whole=is_whole)
            finally:
                requests.put(request)

        for _ in self._pool.map(compute, inputs, maps):
            pass
        return maps


class _Request:
    """One picture under way: the networks that it goes through, and the memory in between."""

    def __init__(self, *networks: openvino.CompiledModel) -> None:
        self._first, *others = (network.create_infer_request() for network in networks)
        self._last = others[0] if others else None
        if self._last is not None:
            self._last.set_input_tensor(self._first.get_output_tensor())

    def compute(self, picture: NDArray[np.float32], *, is_whole: bool) -> NDArray[np.float32]:
        """The map, which the next call writes over."""
        self._first.infer({0: picture[None]}, share_inputs=True)
        done = self._first
        if is_whole and self._last is not None:
            self._last.infer()
            done = self._last
        computed: NDArray[np.float32] = done.get_output_tensor().data[0]
        return computed


def _compiled(
    convolutions: Convolutions, stages: Sequence[int], *, half: bool
) -> openvino.CompiledModel:
    return _core().compile_model(
        _build_model(convolutions, stages),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
            "NUM_STREAMS": _streams(),
            "INFERENCE_NUM_THREADS": _cores(),
            # Pinned threads of two processes would share the first cores.
            "ENABLE_CPU_PINNING": False,
        },
    )


def _streams() -> int:
    return min(_cores(), _MAX_STREAMS)


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

    Each batch normalisation goes into the convolution before it. One tensor is read at a time: all
    together take 47 MB.

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
                weight = file.get_tensor(name).astype(np.float32)
                weight *= scale.astype(np.float32)[:, None, None, None]
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


def _build_model(convolutions: Convolutions, stages: Sequence[int]) -> openvino.Model:
    """Adjacent stages: (1, 224, 224, 3) float32, or a third stage's map, → the last one's map."""
    if stages[0] == 1:
        given = ops.parameter([1, SIDE, SIDE, 3], np.float32)
        x = _convolved(_permuted(given, (0, 3, 1, 2)), convolutions, "conv1", 2)
        x = ops.max_pool(ops.relu(x), [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    else:
        given = ops.parameter([1, SIDE // 16, SIDE // 16, 1024], np.float32)
        x = _permuted(given, (0, 3, 1, 2))
    for stage in stages:
        x = _stage(x, convolutions, stage)
    return openvino.Model([_permuted(x, (0, 2, 3, 1))], [given], "resnet50")


def _stage(
    x: openvino.Node | openvino.Output, convolutions: Convolutions, stage: int
) -> openvino.Node | openvino.Output:
    for number in range(STAGES[stage - 1]):
        # ResNet v1 halves the picture in a block's first convolution, torchvision's own in the
        # second: these weights were trained for the former.
        block, stride = f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1
        y = ops.relu(_convolved(x, convolutions, f"{block}.conv1", stride))
        y = ops.relu(_convolved(y, convolutions, f"{block}.conv2"))
        y = _convolved(y, convolutions, f"{block}.conv3")
        if f"{block}.downsample.0" in convolutions:
            x = _convolved(x, convolutions, f"{block}.downsample.0", stride)
        x = ops.relu(ops.add(y, x))
    return x


def _convolved(
    x: openvino.Node | openvino.Output, convolutions: Convolutions, name: str, stride: int = 1
) -> openvino.Node:
    """A convolution whose padding keeps the size."""
    weight, bias = convolutions[name]
    padding = [weight.shape[-1] // 2] * 2
    kernel = ops.constant(weight, shared_memory=True)
    y = ops.convolution(x, kernel, [stride] * 2, padding, padding, [1, 1])
    return ops.add(y, bias.reshape(1, -1, 1, 1))


def _permuted(x: openvino.Node | openvino.Output, order: tuple[int, ...]) -> openvino.Node:
    return ops.transpose(x, np.array(order, np.int64))
