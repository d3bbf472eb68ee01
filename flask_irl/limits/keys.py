"""Make client keys that are safe to store, log and show."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
from socket import AF_INET, inet_pton

MAX_KEY_CHARACTERS = 64
MAX_ADDRESS_CHARACTERS = 128
"""Longer than any address with a port, a zone and blanks."""
UNKNOWN = "unknown"
HASHED = "#"


def canonical(key: str) -> str:
    """Give the key under which a client is stored, logged and shown.

    A key that is short and printable stays as it is. Any other (long, with spaces, braces, control
    characters, or beginning with ``#``) becomes ``#`` and 32 hex digits of its BLAKE2b hash, so
    that no client chooses what a Redis key, a log line or a page contains. A key already of that
    form stays, so that an operator can look up a key that was shown.

    Args:
        key: Any text.

    Returns:
        1 to 64 printable characters.
    """
    return _short(key) if len(key) <= MAX_KEY_CHARACTERS else hashed(key)


@functools.lru_cache(maxsize=4096)
def _short(key: str) -> str:
    if is_hashed(key):
        return key
    plain = (
        key
        and key.isprintable()
        and not key.startswith(HASHED)
        and not any(c in "{} \"'<>&\\" or c.isspace() for c in key)
    )
    return key if plain else hashed(key)


def hashed(key: str) -> str:
    """Give the key of a client whose name can't be its key."""
    data = key.encode(errors="surrogatepass")
    return HASHED + hashlib.blake2b(data, digest_size=16).hexdigest()


def is_hashed(key: str) -> bool:
    """Tell whether a key has the form of those that :func:`hashed` gives."""
    return (
        len(key) == 33 and key.startswith(HASHED) and all(c in "0123456789abcdef" for c in key[1:])
    )


def network_key(address: str) -> str:
    """Turn an address into a client's key; all hosts behind one key are one client.

    IPv4 stays; IPv4 mapped into IPv6 becomes IPv4; IPv6 is grouped by its /64, since one host
    commands such a whole network; a port or a zone is dropped.

    Args:
        address: An IP address, perhaps with a port, as a server or proxy reports it.

    Returns:
        The key, or ``"unknown"`` for a text that is no address.
    """
    try:
        inet_pton(AF_INET, address)
    except (OSError, ValueError):
        return _network(address) if len(address) <= MAX_ADDRESS_CHARACTERS else UNKNOWN
    # The commonest case needs no cache, which would be too small for a crowd.
    return address


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address as a server or proxy reports it; None for a text that is none.

    IPv4 mapped into IPv6 becomes IPv4; a port, a zone, brackets and blanks are dropped.
    """
    if len(text) > MAX_ADDRESS_CHARACTERS:
        return None
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return parsed if mapped is None else mapped


@functools.lru_cache(maxsize=4096)
def _network(address: str) -> str:
    parsed = parse_address(address)
    if parsed is None:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
