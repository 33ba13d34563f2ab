"""Seeded mutation of real inputs, and the check that nothing but the promised errors comes out.

Plain mutation and not hypothesis: its shrinking and its database cost more than most of what is
fuzzed here, and 100,000 inputs a target have to fit into a minute or two. An input is known by
its target, seed and number: `failing_input` makes it again.
"""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import random
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

_BATCHES = 16
_HANG_S = 120
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Target:
    """What is fuzzed.

    Attributes:
        corpus: makes real inputs, once a process.
        check: raises for an input that shows a fault.
        tokens: pieces that mean something to the reader.
        limit_s: seconds of CPU time that one input may take.
        repair: makes a mutated input pass the outer checks, so that inner ones are reached.
        longest: bytes; mutations grow no further.
    """

    corpus: Callable[[], Sequence[bytes]]
    check: Callable[[bytes], None]
    tokens: Sequence[bytes] = ()
    limit_s: float = 1.0
    repair: Callable[[bytes], bytes] | None = None
    longest: int = 1 << 15


def mutate(chance: random.Random, corpus: Sequence[bytes], target: Target) -> bytes:
    """One input: a real one, changed in one to six places."""
    body = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        _change(chance, body, corpus, target.tokens)
        del body[target.longest :]
    whole = bytes(body)
    return target.repair(whole) if target.repair and chance.random() < 0.75 else whole


_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _change(
    chance: random.Random, body: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    at = chance.randrange(len(body) + 1)
    # Headers are where readers go wrong: half of all changes are near the start.
    if chance.random() < 0.5:
        at = min(at, chance.randrange(1, 128))
    span = min(len(body) - at, int(chance.paretovariate(0.6)))
    match chance.randrange(9):
        case 0 if at < len(body):
            body[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(body):
            body[at] = chance.randrange(256)
        case 2:
            del body[at : at + span]
        case 3:
            body[at:at] = body[at : at + span] * chance.choice((1, 1, 2, 50))
        case 4:
            other = chance.choice(corpus)
            start = chance.randrange(len(other) + 1)
            body[at:] = other[start:]
        case 5:
            del body[at + chance.randrange(64) :]
        case 6:
            size = chance.choice(("<B", "<H", ">H", "<I", ">I"))
            mask = (1 << 8 * struct.calcsize(size)) - 1
            body[at : at + struct.calcsize(size)] = struct.pack(size, chance.choice(_EDGES) & mask)
        case 7 if tokens:
            body[at : at + chance.choice((0, 0, span))] = chance.choice(tokens)
        case _:
            body[at:at] = chance.randbytes(min(span, 64))


def inputs(target: Target, seed: int, count: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    corpus = target.corpus()
    for _ in range(count):
        yield mutate(chance, corpus, target)


def fuzz(target: Target, seed: int, count: int) -> list[str]:
    """Faults found, a line each, with what is needed to make the input again."""
    logger = logging.getLogger("harvester")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        return _fuzz(target, seed, count)
    finally:
        logger.setLevel(level)


def _fuzz(target: Target, seed: int, count: int) -> list[str]:
    faults: list[str] = []
    for number, body in enumerate(inputs(target, seed, count)):
        start = time.process_time()  # of the machine's other work nothing follows
        where = f"seed {seed}, number {number}, {body[:60]!r}"
        try:
            target.check(body)
        except Exception as exc:  # noqa: BLE001  # that is what is looked for
            faults.append(f"{where}: {type(exc).__name__}: {str(exc)[:200]}")
        took_s = time.process_time() - start
        if took_s > target.limit_s:
            faults.append(f"{where}: took {took_s:.1f} s")
    return faults


def failing_input(target: Target, seed: int, number: int) -> bytes:
    """The input that a fault names."""
    *_, body = inputs(target, seed, number + 1)
    return body


def _fuzz_by_name(name: str, seed: int, count: int) -> list[str]:
    from tests.soak.fuzz_targets import TARGETS  # noqa: PLC0415  # which imports this module

    stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff says on it what it makes of each file
    faulthandler.enable(stderr)
    # A hang in C ends the process.
    faulthandler.dump_traceback_later(_HANG_S, exit=True, file=stderr)
    try:
        return fuzz(TARGETS[name], seed, count)
    finally:
        faulthandler.cancel_dump_traceback_later()


def fuzz_in_processes(name: str, count: int, processes: int = 2) -> list[str]:
    """Fuzz a target of `fuzz_targets` in processes: one that crashes or hangs is a fault as well.

    Gives the first few faults.
    """
    faults: list[str] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        each = -(-count // _BATCHES)
        batches = {
            pool.submit(_fuzz_by_name, name, seed, each): seed for seed in range(1, _BATCHES + 1)
        }
        for done in as_completed(batches):
            error = done.exception()
            if error is not None:
                faults.append(f"seed {batches[done]}: the process ended: {error!r}")
            else:
                faults += done.result()
    return faults[:_SHOWN]
