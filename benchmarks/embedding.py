"""How many pictures a second the embedding channel describes, against plain float32 torch.

Plain is what a user of torchvision would write: `resnet50()` in float32, `eval()`,
`inference_mode()`, contiguous batches, the model's own average pooling, with the same weights.
Resizing and normalising are timed on both sides; both have all cores. Each has a process of its
own, since memory that one has grown makes the other quicker or slower, and they take turns::

    python benchmarks/embedding.py --images photos --plain-batch 8 --plain-batch 32

The cosines compare our vectors with the same formula (generalised mean) computed by the plain net.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from machine import describe_machine, print_figures, summarise
from numpy.typing import NDArray
from pictures import read_pictures
from safetensors.torch import load_file
from torchvision.models import resnet50

from attribution.descriptors import resnet50 as embeddings

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


def embed_ours(
    ours: embeddings.ResNet50Gem, pictures: Sequence[NDArray[np.uint8]], batch: int
) -> None:
    """So many pictures a call, as a query is one and a gallery's are eight."""
    for start in range(0, len(pictures), batch):
        ours.embed(pictures[start : start + batch])


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


def work(options: argparse.Namespace) -> None:
    """Be one of the two sides: a round for each line read, its images/s as a line written."""
    pictures = read_pictures(options.images, options.count, options.seed)
    run: Callable[[], object]
    if options.work == "ours":
        ours = embeddings.ResNet50Gem(precision=options.precision)
        run = partial(embed_ours, ours, pictures, options.ours_batch)
    else:
        run = partial(embed_plainly, load_plain(), pictures, int(options.work))
    run()  # the first pass loads weights and settles memory
    print("ready", flush=True)
    for _ in sys.stdin:
        start, used = time.perf_counter(), time.process_time()
        run()
        seconds, cpu_s = time.perf_counter() - start, time.process_time() - used
        print(len(pictures) / seconds, 1000 * cpu_s / len(pictures), flush=True)


@contextlib.contextmanager
def working(side: str, options: argparse.Namespace) -> Iterator[Callable[[], tuple[float, float]]]:
    """A side in its own process, set up; yields a function that runs one round of it."""
    command = [sys.executable, __file__, "--work", side, "--count", str(options.count)]
    command += ["--seed", str(options.seed)]
    command += ["--precision", options.precision, "--ours-batch", str(options.ours_batch)]
    command += ["--images", str(options.images)] if options.images else []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("expected both pipes that were asked for")
        to, answers = process.stdin, process.stdout

        def run_round() -> tuple[float, float]:
            to.write("\n")
            to.flush()
            rate, cpu_ms = map(float, answers.readline().split())
            return rate, cpu_ms

        if answers.readline() != "ready\n":
            raise RuntimeError(f"expected {side} to be ready, found that it ended; see above")
        try:
            yield run_round
        finally:
            to.close()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    machine = describe_machine()
    batches = options.plain_batch or [8]
    with contextlib.ExitStack() as stack:
        sides = {
            side: stack.enter_context(working(side, options))
            for side in ("ours", *map(str, batches))
        }
        rounds = [
            {side: run_round() for side, run_round in sides.items()} for _ in range(options.rounds)
        ]
    pictures = read_pictures(options.images, options.count, options.seed)[:64]
    plain = pool_plainly(load_plain(), pictures)
    cosines = (plain * embeddings.ResNet50Gem(precision=options.precision).embed(pictures)).sum(
        axis=1
    )
    return {
        "benchmark": "embedding",
        "ours_images_per_s": summarise([one["ours"][0] for one in rounds]),
        "ours_cpu_ms": summarise([one["ours"][1] for one in rounds]),
        **{
            f"plain_batches_of_{batch}": {
                "images_per_s": summarise([one[str(batch)][0] for one in rounds]),
                "cpu_ms": summarise([one[str(batch)][1] for one in rounds]),
                "ratio": summarise([one["ours"][0] / one[str(batch)][0] for one in rounds], 2),
            }
            for batch in batches
        },
        "cosine_to_float32_median": round(float(np.median(cosines)), 6),
        "cosine_to_float32_min": round(float(cosines.min()), 6),
        "our_batch": options.ours_batch,
        "precision": options.precision,
        "threads": torch.get_num_threads(),
        "pictures": options.count,
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
    parser.add_argument(
        "--plain-batch", type=int, action="append", help="plain torch's batch; repeatable (8)"
    )
    parser.add_argument("--ours-batch", type=int, default=8, help="our pictures a call (8)")
    parser.add_argument(
        "--precision", choices=["auto", "float32"], default="auto", help="of ours (auto)"
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of the choice of pictures (7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options)
    else:
        print_figures(measure(options), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
