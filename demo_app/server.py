"""Run gunicorn with the demo app as a child process on a free port."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from demo_app.keys import SECRET, issue_key
from demo_app.served import INSIDE
from flask_irl.config.sources import PREFIX

ROOT: Final = Path(__file__).parents[1]
CONFIG: Final = Path(__file__).with_name("gunicorn_memory.py")
HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
BACKLOG: Final = 512
LAST_WORDS: Final = 4000
"""Bytes of the log that an error shows."""
LEFT_OUT: Final = (
    "ANOMALY_THRESHOLD BASE_LIMIT BIND GUNICORN_CMD_ARGS PORT PROMETHEUS_MULTIPROC_DIR REDIS_URL "
    "TRAINING_INTERVAL TRUSTED_PROXIES WEB_CONCURRENCY WINDOW_SECONDS"
).split()
"""Environment variables that would make it another demo, beside all that begin with ``IRL_``."""


class ServerError(Exception):
    """Report that the server didn't start or doesn't answer any more, with the end of its log."""


class Server:
    """Run the server inside a ``with`` block.

    Args:
        options: Environment variables for the app, such as ``BASE_LIMIT``.
        config: The configuration of gunicorn; by default that of the embedded store.
        app: The app, as gunicorn is told of it; by default the demo's.
        log: The file for the log, by default a temporary one.

    Attributes:
        port: Port on the loopback interface.
        secret: Secret of the clients' keys.
    """

    def __init__(
        self,
        options: Mapping[str, str],
        *,
        config: Path = CONFIG,
        app: str = "demo_app.served:create_app()",
        log: Path | None = None,
    ) -> None:
        self.secret = options.get(SECRET) or secrets.token_hex(16)
        self._options = {**options, SECRET: self.secret}
        self._command = (sys.executable, "-m", "gunicorn", "-c", str(config), app)
        self._process: subprocess.Popen[bytes] | None = None
        # Closed in __exit__.
        self._log = tempfile.TemporaryFile() if log is None else log.open("w+b")  # noqa: SIM115
        self.port = 0

    def __enter__(self) -> Self:
        # The socket is opened here and handed on: no other process can take the port meanwhile, and
        # early connections wait instead of being refused.
        with socket.create_server((HOST, 0), backlog=BACKLOG) as listening:
            self.port = listening.getsockname()[1]
            environment = {
                name: value
                for name, value in os.environ.items()
                if name not in LEFT_OUT and not name.startswith(PREFIX)
            }
            environment |= self._options | {"BIND": f"fd://{listening.fileno()}"}
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=(listening.fileno(),),
                # Ctrl-C is for the demo to handle.
                start_new_session=True,
            )
        try:
            # Neither limited nor asked for by the clients.
            self.get("/metrics", START_SECONDS)
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
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._log.close()

    @property
    def pid(self) -> int:
        """Give the id of the process that starts the workers; 0 where the server doesn't run."""
        return 0 if self._process is None else self._process.pid

    def key(self, name: str) -> str:
        """Issue the API key of a client by its name."""
        return issue_key(name, self.secret)

    def get(self, path: str, timeout: float = 10.0) -> bytes:
        """Fetch the body of a page.

        Raises:
            ServerError: There is no answer, or one of another status than 200.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(
                f"GET {path}: {type(error).__name__}: {error}\n{self._last_words()}"
            ) from error
        finally:
            connection.close()
        if response.status != 200:
            raise ServerError(f"GET {path}: status {response.status}\n{self._last_words()}")
        return body

    def metric(self, name: str) -> float:
        """Sum up a metric's samples of ``/metrics``."""
        text = self.get("/metrics").decode()
        values = re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for value in values)

    def inside(self) -> dict[str, Any]:
        """Fetch the description of the model in force and the last training."""
        description: dict[str, Any] = json.loads(self.get(INSIDE))
        return description

    def _last_words(self) -> str:
        if self._process is not None and self._process.poll() is not None:
            ended = f"The server has ended with status {self._process.returncode}. "
        else:
            ended = ""
        # Not by seeking: the server writes where this end of the file stands, too.
        log = self._log.fileno()
        start = max(0, os.fstat(log).st_size - LAST_WORDS)
        return f"{ended}Its log:\n{os.pread(log, LAST_WORDS, start).decode(errors='replace')}"
