"""The site that the load test is for: gunicorn with the demo app on a store that workers share."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis

from loadtests.servers import redis_server

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = "demo_app/gunicorn_redis.py"
HOST: Final = "127.0.0.1"
BACKLOG: Final = 512
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
LAST_WORDS: Final = 4000
"""Bytes of the log that an error shows."""
LEARNS_FAST: Final = {"IRL_LEARNING_MINUTES": 0}
"""As make demo has it: a model that acts at once."""
# What in the environment would make it another test.
LEFT_OUT: Final = (
    "ANOMALY_THRESHOLD GUNICORN_CMD_ARGS IRL_ADMIN_TOKEN PORT TRAINING_INTERVAL TRUSTED_PROXIES"
).split()


class SiteError(Exception):
    """The site didn't start, or doesn't answer any more; says what its log says."""


@contextmanager
def store() -> Iterator[tuple[str, str]]:
    """A Redis for the test, and the prefix of its keys there.

    That of ``REDIS_URL`` (nothing of it but the test's own keys is touched, and they are removed),
    or else a server of the test's own.
    """
    given = os.environ.get("REDIS_URL")
    if not given:
        with redis_server() as url:
            yield url, "irl"
        return
    prefix = f"irl-load-{secrets.token_hex(4)}-"
    try:
        yield given, prefix
    finally:
        with redis.Redis.from_url(given) as client:
            for key in client.scan_iter(match=f"{prefix}*", count=1000):
                client.unlink(key)


class Site:
    """Runs inside a ``with`` block, on a free port of the loopback interface.

    Args:
        url: Of its Redis.
        prefix: Of its keys there.
        log: The file for what it says.
        settings: Environment variables for the app, such as ``BASE_LIMIT``.
        workers: How many processes serve it.
        store_timeout: Seconds that a request waits for Redis; None for the default.

    Attributes:
        address: Its own URL.
        token: Of its admin API.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        log: Path,
        settings: Mapping[str, str],
        *,
        workers: int,
        store_timeout: float | None = None,
    ) -> None:
        self._options: dict[str, object] = {**LEARNS_FAST, "IRL_KEY_PREFIX": prefix}
        if store_timeout is not None:
            self._options["IRL_STORE_TIMEOUT"] = store_timeout
        self._log = log
        self._settings = {**settings, "REDIS_URL": url, "WEB_CONCURRENCY": str(workers)}
        self._process: subprocess.Popen[bytes] | None = None
        self._metrics = tempfile.TemporaryDirectory(prefix="irl-load-")
        self._port = 0
        self.token = secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        """Its own URL."""
        return f"http://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        # Listening here and handing the socket on: nobody can take the port in between.
        with socket.create_server((HOST, 0), backlog=BACKLOG) as listening:
            self._port = listening.getsockname()[1]
            environment = {k: v for k, v in os.environ.items() if k not in LEFT_OUT}
            environment |= self._settings | {
                "BIND": f"fd://{listening.fileno()}",
                "IRL_ADMIN_TOKEN": self.token,
                "PROMETHEUS_MULTIPROC_DIR": self._metrics.name,
                # The test says when.
                "TRAINING_INTERVAL": "60",
            }
            app = f"demo_app:create_app({self._options!r})"
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "gunicorn", "-c", CONFIG, app],
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(listening.fileno(),),
                    # Ctrl-C is for the test to handle.
                    start_new_session=True,
                )
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._metrics.cleanup()

    def get(self, path: str, timeout: float = 15.0) -> str:
        """The body of a page.

        Raises:
            SiteError: It is not to be had.
        """
        connection = http.client.HTTPConnection(HOST, self._port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise SiteError(
                f"GET {path}: {type(error).__name__}: {error}\n{self._said()}"
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            raise SiteError(f"GET {path}: status {response.status}\n{self._said()}")
        return body

    def _wait(self) -> None:
        # A page that isn't limited, and that the site's clients don't ask for.
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.get("/metrics", START_SECONDS)
                return
            except SiteError:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _said(self) -> str:
        return "Its log:\n" + self._log.read_bytes()[-LAST_WORDS:].decode(errors="replace")
