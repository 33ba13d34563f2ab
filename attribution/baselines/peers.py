"""Other tools' rankers on the same pictures: imagededup's two methods, and plain cosine.

imagededup 0.3.3 (github.com/idealo/imagededup) is asked through its own `encode_image`, its network
given whence's own ResNet-50 weights, so that the methods are compared and not the weights. Its
preprocessing is kept: 256 px square, of which the middle 224 are looked at, average pooling. So is
its way of comparing: one cosine, or one Hamming distance, and no turns or mirrorings. It brings
torchvision and Matplotlib along, which take seconds to import, so it is imported when first used.

But: its own search, over a single set, is not run. It knows no queries beside a gallery, and gives
up float32 above 10,000 pictures; the scores here are those its formula gives, in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attribution.descriptors.hashes import BITS, hamming, pack
from attribution.descriptors.resnet50 import WEIGHTS, ResNet50Gem
from harvester.distribution import needs_extra

_CELLS = 49
_MAPS_AT_ONCE = 16
"""A map is 400 kB."""


class Peer(Protocol):
    """Another way to compare pictures.

    Attributes:
        name: what its row in a table is called.
    """

    name: str

    def describe(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[Any]:
        """Pictures (h, w, 3) uint8 RGB → what `compare` takes, a row a picture."""
        ...

    def compare(self, queries: NDArray[Any], gallery: NDArray[Any]) -> NDArray[np.float32]:
        """Descriptors of m queries and n candidates → (m, n) scores, higher is closer."""
        ...


class PlainCosine:
    """ResNet-50 with the last map averaged: no generalised mean, no whitening, no background."""

    name = "resnet50-cosine"

    def __init__(self) -> None:
        self._network = ResNet50Gem()

    def describe(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, 2048) float32, each row of length 1."""
        vectors = np.empty((len(pictures), self._network.dimension), np.float32)
        for start in range(0, len(pictures), _MAPS_AT_ONCE):
            batch = pictures[start : start + _MAPS_AT_ONCE]
            maps = self._network.maps(batch).reshape(len(batch), _CELLS, -1)
            vectors[start : start + len(batch)] = maps.mean(axis=1)
        return _to_unit(vectors)

    def compare(
        self, queries: NDArray[np.float32], gallery: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosines (m, n), 0 to 1."""
        return queries @ gallery.T


class ImagededupCnn:
    """imagededup's `CNN`, with whence's ResNet-50 weights.

    Raises:
        ExtraMissingError: on construction, if imagededup is not installed.
    """

    name = "imagededup-cnn"

    def __init__(self) -> None:
        # Without a handler of ours it installs one that prints its progress.
        logging.getLogger("imagededup.methods.cnn").addHandler(logging.NullHandler())
        with needs_extra("compare", self.name):
            from imagededup.methods import CNN  # noqa: PLC0415
            from imagededup.utils import CustomModel  # noqa: PLC0415
            from imagededup.utils.models import MobilenetV3  # noqa: PLC0415

            # torchvision and torch come with imagededup.
            from attribution.descriptors.resnet50_torch import torchvision_resnet50  # noqa: PLC0415
        network = torchvision_resnet50(WEIGHTS)
        model = CustomModel("resnet50-imagenet-v1", network, MobilenetV3.transform)
        self._encoder = CNN(verbose=False, model_config=model)

    def describe(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, 2048) float32, each row of length 1."""
        vectors = np.empty((len(pictures), 2048), np.float32)
        for row, picture in enumerate(pictures):
            vectors[row] = self._encoder.encode_image(image_array=picture)
        return _to_unit(vectors)

    def compare(
        self, queries: NDArray[np.float32], gallery: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosines (m, n), 0 to 1."""
        return queries @ gallery.T


class ImagededupPhash:
    """imagededup's `PHash`, 64 bits: of the picture squeezed to 32 px, against another median.

    Raises:
        ExtraMissingError: on construction, if imagededup is not installed.
    """

    name = "imagededup-phash"

    def __init__(self) -> None:
        with needs_extra("compare", self.name):
            from imagededup.methods import PHash  # noqa: PLC0415
        self._encoder = PHash(verbose=False)

    def describe(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
        """Pictures (h, w, 3) uint8 RGB → (n, 1) uint64 words of 64 bits."""
        hashes = [self._encoder.encode_image(image_array=picture) for picture in pictures]
        return pack(hashes, BITS["phash"])[0]

    def compare(
        self, queries: NDArray[np.uint64], gallery: NDArray[np.uint64]
    ) -> NDArray[np.float32]:
        """Agreements (m, n), `1 - distance / 64`: 0 to 1."""
        # Row by row: each pair takes eight bytes while its bits are counted.
        scores = np.empty((len(queries), len(gallery)), np.float32)
        for row in range(len(queries)):
            scores[row] = 1 - hamming(queries[row : row + 1], gallery)[0] / BITS["phash"]
        return scores


PEERS: dict[str, Callable[[], Peer]] = {
    PlainCosine.name: PlainCosine,
    ImagededupCnn.name: ImagededupCnn,
    ImagededupPhash.name: ImagededupPhash,
}
"""Every peer by its name, in the order of tables."""


def _to_unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    # A picture to which nothing responds has no direction: it is as far from all as can be.
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit
