"""Further embedding channels: real models of the real libraries, small and with seeded weights."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file

from attribution.backbones.load import load_backbone
from attribution.backbones.models import TimmEmbedder, TorchScriptEmbedder
from attribution.backbones.openclip import OpenClipEmbedder
from attribution.backbones.spec import parse_backbone
from attribution.descriptors.resnet50 import has_bfloat16
from attribution.errors import WeightsMissingError
from harvester.errors import ExtraMissingError

TINY_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {
        "image_size": 64,
        "layers": 2,
        "width": 32,
        "head_width": 16,
        "patch_size": 16,
    },
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 2,
    },
}


def scene(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random((9, 7, 3), np.float32)
    large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return (large * 255).astype(np.uint8)


PICTURES = [scene(seed, 500 + 7 * seed, 400 - 9 * seed) for seed in range(9)] + [scene(9, 90, 70)]


def plain_input(picture, side, mean, std):
    """Resized, 0 to 1, normalised: written as one would without any table."""
    how = cv2.INTER_AREA if min(picture.shape[:2]) > side else cv2.INTER_CUBIC
    square = cv2.resize(picture, (side, side), interpolation=how) / 255
    return torch.from_numpy(((square - mean) / std).transpose(2, 0, 1)[None].astype(np.float32))


def unit(rows):
    rows = torch.cat(rows).double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cosines(left, right):
    return (left * right).sum(axis=1)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """Timm's `test_vit`, with seeded weights, and the file that it was saved to."""
    torch.manual_seed(0)
    model = timm.create_model("test_vit").eval()
    for parameter in model.parameters():  # as made, its vectors hardly depend on the picture
        parameter.data += 0.05 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("vit") / "vit=small.safetensors"
    save_file(model.state_dict(), path)
    return model, path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of two layers a tower, known to open_clip by a configuration file of its own."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "Whence-Tiny-16.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder)
    torch.manual_seed(1)
    model = open_clip.create_model("Whence-Tiny-16").eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    path = folder / "tiny.safetensors"
    save_file(model.state_dict(), path)
    return model, path


class Descriptor(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Conv2d(3, 32, 16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x).relu().mean((2, 3))


def save_script(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SSCD is published in this way, which torch gives up
        torch.jit.script(model.eval()).save(path)
    return path


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    torch.manual_seed(2)
    model = Descriptor()
    return model, save_script(model, tmp_path_factory.mktemp("script") / "Copy Net.pt")


def test_a_model_of_timm_gives_its_own_pooled_features(vit):
    model, path = vit
    embedder = TimmEmbedder(parse_backbone(f"timm:test_vit={path}"), precision="float32")
    vectors = embedder.embed(PICTURES)
    with torch.inference_mode():
        expected = unit(
            [
                model.forward_head(
                    model.forward_features(plain_input(picture, 160, [0.5] * 3, [0.5] * 3)),
                    pre_logits=True,
                )
                for picture in PICTURES
            ]
        )
    assert model.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)
    assert vectors.dtype == np.float32
    assert vectors.shape == (10, embedder.dimension) == (10, 64)
    assert cosines(vectors, expected).min() > 0.999999
    assert cosines(expected[:1], expected[1:]).max() < 0.999  # it does look at the pictures
    assert embedder.embed([]).shape == (0, 64)
    assert embedder.version.startswith(f"{sha256(path)[:12]}-160-")


@pytest.mark.skipif(not has_bfloat16(), reason="this processor does not compute in bfloat16")
def test_bfloat16_is_nearly_float32(vit, clip):
    for kind, (_, path) in (("timm:test_vit", vit), ("openclip:Whence-Tiny-16", clip)):
        backbone = parse_backbone(f"{kind}={path}")
        embedder = TimmEmbedder if kind == "timm:test_vit" else OpenClipEmbedder
        plain = embedder(backbone, precision="float32").embed(PICTURES)
        half = embedder(backbone, precision="bfloat16").embed(PICTURES)
        assert half.dtype == np.float32
        assert cosines(plain, half).min() > 0.999
        assert not np.array_equal(plain, half)


def test_a_large_vision_transformer_gets_224_pixels(tmp_path):
    torch.manual_seed(3)
    name = "vit_tiny_patch16_384"
    made = timm.create_model(name)
    path = tmp_path / "tiny.safetensors"
    save_file(made.state_dict(), path)
    embedder = TimmEmbedder(parse_backbone(f"timm:{name}={path}"), precision="float32")
    reference = timm.create_model(name, num_classes=0, dynamic_img_size=True).eval()
    state = {key: value for key, value in made.state_dict().items() if key[:5] != "head."}
    reference.load_state_dict(state)
    cfg = reference.pretrained_cfg
    with torch.inference_mode():
        expected = unit([reference(plain_input(PICTURES[0], 224, cfg["mean"], cfg["std"]))])
    assert "-224-" in embedder.version
    assert cosines(embedder.embed(PICTURES[:1]), expected).min() > 0.99999


def test_a_state_dictionary_of_torch_is_read_as_numbers_alone(vit, tmp_path):
    model, path = vit
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    plain = TimmEmbedder(parse_backbone(f"timm:test_vit={path}"))
    same = TimmEmbedder(parse_backbone(f"timm:test_vit={tmp_path / 'vit.pth'}"))
    np.testing.assert_array_equal(same.embed(PICTURES[:2]), plain.embed(PICTURES[:2]))
    assert same.version != plain.version  # other bytes: nobody knows that they say the same

    class Program:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": Program()}, tmp_path / "program.pth")
    for text in ("timm:test_vit", "openclip:ViT-B-32"):
        embedder = load_backbone(parse_backbone(f"{text}={tmp_path / 'program.pth'}"))
        with pytest.raises(WeightsMissingError, match=r"program.pth: expected the weights of"):
            embedder.embed(PICTURES[:1])
    assert not (tmp_path / "ran").exists()


def test_both_towers_of_open_clip_share_one_space(clip):
    model, path = clip
    backbone = parse_backbone(f"openclip:Whence-Tiny-16={path}")
    embedder = OpenClipEmbedder(backbone, precision="float32")
    prompts = ["a fisherman village by Ralph Steadman", "", "富士山", "word " * 200]
    tokens = open_clip.get_tokenizer("Whence-Tiny-16")(prompts)
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    with torch.inference_mode():
        pictures = unit([model.encode_image(plain_input(p, 64, mean, std)) for p in PICTURES])
        texts = unit([model.encode_text(tokens)])
    assert cosines(embedder.embed(PICTURES), pictures).min() > 0.999999
    assert cosines(embedder.embed_texts(prompts), texts).min() > 0.999999
    assert embedder.embed_texts([]).shape == (0, embedder.dimension) == (0, 24)
    assert embedder.channel == "openclip-whence-tiny-16"
    assert embedder.text_channel == "openclip-whence-tiny-16-text"
    assert embedder.version.startswith(f"{sha256(path)[:12]}-64-")


def test_the_same_bytes_read_in_another_way_are_another_version(clip):
    _, path = clip
    named = [f"openclip:ViT-L-14{tag}={path}" for tag in ("", "/openai", "/laion2b_s32b_b82k")]
    versions = {load_backbone(parse_backbone(text)).version for text in named}
    assert len(versions) == 3  # OpenAI's means and GELU, its quick GELU, means of one half


def test_a_torchscript_file_describes_pictures(script):
    model, path = script
    embedder = load_backbone(parse_backbone(f"sscd:{path}"))
    plain = TorchScriptEmbedder(parse_backbone(f"torchscript:{path}"), precision="float32")
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    with torch.inference_mode():
        expected = unit([model(plain_input(picture, 288, mean, std)) for picture in PICTURES])
    assert plain.dimension == 32
    assert cosines(plain.embed(PICTURES), expected).min() > 0.999999
    assert cosines(embedder.embed(PICTURES), expected).min() > 0.999
    assert embedder.embed([]).shape == (0, 32)
    assert (embedder.channel, plain.channel) == ("sscd", "torchscript-copy-net")
    assert embedder.version == plain.version
    assert embedder.version.startswith(f"{sha256(path)[:12]}-288-")


def test_a_program_that_changed_since_it_was_hashed_does_not_run(script, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(script[1].read_bytes())
    embedder = load_backbone(parse_backbone(f"sscd:{path}#sha256:{sha256(path)}"))
    save_script(Descriptor(), path)
    with pytest.raises(WeightsMissingError, match="changed since; it was not loaded"):
        embedder.embed(PICTURES[:1])


class Pair(Descriptor):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


class Map(Descriptor):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


@pytest.mark.parametrize(
    ("model", "found"), [(Pair, "found tuple"), (Map, r"found \(1, 32, 18, 18\)")]
)
def test_a_program_that_gives_no_rows_is_refused(model, found, tmp_path):
    embedder = load_backbone(parse_backbone(f"sscd:{save_script(model(), tmp_path / 'm.pt')}"))
    with pytest.raises(WeightsMissingError, match=found):
        embedder.embed(PICTURES[:1])


@pytest.mark.parametrize("form", ["timm:test_vit=", "openclip:Whence-Tiny-16=", "sscd:"])
def test_a_file_with_another_hash_is_refused_before_it_is_read(form, vit, clip):  # noqa: ARG001  # clip makes the model known
    path = vit[1]
    right = sha256(path)
    wrong = f"{int(right[:12], 16) ^ 1:012x}"
    assert load_backbone(parse_backbone(f"{form}{path}#sha256:{right[:12]}")).version[:12] in right
    with pytest.raises(WeightsMissingError, match=f"expected sha256 {wrong}, found {right[:12]}"):
        load_backbone(parse_backbone(f"{form}{path}#sha256:{wrong}"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timm:test_vit={}/none.pth", "none.pth, found No such file or directory; check the path"),
        ("sscd:{}", "found Is a directory"),
        ("timm:test_vti", "found 'test_vti'; the nearest are test_vit"),
        ("timm:test_vit.r160", "found 'test_vit.r160'; the nearest are test_vit.r160_in1k"),
        ("timm:legacy_seresnet18.in1k", "expected published weights, found none on the hub"),
        ("openclip:ViT-B-33/openai", "found 'ViT-B-33'; the nearest are ViT-B-32"),
        ("openclip:ViT-B-32/opneai", "found 'opneai'; the nearest are openai"),
        ("openclip:hf-hub:a/b", "expected a model of open_clip, found 'hf-hub:a'"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(text, said, tmp_path):
    with pytest.raises(WeightsMissingError) as caught:
        load_backbone(parse_backbone(text.format(tmp_path)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_model_is_refused_in_one_line(vit, clip, script, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights at all")
    fewer = tmp_path / "fewer.safetensors"
    save_file({k: v for k, v in vit[0].state_dict().items() if "blocks.0" not in k}, fewer)
    for text in (
        f"timm:test_vit={clip[1]}",
        f"timm:test_vit={fewer}",
        f"timm:test_vit={broken}",
        f"timm:test_vit2={vit[1]}",
        f"timm:test_vit={script[1]}",
        f"openclip:Whence-Tiny-16={vit[1]}",
        f"openclip:Whence-Tiny-16={broken}",
        f"openclip:Whence-Tiny-16={script[1]}",
        f"sscd:{vit[1]}",
        f"sscd:{broken}",
    ):
        embedder = load_backbone(parse_backbone(text))
        with pytest.raises(WeightsMissingError, match="name the model that they are of") as caught:
            embedder.embed(PICTURES[:1])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["timm", "open_clip"])
def test_a_package_that_is_not_installed_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    text = "dinov2" if name == "timm" else "openclip"
    with pytest.raises(
        ExtraMissingError, match=r"expected the package .*whence-attribution\[models\]"
    ):
        load_backbone(parse_backbone(text))
