"""Check the texts that people give with a change, and escape those that strangers chose."""

from __future__ import annotations

import re
from typing import Final

from flask_irl.errors import ConfigurationError

CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""Characters that break a line, move a terminal's cursor or turn text around, for a regex's set."""
UNSAFE: Final = re.compile(f"[{CONTROLS}\ud800-\udfff]")
"""Those, and halves of characters, which no store takes."""


def check_line(name: str, text: object, longest: int) -> str:
    """Check a text for the audit log: one line, of a bounded length.

    Args:
        name: The text's name, for the message.
        text: Of any type.
        longest: Characters that are allowed.

    Raises:
        ConfigurationError: It is no such text.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"{name} is {text!r:.100}: give a text")
    if len(text) > longest:
        raise ConfigurationError(f"{name} is too long: give at most {longest} characters")
    if UNSAFE.search(text):
        raise ConfigurationError(
            f"{name} is {text!r:.100}: give one line without control characters"
        )
    return text


def plain(message: str) -> str:
    """Escape a text, so that it stays in one line and does nothing else to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
