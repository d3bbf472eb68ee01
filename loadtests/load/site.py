"""Serve the site under load: gunicorn with the demo app on a Redis that workers share."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis

from demo_app.keys import SECRET
from demo_app.server import CONFIG, Server
from loadtests.servers import redis_server

ROOT: Final = Path(__file__).parents[2]
WORKERS: Final = 2


@contextmanager
def store() -> Iterator[tuple[str, str]]:
    """Give the URL of a Redis, and the prefix of the test's keys there.

    It is that of ``REDIS_URL``, where only these keys are removed at the end, or a server's own.
    """
    url = os.environ.get("REDIS_URL")
    if not url:
        with redis_server() as own:
            yield own, "irl"
        return
    prefix = f"irl-load-{secrets.token_hex(4)}-"
    try:
        yield url, prefix
    finally:
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(match=f"{prefix}*", count=1000):
                client.unlink(key)


@contextmanager
def served_site(
    url: str,
    prefix: str,
    log: Path,
    settings: Mapping[str, str],
    *,
    store_timeout: float | None = None,
) -> Iterator[Server]:
    """Run the site on a free loopback port until the block ends; its secret is the admin token.

    Its keys in the Redis of the URL begin with the prefix. ``settings`` are environment variables
    for the app; a request waits ``store_timeout`` seconds for Redis, None for the default.

    Raises:
        ServerError: It can't start.
    """
    # As with ``make demo``, a model acts at once.
    options: dict[str, object] = {"IRL_LEARNING_MINUTES": 0, "IRL_KEY_PREFIX": prefix}
    if store_timeout is not None:
        options["IRL_STORE_TIMEOUT"] = store_timeout
    with tempfile.TemporaryDirectory(prefix="irl-load-") as metrics:
        token = secrets.token_hex(16)
        environment = {
            **settings,
            SECRET: token,
            "IRL_ADMIN_TOKEN": token,
            "REDIS_URL": url,
            "WEB_CONCURRENCY": str(WORKERS),
            "PROMETHEUS_MULTIPROC_DIR": metrics,
            # The test chooses the time.
            "TRAINING_INTERVAL": "60",
        }
        config, app = CONFIG.with_name("gunicorn_redis.py"), f"demo_app:create_app({options!r})"
        with Server(environment, config=config, app=app, log=log) as site:
            yield site
