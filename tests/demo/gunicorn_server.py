"""gunicorn with one of the demo app's configurations, on a real socket."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.servers import HOST, free_port, wait_until

ROOT = Path(__file__).parents[2]
MEMORY = "demo_app/gunicorn_memory.py"
REDIS = "demo_app/gunicorn_redis.py"
MEMORY_APP = "demo_app:create_app()"
# Nothing here is about time, and the machine may be busy.
REDIS_APP = "demo_app:create_app({'IRL_STORE_TIMEOUT': 10.0})"
START = 60.0
STOP = 30.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Gunicorn:
    """A gunicorn of the demo app, with a home folder of its own; runs in a ``with`` block."""

    def __init__(self, config: str, home: Path, *arguments: str, **environment: str) -> None:
        self.port = free_port()
        self.home = home
        self._log = home / "log"
        # As a script, or it can't start its successor: by -m it would import its own http.
        script = str(Path(sys.executable).with_name("gunicorn"))
        self._command = [sys.executable, script, "-c", config, *arguments]
        self._environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.healthy = 0
        """How often ``/health`` was answered until it was ready."""

    def start(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*self._command, REDIS_APP if REDIS in self._command else MEMORY_APP],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        process = self.start()
        wait_until(lambda: self._answers() or process.poll() is not None, "gunicorn", START)
        assert process.poll() is None, self.log
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(STOP)
        finally:
            self.process.kill()

    def get(self, path: str, key: str | None = None) -> Answer:
        """Ask on a new connection, so that any worker may answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=START)
        try:
            connection.request("GET", path, headers={} if key is None else {"X-API-Key": key})
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, dict(response.headers), text)
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            self.healthy += (answers := self.get("/health").status == 200)
            return answers
        except OSError:
            return False
