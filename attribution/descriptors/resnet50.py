"""The embedding channel: ResNet-50 features, pooled by a generalised mean.

With the backbones, the only module that imports torch. The weights are the Keras ResNet-50 of He et
al. 2015, the ones that Aivalis & Klampanos (arXiv 2504.01771) ranked with; the package carries
them, so nothing is downloaded. Instead of that paper's flattened 7 by 7 by 2048 map, the map is
pooled as in Radenović, Tolias & Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation"
(2018), eq. 3, with p = 3, which finds sources more often and needs 49 times less space.

But: the picture is squeezed to a square, so that nothing is cropped away. Whitening is another
step (`whitening`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional

from attribution.descriptors.embedder import Precision
from attribution.errors import ProcessorError, WeightsMissingError
from attribution.packaged import packaged

# Threads that wait must sleep: by default they spin, and on a machine that is busy with anything
# else (the decoding of the next pictures is enough) one ranking then takes ten times as long.
# Read when torch's OpenMP is loaded, and only where nobody has chosen otherwise.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
WEIGHTS = packaged("resnet50-imagenet-v1.safetensors")
WEIGHTS_SHA256 = "20f463085ca78e428afa305a10f3337e75bfa631ca8c4d670bfea7827bcff298"
SIDE = 224
GEM_POWER = 3.0
BATCH = 8
# ImageNet's channel means and deviations (RGB, 0 to 1), as the weights were converted for.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)
# (1, 256, 3): the 256 values that a channel can take, normalised; looking up is the quickest.
_NORMALISED = ((np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - _MEAN) / _STD)[None]
_NORM_EPSILON = 1e-5
# Only builds of torch with oneDNN have these; nearly all for x86 and ARM do.
_FUSES = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
_STAGES = (3, 4, 6, 3)
"""ResNet-50's blocks, stage by stage; each stage but the first halves the picture."""


class ResNet50Gem:
    """The embedded ResNet-50 with generalised-mean pooling, 2,048 numbers a picture.

    Args:
        weights: a safetensors file with torchvision's names.
        precision: `auto` computes in bfloat16 where the processor has it (cosine to float32
            median .9999, seen from .9995 up; about three times as quick), else in float32.

    Raises:
        WeightsMissingError: on construction, if the file is missing or has another sha256.
        ProcessorError: on construction, if bfloat16 is asked for where the processor has none.
    """

    channel = "resnet50-gem"
    dimension = 2048

    def __init__(self, weights: Path = WEIGHTS, *, precision: Precision = "auto") -> None:
        digest = _checked_sha256(weights)
        self.version = f"{digest[:12]}-{SIDE}"
        self._weights = weights
        self._dtype = torch.bfloat16 if halves(precision) else torch.float32

    @cached_property
    def _trunk(self) -> _Trunk:
        # Loaded at the first picture: a gallery that is already described may need none.
        return _load_trunk(self._weights, self._dtype)

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, 2048) float32, each row of length 1.

        A picture of one flat colour has a vector too; what it is near to means nothing.
        """
        parts = [self._embed_batch(batch) for batch in _batched(pictures, BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def maps(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → the last map, before pooling, flattened as Keras does.

        Returns:
            (n, 7 * 7 * 2,048) float32, each number 0 or more: 400 kB a picture, so give few at
            a time. A picture of 224 by 224 is taken as it is, any other is resized to that.
        """
        parts = [
            self._maps(batch).permute(0, 2, 3, 1).flatten(1).numpy()
            for batch in _batched(pictures, BATCH)
        ]
        flat = 2048 * (SIDE // 32) ** 2
        return np.concatenate(parts) if parts else np.empty((0, flat), np.float32)

    def cells(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → the third stage's map, for comparing place by place.

        Returns:
            (n, 14, 14, 1,024) float32, each cell of length 1, or 0 where nothing responds: 800 kB
            a picture, so give few at a time. Cells are of the picture squeezed to a square.
        """
        side = SIDE // 16
        parts = [
            functional.normalize(self._maps(batch, stages=3)).permute(0, 2, 3, 1).numpy()
            for batch in _batched(pictures, BATCH)
        ]
        # Concatenating lays the channels side by side, as the products of cells want them.
        cells = np.concatenate(parts) if parts else np.empty((0, side, side, 1024), np.float32)
        return np.ascontiguousarray(cells)

    def _embed_batch(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            maps = self._maps(pictures)
            pooled = maps.clamp_(min=1e-6).pow(GEM_POWER).mean((2, 3)).pow(1 / GEM_POWER)
            vectors: NDArray[np.float32] = functional.normalize(pooled).numpy()
        return vectors

    def _maps(
        self, pictures: Sequence[NDArray[np.uint8]], *, stages: int = len(_STAGES)
    ) -> torch.Tensor:
        """(n, 2048, 7, 7) float32, after the last ReLU; twice the size and half as deep at 3."""
        stacked = np.stack([_to_input(picture) for picture in pictures])
        # (n, h, w, 3) seen as (n, 3, h, w) is channels-last memory, which oneDNN prefers.
        batch = torch.from_numpy(stacked).permute(0, 3, 1, 2).to(self._dtype)
        with torch.inference_mode():
            return self._trunk(batch, stages=stages).float()


def _to_input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    shrinks = picture.shape[0] > SIDE and picture.shape[1] > SIDE
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    square = cv2.resize(picture, (SIDE, SIDE), interpolation=how)
    return cast("NDArray[np.float32]", cv2.LUT(square, _NORMALISED))


def _batched(pictures: Iterable[NDArray[np.uint8]], size: int) -> Iterator[list[NDArray[np.uint8]]]:
    batch: list[NDArray[np.uint8]] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; without, it is slower than float32."""
    capabilities = torch.backends.cpu.get_cpu_capability()
    if not capabilities.startswith(("AVX512", "SVE")):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def halves(precision: Precision) -> bool:
    """Whether to compute in bfloat16, on this processor and with this choice.

    Raises:
        ProcessorError: if it is asked for and the processor cannot.
    """
    if precision == "bfloat16" and not has_bfloat16():
        raise ProcessorError(
            "precision: expected a processor that computes in bfloat16 (avx512_bf16, amx_bf16 or "
            "ARM's bf16), found none of these; give auto or float32"
        )
    return precision == "bfloat16" or (precision == "auto" and has_bfloat16())


def _checked_sha256(weights: Path) -> str:
    try:
        with weights.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise WeightsMissingError(
            f"{weights}: expected the ResNet-50 weights, found {exc.strerror}; install whence again"
        ) from exc
    if digest != WEIGHTS_SHA256:
        raise WeightsMissingError(
            f"{weights}: expected sha256 {WEIGHTS_SHA256[:12]}…, found {digest[:12]}…; the file is "
            "damaged or of another model, install whence again"
        )
    return digest


@dataclass(frozen=True, slots=True)
class _Convolution:
    """A convolution with its batch normalisation folded in; the padding keeps the size."""

    weight: torch.Tensor
    bias: torch.Tensor
    stride: int

    def __call__(
        self, x: torch.Tensor, *, relu: bool = True, onto: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Convolve; add `onto`, which is overwritten; clip at 0."""
        padding = self.weight.shape[-1] // 2
        if not _FUSES:
            y = functional.conv2d(x, self.weight, self.bias, self.stride, padding)
            y = y if onto is None else y.add_(onto)
            return y.relu_() if relu else y
        # oneDNN adds and clips while it writes the result: a tenth to a fifth of the time is saved.
        shape = (self.weight, self.bias, [padding] * 2, [self.stride] * 2, [1, 1], 1)
        after = "relu" if relu else "none"
        fused = torch.ops.mkldnn
        y = (
            fused._convolution_pointwise(x, *shape, after, [], "")  # noqa: SLF001  # no public way
            if onto is None
            else fused._convolution_pointwise_.binary(onto, x, *shape, "add", 1.0, after, [], "")
        )
        return cast("torch.Tensor", y)


@dataclass(frozen=True, slots=True)
class _Block:
    """ResNet's bottleneck; without `shortcut` the input itself is added."""

    narrow: _Convolution
    spatial: _Convolution
    widen: _Convolution
    shortcut: _Convolution | None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        y = self.spatial(self.narrow(x))
        return self.widen(y, onto=self.shortcut(x, relu=False) if self.shortcut else x)


@dataclass(frozen=True, slots=True)
class _Trunk:
    """ResNet-50 up to its last map: (n, 3, h, w) → (n, 2048, h / 32, w / 32).

    Written out here because importing torchvision takes longer than importing torch does.
    """

    stem: _Convolution
    blocks: tuple[_Block, ...]

    def __call__(self, x: torch.Tensor, *, stages: int = len(_STAGES)) -> torch.Tensor:
        """Run up to the end of a stage; each before the last has a map twice as large."""
        x = functional.max_pool2d(self.stem(x), 3, stride=2, padding=1)
        for block in self.blocks[: sum(_STAGES[:stages])]:
            x = block(x)
        return x


def _load_trunk(weights: Path, dtype: torch.dtype) -> _Trunk:
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as exc:
        raise WeightsMissingError(f"{weights}: expected safetensors, found {exc}") from exc

    def take(convolution: str, norm: str, stride: int = 1) -> _Convolution:
        return _folded(state, convolution, norm, stride, dtype)

    blocks = []
    for stage, count in enumerate(_STAGES, 1):
        for number in range(count):
            at = f"layer{stage}.{number}"
            # ResNet v1 halves the picture in a block's first convolution, torchvision's own in the
            # second: these weights were trained for the former.
            stride = 2 if stage > 1 and number == 0 else 1
            blocks.append(
                _Block(
                    take(f"{at}.conv1", f"{at}.bn1", stride),
                    take(f"{at}.conv2", f"{at}.bn2"),
                    take(f"{at}.conv3", f"{at}.bn3"),
                    None if number else take(f"{at}.downsample.0", f"{at}.downsample.1", stride),
                )
            )
    return _Trunk(take("conv1", "bn1", 2), tuple(blocks))


def _folded(
    state: Mapping[str, torch.Tensor], convolution: str, norm: str, stride: int, dtype: torch.dtype
) -> _Convolution:
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    scale = state[f"{norm}.weight"].double() / (variance.double() + _NORM_EPSILON).sqrt()
    weight = state[f"{convolution}.weight"].double() * scale[:, None, None, None]
    bias = state[f"{norm}.bias"].double() - mean.double() * scale
    return _Convolution(
        weight.to(dtype).contiguous(memory_format=torch.channels_last), bias.to(dtype), stride
    )
