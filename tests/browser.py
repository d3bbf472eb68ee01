"""Find the browser of the tests, and install one if it is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.find_redis import install_with_apt

OVERRIDES = {"chromium": "TEST_CHROMIUM", "chromedriver": "TEST_CHROMEDRIVER"}
"""Environment variable by command: the path of another program than that on PATH."""

PACKAGES = ("chromium", "chromium-driver")
VERSION_TIMEOUT = 60.0
"""Seconds that a program may take to print its version; at first it is read from the disk."""


class NoBrowserError(RuntimeError):
    """Report that there is no usable browser, why, and the packages to install."""


@dataclass(frozen=True, slots=True)
class Browser:
    """Name a Chromium, and the chromedriver that steers it."""

    chromium: Path
    driver: Path
    description: str
    """Description for people, such as ``Chromium 150.0.7871.100 (/usr/bin/chromium)``."""


def find_browser() -> Browser:
    """Choose the browser: ``chromium`` and ``chromedriver`` on PATH.

    The environment variables TEST_CHROMIUM and TEST_CHROMEDRIVER name others.

    Raises:
        NoBrowserError: One of the two isn't there or doesn't run, or they don't fit each other.
    """
    (chromium, version), (driver, driver_version) = (_find(command) for command in OVERRIDES)
    # A chromedriver steers browsers of its own major version only.
    if version.split(".")[0] != driver_version.split(".")[0]:
        raise _no_browser(f"{chromium} is version {version}, but {driver} is {driver_version}")
    return Browser(chromium, driver, f"Chromium {version} ({chromium}, steered by {driver})")


def install_browser_if_missing() -> None:
    """Install Chromium with apt-get if it isn't complete and this user may; print it."""
    if any(_path_of(command) is None for command in OVERRIDES):
        install_with_apt("Chromium", *PACKAGES)


def main() -> int:
    """Make sure that there is a browser, and print its version and path."""
    install_browser_if_missing()
    try:
        result = find_browser()
    except NoBrowserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Browser of the tests: {result.description}", flush=True)
    return 0


def _find(command: str) -> tuple[Path, str]:
    path = _path_of(command)
    if path is None:
        raise _no_browser(f"no {command} on PATH")
    version = _version(path)
    if version is None:
        raise _no_browser(f"{path} does not run")
    return path, version


def _path_of(command: str) -> Path | None:
    path = os.environ.get(OVERRIDES[command]) or shutil.which(command)
    return Path(path) if path else None


def _version(path: Path) -> str | None:
    try:
        result = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\b\d+(?:\.\d+){3}\b", result.stdout)
    return match[0] if result.returncode == 0 and match else None


def _no_browser(reason: str) -> NoBrowserError:
    return NoBrowserError(
        f"The tests need Chromium and its chromedriver: {reason}. Install both (Debian: apt-get "
        f"install {' '.join(PACKAGES)}) or name them in {' and '.join(OVERRIDES.values())}."
    )
