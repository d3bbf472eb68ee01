"""Serve the site under load: gunicorn with the demo app on a Redis that workers share."""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis

from demo_app.keys import SECRET
from loadtests.servers import HOST, redis_server, running, wait_for

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 60.0
LAST_WORDS: Final = 4000
"""Bytes of the log that an error shows."""
# Variables of the environment that would make it another test.
LEFT_OUT: Final = (
    "ANOMALY_THRESHOLD GUNICORN_CMD_ARGS IRL_ADMIN_TOKEN PORT TRAINING_INTERVAL TRUSTED_PROXIES"
).split()


class SiteError(Exception):
    """Signal that the site didn't start, or doesn't answer any more; with the end of its log."""


@dataclass(frozen=True)
class Site:
    """Describe a site that runs: port, token of its admin API, file of its log."""

    port: int
    token: str
    log: Path

    @property
    def address(self) -> str:
        """Give its URL."""
        return f"http://{HOST}:{self.port}"

    def get(self, path: str, timeout: float = 15.0) -> str:
        """Read a page; raise :class:`SiteError` if there is no answer, or one other than 200."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise self._error(f"GET {path}: {type(error).__name__}: {error}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise self._error(f"GET {path}: status {response.status}")
        return body

    def _error(self, text: str) -> SiteError:
        log = self.log.read_bytes()[-LAST_WORDS:].decode(errors="replace")
        return SiteError(f"{text}\nIts log:\n{log}")


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
    workers: int,
    store_timeout: float | None = None,
) -> Iterator[Site]:
    """Run the site on a free loopback port until the block ends; raise SiteError if it can't start.

    Its keys in the Redis of the URL begin with the prefix. ``settings`` are environment variables
    for the app; a request waits ``store_timeout`` seconds for Redis, None for the default.
    """
    # As with ``make demo``, a model acts at once.
    options: dict[str, object] = {"IRL_LEARNING_MINUTES": 0, "IRL_KEY_PREFIX": prefix}
    if store_timeout is not None:
        options["IRL_STORE_TIMEOUT"] = store_timeout
    # Listening here and handing the socket on: nobody can take the port in between.
    with (
        tempfile.TemporaryDirectory(prefix="irl-load-") as metrics,
        log.open("wb") as output,
        socket.create_server((HOST, 0), backlog=512) as listening,
    ):
        site = Site(listening.getsockname()[1], secrets.token_urlsafe(24), log)
        environment = {k: v for k, v in os.environ.items() if k not in LEFT_OUT}
        environment |= {
            **settings,
            "REDIS_URL": url,
            "WEB_CONCURRENCY": str(workers),
            "BIND": f"fd://{listening.fileno()}",
            "IRL_ADMIN_TOKEN": site.token,
            SECRET: site.token,
            "PROMETHEUS_MULTIPROC_DIR": metrics,
            # The test chooses the time.
            "TRAINING_INTERVAL": "60",
        }
        command = [sys.executable, "-m", "gunicorn", "-c", "demo_app/gunicorn_redis.py"]
        with running(
            [*command, f"demo_app:create_app({options!r})"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(listening.fileno(),),
            # Ctrl-C is for the test to handle.
            start_new_session=True,
        ) as process:
            listening.close()
            wait_for(lambda: _ready(site, process), START_SECONDS)
            site.get("/metrics", START_SECONDS)
            yield site


def _ready(site: Site, process: subprocess.Popen[bytes]) -> bool | None:
    """Ask a page that isn't limited, and that the site's clients don't ask for; True at the end."""
    try:
        site.get("/metrics", START_SECONDS)
    except SiteError:
        return True if process.poll() is not None else None
    return True
