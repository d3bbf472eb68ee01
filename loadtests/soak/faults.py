"""Break the store and the workers of a site, and mend them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import redis

from loadtests.soak.site import Site

OUTAGE: Final = frozenset({"store_error", "store_lost", "store_back"})
"""Events of a store that is out for a while."""
TRAINING: Final = frozenset({"training_failed", "training_not_noted"})
"""Events of a training that the fault meets."""
SLEEP_SECONDS: Final = 0.03
"""Time for which a slow server does nothing, again and again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Describe a fault.

    Args:
        name: The fault, as the report says it.
        strike: Breaks a site; may be called while requests come.
        mend: Mends it.
        events: Events that the log may have because of it, beside those of the traffic.
        of_store: Whether it is the store's, so that workers live on.
        loses: Whether requests may stay without an answer, or be answered without being counted.
    """

    name: str
    strike: Callable[[Site], object]
    mend: Callable[[Site], object]
    events: frozenset[str] = OUTAGE | TRAINING
    of_store: bool = True
    loses: bool = False


def _nothing(site: Site) -> None:
    pass


def _kill_worker(site: Site) -> None:
    os.kill(site.workers()[0], signal.SIGKILL)


def _reload(site: Site) -> None:
    os.kill(site.master, signal.SIGHUP)


def _kill_store(site: Site) -> None:
    site.store.kill()


def _run(*words: object) -> Callable[[Site], object]:
    def run(site: Site) -> object:
        with site.store.client() as client:
            return client.execute_command(*words)

    return run


class _Slow:
    """Have a server sleep again and again."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def strike(self, site: Site) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(site,), daemon=True)
        self._thread.start()

    def mend(self, site: Site) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, site: Site) -> None:
        with site.store.client() as client:
            while not self._stop.wait(SLEEP_SECONDS / 3):
                with suppress(redis.RedisError):
                    client.execute_command("DEBUG", "SLEEP", SLEEP_SECONDS)


_SLOW: Final = _Slow()
FAULTS: Final = (
    Fault("frozen", lambda site: site.store.freeze(), lambda site: site.store.thaw()),
    Fault(
        "a worker killed",
        _kill_worker,
        _nothing,
        events=frozenset({"gunicorn: Worker was sent SIGKILL!"}) | TRAINING,
        of_store=False,
        loses=True,
    ),
    Fault("workers reloaded", _reload, _nothing, events=TRAINING, of_store=False),
    Fault("killed, and started empty", _kill_store, lambda site: site.store.start()),
    Fault("slow", _SLOW.strike, _SLOW.mend),
    Fault("script cache flushed", _run("SCRIPT", "FLUSH"), _nothing, events=TRAINING),
    Fault(
        "full",
        _run("CONFIG", "SET", "maxmemory", "1"),
        _run("CONFIG", "SET", "maxmemory", "0"),
    ),
    Fault("connections cut", _run("CLIENT", "KILL", "TYPE", "NORMAL"), _nothing),
    Fault(
        "read-only",
        _run("REPLICAOF", "127.0.0.1", "1"),
        _run("REPLICAOF", "NO", "ONE"),
    ),
)
"""The faults, in the order in which a soak plays them."""
