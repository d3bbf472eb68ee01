"""Run hosts of a site: processes with clocks, and builds of flask_irl, of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faketime import SetClock
from tests.redis_server import Closing, end

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("host_program.py")
PATIENCE = 30.0
"""Seconds for what takes two or three on an idle machine."""
OPERATOR = "198.51.100.254"


class Host(Closing):
    """Serve apps in a process.

    Args:
        apps: Options of each app's limiter, by name.
        build: Folder whose flask_irl it runs.
        environ: Environment variables beside this process's.
        clock: Its clock; by default that of the system.
        log: File for its log; by default it goes where that of this process does.
    """

    def __init__(
        self,
        apps: Mapping[str, Mapping[str, Any]],
        *,
        build: Path = ROOT,
        environ: Mapping[str, str] | None = None,
        clock: SetClock | None = None,
        log: Path | None = None,
    ) -> None:
        self._apps = apps
        self._build = build
        self._log = log
        self._environ = dict(environ or {})
        if clock is not None:
            self._environ["CLOCK"] = str(clock.file)
        self._process: subprocess.Popen[str] | None = None
        self.started_at = 0.0
        """Time at its first question, by its own clock."""

    def start(self) -> None:
        """Start it; the first call waits until it is ready."""
        places = (str(self._build), self._environ.get("PYTHONPATH", ""))
        paths = os.pathsep.join(filter(None, places))
        with contextlib.ExitStack() as stack:
            log = None if self._log is None else stack.enter_context(self._log.open("w"))
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), json.dumps(self._apps)],
                cwd=self._build,
                env={**os.environ, **self._environ, "PYTHONPATH": paths},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def close(self) -> None:
        """End it as a server does that has no more requests."""
        process = self._process
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.stdout.close()
            end(process, PATIENCE)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def asks(self, app: str, *clients: str, path: str = "/") -> list[int]:
        """Send a request of each client, and give the statuses."""
        statuses, _ = self._call(app, "GET", path, None, clients)
        return statuses

    def admin(self, app: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the admin API; give the status and the answer."""
        [status], answer = self._call(app, method, f"/admin/{path}", body, [OPERATOR])
        return status, answer

    def _call(
        self, app: str, method: str, path: str, body: object, clients: Sequence[str]
    ) -> tuple[list[int], Any]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        if not self.started_at:
            self.started_at, module = json.loads(process.stdout.readline())
            assert Path(module).is_relative_to(self._build)
        print(json.dumps([app, method, path, body, clients]), file=process.stdin, flush=True)
        statuses, answer = json.loads(process.stdout.readline())
        return statuses, answer
