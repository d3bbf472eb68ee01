"""Start a server of WSGI apps in a situation, have it end, and find what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from tests.integration.wsgi_servers import PATIENCE, ROOT, SERVERS, Command, program
from tests.redis_server import Closing
from tests.servers import HOST, free_port, wait_until

APP: Final = """
import os

from flask import Flask, request
from flask_irl import IntelligentLimiter

app = Flask("shop")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    base_limit=1_000_000,
    store_timeout=float(os.environ.get("STORE_TIMEOUT", 10)),
    training_interval_minutes=0.02,
    min_clients=1,
    key_func=lambda: request.headers["X-Client"],
)

@app.get("/")
def index():
    return str(os.getpid())
"""
ENDLESS: Final = """
import time

while True:
    time.sleep(1)
"""
"""A scikit-learn whose import never ends, whatever becomes of the parent."""
MISSING: Final = 'raise ImportError("not here")\n'
"""A scikit-learn that can't be imported, so that trainings begin again and again."""
CLIENTS: Final = 12
LOOK_SECONDS: Final = 0.05


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition is true, which costs something to find out."""

    def is_true() -> bool:
        if condition():
            return True
        time.sleep(LOOK_SECONDS)
        return False

    wait_until(is_true, what, PATIENCE)


def _gunicorn(*options: str) -> Command:
    def command(host: str, port: int, folder: Path) -> list[str]:
        start = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers=2"]
        return [*start, f"--bind={host}:{port}", *options, "shop:app"]

    return command


def _reloader(host: str, port: int, folder: Path) -> list[str]:
    return [*SERVERS["werkzeug"].command(host, port, folder), "--reload"]


COMMANDS: Final[dict[str, Command]] = {
    "sync": _gunicorn(),
    "gthread": _gunicorn("-kgthread", "--threads=4"),
    "gevent": _gunicorn("-kgevent"),
    "preloaded": _gunicorn("-kgthread", "--threads=4", "--preload"),
    "recycled": _gunicorn("-kgthread", "--threads=4", "--max-requests=40"),
    "uWSGI": SERVERS["uWSGI http-socket"].command,
    "granian": SERVERS["granian"].command,
    "waitress": SERVERS["waitress"].command,
    "flask run": SERVERS["werkzeug"].command,
    "flask run --reload": _reloader,
    # As that does where there is no watchdog, which may be told of more files than it can take.
    "reloader by stat": program(
        """
        from werkzeug.serving import run_simple
        import shop
        run_simple(HOST, PORT, shop.app, use_reloader=True, reloader_type="stat")
        """
    ),
}
"""The servers by a name for people."""


class Leaving(Closing):
    """Run a server within a ``with`` block.

    Args:
        name: Its name.
        folder: For the app's files and the log.
        store: The storage URI.
        sklearn: Source of the scikit-learn that trainings import; None for the real one.
        **environment: What else the app finds there.
    """

    def __init__(
        self, name: str, folder: Path, store: str, sklearn: str | None = None, **environment: str
    ) -> None:
        self._folder = folder
        self._port = free_port()
        self._command = COMMANDS[name](HOST, self._port, folder)
        (folder / "shop.py").write_text(APP)
        if sklearn is not None:
            (folder / "sklearn").mkdir()
            (folder / "sklearn" / "__init__.py").write_text(sklearn)
        paths = os.pathsep.join([str(folder), str(ROOT)])
        # The folder of temporary files is what tells its processes from all others, trainings too.
        self._environment = {"STORE": store, "PYTHONPATH": paths, "TMPDIR": str(folder)}
        self._environment |= environment
        self._log = folder / "log"

    def start(self) -> None:
        """Start it, and wait until it has answered each of some clients several times."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._answers, "an answer of the server", PATIENCE)
        for number in range(8 * CLIENTS):
            self.ask(f"client {number % CLIENTS}")

    def close(self) -> None:
        """End all that is left of it, by force."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    @property
    def log(self) -> str:
        """Read all that it wrote."""
        return self._log.read_text(errors="replace")

    def ask(self, client: str = "somebody") -> str:
        """Send a request on a connection of its own, and give the answer."""
        connection = HTTPConnection(HOST, self._port, timeout=PATIENCE)
        try:
            connection.request("GET", "/", headers={"X-Client": client})
            response = connection.getresponse()
            text = response.read().decode()
            return text if response.status == 200 else f"status {response.status}"
        finally:
            connection.close()

    def leave(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Have it end, as an operator does by SIGTERM, and a terminal by SIGINT to all of it.

        Returns:
            Its exit code.

        Raises:
            subprocess.TimeoutExpired: It doesn't end.
        """
        if sent == signal.SIGINT:
            os.killpg(self.process.pid, sent)
        else:
            self.process.send_signal(sent)
        return self.process.wait(PATIENCE)

    def processes(self) -> list[int]:
        """List all processes of it that live, children of trainings too."""
        mark = f"TMPDIR={self._folder}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    environment = (folder / "environ").read_bytes().split(b"\0")
                    state = (folder / "stat").read_text(errors="replace").rpartition(")")[2]
                except OSError:
                    continue
                if mark in environment and state.split()[0] != "Z":
                    found.append(int(folder.name))
        return found

    def workers(self) -> set[int]:
        """Give the processes beside the first one."""
        return set(self.processes()) - {self.process.pid}

    def trainings(self) -> list[int]:
        """List the processes of trainings."""
        found = []
        for pid in self.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"flask_irl.training.child" in words:
                found.append(pid)
        return found

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended at its start:\n{self.log}")
        try:
            return self.ask().isdigit()
        except (OSError, HTTPException):
            return False


class Load:
    """Send requests, each on a connection of its own, all the time within a ``with`` block.

    Attributes:
        workers: The processes that answered, with the number of their answers.
        lost: What went wrong with others.
    """

    def __init__(self, server: Leaving, threads: int = 2) -> None:
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        self.workers: Counter[str] = Counter()
        self.lost: list[str] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _run(self) -> None:
        while not self._over.wait(0.01):
            try:
                answer = self._server.ask()
            except (OSError, HTTPException) as error:
                self.lost.append(repr(error))
                continue
            if answer.isdigit():
                self.workers[answer] += 1
            else:
                self.lost.append(answer)
