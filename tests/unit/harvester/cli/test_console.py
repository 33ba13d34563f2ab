"""What both commands share: lines on the terminal, results, signals."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer

from harvester.cli import console as shell
from harvester.cli.console import (
    given_path,
    given_place,
    interruptible,
    print_json,
    say,
    set_up_logging,
    write_out,
)
from harvester.errors import OutputError, ShardError
from harvester.shutdown import STOPPING, Stop, how_to_go_on
from tests.support.checkout import ROOT
from tests.support.patience import patient

ESCAPE = "\x1b]0;taken over\x07"


@pytest.fixture(autouse=True)
def own_console(monkeypatch):
    """A console made in one test holds that test's standard error."""
    monkeypatch.setattr(shell, "_stderr", None)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def test_what_is_said_is_one_line_that_cannot_act(capsys):
    say(f"job a{ESCAPE}\nb\x9b2J: [bold]no markup[/bold] \udcff")
    assert capsys.readouterr().err == "job a b: [bold]no markup[/bold] \ufffd\n"


def raise_escapes() -> None:
    raise ValueError(f"a{ESCAPE}\x1b[31mred")


def test_a_log_record_is_printable_and_a_traceback_keeps_its_lines(capsys):
    set_up_logging(verbose=False)
    log = logging.getLogger("harvester.test")
    log.warning("%s: passed over", f"a{ESCAPE}\nb.json")
    try:
        raise_escapes()
    except ValueError:
        log.exception("a bug")
    said = capsys.readouterr().err
    assert "a b.json: passed over" in said
    assert "\x1b" not in said
    assert "ValueError: ared" in said
    assert said.count("\n") > 4


def test_letters_that_the_encoding_lacks_do_not_end_a_command(monkeypatch):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, "ascii"))
    write_out("3 found · dataset: Schön")
    assert out.getvalue() == b"3 found ? dataset: Sch?n\n"


def test_without_standard_output_nothing_is_printed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    write_out("text")
    print_json({"a": 1})
    assert sys.stdout is None


def test_json_is_ascii_and_strict(capsys):
    print_json({"dataset": "caf\udce9 \x9b2J ·"})
    line = capsys.readouterr().out
    assert line.isascii()
    assert line.isprintable() is False  # but for the line's end
    assert line[:-1].isprintable()
    assert json.loads(line) == {"dataset": "caf\ufffd \x9b2J ·"}


def in_process(code: str, **streams) -> subprocess.Popen:
    """A Python of its own, because standard output's end is a matter of the interpreter's end."""
    code = f"import sys; from harvester.cli import console as shell; from harvester.cli.console import *\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        **streams,
    )


@pytest.mark.subprocess
def test_a_reader_that_has_seen_enough_is_no_error():
    """`harvest … | head -1`: the command goes on to its end, quietly."""
    code = "for n in range(99999): shell.write_out('x' * 99)\nsys.exit(7)"
    with in_process(code, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "x" * 99 + "\n"
        process.stdout.close()
        assert process.wait(60) == 7
        assert process.stderr.read() == ""


@pytest.mark.subprocess
@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no such device here")
def test_a_full_disk_is_an_error_of_its_own_and_python_ends_quietly():
    code = "try: shell.write_out('x')\nexcept shell.OutputError as exc: sys.exit(str(exc))"
    with Path("/dev/full").open("w") as full, in_process(code, stdout=full) as process:
        assert process.wait(60) == 1
        said = process.stderr.read()
    assert said.startswith("standard output: expected to write the result, found No space left")
    assert said.count("\n") == 1
    assert OutputError.exit_code == 5


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_path_is_not_the_folder_one_is_in(empty):
    with pytest.raises(typer.BadParameter, match="found an empty one"):
        given_path(empty)
    assert given_path(".") == Path()


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("ignored", [False, True], ids=["", "Ctrl-C ignored"])
def test_signals_end_a_command_in_order(name, code, ignored, capsys):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    if ignored and name != "SIGINT":
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(typer.Exit) as caught, interruptible("kept"):
            signal.raise_signal(number)
    finally:
        if ignored and name != "SIGINT":
            signal.signal(signal.SIGINT, interrupt)
    assert caught.value.exit_code == code
    assert capsys.readouterr().err == "stopped: kept\n"
    assert signal.getsignal(number) is before


def test_outside_the_main_thread_signals_are_left_alone():
    done = []

    def work() -> None:
        with interruptible("kept"):
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGTERM)]


def test_a_signal_that_is_ignored_stays_so():
    """`nohup` asks for it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible("kept"):
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# Told to stop while a harvest looks for it


HARVEST = """
import asyncio, sys, time
LOOP
from harvester.shutdown import Stop
stop = Stop()

async def work():
    try:
        print("ready", flush=True)
        await asyncio.wait_for(stop.wait(), 300)
        DEAF
    finally:
        print("shard written", flush=True)

try:
    with interruptible(lambda: "kept", stop):
        RUN
except typer.Exit as exc:
    sys.exit(exc.exit_code)
"""


def stopped(first: str, *, deaf: bool, loop: str) -> tuple[int, list[str], str]:
    """A harvest that sleeps until it is told; `deaf` to the first signal, it is told twice."""
    code = HARVEST.replace("DEAF", "await asyncio.sleep(300)" if deaf else "pass")
    run = "uvloop.run(work())" if loop == "uvloop" else "asyncio.run(work())"
    code = code.replace("RUN", run).replace("LOOP", f"import {loop}, typer")
    with in_process(code, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, first))
        said = process.stderr.readline()
        if deaf:
            time.sleep(0.2)  # nobody presses twice while a line is written
            process.send_signal(signal.SIGINT)
        code = process.wait(patient(200))
        return code, process.stdout.read().splitlines(), said + process.stderr.read()


@pytest.mark.subprocess
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("deaf", [False, True], ids=["", "twice"])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_the_first_signal_is_a_wish_and_the_second_is_obeyed(name, code, deaf, loop):
    """A loop that sleeps wakes at the first; in either case what is open is brought to its end."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    ended, out, said = stopped(name, deaf=deaf, loop=loop)
    assert said.splitlines() == [STOPPING, "stopped: kept"]
    assert ended == code
    assert out == ["shard written"]


def test_a_wish_to_stop_is_kept_for_who_looks_later():
    stop = Stop()
    stop.set()
    asyncio.run(asyncio.wait_for(stop.wait(), patient(50)))
    stop.set()  # its loop is gone by now
    assert stop.is_set()


def test_a_wish_from_another_thread_wakes_every_loop_that_waits():
    stop, woken = Stop(), []

    def wait() -> None:
        asyncio.run(asyncio.wait_for(stop.wait(), patient(100)))
        woken.append(1)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(stop._waiting) < 3:
        threading.Event().wait(0.01)
    stop.set()
    for thread in threads:
        thread.join(patient(100))
    assert woken == [1, 1, 1]
    assert not stop._waiting


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["/usr/bin/harvest", "urls", "my list.parquet", "--out", "a'b"],
            """run the same command again to go on: harvest urls 'my list.parquet' --out 'a'"'"'b'""",
        ),
        (
            ["harvest", "ddg", "--search-proxy", "http://u:p@h:1"],
            "run the same command again to go on",
        ),
        (["harvest", "urls", f"a{ESCAPE}"], "run the same command again to go on"),
    ],
)
def test_how_to_go_on_is_said_as_it_can_be_pasted(arguments, said):
    assert how_to_go_on(arguments) == said


def test_a_dataset_is_a_path_or_an_address():
    assert given_place("data/c") == Path("data/c")
    assert given_place("memory://bucket/c").name == "c"
    with pytest.raises(ShardError, match="check the address"):
        given_place("nothing-of-the-kind://c")
    with pytest.raises(typer.BadParameter):
        given_place(" ")
