"""How many pictures a second the embedding channel describes, against plain float32 torch.

Both run in one process, in alternating rounds, on the same pictures, with the same weights and all
cores. Plain is what a user of torchvision would write: `resnet50()` in float32, `eval()`,
`inference_mode()`, contiguous batches, the model's own average pooling; resizing and normalising
are timed on both sides. Threads wait as whence has them wait; `OMP_WAIT_POLICY=ACTIVE` before the
command gives torch's own habit::

    python benchmarks/embedding.py --images photos --plain-batch 8

The cosines compare our vectors with the same formula (generalised mean) computed by the plain net.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# First, because it decides how torch's threads wait, and that is read when torch is loaded.
from attribution import embeddings  # isort: split

import cv2
import numpy as np
import torch
from machine import describe_machine, print_figures, summarise
from numpy.typing import NDArray
from pictures import read_pictures
from safetensors.torch import load_file
from torchvision.models import resnet50

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


def load_plain() -> torch.nn.Module:
    """Torchvision's ResNet-50 with the embedded weights, nothing fused, in float32."""
    net = resnet50(weights=None)
    for layer in (net.layer2, net.layer3, net.layer4):
        # The weights are of ResNet v1, which halves the picture in a block's first convolution.
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    net.fc = torch.nn.Identity()
    net.load_state_dict({k: v.float() for k, v in load_file(embeddings.WEIGHTS).items()})
    plain: torch.nn.Module = net.eval()
    return plain


def prepare(picture: NDArray[np.uint8]) -> torch.Tensor:
    """A picture as (3, 224, 224) float32, resized and normalised as ours are."""
    side = embeddings.SIDE
    shrinks = min(picture.shape[:2]) > side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    square = cv2.resize(picture, (side, side), interpolation=how).astype(np.float32)
    normal = (square / np.float32(255) - _MEAN) / _STD
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))


def embed_plainly(
    net: torch.nn.Module, pictures: Sequence[NDArray[np.uint8]], batch: int
) -> NDArray[np.float32]:
    """(n, 2048) float32, average-pooled."""
    starts = range(0, len(pictures), batch)
    with torch.inference_mode():
        parts = [
            net(torch.stack([prepare(picture) for picture in pictures[start : start + batch]]))
            for start in starts
        ]
    vectors: NDArray[np.float32] = torch.cat(parts).numpy()
    return vectors


def pool_plainly(
    net: torch.nn.Module, pictures: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """(n, 2048) unit vectors of the plain net's last maps under the generalised mean."""
    vectors = []
    parts = [part for name, part in net.named_children() if name not in {"avgpool", "fc"}]
    with torch.inference_mode():
        for picture in pictures:
            x = prepare(picture)[None]
            for part in parts:
                x = part(x)
            pooled = (x[0].clamp(min=1e-6).double() ** 3).mean((1, 2)) ** (1 / 3)
            vectors.append((pooled / pooled.norm()).float().numpy())
    return np.array(vectors)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    pictures = read_pictures(options.images, options.count, options.seed)
    net, ours = load_plain(), embeddings.ResNet50Gem()

    def rate(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return len(pictures) / (time.perf_counter() - start)

    works: list[Callable[[], object]] = [
        lambda: embed_plainly(net, pictures, options.plain_batch),
        lambda: ours.embed(pictures),
    ]
    for work in works:  # the first pass loads weights and settles memory
        work()
    rounds = [[rate(work) for work in works] for _ in range(options.rounds)]
    ratios = [our / plain for plain, our in rounds]
    few = pictures[:64]
    cosines = (pool_plainly(net, few) * ours.embed(few)).sum(axis=1)
    return {
        "benchmark": "embedding",
        "ratio": summarise(ratios, 2),
        "ours_images_per_s": summarise([our for _, our in rounds]),
        "plain_images_per_s": summarise([plain for plain, _ in rounds]),
        "cosine_to_float32_median": round(float(np.median(cosines)), 6),
        "cosine_to_float32_min": round(float(cosines.min()), 6),
        "our_batch": embeddings.BATCH,
        "plain_batch": options.plain_batch,
        "threads": torch.get_num_threads(),
        "waiting_threads": os.environ.get("OMP_WAIT_POLICY"),
        "pictures": len(pictures),
        "median_height_and_width": [
            int(statistics.median(p.shape[axis] for p in pictures)) for axis in (0, 1)
        ],
        "photographs": options.images is not None,
        "rounds": options.rounds,
        "seed": options.seed,
        "machine": machine,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="folder of photographs (made-up pictures)")
    parser.add_argument("--count", type=int, default=64, help="pictures a round (64)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (7)")
    parser.add_argument("--plain-batch", type=int, default=8, help="plain torch's batch (8)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the choice of pictures (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
