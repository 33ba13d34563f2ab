"""The peers against their own libraries, on real pictures with the real weights."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from imagededup.handlers.search.retrieval import get_cosine_similarity
from imagededup.methods import PHash
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import resnet50
from torchvision.transforms import v2

from attribution.baselines.peers import PEERS, ImagededupCnn, ImagededupPhash, PlainCosine
from attribution.descriptors.resnet50 import WEIGHTS, ResNet50Gem
from attribution.evaluate.edits import EDITS, make_copy
from tests.support.checkout import ROOT

SAMPLE = ROOT / "data" / "sample" / "candidates" / "part-sample-00000.parquet"


@pytest.fixture(scope="module")
def pictures():
    rows = pq.read_table(SAMPLE, columns=["image"]).column("image").slice(0, 8).to_pylist()
    return [cv2.imdecode(np.frombuffer(row["bytes"], np.uint8), 1)[..., ::-1] for row in rows]


@pytest.fixture(scope="module")
def copies(pictures):
    return [
        make_copy(picture, EDITS["jpeg-50"], seed=1, picture_id=str(number))
        for number, picture in enumerate(pictures)
    ]


@pytest.mark.parametrize("make", PEERS.values(), ids=PEERS)
def test_every_peer_finds_copies_of_real_pictures(make, pictures, copies):
    peer = make()
    assert PEERS[peer.name] is make
    gallery = peer.describe(pictures)
    scores = peer.compare(peer.describe(copies), gallery)
    assert scores.dtype == np.float32
    assert scores.shape == (8, 8)
    assert scores.argmax(axis=1).tolist() == list(range(8))
    assert scores.min() >= 0
    assert scores.max() <= 1 + 1e-5
    np.testing.assert_allclose(np.diag(peer.compare(gallery, gallery)), 1, atol=1e-5)


@pytest.mark.parametrize("make", PEERS.values(), ids=PEERS)
def test_a_gallery_described_in_parts_is_the_gallery(make, pictures):
    peer = make()
    parts = np.concatenate([peer.describe(pictures[:3]), peer.describe(pictures[3:])])
    whole = peer.compare(peer.describe(pictures), peer.describe(pictures))
    np.testing.assert_allclose(peer.compare(parts, parts), whole, atol=0.005)
    assert peer.compare(peer.describe([]), parts).shape == (0, 8)


def test_imagededups_network_is_torchvisions_with_whences_weights(pictures):
    """The middle 224 of a 256 px square through ResNet v1, in float32, written out."""
    net = resnet50(weights=None)
    net.fc = torch.nn.Identity()
    for layer in (net.layer2, net.layer3, net.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    net.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    net.eval()
    change = v2.Compose(
        [
            v2.Resize((256, 256)),
            v2.CenterCrop(224),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    described = ImagededupCnn().describe(pictures[:3])
    for picture, vector in zip(pictures, described, strict=False):
        with torch.inference_mode():
            expected = net(change(Image.fromarray(picture))[None])[0].numpy()
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-4)


def test_imagededups_scores_are_those_of_its_own_cosine(pictures):
    peer = ImagededupCnn()
    described = peer.describe(pictures)
    raw = described * np.arange(1, 9, dtype=np.float32)[:, None]  # lengths must not matter
    theirs = get_cosine_similarity(raw, verbose=False)
    np.testing.assert_allclose(peer.compare(described, described), theirs, atol=1e-5)


def test_imagededups_hashes_are_compared_as_its_own(pictures, copies):
    peer, theirs = ImagededupPhash(), PHash(verbose=False)
    scores = peer.compare(peer.describe(copies), peer.describe(pictures))
    for row, copy in enumerate(copies):
        for column, picture in enumerate(pictures):
            hashes = [theirs.encode_image(image_array=one) for one in (copy, picture)]
            assert scores[row, column] == 1 - theirs.hamming_distance(*hashes) / 64


def test_plain_cosine_averages_the_last_map_and_is_no_generalised_mean(pictures):
    described = PlainCosine().describe(pictures)
    maps = ResNet50Gem().maps(pictures).reshape(8, 7, 7, 2048).astype(np.float64)
    mean = maps.mean(axis=(1, 2))
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(described, expected, atol=0.01)
    assert (described * expected).sum(axis=1).min() > 0.999
    assert (described * ResNet50Gem().embed(pictures)).sum(axis=1).max() < 0.99


@pytest.mark.subprocess
def test_a_missing_imagededup_is_one_line_that_says_what_to_install(tmp_path):
    """In a fresh process, with a package of that name that cannot be imported first on the path."""
    (tmp_path / "imagededup.py").write_text("raise ImportError('No module named imagededup')\n")
    code = (
        "from harvester.errors import ExtraMissingError\n"
        "from attribution.baselines.peers import PEERS\n"
        "for name in ('imagededup-cnn', 'imagededup-phash'):\n"
        "    try: PEERS[name]()\n"
        "    except ExtraMissingError as exc: print(exc.exit_code, exc)\n"
        "print(PEERS['resnet50-cosine']().name)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    line = (
        "2 {}: expected the package compare, found No module named imagededup; install it with pip "
        "install 'whence-attribution[compare]'"
    )
    peers = ("imagededup-cnn", "imagededup-phash")
    assert ran.stdout.splitlines() == [*map(line.format, peers), "resnet50-cosine"]


@pytest.mark.subprocess
def test_nothing_is_printed_and_nothing_heavy_loaded_before_it_is_asked_for():
    code = (
        "import sys\n"
        "import attribution.baselines.peers as peers\n"
        "assert not {'imagededup', 'torchvision', 'matplotlib'} & set(sys.modules)\n"
        "peers.ImagededupCnn(); peers.ImagededupPhash()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
