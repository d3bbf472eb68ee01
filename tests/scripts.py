"""Write shell scripts that play the programs which the tests look for."""

from __future__ import annotations

import stat
from pathlib import Path


def write_script(path: Path, body: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
