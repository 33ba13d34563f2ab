"""Fixtures for every kind of test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.kinds import Times, is_slow, kind_of, needs_torch, turn_of
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


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache stays as it is, and gives the tests nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that imports torch is not even imported where its tests are not wanted."""
    if "not torch" in config.option.markexpr and collection_path.suffix == ".py":
        return needs_torch(collection_path) or None
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks by folder and by file; see `tests.support.kinds`."""
    kind = kind_of(item.path)
    if kind is not None:
        item.add_marker(kind)
    if kind == "e2e":
        item.add_marker("subprocess")
    if needs_torch(item.path):
        item.add_marker("torch")
    if is_slow(item.path):
        item.add_marker("slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first."""
    items.sort(key=lambda item: turn_of(item.path))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The time of each kind, of all workers together."""
    times = Times()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                times.add(report.nodeid, report.keywords, report.duration)
    terminalreporter.section("time of each kind, over all workers")
    for line in times.lines():
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Who starts a process, or imports torch, says so: the quick selection goes by it."""
    marks, started = request.node.keywords, []
    begin, had_torch = subprocess.Popen.__init__, "torch" in sys.modules

    def begin_and_tell(process: object, *arguments: object, **options: object) -> None:
        started.append(arguments)
        begin(process, *arguments, **options)

    if "unit" in marks and "subprocess" not in marks:
        monkeypatch.setattr(subprocess.Popen, "__init__", begin_and_tell)
    yield
    if started:
        pytest.fail("a unit test that starts a process is marked: @pytest.mark.subprocess")
    if not had_torch and "torch" in sys.modules and "torch" not in marks:
        pytest.fail("a test that imports torch when it runs is marked: @pytest.mark.torch")


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
