"""Measure in forks of one process that has imported everything, so that all start alike."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

from loadtests.bench.cases.subject import BenchError

ANSWER_SECONDS: Final = 120.0
STOP_SECONDS: Final = 5.0
_FORK: Final = multiprocessing.get_context("fork")

T = TypeVar("T")


@contextmanager
def forked(work: Callable[[Connection], None], name: str) -> Iterator[Connection]:
    """Run work in a fork, at the other end of a pipe, until the block ends.

    The work ends by itself, or when it receives None.
    """
    mine, theirs = _FORK.Pipe()
    # What the forks share neither burdens their garbage collections nor is copied by them.
    gc.freeze()
    process = _FORK.Process(target=_run, args=(work, theirs), name=name, daemon=True)
    process.start()
    theirs.close()
    try:
        yield mine
    finally:
        with suppress(OSError):
            mine.send(None)
        mine.close()
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def received(pipe: Connection, name: str, seconds: float = ANSWER_SECONDS) -> Any:
    """Return the message of a fork."""
    try:
        message = pipe.recv() if pipe.poll(seconds) else "it sent nothing in time"
    except EOFError:
        message = "its process ended"
    if isinstance(message, str):
        raise BenchError(f"{name}: {message}")
    return message


def in_fork(measure: Callable[[], T], name: str, seconds: float = ANSWER_SECONDS) -> T:
    """Call a function in a fork, and return its result, which is no string."""
    with forked(lambda end: end.send(measure()), name) as pipe:
        result: T = received(pipe, name, seconds)
    return result


def _run(work: Callable[[Connection], None], pipe: Connection) -> None:
    try:
        work(pipe)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
