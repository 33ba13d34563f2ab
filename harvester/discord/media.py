"""Pictures that an exporter saved beside its export: found, and never looked for elsewhere.

With `--media`, DiscordChatExporter writes a path relative to the export in place of the link:
`<export>_Files/<stem cut to 42>-<hash>.png`, on Windows with backslashes, in older versions
percent-encoded. An export is a file from a stranger, so a path that leads out of its own folder
(`..`, absolute, or through a symbolic link) is refused and not even looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from harvester.schema import FetchStatus

_SCHEME = re.compile(r"(?:[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]+:\S)")
"""`C:\\…`, `file:…`, `data:…`; a folder's name may hold a colon with a space behind it."""


@dataclass(frozen=True, slots=True)
class Media:
    """Where a picture lies, or why it is not to be had.

    Attributes:
        path: resolved, inside the export's folder; None for a failure.
        error: one line that names no path, since file names hold user names.
    """

    path: Path | None
    status: FetchStatus = FetchStatus.OK
    error: str | None = None


def find_media(link: str, folder: Path) -> Media:
    """Find the saved picture of an attachment.

    Args:
        link: the attachment's address as the export has it; none of the web.
        folder: the export file's own folder, resolved.
    """
    outside = _SCHEME.match(link) is not None
    for spelling in dict.fromkeys((link, unquote(link))):
        # Backslashes part folders on Windows only; nothing that Discord names holds one.
        relative = spelling.replace("\\", "/")
        try:
            path = (folder / relative).resolve()
            if not path.is_relative_to(folder):
                outside = True
            elif path.is_file():
                return Media(path)
        except (OSError, ValueError, RuntimeError):
            continue  # a name too long, a circle of links, …: nothing to be read there
    if outside:
        return Media(
            None,
            FetchStatus.BAD_URL,
            "expected a picture inside the export's folder, found an address that leads elsewhere; "
            "export the channel again with --media, into the folder of the export",
        )
    return Media(
        None,
        FetchStatus.NOT_FOUND,
        "expected the picture in the export's media folder, found none; copy the folder "
        "`<export>_Files` beside the export, or export again with --media",
    )
