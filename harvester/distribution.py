"""This is the distribution: what the package is called where it is installed from, and its version.

The product is called whence, and so are the commands' files and folders. On the package index that
name belongs to a library for configuration, so whoever says what to install asks here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from harvester.errors import ExtraMissingError, reason_of

DISTRIBUTION = "whence-attribution"
VERSION = "0.1.0"
"""The one place of the number: the build reads it here."""
HOME_PAGE = f"https://pypi.org/project/{DISTRIBUTION}"
"""Told to every host that is asked for something, so that its owner can look up who asks."""


@contextmanager
def needs_extra(extra: str, purpose: str, *packages: str) -> Iterator[None]:
    """A block that imports the packages of an extra.

    Args:
        extra: by the package's own metadata: models, validate, evaluate, …
        purpose: what was asked for, as the user named it.
        packages: are looked for before the block and not imported, which can take seconds.

    Raises:
        ExtraMissingError: if one of them is not installed.
    """
    try:
        for name in packages:
            if find_spec(name) is None:
                raise ModuleNotFoundError("none of that name", name=name)
        yield
    except ImportError as exc:
        raise ExtraMissingError(
            f"{purpose}: expected the package {exc.name or extra}, found {reason_of(exc)}; "
            f"install it with pip install '{DISTRIBUTION}[{extra}]'"
        ) from exc
