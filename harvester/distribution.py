"""This is the distribution: what the package is called where it is installed from, and its version.

The product is called whence, and so are the commands' files and folders. On the package index that
name belongs to a library for configuration, so whoever says what to install asks here.
"""

from __future__ import annotations

DISTRIBUTION = "whence-attribution"
VERSION = "0.1.0"
"""The one place of the number: the build reads it here."""
HOME_PAGE = f"https://pypi.org/project/{DISTRIBUTION}"
"""Told to every host that is asked for something, so that its owner can look up who asks."""


def install_command(extra: str) -> str:
    """What a person types to add an extra of this package."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
