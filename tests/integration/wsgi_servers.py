"""The WSGI servers of PyPI and Debian, each with the command that starts it on one small app."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from pathlib import Path
from typing import Final

from tests.apache import MODULES, USER, why_no_apache
from tests.servers import HOST, free_port, wait_until

ROOT: Final = Path(__file__).parents[2]
SITE_PACKAGES: Final = Path(str(importlib.util.find_spec("flask").origin)).parents[1]  # type: ignore[union-attr]
MOD_WSGI: Final = "mod_wsgi"
"""Stands for Apache with it, which is not found by a Python module."""

PATIENCE: Final = 40.0
"""Seconds for what takes one on an idle machine."""

APP: Final = """
import os

from flask import Flask
from flask_irl import IntelligentLimiter

app = Flask("shop")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    base_limit=int(os.environ["LIMIT"]),
    # Nothing here is about time, and the machine may be busy.
    store_timeout=10.0,
    train=False,
)

@app.get("/")
def index():
    return "hello"

@app.get("/ready")
@limiter.exempt
def ready():
    return "yes"

if "ASGI" in os.environ:
    from a2wsgi import WSGIMiddleware

    asgi = WSGIMiddleware(app)
"""

APACHE: Final = """
ServerName shop
{user}
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog /dev/stderr
Listen {host}:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
StartServers 1
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess shop processes=1 threads=4
WSGIScriptAlias / {folder}/shop.wsgi process-group=shop application-group=%{{GLOBAL}}
<Directory {folder}>
    Require all granted
</Directory>
"""

Command = Callable[[str, int, Path], list[str]]
"""Gives the arguments of a server by host, port and folder."""


@dataclass(frozen=True, slots=True)
class WsgiServer:
    """Name a server and say how it is started and ended.

    Attributes:
        needs: Module without which it can't run here.
        command: Its arguments.
        ends_python: Whether it lets Python end on SIGTERM, so that what ``atexit`` holds runs.
        asgi: Whether it serves the app by way of a2wsgi.
    """

    needs: str
    command: Command
    ends_python: bool = True
    asgi: bool = False

    @property
    def missing(self) -> str:
        """Say why it can't run here; empty if it can."""
        if self.needs == MOD_WSGI:
            return why_no_apache(ROOT, SITE_PACKAGES)
        return "" if importlib.util.find_spec(self.needs) else f"{self.needs} isn't installed"


def _module(*arguments: str) -> Command:
    """Run ``python -m`` with arguments in which ``{host}`` and ``{port}`` stand for the address."""

    def command(host: str, port: int, folder: Path) -> list[str]:
        filled = (argument.format(host=host, port=port) for argument in arguments)
        return [sys.executable, "-m", *filled]

    return command


def program(source: str) -> Command:
    """Run lines of Python that know ``HOST`` and ``PORT``."""

    def command(host: str, port: int, folder: Path) -> list[str]:
        lines = f"HOST, PORT = {host!r}, {port}\n{textwrap.dedent(source)}"
        (folder / "serve.py").write_text(lines)
        return [sys.executable, "serve.py"]

    return command


def _uwsgi(option: str) -> Command:
    def command(host: str, port: int, folder: Path) -> list[str]:
        return [
            str(Path(sys.executable).with_name("uwsgi")),
            *(option, f"{host}:{port}", "--module", "shop:app", "--need-app"),
            # It takes SIGTERM for a wish to be started anew.
            *("--master", "--die-on-term", "--disable-logging"),
        ]

    return command


def _apache(host: str, port: int, folder: Path) -> list[str]:
    paths = f"import sys\nsys.path[:0] = {[str(folder), str(ROOT), str(SITE_PACKAGES)]}\n"
    (folder / "shop.wsgi").write_text(f"{paths}from shop import app as application\n")
    user = f"User {USER}\nGroup {USER}" if os.geteuid() == 0 else ""
    filled = APACHE.format(folder=folder, host=host, port=port, modules=MODULES, user=user)
    (folder / "apache.conf").write_text(filled)
    return ["apache2", "-f", str(folder / "apache.conf"), "-D", "FOREGROUND"]


SERVERS: Final[Mapping[str, WsgiServer]] = {
    "gunicorn sync": WsgiServer(
        "gunicorn", _module("gunicorn", "--no-control-socket", "--bind={host}:{port}", "shop:app")
    ),
    "gunicorn gevent": WsgiServer(
        "gevent",
        _module("gunicorn", "--no-control-socket", "-kgevent", "--bind={host}:{port}", "shop:app"),
    ),
    # It lets Python end only where no request is under way, to the last of its own bookkeeping.
    "uWSGI http-socket": WsgiServer("pyuwsgi", _uwsgi("--http-socket"), ends_python=False),
    "uWSGI http": WsgiServer("pyuwsgi", _uwsgi("--http"), ends_python=False),
    "mod_wsgi": WsgiServer(MOD_WSGI, _apache),
    "granian": WsgiServer(
        "granian",
        _module("granian", "--interface=wsgi", "--host={host}", "--port={port}", "shop:app"),
        ends_python=False,
    ),
    "waitress": WsgiServer(
        "waitress", _module("waitress", "--listen={host}:{port}", "shop:app"), ends_python=False
    ),
    "cheroot": WsgiServer(
        "cheroot", _module("cheroot", "--bind={host}:{port}", "shop:app"), ends_python=False
    ),
    "bjoern": WsgiServer(
        "bjoern",
        program("import bjoern, shop\nbjoern.run(shop.app, HOST, PORT)"),
        ends_python=False,
    ),
    "hypercorn": WsgiServer("hypercorn", _module("hypercorn", "--bind={host}:{port}", "shop:app")),
    "hypercorn with a2wsgi": WsgiServer(
        "hypercorn", _module("hypercorn", "--bind={host}:{port}", "shop:asgi"), asgi=True
    ),
    "uvicorn with a2wsgi": WsgiServer(
        "uvicorn",
        _module("uvicorn", "--host={host}", "--port={port}", "--no-access-log", "shop:asgi"),
        ends_python=False,
        asgi=True,
    ),
    "gevent": WsgiServer(
        "gevent",
        program(
            """
            from gevent import monkey
            monkey.patch_all()
            from gevent.pywsgi import WSGIServer
            import shop
            WSGIServer((HOST, PORT), shop.app, log=None).serve_forever()
            """
        ),
        ends_python=False,
    ),
    "eventlet": WsgiServer(
        "eventlet",
        program(
            """
            import eventlet
            eventlet.monkey_patch()
            from eventlet import wsgi
            import shop
            wsgi.server(eventlet.listen((HOST, PORT)), shop.app, log_output=False)
            """
        ),
        ends_python=False,
    ),
    "werkzeug": WsgiServer(
        "werkzeug",
        _module("flask", "--app=shop", "run", "--host={host}", "--port={port}"),
        ends_python=False,
    ),
}
"""The servers by a name for people."""


class Running:
    """Run a server within a ``with`` block.

    Args:
        server: The server.
        folder: For the app's files and the log.
        store: The storage URI.
        limit: Requests of the app's base limit.
    """

    def __init__(self, server: WsgiServer, folder: Path, store: str, limit: int) -> None:
        self._server = server
        self._port = free_port()
        self._log = folder / "log"
        (folder / "shop.py").write_text(APP)
        paths = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {"STORE": store, "LIMIT": str(limit), "PYTHONPATH": paths}
        if server.asgi:
            environment["ASGI"] = "yes"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                server.command(HOST, self._port, folder),
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # So that none of its processes can outlive it.
                start_new_session=True,
            )

    def __enter__(self) -> Running:
        try:
            wait_until(self._answers, "an answer of the server", PATIENCE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)

    @property
    def log(self) -> str:
        """Read all that it wrote."""
        return self._log.read_text(errors="replace")

    def get(self, path: str = "/") -> tuple[int, HTTPMessage]:
        """Send a request, and give the answer's status and headers."""
        connection = HTTPConnection(HOST, self._port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status, response.headers
        finally:
            connection.close()

    def stop(self) -> None:
        """End it as an operator would (SIGTERM), and wait for that.

        Raises:
            subprocess.TimeoutExpired: It didn't end.
        """
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the server ended at its start:\n{self.log}")
        try:
            return self.get("/ready")[0] == 200
        except (OSError, HTTPException):
            return False
