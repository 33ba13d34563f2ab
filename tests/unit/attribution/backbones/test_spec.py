"""How a backbone is asked for: one line of text, read without loading anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from attribution.backbones.spec import Backbone, parse_backbone, parse_backbones
from attribution.errors import WeightsMissingError
from tests.support.checkout import ROOT


@pytest.mark.parametrize(
    ("text", "expected", "channel"),
    [
        (
            "dinov2",
            Backbone(
                "timm:vit_small_patch14_dinov2.lvd142m",
                "timm",
                "vit_small_patch14_dinov2",
                "lvd142m",
            ),
            "vit-small-patch14-dinov2",
        ),
        (
            "dinov2=/w/a=b.pth",
            Backbone(
                "timm:vit_small_patch14_dinov2.lvd142m",
                "timm",
                "vit_small_patch14_dinov2",
                "lvd142m",
                Path("/w/a=b.pth"),
            ),
            "vit-small-patch14-dinov2",
        ),
        ("timm:test_vit", Backbone("timm:test_vit", "timm", "test_vit"), "test-vit"),
        (
            "openclip",
            Backbone(
                "openclip:ViT-B-32/laion2b_s34b_b79k", "openclip", "ViT-B-32", "laion2b_s34b_b79k"
            ),
            "openclip-vit-b-32",
        ),
        (
            " openclip:ViT-B-32=w:1/c.pt#sha256:0123456789AB ",
            Backbone(
                "openclip:ViT-B-32",
                "openclip",
                "ViT-B-32",
                None,
                Path("w:1/c.pt"),
                "0123456789ab",
            ),
            "openclip-vit-b-32",
        ),
        (
            "sscd:m/sscd=mixup.pt",
            Backbone("sscd:m/sscd=mixup.pt", "sscd", "sscd=mixup", None, Path("m/sscd=mixup.pt")),
            "sscd",
        ),
        (
            "torchscript:Copy Net.pt",
            Backbone(
                "torchscript:Copy Net.pt", "torchscript", "Copy Net", None, Path("Copy Net.pt")
            ),
            "torchscript-copy-net",
        ),
    ],
)
def test_each_form_is_read(text, expected, channel):
    backbone = parse_backbone(text)
    assert backbone == expected
    assert backbone.channel == channel


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none of these"),
        ("resnet50", "found none of these"),
        ("timm", "found none of these"),
        ("timm:", "found none of these"),
        ("timm:=a.pth", "found none of these"),
        ("keras:resnet50", "found none of these"),
        ("torchscript", "found none of these"),
        ("timm:test_vit=", "expected a file after ="),
        ("openclip:ViT-B-32", "expected which weights"),
        ("dinov2#sha256:0123", "expected 12 to 64 hexadecimal digits"),
        ("dinov2#sha256:" + "g" * 12, "expected 12 to 64 hexadecimal digits"),
    ],
)
def test_what_has_no_form_is_refused_in_one_line(text, said):
    with pytest.raises(ValueError, match=said) as caught:
        parse_backbone(text)
    assert "\n" not in str(caught.value)


def test_sscd_alone_says_where_its_file_comes_from():
    with pytest.raises(WeightsMissingError, match=r"sscd-copy-detection.*--backbone sscd:FILE"):
        parse_backbone("sscd")


def test_a_channel_is_named_once():
    several = parse_backbones(["sscd:a.pt", "dinov2", "timm:test_vit"])
    assert [one.channel for one in several] == ["sscd", "vit-small-patch14-dinov2", "test-vit"]
    with pytest.raises(ValueError, match=r"found sscd in sscd:a\.pt already"):
        parse_backbones(["sscd:a.pt", "dinov2", "sscd:b.pt"])


@pytest.mark.subprocess
def test_to_read_a_specification_loads_nothing_heavy():
    code = (
        "import sys; from attribution.backbones.spec import parse_backbone; parse_backbone('dinov2');"
        "print([name for name in ('torch', 'timm', 'open_clip', 'numpy') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
