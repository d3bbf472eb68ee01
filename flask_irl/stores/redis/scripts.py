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
    return _script(INCLUDE.sub(lambda match: _read(match[1].decode()), _read(name)))


def join_scripts(first: Script, then: Script) -> Script:
    """Make a script that runs one, and another one if that hasn't returned."""
    return _script(first.text + then.text)


def _script(text: bytes) -> Script:
    # SHA-1 is Redis's name for a script, not a safeguard.
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


def _read(name: str) -> bytes:
    return files("flask_irl.stores.redis").joinpath(f"{name}.lua").read_bytes()
