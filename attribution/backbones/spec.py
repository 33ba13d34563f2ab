"""The text of `--backbone` read: which library, which model, which file. No torch.

`dinov2=FILE`, `sscd:NAME`, `timm:NAME=FILE`, `openclip:NAME=FILE` or a TorchScript file alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from attribution.errors import WeightsMissingError

BackboneKind = Literal["timm", "openclip", "sscd", "torchscript"]
SHORT = {
    "dinov2": "timm:vit_small_patch14_dinov2.lvd142m",
    "openclip": "openclip:ViT-B-32/laion2b_s34b_b79k",
}
_FORMS = (
    "timm:MODEL[=FILE], openclip:MODEL/WEIGHTS[=FILE], openclip:MODEL=FILE, sscd:FILE, "
    "torchscript:FILE, dinov2 or openclip"
)
_HASH_MARK = "#sha256:"


@dataclass(frozen=True, slots=True)
class Backbone:
    """A model that was asked for.

    Attributes:
        text: as it was written, in full and without file and hash: messages repeat it.
        model: the library's name of it; of a TorchScript file, the file's.
        tag: which of the model's published weights; None for the library's own choice.
        file: the weights on this machine; None to take them from the hub.
        sha256: the beginning of the hash that the weights must have, lower case.
    """

    text: str
    kind: BackboneKind
    model: str
    tag: str | None = None
    file: Path | None = None
    sha256: str | None = None

    @property
    def channel(self) -> str:
        """The channel's name: lower case, digits and dashes; the same for all weights."""
        slug = re.sub("[^a-z0-9]+", "-", self.model.lower()).strip("-")
        if self.kind == "timm":
            return slug
        return "sscd" if self.kind == "sscd" else f"{self.kind}-{slug}"


def parse_backbone(text: str) -> Backbone:
    """Read one specification; nothing is loaded, and no file looked for.

    Raises:
        ValueError: if it has none of the forms above; one line for a person.
        WeightsMissingError: for `sscd` alone: its weights can only be given as a file.
    """
    named, mark, digest = text.strip().rpartition(_HASH_MARK)
    sha256 = digest.lower() if mark else None
    if sha256 is not None and not re.fullmatch("[0-9a-f]{12,64}", sha256):
        raise ValueError(f"{text}: expected 12 to 64 hexadecimal digits after {_HASH_MARK}")
    found = re.fullmatch(r"([a-z0-9]+)(?:([:=])(.+))?", named if mark else digest)
    head, sign, rest = found.groups(default="") if found else ("", "", "")
    if head in ("sscd", "torchscript") and rest:
        path = Path(rest)
        return Backbone(f"{head}:{rest}", cast("BackboneKind", head), path.stem, None, path, sha256)
    if head == "sscd":
        raise WeightsMissingError(
            "sscd: expected a file, found none: its authors publish it at "
            "github.com/facebookresearch/sscd-copy-detection; download "
            "sscd_disc_mixup.torchscript.pt there and give --backbone sscd:FILE"
        )
    if sign != ":" and head in SHORT:
        asked, file = SHORT[head], rest
    else:
        asked, equals, file = f"{head}{sign}{rest}".partition("=")
        if equals and not file:
            raise ValueError(f"{text}: expected a file after =, found none")
    kind, _, model = asked.partition(":")
    name, _, tag = model.partition("." if kind == "timm" else "/")
    if kind not in ("timm", "openclip") or not name:
        raise ValueError(f"{text}: expected {_FORMS}, found none of these")
    if kind == "openclip" and not tag and not file:
        raise ValueError(
            f"{text}: expected which weights, openclip:{name}/WEIGHTS or openclip:{name}=FILE, "
            f"found neither; the usual ones are {SHORT['openclip']}"
        )
    return Backbone(
        asked, cast("BackboneKind", kind), name, tag or None, Path(file) if file else None, sha256
    )


def parse_backbones(texts: Iterable[str]) -> tuple[Backbone, ...]:
    """Read several specifications, in their order.

    Raises:
        ValueError: as `parse_backbone`, and if two would be one channel.
        WeightsMissingError: as `parse_backbone`.
    """
    found: dict[str, Backbone] = {}
    for text in texts:
        backbone = parse_backbone(text)
        before = found.setdefault(backbone.channel, backbone)
        if before is not backbone:
            raise ValueError(
                f"{text}: expected each channel once, found {backbone.channel} in "
                f"{before.text} already; leave one out"
            )
    return tuple(found.values())
