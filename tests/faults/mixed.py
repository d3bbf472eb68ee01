"""Have servers that forget, have another time or another password, and workers of another build."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faketime import SetClock, server_with_clock
from tests.faults.stage import COUNTED, FILLERS, Stage, run
from tests.integration.hosts import Host
from tests.integration.old_build import check_out_old
from tests.redis_server import HOST, RedisServer

HOUR = 3600.0
ROOM = 200_000
"""Bytes that a full server has beside what is in it."""


@contextmanager
def evicting() -> Iterator[Stage]:
    """Have others write all the time into a full server, which forgets what nobody asked for."""
    with RedisServer(config={"maxmemory-policy": "allkeys-lru"}) as server:
        stop = threading.Event()

        def write() -> None:
            number = 0
            with server.client() as client:
                while not stop.wait(0.01):
                    pipeline = client.pipeline()
                    for _ in range(FILLERS // 100):
                        number += 1
                        pipeline.set(f"filler{number}", "x" * 1000)
                    pipeline.execute()

        writer = threading.Thread(target=write, name="faults-writer", daemon=True)

        def fill() -> None:
            with server.client() as client:
                used = client.info("memory")["used_memory"]
                client.config_set("maxmemory", used + ROOM)
            writer.start()

        def end() -> None:
            stop.set()
            writer.join()
            run(server, "CONFIG", "SET", "maxmemory", "0")

        yield Stage(server.url, fill, end)
        stop.set()


@contextmanager
def clock_set_back() -> Iterator[Stage]:
    """Set a server's clock right, which was an hour ahead."""
    with tempfile.TemporaryDirectory(prefix="irl-clock-") as folder:
        clock = SetClock(Path(folder, "clock"), HOUR)
        with RedisServer(binary=server_with_clock(), environ=clock.environ) as server:
            yield Stage(server.url, lambda: clock.set(0.0), lambda: None)


@contextmanager
def wrong_password() -> Iterator[Stage]:
    """Start a worker with a password that isn't the server's until the end of the fault."""
    with RedisServer(config={"requirepass": "right"}) as server:

        def mend() -> None:
            with server.client() as client:
                client.config_set("requirepass", "wrong")

        yield Stage(
            f"redis://:wrong@{HOST}:{server.port}/0", lambda: None, mend, known_by=server.url
        )


@contextmanager
def two_versions() -> Iterator[Stage]:
    """Have a worker of an earlier build serve the same clients."""
    with tempfile.TemporaryDirectory(prefix="irl-old-") as folder, RedisServer() as server:
        options = {"storage_uri": server.url, "base_limit": 1_000_000, "store_timeout": 5.0}
        log = Path(folder, "log")
        with Host({"site": options}, build=check_out_old(Path(folder)), log=log) as old:

            def ask() -> None:
                clients = [COUNTED, *(f"198.51.100.{number}" for number in range(100))]
                assert set(old.asks("site", *clients)) == {200}
                assert set(old.asks("site", "192.0.2.2")) == {429}

            yield Stage(server.url, ask, ask)
            for word in ("Traceback", "state_damaged", "store_error", "limiter_error"):
                assert word not in log.read_text()
