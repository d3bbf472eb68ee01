"""Run the shell blocks of a page in order, in one folder, beside the servers that they start."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from tests.docs.blocks import BLOCKS, ROOT, Block
from tests.docs.exceptions import reason
from tests.redis_server import HOST, Closing, end, free_port, wait_until
from tests.scripts import write_script

STARTS_A_SERVER: Final = re.compile(
    r"^(?:\w+=\S+ )*(?:flask run|gunicorn|make run)\b", re.MULTILINE
)
ADDRESSES: Final = re.compile(r"\b(?:localhost|127\.0\.0\.1):(?:5000|8000)\b")
"""Addresses of the servers that blocks start; a test's servers are at free ports."""
REDIS_ADDRESS: Final = re.compile(r"\b(?:localhost|127\.0\.0\.1):6379\b")
BIN: Final = Path(sys.executable).parent
SOURCES: Final = ("pyproject.toml", "README.md", "LICENSE", "flask_irl")
LOG: Final = '203.0.113.{} - - [26/Nov/2026:10:00:{:02} +0000] "GET /api/data HTTP/1.1" 200 512\n'
TIMEOUT: Final = 120.0
STOP: Final = 10.0


class Page(Closing):
    """Run blocks as somebody would who pastes them one after the other.

    What they may expect is there: the page's files, an app ``yourapp``, an access log, a Redis,
    and the tools of a virtual environment with flask_irl. Only addresses are others.

    Args:
        folder: An empty folder, where blocks run.
        redis: Address of the Redis, as in a URL.
        environment: More environment variables.
    """

    def __init__(self, folder: Path, redis: str, **environment: str) -> None:
        self.folder = folder
        self._redis = redis
        self._port = free_port()
        self._servers = ExitStack()
        tools = folder / "tools"
        # make, but for its setting up of a virtual environment.
        stamps = " ".join(f"-o {BIN.parent}/.stamp-{name}" for name in ("venv", "demo"))
        self._environment = {
            "PATH": f"{tools}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "REDIS_URL": f"redis://{redis}/0",
            "PORT": str(self._port),
            "FLASK_RUN_PORT": str(self._port),
            "GUNICORN_CMD_ARGS": f"--bind {HOST}:{self._port}",
            "COLUMNS": "200",
            **environment,
        }
        tools.mkdir()
        write_script(
            tools / "make",
            f'exec {shutil.which("make")} -s -C {ROOT} VENV={BIN.parent} {stamps} "$@"',
        )

    def start(self) -> None:
        """Write the files that blocks expect."""
        (self.folder / "yourapp.py").write_text(
            "from demo_app import create_app\n\napp = create_app()\n"
        )
        # Paths of a checkout.
        (self.folder / "demo_app").symlink_to(ROOT / "demo_app")
        with gzip.open(self.folder / "access.log.gz", "wt") as log:
            log.writelines(LOG.format(n % 7, n % 60) for n in range(60))

    def close(self) -> None:
        """End the servers that blocks started."""
        self._servers.close()

    def run(self, block: Block) -> str:
        """Run a block with bash, and give its output.

        Raises:
            AssertionError: It failed; the message is its output.
        """
        text = ADDRESSES.sub(f"{HOST}:{self._port}", block.text)
        command = ["bash", "-euo", "pipefail", "-c", REDIS_ADDRESS.sub(self._redis, text)]
        if STARTS_A_SERVER.search(text):
            self._serve(command, block)
            return ""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert result.returncode == 0, f"{block.place}: {result.stdout}{result.stderr}"
        return result.stdout

    def _serve(self, command: list[str], block: Block) -> None:
        """Start a server in place of the one before, and wait until it listens."""
        self._servers.close()
        log = self.folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._servers.callback(_end_group, process)

        def listens() -> bool:
            assert process.poll() is None, f"{block.place}: {log.read_text()}"
            return "Listening at" in log.read_text() or "Running on" in log.read_text()

        wait_until(listens, f"the server of {block.place}", TIMEOUT)


def files_of(page: str) -> dict[str, str]:
    """Give the files that a page shows, by name."""
    return {block.title: block.text for block in BLOCKS if block.page == page and block.title}


def commands_of(page: str) -> list[Block]:
    """List a page's shell blocks that are run."""
    blocks = (block for block in BLOCKS if block.page == page and block.language == "shell")
    return [block for block in blocks if not reason(block)]


def checkout(folder: Path) -> Path:
    """Make a checkout of the project with its own history, as a user has one."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder)
    identity = ("-c", "user.name=a test", "-c", "user.email=test@example.org")
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a server with all processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    end(process, STOP)
