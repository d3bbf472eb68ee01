"""Take this process's threads away, as a host at its limit does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

TOO_LARGE = 2**47
"""Bytes of a stack for which no process has room: the system itself refuses the thread."""


@contextmanager
def no_new_threads() -> Iterator[None]:
    """Have each start of a thread fail for the time of a block: ``can't start new thread``."""
    before = threading.stack_size(TOO_LARGE)
    try:
        yield
    finally:
        threading.stack_size(before)
