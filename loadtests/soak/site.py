"""Serve the site of a soak: gunicorn with the demo app on a Redis of its own."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client.samples import Sample

from demo_app.keys import SECRET
from demo_app.server import CONFIG, Server
from loadtests.load import scrape
from tests.redis_server import RedisServer

WORKERS: Final = 2
STORE_TIMEOUT: Final = 0.25
"""Seconds that a request waits for the store: more than usual, for a busy machine may pause for as
long as that by itself, which is no fault."""
TRAINING_MINUTES: Final = 2.0
LIMIT: Final = 100
WINDOW: Final = 10


class Site:
    """Hold a site that runs.

    Args:
        store: Its Redis.
        server: Its gunicorn.
        log: The file with gunicorn's log.
    """

    def __init__(self, store: RedisServer, server: Server, log: Path) -> None:
        self.store = store
        self.server = server
        self.log = log

    @property
    def master(self) -> int:
        """Give the process that starts the workers."""
        return self.server.pid

    def workers(self) -> list[int]:
        """List the processes of the workers, oldest first."""
        path = Path(f"/proc/{self.master}/task/{self.master}/children")
        return sorted(int(pid) for pid in path.read_text("ascii").split())

    def metrics(self) -> list[Sample]:
        """Read the site's own metrics."""
        return scrape.samples(self.server.get("/metrics").decode())


@contextmanager
def served(log: Path, store_timeout: float = STORE_TIMEOUT) -> Iterator[Site]:
    """Run the site until the block ends.

    Args:
        log: The file for its log.
        store_timeout: Seconds that a request waits for the store.

    Raises:
        ServerError: It can't start.
    """
    options: dict[str, object] = {
        "IRL_LEARNING_MINUTES": 0,
        "IRL_STORE_TIMEOUT": store_timeout,
    }
    with (
        RedisServer(config={"enable-debug-command": "yes"}) as store,
        tempfile.TemporaryDirectory(prefix="irl-soak-") as metrics,
    ):
        environment = {
            "BASE_LIMIT": str(LIMIT),
            "WINDOW_SECONDS": str(WINDOW),
            SECRET: secrets.token_hex(16),
            "REDIS_URL": store.url,
            "WEB_CONCURRENCY": str(WORKERS),
            "PROMETHEUS_MULTIPROC_DIR": metrics,
            "TRAINING_INTERVAL": str(TRAINING_MINUTES),
        }
        config, app = CONFIG.with_name("gunicorn_redis.py"), f"demo_app:create_app({options!r})"
        with Server(environment, config=config, app=app, log=log) as server:
            yield Site(store, server, log)
