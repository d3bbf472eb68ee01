"""Convert the options by which something is signed and sent: secrets, and web addresses."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask_irl.config.values import texts

LEAST_SECRET: Final = 16
"""Characters of a secret by which hashes and signatures are made."""


def secrets(value: object) -> tuple[str, ...]:
    """Convert secrets, as :func:`texts` does, none of them so short that it could be guessed."""
    found = texts(value)
    if all(len(secret) >= LEAST_SECRET for secret in found):
        return found
    raise ValueError(f"secrets of {LEAST_SECRET} characters or more, with commas between several")


def web_addresses(value: object) -> tuple[str, ...]:
    """Convert addresses of web servers, as :func:`texts` does."""
    found = texts(value)
    if all(map(_is_web_address, found)):
        return found
    raise ValueError("URLs that begin with https:// or http://, with a host and without a password")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        return False
    printable = text.isascii() and text.isprintable() and " " not in text
    return bool(sound and printable and parts.hostname and "@" not in parts.netloc) and (
        parts.scheme in ("http", "https")
    )


def secret(value: object) -> str:
    """Accept a secret that nobody can guess."""
    if not isinstance(value, str) or len(value) < LEAST_SECRET:
        raise ValueError(f"a text of at least {LEAST_SECRET} characters")
    return value
