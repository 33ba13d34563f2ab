"""The protocols of embedders: networks that describe pictures, cells of pictures, or words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Precision = Literal["auto", "float32", "bfloat16"]


class Embedder(Protocol):
    """Anything that turns pictures into comparable vectors.

    Attributes:
        channel: name of the channel in rankings and of the descriptors on disk.
        version: what else the vectors depend on: weights, preprocessing; vectors of another
            version are never compared.
        dimension: length of a vector.
    """

    @property
    def channel(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def dimension(self) -> int: ...

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, dimension) float32, each row of length 1."""
        ...


class CellEmbedder(Protocol):
    """Anything that describes the cells of a picture.

    Attributes:
        cell_version: what else the cells depend on: weights, preprocessing, arithmetic.
    """

    @property
    def cell_version(self) -> str: ...

    def cells(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (h, w, 3) uint8 RGB → (n, 14, 14, d) float32 unit rows."""
        ...


@runtime_checkable
class TextTower(Protocol):
    """An embedder that also turns texts into vectors comparable with those of pictures."""

    @property
    def text_channel(self) -> str:
        """Name of the channel in rankings."""

    def embed_texts(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Texts → (n, dimension) float32, each row of length 1."""
        ...
