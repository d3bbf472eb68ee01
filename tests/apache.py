"""Find Debian's Apache with mod_wsgi, and install it if it is missing; its test needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.find_redis import install_with_apt

PACKAGES: Final = ("apache2-bin", "libapache2-mod-wsgi-py3")
MODULES: Final = Path("/usr/lib/apache2/modules")
"""Where Debian has them."""

USER: Final = "www-data"
"""Whom a server that root starts becomes, and so who must be able to read the app."""


def install_apache_if_missing() -> None:
    """Install Debian's packages with apt-get if they aren't complete and this user may."""
    if shutil.which("apache2") is None or not list(MODULES.glob("mod_wsgi.so*")):
        install_with_apt("Apache with mod_wsgi", *PACKAGES)


def why_no_apache(*needed: Path) -> str:
    """Say why there is no Apache that could serve an app of this Python; empty if there is one.

    Args:
        needed: Folders that it must be able to read.
    """
    if shutil.which("apache2") is None:
        return "apache2 isn't installed"
    # It has a Python of its own, that of the system.
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (MODULES / f"mod_wsgi.so-{version}").exists():
        return f"there is no mod_wsgi for Python {version}"
    for folder in needed:
        if os.geteuid() == 0 and not _readable(folder):
            return f"{USER} may not read {folder}"
    return ""


def main() -> int:
    """Install Apache if it is missing, and print whether its tests run; always gives 0."""
    install_apache_if_missing()
    reason = why_no_apache()
    print(f"Apache of the tests: {f'none, {reason}' if reason else shutil.which('apache2')}")
    return 0


def _readable(folder: Path) -> bool:
    result = subprocess.run(["ls", folder], user=USER, group=USER, capture_output=True)
    return result.returncode == 0
