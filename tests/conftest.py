"""Fixtures for every kind of test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.servers.offline_duckduckgo import OfflineDuckDuckGo

# The same examples in every run: a change that breaks a property breaks it for everyone.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

# Side by side, each test and each command that it starts has one core: threads of several torches
# that wait for one another on two cores take ten times as long.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Started in the background of a script, Ctrl-C is ignored, and by nohup the terminal's end, here and
# in every command under test.
for _signal, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _handler)


@pytest.fixture(autouse=True)
def _own_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches of the tests are no searches of whoever runs them."""
    monkeypatch.setenv("WHENCE_BUDGET_FILE", str(tmp_path / "whence-budget" / "budget.json"))
    monkeypatch.delenv("WHENCE_OPENVERSE_TOKEN", raising=False)


@pytest.fixture
def duckduckgo_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OfflineDuckDuckGo]:
    """An `OfflineDuckDuckGo`: give its `proxy_url` and `ca_pem` to the real client."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with OfflineDuckDuckGo(tmp_path) as server:
        yield server
