"""Tell the addresses of clients from other words of a log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

NO_ADDRESS: Final = frozenset(("-", "unix:", "unix", "<local>", "@", "unknown", "0.0.0.0"))  # noqa: S104
"""Texts that servers write where the client came by a Unix socket."""

_NEAR = tuple(
    map(
        ip_network,
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8 169.254.0.0/16 100.64.0.0/10"
        " ::1/128 fc00::/7 fe80::/10".split(),
    )
)
_HOST = re.compile(r"(?!\d+$)[A-Za-z0-9_](?:[\w.-]{0,252})(?::\d{1,5})?", re.ASCII)
_PORT = re.compile(r"(?:(\d{1,3}(?:\.\d{1,3}){3})|\[([0-9A-Fa-f:.%\w]+)\]):\d{1,5}", re.ASCII)


@lru_cache(maxsize=8_192)
def bare_address(text: str) -> str:
    """Take the port off an address; ``""`` if the text is no address."""
    text = text.strip().strip('"')
    if match := _PORT.fullmatch(text):
        text = match[1] or match[2]
    elif text[:1] == "[" and text[-1:] == "]":
        text = text[1:-1]
    if _parse(text):
        return text
    # IPv6 without brackets: a port of five digits can't be a part of it.
    address, _, port = text.rpartition(":")
    return address if ":" in address and port.isdecimal() and _parse(address) else ""


def has_port(text: str) -> bool:
    """Tell whether an address comes with a port."""
    return _PORT.fullmatch(text) is not None


def without_last_group(text: str) -> str:
    """Take off the port of an address that may be IPv6 without brackets (``::1:36240``)."""
    address, colon, port = text.rpartition(":")
    return address if colon and port.isdecimal() and _parse(address) else bare_address(text) or text


@lru_cache(maxsize=8_192)
def is_near(address: str) -> bool:
    """Tell whether an address is a private one, as of a proxy, or none at all."""
    parsed = _parse(address)
    return parsed is None or any(parsed in network for network in _NEAR)


def is_host(text: str) -> bool:
    """Tell whether a text can be a host name, with a port or without."""
    return _HOST.fullmatch(text) is not None


@lru_cache(maxsize=8_192)
def addresses(text: str) -> tuple[str, ...]:
    """List the addresses of a list as ``X-Forwarded-For`` has it; empty if one of them is none."""
    parts = [part.strip() for part in text.strip("\"()' ").split(",")]
    # Proxies write "unknown" for a hop that they hide.
    found = tuple(bare_address(part) for part in parts if part and part.lower() != "unknown")
    return found if all(found) else ()


def pick(hops: Sequence[str], hop: int | None) -> str:
    """Pick the client from a list of hops, the client's end first.

    Args:
        hops: Addresses, at least one.
        hop: Place from 1, or from -1 at the servers' end; the nearest there is, where the list is
            shorter. None picks the first that isn't private, else the first.
    """
    if hop is None:
        return next((address for address in hops if not is_near(address)), hops[0])
    if hop > 0:
        return hops[min(hop, len(hops)) - 1]
    return hops[max(hop, -len(hops))]


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
