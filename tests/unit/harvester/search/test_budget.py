"""The requests of a day: counted before they leave, over runs, threads and processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harvester.errors import InputError, RateLimitedError
from harvester.search import budget as budgets
from harvester.search.budget import Budget, budget_path, read_budgets
from harvester.search.registry import ENGINES
from tests.support.checkout import ROOT
from tests.support.patience import patient

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app" / "budget.json"


def spend_all(budget, engine):
    """Spends until it is refused; how many requests were allowed."""
    for count in range(10_000):
        try:
            budget.spend(engine)
        except RateLimitedError:
            return count
    raise AssertionError("a budget without an end")


def test_a_day_has_so_many_requests_and_no_more(path):
    budget = Budget(path, {"openverse": 3}, lambda: NOON)
    assert spend_all(budget, "openverse") == 3
    with pytest.raises(
        RateLimitedError, match=r"2026-03-02 00:00 UTC .*--budget openverse=N"
    ) as it:
        budget.spend("openverse")
    assert it.value.retry_after_s == 12 * 3600


def test_the_next_run_goes_on_counting_and_the_next_day_begins_anew(path):
    assert spend_all(Budget(path, {"ddg": 2}, lambda: NOON), "ddg") == 2
    assert spend_all(Budget(path, {"ddg": 5}, lambda: NOON), "ddg") == 3
    assert spend_all(Budget(path, {"ddg": 5}, lambda: NOON.replace(hour=23, minute=59)), "ddg") == 0
    assert spend_all(Budget(path, {"ddg": 5}, lambda: NOON.replace(day=2, hour=0)), "ddg") == 5


def test_a_limit_that_was_lowered_leaves_nothing(path):
    spend_all(Budget(path, {"ddg": 4}, lambda: NOON), "ddg")
    assert spend_all(Budget(path, {"ddg": 2}, lambda: NOON), "ddg") == 0


def test_each_engine_has_its_own(path):
    budget = Budget(path, {"ddg": 1, "openverse": 0})
    budget.spend("ddg")
    budget.spend("another")
    with pytest.raises(RateLimitedError):
        budget.spend("openverse")
    assert json.loads(path.read_text())["spent"] == {"ddg": 1, "another": 1}


def test_the_last_second_of_a_day_still_names_a_pause(path):
    budget = Budget(path, {"ddg": 0}, lambda: NOON.replace(hour=23, minute=59, second=59))
    with pytest.raises(RateLimitedError) as caught:
        budget.spend("ddg")
    assert caught.value.retry_after_s == 1


def test_nothing_is_lost_between_threads(path):
    allowed = []
    threads = [
        threading.Thread(target=lambda: allowed.append(spend_all(Budget(path, {"ddg": 40}), "ddg")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 40


@pytest.mark.subprocess
def test_nothing_is_lost_between_processes(path):
    code = (
        "import sys, pathlib; from harvester.search.budget import Budget\n"
        "b = Budget(pathlib.Path(sys.argv[1]), {'ddg': 1000})\n"
        "for _ in range(30): b.spend('ddg')"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=patient(600))[1] for process in running] == [b"", b""]
    assert json.loads(path.read_text())["spent"] == {"ddg": 60}
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".b")] == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"day": "DAY"}', '{"day": "DAY", "spent": []}', "[" * 9999, "\x00\xff"],
)
def test_a_broken_file_begins_anew_and_says_so(path, caplog, text):
    path.parent.mkdir()
    path.write_text(text.replace("DAY", NOON.date().isoformat()), "latin-1")
    assert spend_all(Budget(path, {"ddg": 2}, lambda: NOON), "ddg") == 2
    assert "counting begins anew" in caplog.text


def test_counts_that_are_none_are_passed_over(path):
    path.parent.mkdir()
    spent = {"ddg": "9", "openverse": -5, "commons": 10**400, "x": None}
    path.write_text(json.dumps({"day": "2026-03-01", "spent": spent}))
    budget = Budget(path, {"ddg": 2, "openverse": 2, "commons": 2}, lambda: NOON)
    assert [spend_all(budget, name) for name in budget.limits] == [2, 2, 0]


def test_no_place_to_count_in_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="set WHENCE_BUDGET_FILE to a file that can be written"):
        Budget(tmp_path / "file" / "budget.json", {"ddg": 2}).spend("ddg")


def test_a_lock_that_is_held_for_ever_is_told(path, monkeypatch):
    monkeypatch.setattr(budgets, "_LOCK_S", 0.05)
    path.parent.mkdir()
    with (
        budgets.FileLock(f"{path}.lock"),
        pytest.raises(InputError, match="expected a place to count"),
    ):
        Budget(path, {"ddg": 2}).spend("ddg")


def test_where_it_is_counted(tmp_path, monkeypatch):
    monkeypatch.delenv("WHENCE_BUDGET_FILE", raising=False)
    assert budget_path(tmp_path) == tmp_path / "budget.json"
    monkeypatch.setenv("WHENCE_BUDGET_FILE", str(tmp_path / "mine"))
    assert budget_path(Path("elsewhere")) == tmp_path / "mine"


def test_budgets_of_the_command_line():
    assert read_budgets(["openverse=500", " ddg = 0 "], ENGINES) == {"openverse": 500, "ddg": 0}
    assert read_budgets([], ENGINES) == {}


@pytest.mark.parametrize(
    "text", ["openverse", "openverse=", "bing=3", "ddg=-1", "ddg=1e3", "ddg=٣", "ddg=9999999999"]
)
def test_budgets_of_another_form_are_refused(text):
    with pytest.raises(InputError, match="as openverse=500"):
        read_budgets([text], ENGINES)
