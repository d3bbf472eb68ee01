"""gunicorn with two workers that share a store, and connections that stay with one of them."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers import HOST, free_port, wait_until

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
"""Seconds for what takes two or three on an idle machine."""
SHUTDOWN = 15.0
CONFIG = """
workers = 2
worker_class = "gthread"
threads = 4
graceful_timeout = 60
control_socket_disable = True
"""


class Answer(NamedTuple):
    """What a worker answered."""

    status: int
    headers: Mapping[str, str]
    json: Any


class Workers:
    """A gunicorn that serves an app, and what it answers.

    Args:
        folder: For the app's files and the log.
        store: The storage URI, which the app finds in its environment as ``STORE``.
        app: The source of a module whose ``app`` is served; it has a route ``/model``.
        config: gunicorn's configuration.
        **environment: What else the app finds there.
    """

    def __init__(
        self, folder: Path, store: str, app: str, *, config: str = CONFIG, **environment: str
    ) -> None:
        (folder / "shop.py").write_text(textwrap.dedent(app))
        (folder / "conf.py").write_text(textwrap.dedent(config))
        self.port = free_port()
        self._log = folder / "log"
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--config", "conf.py"),
                    *("--bind", f"{HOST}:{self.port}", "shop:app"),
                ],
                cwd=folder,
                env={**os.environ, "STORE": store, "PYTHONPATH": paths, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Workers:
        try:
            wait_until(self._answers, "an answer of gunicorn", PATIENCE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SHUTDOWN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(SHUTDOWN)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str = "/", client: str = "somebody") -> tuple[int, Any]:
        """One request on a connection of its own, so that either worker may get it."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"X-Client": client})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def models(self) -> dict[int, int]:
        """The version of the model in each worker, as far as they were met."""
        found = (self.get("/model")[1] for _ in range(8))
        return {answer["pid"]: answer["version"] for answer in found}

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.get("/model")[0] == 200
        except OSError:
            return False


class Line:
    """A connection that is kept open, so that one worker answers all that is asked on it.

    The app tells in ``X-Worker`` which worker answered.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        self.worker = ""
        self.worker = self.ask("GET", "/model").headers["X-Worker"]

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        client: str = "somebody",
        token: str | None = None,
    ) -> Answer:
        """One request; fails if another worker answers it."""
        headers = {"X-Client": client}
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._connection.request(method, path, body=data, headers=headers)
        response = self._connection.getresponse()
        answer = Answer(response.status, dict(response.headers), json.loads(response.read()))
        assert self.worker in ("", answer.headers["X-Worker"]), "the connection changed workers"
        return answer

    def close(self) -> None:
        """Let the worker go."""
        self._connection.close()


def lines_to_both(port: int) -> tuple[Line, Line]:
    """A line to each of two workers."""
    lines: dict[str, Line] = {}

    def both() -> bool:
        line = Line(port)
        if lines.setdefault(line.worker, line) is not line:
            line.close()
        return len(lines) == 2

    wait_until(both, "a line to each of both workers", PATIENCE)
    one, other = lines.values()
    return one, other
