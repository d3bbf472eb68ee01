"""Measure a site's processes and its store, from ``/proc`` and from Redis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import redis

from loadtests.soak.site import Site

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Process:
    """Hold the size of a process: PSS in MiB, open handles, threads."""

    pid: int
    mib: float
    handles: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold a site's size at a moment.

    Attributes:
        at: Seconds since the beginning.
        workers: Its workers.
        store_mib: Redis's ``used_memory`` in MiB; NaN while it doesn't answer, as the next one.
        keys: Keys in it.
        store_handles: Open handles of Redis's process.
    """

    at: float
    workers: tuple[Process, ...]
    store_mib: float
    keys: float
    store_handles: int


def measure(site: Site, at: float) -> Sample:
    """Measure a site now, ``at`` seconds since the beginning."""
    workers = [found for pid in site.workers() if (found := process(pid)) is not None]
    mib = keys = float("nan")
    try:
        with site.store.client() as client:
            memory = cast("dict[str, int]", client.info("memory"))
            mib, keys = memory["used_memory"] / MIB, float(cast(int, client.dbsize()))
    except redis.RedisError:
        # It is broken just now.
        pass
    store = process(site.store.pid) if site.store.running else None
    return Sample(at, tuple(workers), mib, keys, 0 if store is None else store.handles)


def process(pid: int) -> Process | None:
    """Measure a process; None if it is gone."""
    folder = Path("/proc", str(pid))
    try:
        pss = _figure(folder / "smaps_rollup", "Pss") / 1024
        threads = _figure(folder / "status", "Threads")
        return Process(pid, pss, len(list((folder / "fd").iterdir())), threads)
    except (OSError, LookupError):
        return None


def drift(times: Sequence[float], values: Sequence[float]) -> float:
    """Give the rise in an hour of the straight line that is nearest to the values."""
    if len(times) < 2:
        return 0.0
    return float(np.polyfit(np.array(times) / 3600, values, 1)[0])


def _figure(path: Path, name: str) -> int:
    """Read a figure of one of the kernel's tables."""
    found = re.search(rf"^{name}:\s+(\d+)", path.read_text("ascii", errors="replace"), re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return int(found[1])
