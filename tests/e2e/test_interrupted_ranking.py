"""Ctrl-C while the network runs: threads of its engine must not bring the process down."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.e2e.conftest import SCRIPTS
from tests.support.checkout import SAMPLE
from tests.support.patience import patient


@pytest.mark.parametrize("after_s", [0.6, 0.9, 1.2, 1.5])
def test_a_ranking_that_is_interrupted_ends_with_130(tmp_path, environment, after_s):
    """Undescribed candidates, so that the network is at work for seconds."""
    copy = tmp_path / "candidates"
    copy.mkdir()
    for path in (SAMPLE / "candidates").glob("*.*"):
        (copy / path.name).write_bytes(path.read_bytes())
    command = ["attribute", "--image", SAMPLE / "gen.png", "--candidates", copy, "--offline"]
    with subprocess.Popen(
        [SCRIPTS / command[0], *command[1:]],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=patient(120))
    assert process.returncode == 130, said
    assert said.splitlines()[-1].startswith("stopped")
    assert "Traceback" not in said
    assert "FATAL" not in said
