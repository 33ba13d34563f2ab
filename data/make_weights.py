"""Fits what the package ships beside its network: whitening and background; the fusion's pictures.

`data.make_background` gathers the pictures and says which of them are for what; none is in the
sample, and none is ever evaluated on. The whitening is fitted on the half of the background that
is the reference, so that the other half, the null, is to it what candidates are::

    python -m data.make_weights background/ --work work/
    python -m attribution.evaluate.fit_fusion work/fit --out attribution/weights/fusion.json

Both take a few minutes on two cores. `attribution/weights/README.md` says what came of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from attribution.calibration.background import SHIPPED, draw_halves, write_background
from attribution.descriptors.describe import describe_dataset
from attribution.descriptors.hashes import BITS, pack
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.descriptors.whitening import BASE, WEIGHTS, fit_whitening, write_whitening
from attribution.ranking.fit_background import different, fit_on_datasets
from attribution.ranking.method import default_embedders
from harvester.dataset import shards
from harvester.schema import Candidate, FetchStatus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what data.make_background wrote")
    parser.add_argument("--work", type=Path, required=True, help="folder for datasets")
    options = parser.parse_args()
    pictures = json.loads((options.folder / "pictures.json").read_text("utf-8"))
    for part in ("background", "fit"):
        for name, told in pictures.items():
            if told["side"] != part:
                continue
            # A folder of a package is a subject, and those beside it, of one kind, a collection.
            folder = Path(told["package"], told["path"]).parent
            collection = f"{folder.parent.as_posix().replace('/', '_')}-{told['kind']}"
            link = options.work / part / collection / folder.name / Path(name).name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.hardlink_to(options.folder / name)
    dataset = options.work / "dataset"
    harvest = Path(sys.executable).with_name("harvest")
    subprocess.run([harvest, "folder", options.work / "background", "--out", dataset], check=True)
    embedders = default_embedders()
    whiten(dataset)
    made = fit_on_datasets(
        [dataset], embedders, embedders[0], name="whence's own background", placed=say
    )
    write_background(SHIPPED, made)
    print(f"{len(made)} pictures, regions from {made.thresholds}")


def whiten(dataset: Path) -> None:
    """Fit the whitening on the reference half that the background will have."""
    table = shards.read(dataset, Candidate, ["id", "pdq", "status"]).sort_by("id")
    rows = [row for row in table.to_pylist() if row["status"] == FetchStatus.OK.value]
    words, _ = pack([row["pdq"] for row in rows], BITS["pdq"])
    ids = [rows[place]["id"] for place in different(words)]
    vectors = describe_dataset(dataset, ids, [ResNet50Gem()], say)[BASE]
    reference, _ = draw_halves(ids)
    fitted_on = np.stack([vectors[ids[place]] for place in reference]).astype(np.float32)
    write_whitening(WEIGHTS, fit_whitening(fitted_on))


def say(done: int, whole: int) -> None:
    if done % 64 == 0 or done == whole:
        print(f"{done} of {whole}", flush=True)


if __name__ == "__main__":
    main()
