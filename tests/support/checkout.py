"""Where the checkout and its sample are, for tests in any folder."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"
