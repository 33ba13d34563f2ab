"""This is the pool of decoder processes: one that crashes or hangs costs one picture.

As many processes as cores, each behind a socket, started when there is work for them. A process
gets its next body while it still decodes the last one, so that none waits for the event loop, which
does nothing a picture but write one body and read one answer.

A process holds a limit on its memory and an alarm on each picture, knows neither the files and
sockets nor the environment of the one that started it, and ends when that one does: idle at once,
as its socket closes, and in the midst of a picture when that is done or its time is over.

Own processes, and neither `multiprocessing` nor `pebble` on top of it: those import the command's
main module into each child, and share one pipe and its lock among all, so that a child which is
killed while it holds the lock stops every other.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import IO, Any, Self, cast

from harvester.errors import HarvestError, reason_of
from harvester.pictures.decode import PictureError
from harvester.pictures.worker import SIZE, Decoded, Limits, unpack
from harvester.schema import FetchStatus

_QUEUED = 2
"""Bodies that wait at each process, besides the one in work."""
_MAX_ANSWER = 64 << 20
_SOCKET_BUFFER = 1 << 20
_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP})
"""Ends that come from elsewhere, above all from a system short of memory: tried once more."""
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
"""Of the environment; keys to stores and accounts are not for those who decode."""
_ADDED = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # glibc: keep what a picture took for the next one; else new pages are a tenth of the work.
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TOP_PAD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}
_PROGRAM = """
import json, sys
path, function, max_side, timeout_s, memory_mb, lock_fd = json.loads(sys.argv[1])
sys.path[:] = path
from harvester.pictures.worker import Limits, serve
serve(function, max_side, Limits(timeout_s, memory_mb), lock_fd)
"""


@dataclass(slots=True)
class _DecodeJob:
    body: bytes = field(repr=False)
    done: asyncio.Future[Decoded]
    is_second_try: bool = False


class _Child(asyncio.Protocol):
    """One process: bodies go in and answers come out in the same order."""

    def __init__(self, pool: DecoderPool) -> None:
        self.jobs: deque[_DecodeJob] = deque()
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self._pool = pool
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()

    def give(self, job: _DecodeJob) -> None:
        self.jobs.append(job)
        if self._transport is not None:
            _write(self._transport, job.body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        for job in self.jobs:
            _write(self._transport, job.body)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        while len(received) >= SIZE.size:
            size = SIZE.unpack_from(received)[0]
            end = SIZE.size + size
            if size > _MAX_ANSWER:
                return self.kill()
            if len(received) < end:
                return None
            answer = bytes(received[SIZE.size : end])
            del received[:end]
            if not size:
                self.is_ready = True
            elif not self._take(answer):
                return self.kill()
        return None

    def _take(self, answer: bytes) -> bool:
        """Settle the oldest job; False if nothing was asked or this is no answer."""
        if not self.jobs:
            return False
        try:
            result = unpack(answer)
        except ValueError:
            return False
        self._pool.settle(self.jobs.popleft(), result)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._pool.lose(self)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
        if self._transport is not None:
            self._transport.abort()


class DecoderPool:
    """Processes that call one function on bodies; an asynchronous context manager.

    Args:
        function: `module:name`, called in the processes as `worker.decode` is.
        max_side: the longest side of the picture that is stored, in pixels.
        processes: at most so many; as many as cores where None.
        limits: of each process.
    """

    def __init__(
        self, function: str, max_side: int, *, processes: int | None = None, limits: Limits
    ) -> None:
        self._function = function
        self._max_side = max_side
        self._limits = limits
        self._most = processes or os.cpu_count() or 1
        self._slots = asyncio.Semaphore(self._most * (1 + _QUEUED))
        self._children: list[_Child] = []
        self._lock_file: IO[bytes] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def __aenter__(self) -> Self:
        """Take work; no process is started before there is some."""
        self._lock_file = tempfile.TemporaryFile()  # noqa: SIM115  # held until the end
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all processes; pictures that are still in work are cancelled."""
        self._is_closing = True
        for child in tuple(self._children):
            child.kill()
        while self._children or self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)  # the loop says in its next turn that a connection is lost
        if self._lock_file is not None:
            self._lock_file.close()

    async def decode(self, body: bytes) -> Decoded:
        """Decode one body; waits while every process has its share.

        Raises:
            PictureError: with the status and reason; `UNDECODABLE` where the decoder crashed or
                took too long.
            HarvestError: if the processes cannot be started at all.
        """
        await self._slots.acquire()
        job = _DecodeJob(body, asyncio.get_running_loop().create_future())
        self._assign(job)
        return await job.done

    def settle(self, job: _DecodeJob, result: Decoded | Exception) -> None:
        """Hand a job its end, and its place to the next one."""
        self._slots.release()
        if job.done.done():  # whoever waited has gone
            return
        if isinstance(result, Exception):
            job.done.set_exception(result)
        else:
            job.done.set_result(result)

    def lose(self, child: _Child) -> None:
        """Deal with a process that has ended, or is not to be believed."""
        self._children.remove(child)
        self._run(self._bury(child))

    def _assign(self, job: _DecodeJob) -> None:
        child = min(self._children, key=lambda one: len(one.jobs), default=None)
        if child is None or (child.jobs and len(self._children) < self._most):
            child = _Child(self)
            self._children.append(child)
            self._run(self._start(child))
        child.give(job)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, child: _Child) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as exc:  # no file descriptor is left
            self._children.remove(child)
            self._fail(child, reason_of(exc))
            return
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            try:
                child.process = await asyncio.to_thread(self._launch, theirs)
            except OSError as exc:
                ours.close()
                self._children.remove(child)
                self._fail(child, reason_of(exc))
                return
        ours.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: child, sock=ours)
        if self._is_closing:
            child.kill()

    def _launch(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        lock_fd = self._lock_file.fileno() if self._lock_file is not None else -1
        limits = self._limits
        settings: list[Any] = [sys.path, self._function, self._max_side]
        settings += [limits.timeout_s, limits.memory_mb, lock_fd]
        return subprocess.Popen(  # noqa: S603  # our own interpreter and program
            [sys.executable, "-I", "-c", _PROGRAM, json.dumps(settings)],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # C libraries write there what a file says
            pass_fds=(lock_fd,),
            start_new_session=True,  # Ctrl-C goes to a terminal's whole group
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | _ADDED,
        )

    async def _bury(self, child: _Child) -> None:
        if child.process is None:
            return
        child.process.kill()  # closed its socket, and may live on
        code = await asyncio.to_thread(child.process.wait)
        if self._is_closing:
            for job in child.jobs:
                job.done.cancel()
            return
        if not child.is_ready:
            self._fail(child, f"it ended with code {code} before it was ready")
            return
        jobs = child.jobs
        if jobs and code in _OUTSIDE and not jobs[0].is_second_try:
            jobs[0].is_second_try = True
        elif jobs:
            self.settle(jobs.popleft(), _blame(code, self._limits))
        for job in jobs:
            self._assign(job)

    def _fail(self, child: _Child, why: str) -> None:
        for job in child.jobs:
            error = f"expected a decoder process to start ({sys.executable}), found that {why}"
            self.settle(job, HarvestError(error))


class Decoders(DecoderPool):
    """The processes of a harvest; see `DecoderPool`.

    Args:
        max_side: the longest side of the picture that is stored, in pixels.
        processes: at most so many; as many as cores where None.
        timeout_s: seconds for one picture.
        memory_mb: address space of each process, in 2^20 bytes.
    """

    def __init__(
        self,
        max_side: int,
        *,
        processes: int | None = None,
        timeout_s: float = 20.0,
        memory_mb: int = 1024,
    ) -> None:
        limits = Limits(timeout_s, memory_mb)
        super().__init__(
            "harvester.pictures.worker:decode", max_side, processes=processes, limits=limits
        )


def _write(transport: asyncio.WriteTransport, body: bytes) -> None:
    transport.write(SIZE.pack(len(body)))
    transport.write(body)


def _blame(code: int, limits: Limits) -> PictureError:
    if code == -signal.SIGALRM:
        found = f"one on which the decoder took longer than {limits.timeout_s:g} s"
    elif code < 0:
        found = f"one on which the decoder crashed with signal {-code}"
    else:
        found = f"one on which the decoder ended with code {code}"
    return PictureError(FetchStatus.UNDECODABLE, f"expected a picture, found {found}")
