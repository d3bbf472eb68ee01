"""Fork the process of a test as a web server would: with threads that don't come along."""

from __future__ import annotations

import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

PATIENCE = 10.0
"""Seconds after which a child counts as hanging."""


@contextmanager
def held_by_a_thread(lock: AbstractContextManager[Any]) -> Iterator[None]:
    """Hold a lock on another thread meanwhile."""
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holding.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


def run_in_fork(work: Callable[[], object], seconds: float = PATIENCE) -> str:
    """Do some work in a forked process, which is ended if it takes too long.

    Returns:
        ``done``, ``failed`` (its traceback is on stderr) or ``hangs``.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of what is being tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return "hangs"
    return "done" if os.waitstatus_to_exitcode(status) == 0 else "failed"
