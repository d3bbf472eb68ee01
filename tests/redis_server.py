"""Run a real Redis server for a test: on a free loopback port, in a temporary folder."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.find_redis import redis_binary

HOST = "127.0.0.1"
START_TIMEOUT = 20.0
"""Seconds that a server may take to answer, or a cluster to agree."""

STOP_TIMEOUT = 5.0
"""Seconds that a server may take to end before it is killed."""

# Below the range that the system gives to outgoing connections: from there, a client that
# knocks on the port of a stopped server could be given that very port and reach itself.
_FIRST_PORT, _LAST_PORT = 20_000, 31_999
_chosen_ports: set[int] = set()
# Not seeded, so that forks of one process don't all choose the same ports.
_random = random.SystemRandom()


def free_port() -> int:
    """Choose a loopback TCP port that is not listened on, and was not chosen here before."""
    ports = ports_of_worker(os.environ)
    while True:
        port = _random.choice(ports)
        if port in _chosen_ports:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        _chosen_ports.add(port)
        return port


def ports_of_worker(environment: Mapping[str, str]) -> range:
    """Give a worker of pytest-xdist its share of the ports, which no other worker chooses from.

    A port that one of them has chosen may be free for a moment: before a server starts, or while
    it restarts.
    """
    workers = int(environment.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(environment.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(_FIRST_PORT + number % workers, _LAST_PORT + 1, workers)


def wait_until(condition: Callable[[], object], what: str, timeout: float = START_TIMEOUT) -> None:
    """Return as soon as ``condition()`` is true.

    Args:
        condition: Called every few milliseconds; a redis-py error counts as false.
        what: Name of the condition, for the message.
        timeout: Seconds.

    Raises:
        TimeoutError: The condition was not true in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(0.005)


def end(process: subprocess.Popen[Any], timeout: float) -> None:
    """End a process if it still runs, by force if it takes longer than so many seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout)


class Closing:
    """Start at the beginning of a ``with`` block, and close at its end."""

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        raise NotImplementedError

    def close(self) -> None:
        """End it, and remove its files."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RedisServer(Closing):
    """Run a server without persistence inside a ``with`` block.

    Args:
        port: TCP port on 127.0.0.1, a free one by default; fixed before the start.
        unix_socket: Listen on a Unix socket too, and let ``url`` and ``client()`` use it.
        config: Directives of redis.conf beside, or instead of, those set here.
        arguments: Further arguments of the command line.
        binary: Server to run, that of ``redis_binary()`` by default.
        environ: Environment variables of its process beside this one's.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        unix_socket: bool = False,
        config: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        binary: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port() if port is None else port
        self.binary = binary or redis_binary()[0]
        self.folder = Path(tempfile.mkdtemp(prefix="irl-redis-"))
        self.socket_path = self.folder / "redis.sock" if unix_socket else None
        self._config = dict(config or {})
        self._arguments = arguments
        self._environ = environ or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        _open_servers.add(self)

    @property
    def url(self) -> str:
        """Give the storage URI of its database 0."""
        login = f":{self._password}@" if self._password else ""
        if self.socket_path is not None:
            return f"unix://{login}{self.socket_path}?db=0"
        return f"redis://{login}{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """Give its process id; raises ``RuntimeError`` when it is not running."""
        return self._running_process().pid

    @property
    def running(self) -> bool:
        """Tell whether its process is alive, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def client(self, **options: Any) -> redis.Redis:
        """Make a client that by default neither retries nor waits longer than a second."""
        address: dict[str, Any] = (
            {"unix_socket_path": str(self.socket_path)}
            if self.socket_path is not None
            else {"host": HOST, "port": self.port}
        )
        return redis.Redis(**(address | impatient() | {"password": self._password} | options))

    def start(self) -> None:
        """Start it and wait until it answers; raises ``RuntimeError`` with its log if it ends."""
        self.launch()
        with self.client() as client:
            wait_until(lambda: self._answers(client), f"an answer of the server on {self.url}")

    def launch(self) -> None:
        """Start it, and don't wait: it may have much to load."""
        if self.running:
            raise RuntimeError(f"the server on port {self.port} is running already")
        conf = self.folder / "redis.conf"
        conf.write_text("".join(f"{name} {value}\n" for name, value in self._directives().items()))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, conf, *self._arguments],
                cwd=self.folder,
                env={**os.environ, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End it as an operator would (SIGTERM), even when it is frozen."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        process = self._running_process()
        process.kill()
        process.wait(STOP_TIMEOUT)
        self._process = None

    def restart(self) -> None:
        """Start it anew on the same port, and empty; end it first if it is running."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Hang it (SIGSTOP): the system still accepts connections, nothing is answered."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on after ``freeze`` (SIGCONT), and wait until it answers."""
        os.kill(self.pid, signal.SIGCONT)
        with self.client() as client:
            wait_until(lambda: self._answers(client), f"the thawed server on {self.url}")

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        _open_servers.discard(self)

    def configure(self, **directives: str) -> None:
        """Change directives of redis.conf, ``_`` for ``-``, from its next start on."""
        self._config |= {name.replace("_", "-"): value for name, value in directives.items()}

    @property
    def owned(self) -> bool:
        """Tell whether this process made it, and did not merely inherit it in a fork."""
        return self._owner == os.getpid()

    @property
    def _password(self) -> str | None:
        return self._config.get("requirepass")

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _directives(self) -> dict[str, str]:
        directives = {
            "bind": HOST,
            "port": str(self.port),
            "dir": f'"{self.folder}"',
            "save": '""',
            "appendonly": "no",
        }
        if self.socket_path is not None:
            directives["unixsocket"] = f'"{self.socket_path}"'
        return directives | self._config

    def _running_process(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the server on port {self.port} is not running")
        return self._process

    def _answers(self, client: redis.Redis) -> bool:
        if not self.running:
            log = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the server on port {self.port} ended at its start:\n{log}")
        if not client.ping():
            return False
        # The port could have been taken by another server in the meantime.
        return bool(client.info("server")["process_id"] == self.pid)


def impatient() -> dict[str, Any]:
    """Give options of a redis-py client that fails at once, or in a second without an answer."""
    return {
        "socket_timeout": 1.0,
        "socket_connect_timeout": 1.0,
        "retry": Retry(NoBackoff(), 0),
    }


_open_servers: set[RedisServer] = set()


@atexit.register
def _close_servers() -> None:
    for server in list(_open_servers):
        if server.owned:
            server.close()
