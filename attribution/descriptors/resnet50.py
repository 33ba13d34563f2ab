"""The embedding channel: ResNet-50 features, pooled by a generalised mean.

The weights are the Keras ResNet-50 of He et al. 2015, the ones that Aivalis & Klampanos (arXiv
2504.01771) ranked with; the package carries them, so nothing is downloaded. Instead of that paper's
flattened 7 by 7 by 2048 map, the map is pooled as in Radenović, Tolias & Chum, "Fine-tuning CNN
Image Retrieval with No Human Annotation" (2018), eq. 3, with p = 3, which finds sources more often
and needs 49 times less space. The network runs in `resnet50_openvino`, or on a GPU in
`resnet50_torch`; vectors of both are compared with one another and carry one version.

But: the picture is squeezed to a square, so that nothing is cropped away. Whitening is another
step (`whitening`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from attribution.descriptors.embedder import Precision
from attribution.errors import ProcessorError, WeightsMissingError
from attribution.packaged import packaged

WEIGHTS = packaged("resnet50-imagenet-v1.safetensors")
WEIGHTS_SHA256 = "20f463085ca78e428afa305a10f3337e75bfa631ca8c4d670bfea7827bcff298"
SIDE = 224
BATCH = 8
"""Pictures whose maps are in memory at once: 400 kB each."""

# ImageNet's channel means and deviations (RGB, 0 to 1), as the weights were converted for.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)
# (1, 256, 3): the 256 values that a channel can take, normalised; looking up is the quickest.
_NORMALISED = ((np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - _MEAN) / _STD)[None]

_GPU_DRIVER = Path("/proc/driver/nvidia/version")

EngineChoice = Literal["auto", "openvino", "torch"]


class _Network(Protocol):
    def whole(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]: ...
    def three_stages(self, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]: ...


class ResNet50Gem:
    """The embedded ResNet-50 with generalised-mean pooling, 2,048 numbers a picture.

    Args:
        weights: a safetensors file with torchvision's names.
        precision: `auto` computes in bfloat16 where the processor has it (cosine to float32
            median .9999, seen from .9992 up; about twice as quick), else in float32.
        engine: `auto` is torch where it finds a GPU, else OpenVINO.

    Raises:
        WeightsMissingError: on construction, if the file is missing or has another sha256.
        ProcessorError: on construction, if bfloat16 is asked for where the processor has none.
    """

    channel = "resnet50-gem"
    dimension = 2048

    def __init__(
        self,
        weights: Path = WEIGHTS,
        *,
        precision: Precision = "auto",
        engine: EngineChoice = "auto",
    ) -> None:
        self.version = f"{_checked_sha256(weights)[:12]}-{SIDE}"
        self._weights = weights
        self._engine = engine
        if precision == "bfloat16":
            halves(precision)
        self._precision = precision

    def prepare(self) -> None:
        """Begin to build the network, in a thread, for whoever will surely need it.

        Without, it is built at the first picture: a gallery that is described may need none. Errors
        are those of the first picture either way.
        """
        self._building  # noqa: B018  # the first look at it begins

    @cached_property
    def _building(self) -> Future[_Network]:
        with_one = ThreadPoolExecutor(1)
        building = with_one.submit(self._network)
        with_one.shutdown(wait=False)
        return building

    @property
    def cell_version(self) -> str:
        """Weights, preprocessing and arithmetic, which cells are kept under."""
        return f"{self.version}-{self._engine}-{'bf16' if halves(self._precision) else 'f32'}"

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, 2048) float32, each row of length 1.

        A picture of one flat colour has a vector too; what it is near to means nothing.
        """
        vectors = np.empty((len(pictures), self.dimension), np.float32)
        for start in range(0, len(pictures), BATCH):
            batch = [_to_input(picture) for picture in pictures[start : start + BATCH]]
            vectors[start : start + BATCH] = _pooled(self._building.result().whole(batch))
        return vectors

    def maps(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → the last map, before pooling, flattened as Keras does.

        Returns:
            (n, 7 * 7 * 2,048) float32, each number 0 or more: 400 kB a picture, so give few at
            a time. A picture of 224 by 224 is taken as it is, any other is resized to that.
        """
        flat = 2048 * (SIDE // 32) ** 2
        if not pictures:
            return np.empty((0, flat), np.float32)
        maps = self._building.result().whole([_to_input(picture) for picture in pictures])
        return maps.reshape(-1, flat)

    def cells(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → the third stage's map, for comparing place by place.

        Returns:
            (n, 14, 14, 1,024) float32, each cell of length 1, or 0 where nothing responds: 800 kB
            a picture, so give few at a time. Cells are of the picture squeezed to a square.
        """
        if not pictures:
            return np.empty((0, SIDE // 16, SIDE // 16, 1024), np.float32)
        inputs = [_to_input(picture) for picture in pictures]
        return _unit(self._building.result().three_stages(inputs))

    def _network(self) -> _Network:
        try:
            if self._engine == "torch" or (self._engine == "auto" and _has_gpu()):
                # With torch and torchvision seconds pass before anything is computed.
                from attribution.descriptors.resnet50_torch import TorchNetwork  # noqa: PLC0415

                device = "cuda" if _has_gpu() else "cpu"
                return TorchNetwork(self._weights, device)
            from attribution.descriptors.resnet50_openvino import OpenVinoNetwork  # noqa: PLC0415

            return OpenVinoNetwork(self._weights, half=halves(self._precision))
        except (OSError, SafetensorError) as exc:
            expected = f"{self._weights}: expected safetensors"
            raise WeightsMissingError(f"{expected}, found {exc}") from exc


def _has_gpu() -> bool:
    # Looked for before torch is imported, which takes seconds.
    if not _GPU_DRIVER.exists() or not (find_spec("torch") and find_spec("torchvision")):
        return False
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; without, it is slower than float32."""
    from attribution.descriptors import resnet50_openvino  # noqa: PLC0415  # .2 s, not at start

    return resnet50_openvino.has_bfloat16()


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


def _pooled(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The generalised mean, p = 3, of (n, h, w, c), as unit rows (n, c)."""
    clipped = np.maximum(maps, np.float32(1e-6))
    # Multiplied out: numpy's own power takes twenty times as long.
    return _unit(np.cbrt((clipped * clipped * clipped).mean((1, 2))))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row of the last axis to length 1, in place; rows of zeros stay."""
    lengths = np.sqrt(np.einsum("...c,...c->...", vectors, vectors))[..., None]
    vectors /= np.maximum(lengths, np.float32(1e-12))
    return vectors


def _to_input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    shrinks = picture.shape[0] > SIDE and picture.shape[1] > SIDE
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    square = cv2.resize(picture, (SIDE, SIDE), interpolation=how)
    return cast("NDArray[np.float32]", cv2.LUT(square, _NORMALISED))


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
