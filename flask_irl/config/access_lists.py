"""Look clients up in the lists of allowed and denied networks, addresses and keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from flask_irl.limits.keys import canonical

AccessRule = Literal["allow", "deny", ""]
"""Rule for a client whatever it does; empty if it is on no list."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AccessLists:
    """Keep the lists of allowed and denied clients; a client on both is denied.

    Args:
        allow: Networks such as ``192.0.2.0/24``, addresses, or keys as ``key_func`` gives them.
        deny: The same.
    """

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        self._keys: dict[str, AccessRule] = {canonical(key): "allow" for key in allow}
        self._keys |= {canonical(key): "deny" for key in deny}
        # Denied ones first: they win.
        self._networks = [*_networks(deny, "deny"), *_networks(allow, "allow")]
        self.rule_for = lru_cache(maxsize=4096)(self._find)
        """Find the rule for a client, by its stored key."""

    def _find(self, client: str) -> AccessRule:
        rule = self._keys.get(client, "")
        if not rule and (own := _network(client)) is not None:
            rule = next((rule for network, rule in self._networks if _covers(network, own)), "")
        return rule


def _networks(entries: Iterable[str], rule: AccessRule) -> list[tuple[Network, AccessRule]]:
    """List the entries that are networks or addresses, each with its rule."""
    networks = map(_network, entries)
    return [(network, rule) for network in networks if network is not None]


def _covers(network: Network, client: Network) -> bool:
    """Tell whether a network holds a client's address."""
    if isinstance(client, ipaddress.IPv4Network) and isinstance(network, ipaddress.IPv4Network):
        return client.subnet_of(network)
    if isinstance(client, ipaddress.IPv6Network) and isinstance(network, ipaddress.IPv6Network):
        # An IPv6 client is a /64: one address of it names them all.
        return client.overlaps(network)
    return False


def _network(entry: str) -> Network | None:
    """Parse a network or an address; None for a key that is neither."""
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
