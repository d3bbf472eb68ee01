"""Read the Lua scripts beside this module."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import NamedTuple

INCLUDE = re.compile(rb"^-- include (\w+)\n", re.MULTILINE)
"""A line of a script that stands for another script."""


class Script(NamedTuple):
    """Describe a Lua script.

    Attributes:
        text: Its source.
        sha: Redis's name for it, in hex digits.
    """

    text: bytes
    sha: bytes


def read_script(name: str) -> Script:
    """Read a script, with all that it includes."""
    text = INCLUDE.sub(lambda match: _read(match[1].decode()), _read(name))
    # SHA-1 is Redis's name for a script, not a safeguard.
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


def _read(name: str) -> bytes:
    return files("flask_irl.stores.redis").joinpath(f"{name}.lua").read_bytes()
