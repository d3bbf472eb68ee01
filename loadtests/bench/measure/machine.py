"""Describe the machine that figures were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import redis

from tests.find_redis import redis_binary

LIBRARIES: Final = ("Flask Werkzeug Flask-Limiter limits throttled-py redis hiredis").split()


@dataclass(frozen=True)
class Machine:
    """Describe a machine: processor, usable cores, versions, load average over a minute."""

    cpu: str
    cores: int
    system: str
    python: str
    redis: str
    libraries: dict[str, str]
    load: float


def describe(url: str) -> Machine:
    """Describe this machine, with the Redis server of a URL."""
    with redis.Redis.from_url(url) as client:
        info: dict[str, Any] = client.info("server")
    name = str(info.get("server_name", "redis"))
    number = info.get(f"{name}_version", info["redis_version"])
    return Machine(
        cpu=_cpu(),
        cores=cores(),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        redis=f"{name} {number} ({redis_binary()[0].name})",
        libraries={name: version(name) for name in LIBRARIES},
        load=round(os.getloadavg()[0], 2),
    )


def cores() -> int:
    """Count the cores that this process may use."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
