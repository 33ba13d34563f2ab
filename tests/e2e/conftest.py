"""The commands as people start them: real processes, real servers on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from tests.integration.conftest import (  # noqa: F401  # fixtures of the integration tests
    _no_proxies,
    authority,
    fault_server,
    tls_server,
)
from tests.support.checkout import SAMPLE
from tests.support.patience import patient
from tests.support.servers.s3_server import s3_server

SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, its candidates described: once for all tests, and for all that copy it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "sample.lock"):
        if not (shared / "sample.described").exists():
            command = [SCRIPTS / "attribute", "index", SAMPLE / "candidates"]
            subprocess.run(command, check=True, capture_output=True, timeout=patient(1200))
            (shared / "sample.described").touch()
    return SAMPLE


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server, to be given to `s3_server.address`."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The surroundings of a new user: an empty home, no token."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHENCE_")}
    return kept | {"HOME": str(tmp_path / "home"), "COLUMNS": "100", "PYTHONWARNINGS": "default"}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Ran]:
    """Run `harvest` or `attribute` in an empty folder; a traceback is never an answer."""

    def run_command(*arguments: object, stdin: str | None = None) -> Ran:
        command, *rest = map(str, arguments)
        done = subprocess.run(
            [SCRIPTS / command, *rest],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=patient(1200),
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run_command
