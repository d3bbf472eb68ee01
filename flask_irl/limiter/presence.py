"""Tell the store now and then that this worker lives, and how it is."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask_irl.stored import Damaged, ignore, read_json
from flask_irl.stores.base import Store

TELL_SECONDS: Final = 10.0
"""Time between two reports: a third of that for which the store remembers one."""


class Presence:
    """Report this worker to the store, for the operators' overview.

    Args:
        store: Keeps the reports of all workers.
        report: Describes the worker, ready for JSON.
        monotonic: Seconds of a clock that is never set.
    """

    def __init__(
        self,
        store: Store,
        report: Callable[[], Mapping[str, Any]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._report = report
        self._monotonic = monotonic
        self._next = 0.0
        self._process = 0

    def tell(self) -> None:
        """Report the worker if it is time to.

        Raises:
            StoreError: The store failed.
        """
        now, process = self._monotonic(), os.getpid()
        # A forked process is another worker.
        if now < self._next and process == self._process:
            return
        name = f"{platform.node()}:{process}"
        self._store.tell_worker(name, json.dumps(self._report()).encode())
        self._next, self._process = now + TELL_SECONDS, process


def read_report(report: bytes, damaged: Damaged = ignore) -> dict[str, Any]:
    """Read a worker's report; empty for one that can't be read, which ``damaged`` is told."""
    try:
        found = read_json(report)
    except ValueError as error:
        damaged(f"the report of a worker can't be read: {error}")
        return {}
    return found if isinstance(found, dict) else {}
