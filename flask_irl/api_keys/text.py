"""Write and read the text of an API key: ``irl_<environment>_<id><secret><checksum>``.

The checksum tells a typo without a look into the store, and lets scanners of sources tell a key
from a text that only looks like one.
"""

from __future__ import annotations

import re
import secrets
import zlib
from typing import Final, Literal, NamedTuple, get_args

Environment = Literal["live", "test"]
ENVIRONMENTS: Final[tuple[Environment, ...]] = get_args(Environment)
BEGINNING: Final = "irl_"
"""Begins every API key: a text in a key's header that begins otherwise is the app's own."""
DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_CHARACTERS: Final = 10
SECRET_CHARACTERS: Final = 32
"""Digits of base 62: 190 bits."""
CHECKSUM_CHARACTERS: Final = 6
PATTERN: Final = (
    f"irl_(live|test)_[0-9A-Za-z]{{{ID_CHARACTERS + SECRET_CHARACTERS + CHECKSUM_CHARACTERS}}}"
)
"""Matches every API key, for scanners of sources."""
FORM: Final = re.compile(PATTERN)
KEY_ID: Final = re.compile(f"[0-9A-Za-z]{{{ID_CHARACTERS}}}")
CHARACTERS: Final = 9 + ID_CHARACTERS + SECRET_CHARACTERS + CHECKSUM_CHARACTERS
CLIENT: Final = "key:"
"""Begins the key of the client that sends an API key; the key's id follows."""


class NewText(NamedTuple):
    """Hold the text of a new API key, and its id."""

    text: str
    key_id: str


def new_text(environment: Environment, key_id: str | None = None) -> NewText:
    """Make the text of a new API key.

    Args:
        environment: ``live`` or ``test``.
        key_id: The id of the key that it is to replace; a new one by default.
    """
    key_id = key_id or _random(ID_CHARACTERS)
    body = f"{BEGINNING}{environment}_{key_id}{_random(SECRET_CHARACTERS)}"
    return NewText(body + _checksum(body), key_id)


def id_in(text: str) -> str:
    """Read the id in the text of an API key; empty where the form or the checksum is wrong."""
    # A header may have thousands of characters.
    if len(text) != CHARACTERS or FORM.fullmatch(text) is None:
        return ""
    body, checksum = text[:-CHECKSUM_CHARACTERS], text[-CHECKSUM_CHARACTERS:]
    return body[9 : 9 + ID_CHARACTERS] if _checksum(body) == checksum else ""


def prefix_of(environment: str, key_id: str) -> str:
    """Give the part of an API key's text that may be shown to people."""
    return f"{BEGINNING}{environment}_{key_id}"


def client_of(key_id: str) -> str:
    """Give the key of the client that sends an API key."""
    return CLIENT + key_id


def id_of(client: str) -> str:
    """Give the id in a client's key; empty for a client that no API key names."""
    key_id = client.removeprefix(CLIENT)
    return key_id if client.startswith(CLIENT) and KEY_ID.fullmatch(key_id) else ""


def _random(count: int) -> str:
    return "".join(secrets.choice(DIGITS) for _ in range(count))


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
