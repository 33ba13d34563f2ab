"""The checkout's door to both commands: `python cli.py harvest …`, `python cli.py attribute …`.

What is installed has doors of its own, `harvester.cli.main` and `attribution.cli.main`.
"""

from __future__ import annotations

import sys

from attribution.cli.main import main as attribute
from harvester.cli.main import main as harvest

COMMANDS = {"harvest": harvest, "attribute": attribute}

if __name__ == "__main__":
    command = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if command is None:
        sys.stderr.write("error: expected harvest or attribute; python cli.py harvest --help\n")
        sys.exit(2)
    del sys.argv[0]  # usage and advice then name the command alone
    command()
