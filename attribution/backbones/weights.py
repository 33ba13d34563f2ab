"""The weights of a backbone: the file that was given, or the hub's, and always its sha256.

What the hub gave once is taken from the disk from then on, without asking again. A hub that does
not answer is asked once, for at most ten seconds, and then it is an error: nothing takes the
place of weights that were asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from attribution.backbones.spec import Backbone
from attribution.errors import WeightsMissingError
from harvester.distribution import install_command
from harvester.errors import reason_of

HUB_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights as it was when it was hashed.

    Attributes:
        sha256: 64 hexadecimal digits.
    """

    path: Path
    sha256: str


def find_weights(backbone: Backbone, repository: str = "", names: Sequence[str] = ()) -> Weights:
    """The given file, or else the first of `names` that the hub's repository has; hashed.

    Args:
        backbone: what was asked for.
        repository: `owner/name`, with `@revision` where one is meant; empty where the hub has
            nothing.
        names: of the files to look for there, the best first.

    Raises:
        WeightsMissingError: if there is no such file, the hub does not answer, or the hash is
            not the one named.
    """
    path = backbone.file or _from_hub(backbone, repository, names)
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise WeightsMissingError(
            f"{backbone.text}: expected weights in {path}, found {reason_of(exc)}; check the path"
        ) from exc
    _check_sha256(backbone, path, digest)
    return Weights(path, digest)


def _check_sha256(backbone: Backbone, path: Path, digest: str) -> None:
    """Raise WeightsMissingError if a file's sha256 is not the one that was named."""
    if backbone.sha256 and not digest.startswith(backbone.sha256):
        raise WeightsMissingError(
            f"{path}: expected sha256 {backbone.sha256}, found {digest[: len(backbone.sha256)]}; "
            "it is damaged or another file, and was not loaded; download it again"
        )


def package(name: str, backbone: Backbone) -> Any:
    """An optional package, imported now.

    Raises:
        WeightsMissingError: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as exc:
        raise WeightsMissingError(
            f"{backbone.text}: expected the package {name}, found {reason_of(exc)}; "
            f"{install_command('backbones')}"
        ) from exc


def _from_hub(backbone: Backbone, repository: str, names: Sequence[str]) -> Path:
    if not repository:
        raise WeightsMissingError(
            f"{backbone.text}: expected published weights, found none on the hub; "
            f"give a file, {_with_file(backbone)}"
        )
    hub = package("huggingface_hub", backbone)
    owner_name, _, revision = repository.partition("@")
    where = {"repo_id": owner_name, "revision": revision or None}
    for name in names:
        cached = hub.try_to_load_from_cache(filename=name, **where)
        if isinstance(cached, str):
            return Path(cached)
    for name in names:
        try:
            # Downloads try again for minutes where no hub answers; a first question does not.
            hub.get_hf_file_metadata(hub.hf_hub_url(filename=name, **where), timeout=HUB_TIMEOUT_S)
            return Path(hub.hf_hub_download(filename=name, **where))
        except hub.errors.EntryNotFoundError:
            continue
        except Exception as exc:  # the errors are those of the HTTP library that the hub's uses
            raise WeightsMissingError(
                f"{backbone.text}: expected {name} from the hub's {repository}, found "
                f"{reason_of(exc)}; try again when it answers, or give the file that you have of "
                f"it, {_with_file(backbone)}"
            ) from exc
    raise WeightsMissingError(
        f"{backbone.text}: expected {' or '.join(names)} in the hub's {repository}, found neither; "
        f"give a file, {_with_file(backbone)}"
    )


def _with_file(backbone: Backbone) -> str:
    return f"--backbone '{backbone.text}=FILE'"
