"""Who is let pass or turned away whatever it does: networks and keys, by configuration. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from flask_irl.limits.keys import canonical

Word = Literal["allow", "deny", ""]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Lists:
    """Allowed and denied clients; who is on both is denied.

    Args:
        allow: Networks such as ``192.0.2.0/24``, addresses, or keys as ``key_func`` gives them.
        deny: The same.
    """

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        self._named = {canonical(key): "allow" for key in allow}
        self._named |= {canonical(key): "deny" for key in deny}
        self._networks = [(net, "deny") for net in map(_network, deny) if net is not None]
        self._networks += [(net, "allow") for net in map(_network, allow) if net is not None]
        self.word = lru_cache(maxsize=4096)(self._find)
        """What is said of a client, by its stored key: ``allow``, ``deny`` or nothing."""

    def _find(self, client: str) -> Word:
        said = self._named.get(client, "")
        if not said and (own := _network(client)) is not None:
            said = next((word for net, word in self._networks if _within(own, net)), "")
        return said  # type: ignore[return-value]


def _within(own: Network, net: Network) -> bool:
    if isinstance(own, ipaddress.IPv4Network) and isinstance(net, ipaddress.IPv4Network):
        return own.subnet_of(net)
    if isinstance(own, ipaddress.IPv6Network) and isinstance(net, ipaddress.IPv6Network):
        # An IPv6 client is a /64: one address of it names them all.
        return own.overlaps(net)
    return False


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
