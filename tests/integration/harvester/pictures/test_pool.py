"""Real decoder processes that crash, hang, run out of memory or lose their parent."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import uvloop
from PIL import Image

from harvester.errors import HarvestError
from harvester.pictures.decode import PictureError
from harvester.pictures.pool import DecoderPool, Decoders
from harvester.pictures.worker import Limits, decode
from harvester.schema import FetchStatus
from tests.support.checkout import ROOT
from tests.support.patience import patient

WORK = """
import ctypes, os, signal, time
from harvester.pictures.worker import decode
from harvester.pictures.decode import PictureError
from harvester.schema import FetchStatus

def work(body, max_side):
    if body == b"crash":
        ctypes.string_at(0)
    if body == b"abort":
        os.abort()
    if body == b"leave":
        os._exit(3)
    if body == b"hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        ctypes.CDLL(None).sleep(600)  # in C, where Python's own handlers are never run
    if body == b"bomb":
        held = bytearray(2 << 30)
    if body == b"bug":
        raise RuntimeError("no such\\x1b[31m thing")
    if body == b"lie":
        os.write(0, b"\\x00\\x00\\x00\\x05hello")
        time.sleep(60)
    if body == b"flood":
        os.write(0, b"\\xff\\xff\\xff\\xff")
        time.sleep(60)
    if body.startswith(b"environment"):
        raise PictureError(FetchStatus.HTML, ",".join(sorted(os.environ)))
    if body.startswith(b"files"):
        names = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if int(n) > 2
                 and os.path.exists(f"/proc/self/fd/{n}")]
        raise PictureError(FetchStatus.HTML, "|".join(names))
    if body == b"modules":
        import sys
        raise PictureError(FetchStatus.HTML, ",".join(sys.modules))
    if body.startswith(b"exclusive"):
        flag = os.environ["TMPDIR"] + "/busy"
        try:
            open(flag, "x").close()
        except FileExistsError:
            raise PictureError(FetchStatus.HTML, "two at once")
        time.sleep(0.3)
        os.unlink(flag)
        raise PictureError(FetchStatus.HTML, "alone")
    if body == b"once":
        flag = os.environ["TMPDIR"] + "/killed"
        if not os.path.exists(flag):
            open(flag, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        raise PictureError(FetchStatus.HTML, "second time")
    if body == b"always":
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(body, max_side)
"""


def picture(number: int = 0, size: tuple[int, int] = (64, 48)) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(size).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def function(tmp_path, monkeypatch):
    (tmp_path / "whence_injected.py").write_text(WORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return "whence_injected:work"


def pool(function: str, processes: int = 1, timeout_s: float = 20.0) -> DecoderPool:
    limits = Limits(timeout_s=timeout_s, memory_mb=1024)
    return DecoderPool(function, 64, processes=processes, limits=limits)


async def fault(decoders: DecoderPool, body: bytes) -> PictureError:
    with pytest.raises(PictureError) as caught:
        await decoders.decode(body)
    return caught.value


async def test_pictures_come_back_as_decoded_here():
    bodies = [picture(number) for number in range(12)]
    async with Decoders(32, processes=2) as decoders:
        found = await asyncio.gather(*(decoders.decode(body) for body in bodies))
    assert found == [decode(body, 32) for body in bodies]


def test_another_event_loop_serves_as_well():
    async def run() -> None:
        async with Decoders(32, processes=1) as decoders:
            assert await decoders.decode(picture()) == decode(picture(), 32)

    uvloop.run(run())


async def test_no_picture_is_the_picture_doors_error():
    async with Decoders(32, processes=1) as decoders:
        error = await fault(decoders, b"<html>")
    assert (error.status, str(error).count("a web page")) == (FetchStatus.HTML, 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"crash", "crashed with signal 11"),
        (b"abort", "crashed with signal 6"),
        (b"leave", "ended with code 3"),
        (b"hang", "took longer than 0.5 s"),
        (b"bomb", "too large"),
        (b"bug", "no such [31m thing"),
        (b"lie", "crashed with signal 9"),
        (b"flood", "crashed with signal 9"),
        (b"always", "crashed with signal 9"),
    ],
)
async def test_a_fault_costs_its_own_picture_only(function, body, words):
    good = [picture(number) for number in range(6)]
    async with pool(function, timeout_s=0.5) as decoders:
        asked = [good[0], good[1], body, *good[2:]]
        found = await asyncio.gather(*map(decoders.decode, asked), return_exceptions=True)
        again = await decoders.decode(good[0])
    error = found.pop(2)
    assert isinstance(error, PictureError)
    assert error.status is FetchStatus.UNDECODABLE
    assert words in " ".join(str(error).split())
    assert found == [decode(one, 64) for one in good]
    assert again == found[0]


async def test_a_process_killed_from_outside_is_no_fault_of_its_picture(function):
    async with pool(function) as decoders:
        assert str(await fault(decoders, b"once")) == "second time"


async def test_a_process_that_cannot_start_is_no_fault_of_a_picture():
    async with pool("whence_missing:work") as decoders:
        with pytest.raises(HarvestError, match="before it was ready"):
            await decoders.decode(picture())


async def test_processes_start_with_the_work_and_end_with_the_pool():
    async with Decoders(32, processes=2) as decoders:
        assert not decoders._children
        await decoders.decode(picture())
        assert len(decoders._children) == 1
        await asyncio.gather(*(decoders.decode(picture()) for _ in range(6)))
        processes = [child.process for child in decoders._children]
        assert len(processes) == 2
    assert all(process.returncode is not None for process in processes)


async def test_leaving_in_the_midst_cancels_what_is_in_work(function):
    start = time.monotonic()
    async with pool(function) as decoders:
        waiting = asyncio.create_task(decoders.decode(b"hang"))
        await asyncio.wait([waiting], timeout=0.05)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert time.monotonic() - start < patient(50)  # and not the 600 s that it hangs


async def test_large_by_their_header_are_decoded_one_by_one():
    body = picture(size=(4200, 3100))  # 13 megapixels in 150 KB
    async with Decoders(32, processes=2) as decoders:
        first, second = await asyncio.gather(decoders.decode(body), decoders.decode(body))
    assert (first, first.width, first.height) == (second, 4200, 3100)


async def test_who_stops_waiting_leaves_no_place_taken(function):
    async with pool(function, timeout_s=0.3) as decoders:
        for _ in range(5):  # more than the places of one process
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(decoders.decode(b"hang"), 0.01)
        assert await decoders.decode(picture()) == decode(picture(), 64)


async def test_a_process_knows_nothing_of_its_parent(function, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "x")
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server, pool(function) as decoders:
        assert "SECRET_KEY" not in str(await fault(decoders, b"environment"))
        names = str(await fault(decoders, b"files")).split("|")
        assert sum(name.startswith("socket:") for name in names) == 0  # its own is number 0
        modules = set(str(await fault(decoders, b"modules")).split(","))
    assert "harvester.pictures.decode" in modules
    assert modules.isdisjoint({"pyarrow", "aiohttp", "scipy", "asyncio", "cv2", "typer", "torch"})


async def test_ctrl_c_leaves_the_processes_alone(function):
    async with pool(function) as decoders:
        await decoders.decode(picture())
        process = decoders._children[0].process
        assert os.getpgid(process.pid) != os.getpgid(0)
        process.send_signal(signal.SIGINT)
        assert await decoders.decode(picture()) == decode(picture(), 64)
        assert decoders._children[0].process is process


@pytest.mark.parametrize("size", [(8 << 20) + 1, 100])
async def test_large_bodies_are_decoded_one_at_a_time(function, size):
    async with pool(function, processes=2) as decoders:
        body = b"exclusive".ljust(size, b"\0")
        errors = await asyncio.gather(*(fault(decoders, body) for _ in range(4)))
    said = {str(error) for error in errors}
    assert said == ({"alone"} if size > 1000 else {"alone", "two at once"})


PARENT = """
import asyncio, sys
from harvester.pictures.pool import DecoderPool
from harvester.pictures.worker import Limits

async def main():
    pool = DecoderPool("whence_injected:work", 64, processes=2, limits=Limits(timeout_s=1))
    async with pool:
        tasks = [asyncio.create_task(pool.decode(body)) for body in (b"hang", b"modules")]
        await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
        print(*(child.process.pid for child in pool._children), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.usefixtures("function")
def test_kill_9_of_the_parent_leaves_no_orphan(tmp_path):
    """The idle one sees its socket close; the hanging one is ended by its own alarm."""
    root = ROOT
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(tmp_path)])}
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    deadline = time.monotonic() + patient(100)
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
        return state not in {"Z", "X"}
    return False
