"""Surroundings that end a harvest early, or hand it odd names."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harvester.dataset import shards
from harvester.schema import Candidate
from tests.e2e.conftest import SCRIPTS
from tests.support.patience import patient
from tests.support.servers.fault_server import picture


@pytest.mark.parametrize("ignored", [False, True], ids=["", "Ctrl-C ignored"])
def test_a_harvest_that_is_told_to_end_keeps_what_it_has(
    tmp_path, environment, fault_server, ignored
):
    """In the background of a script Ctrl-C is ignored, and SIGTERM is all there is."""
    fault_server.serve("/a.jpg", picture(), "image/jpeg")
    waiting = [fault_server.url("/slow") + f"?{n}" for n in range(3)]
    addresses = [fault_server.url("/a.jpg"), *waiting]
    (tmp_path / "list.txt").write_text("\n".join(addresses))
    command = [SCRIPTS / "harvest", "urls", "list.txt", "--out", "c", "--allow-private"]
    if ignored:
        start = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        command = [sys.executable, "-c", f"{start}os.execv(sys.argv[1], sys.argv[1:])", *command]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + patient(600)
        while fault_server.hits.total() < len(addresses) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(patient(600)) == 143
        said = process.stderr.read()
    assert "stopped: what was fetched is stored" in said
    assert "Traceback" not in said
    [row] = shards.rows(tmp_path / "c", Candidate)
    assert row.url == addresses[0]
    assert json.loads((tmp_path / "c" / "manifest.json").read_text())["tables"]["candidate"]


def test_names_that_are_no_utf_8_are_read_and_written(run, tmp_path, sample):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    shutil.copy(sample / "gen.png", folder / os.fsdecode(b"\xe9.png"))
    out = folder / "out"
    ran = run("harvest", "folder", folder, "--out", out, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["dataset"].endswith("caf\ufffd/out")
    [row] = shards.rows(out, Candidate)
    assert row.url == r"file:caf\xe9/\xe9.png"
    assert run("harvest", "folder", folder, "--out", out).code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("folder", ""),
        ("urls", ""),
        ("folder", ".", "--out", ""),
        ("ddg", "--prompt", "a", "--out", ""),
        ("ddg", "--generations", ""),
        ("midjourney", "--discord-export", ""),
    ],
)
def test_an_empty_path_does_not_stand_for_the_folder_one_is_in(run, tmp_path, sample, command):
    """`--out "$UNSET"` once filled whatever folder the command was run in."""
    shutil.copy(sample / "gen.png", tmp_path / "gen.png")
    ran = run("harvest", *command)
    assert ran.code in {2, 3}
    assert "empty" in ran.err
    assert {path.name for path in tmp_path.iterdir()} <= {"gen.png", "home"}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("--generations", "none"), "none: expected generations with prompts, found nothing"),
        (("--prompts", os.devnull), f"{os.devnull}: expected a list of prompts, found a device"),
        (("--prompt", "a", "--search-proxy", "x://:"), "check the proxy x://:"),
        (("--prompt", "a", "--safesearch", "none"), "safesearch: expected on, moderate or off"),
    ],
)
def test_what_was_given_is_named_and_nothing_else(run, command, told):
    ran = run("harvest", "ddg", *command)
    assert ran.code == 3
    assert told in ran.err
    assert "True" not in ran.err
    assert "None" not in ran.err


def test_a_reader_that_has_seen_enough_does_not_fail_the_harvest(tmp_path, environment, sample):
    command = f"{SCRIPTS / 'harvest'} folder {sample / 'discord'} --out c | true; echo $PIPESTATUS"
    ran = subprocess.run(
        ["bash", "-c", command],  # whichever bash there is
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "0\n"
    assert "Traceback" not in ran.stderr
    assert Path(tmp_path / "c" / "manifest.json").exists()
