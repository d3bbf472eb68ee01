"""Run the real nginx of the tests, and install it if it is missing."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.find_redis import install_with_apt
from tests.redis_server import HOST, Closing, end, free_port, wait_until

OVERRIDE = "TEST_NGINX"
"""Environment variable with the path of another nginx than that on PATH."""

PACKAGE = "nginx"
"""Debian's package."""

STOP_TIMEOUT = 5.0
TOOL_TIMEOUT = 60.0
"""Seconds, on a busy machine."""

CONFIG = """
daemon off;
{user}
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


class NoNginxError(RuntimeError):
    """Report that there is no usable nginx, why, and the package to install."""


def find_nginx() -> tuple[Path, str]:
    """Choose the program: ``nginx`` on PATH, or that named by TEST_NGINX.

    Returns:
        Its path, and a description for people, such as ``nginx 1.22.1 (/usr/sbin/nginx)``.

    Raises:
        NoNginxError: There is none, or it doesn't run.
    """
    found = os.environ.get(OVERRIDE) or shutil.which("nginx")
    if not found:
        raise _no_nginx("none on PATH")
    version = _version(Path(found))
    if version is None:
        raise _no_nginx(f"{found} does not run")
    return Path(found), f"nginx {version} ({found})"


def install_nginx_if_missing() -> None:
    """Install Debian's package with apt-get if there is none and this user may; print it."""
    if not (os.environ.get(OVERRIDE) or shutil.which("nginx")):
        install_with_apt("nginx", PACKAGE)


class NginxServer(Closing):
    """Run a server in a temporary folder inside a ``with`` block.

    Args:
        http: What its ``http`` block holds, with ``%PORT%`` for the port to listen on.
    """

    def __init__(self, http: str) -> None:
        self.port = free_port()
        self.binary, _ = find_nginx()
        self.folder = Path(tempfile.mkdtemp(prefix="irl-nginx-"))
        # Else root's workers become others, who can't read the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        self._config = CONFIG.format(
            folder=self.folder, user=user, http=http.replace("%PORT%", f"{HOST}:{self.port}")
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Read its log of errors."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it listens; raises ``RuntimeError`` with its log if it ends."""
        config = self.folder / "nginx.conf"
        config.write_text(self._config)
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                # -e: else it begins with a log in a folder of the system's.
                [self.binary, "-e", self.folder / "log", "-p", self.folder, "-c", config],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._listens, f"nginx at port {self.port}")

    def close(self) -> None:
        """End it and remove its folder."""
        process, self._process = self._process, None
        if process is not None:
            end(process, STOP_TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listens(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            output = (self.folder / "output").read_text(errors="replace")
            raise RuntimeError(f"nginx ended at its start:\n{output}{self.log}")
        try:
            socket.create_connection((HOST, self.port), timeout=TOOL_TIMEOUT).close()
        except OSError:
            return False
        return True


def main() -> int:
    """Make sure that there is an nginx, and print its version and path."""
    install_nginx_if_missing()
    try:
        _, description = find_nginx()
    except NoNginxError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"nginx of the tests: {description}", flush=True)
    return 0


def _version(path: Path) -> str | None:
    try:
        result = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=TOOL_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"nginx/(\d+(?:\.\d+)+)", result.stderr)
    return match[1] if result.returncode == 0 and match else None


def _no_nginx(reason: str) -> NoNginxError:
    return NoNginxError(
        f"The tests need nginx: {reason}. Install it (Debian, Ubuntu: apt-get install {PACKAGE}) "
        f"or name one in {OVERRIDE}."
    )
