"""The example of docs/api.md is run, block by block, and prints what the page shows."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import subprocess
import sys

import pytest

import attribution
import harvester
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
BLOCKS = re.findall(
    r"^```python\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", PAGE, re.MULTILINE | re.DOTALL
)


def run_block(source: str, names: dict) -> str:
    """Run a block as a notebook does, where `await` may stand outside of functions."""
    code = compile(source, "docs/api.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = eval(code, names)  # noqa: S307  # the page's own code
        if inspect.iscoroutine(value):
            asyncio.run(value)
    return printed.getvalue()


def test_the_example_prints_what_the_page_shows(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample").symlink_to(ROOT / "data" / "sample")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHENCE_AUTHOR_KEY", "a key of the tests")
    names: dict = {}
    for source, shown in BLOCKS:
        assert run_block(source, names) == shown, source
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_example_is_typed(tmp_path):
    lines = "".join(source for source, _ in BLOCKS).splitlines()
    body = [f"    {line}" for line in lines]
    path = tmp_path / "example.py"
    path.write_text("\n".join(["async def main() -> None:", *body, ""]))
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("package", [harvester, attribution])
def test_every_name_stands_in_the_table_with_a_sentence(package):
    [table] = re.findall(
        rf"^\| `{package.__name__}` \|.*?(?=^$|\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+\.) \|$", table, re.MULTILINE)
    assert sorted(name for name, _ in rows) == package.__all__
