"""Look clients up in the lists of allowed and denied networks, addresses and keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from flask_irl.limits.keys import canonical
from flask_irl.limits.networks import CLIENT_BITS, Addresses, NetworkTable, addresses_of

ListRule = Literal["allow", "deny", ""]
"""Rule for a client whatever it does; empty if it is on no list."""


class AccessLists:
    """Keep the lists of allowed and denied clients.

    The longest network that holds a client's address decides, and the client's own key before any
    network; what is on both lists is denied.

    Args:
        allow: Networks such as ``192.0.2.0/24``, addresses, or keys as ``key_func`` gives them.
        deny: The same.
    """

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        # Denied ones last: they win.
        entries: list[tuple[str, ListRule]] = [
            *((entry, "allow") for entry in allow),
            *((entry, "deny") for entry in deny),
        ]
        self._keys: dict[str, ListRule] = {canonical(entry): rule for entry, rule in entries}
        # An IPv6 client is a /64: one address of it names them all.
        self._networks = NetworkTable(entries, CLIENT_BITS)
        self.allows = "allow" in self._keys.values()
        """Tells whether anybody is allowed."""

    def rule_for(self, client: str, remote: str = "") -> ListRule:
        """Find the rule for a client.

        Args:
            client: Its stored key.
            remote: Address of the other end, by which networks hold for clients that have other
                names, such as API keys; empty if it isn't known.
        """
        return self.rule_at(client, addresses_of(client, remote))

    def rule_at(self, client: str, addresses: Addresses) -> ListRule:
        """Find the rule for a client whose addresses are read."""
        rule = self._keys.get(client)
        if rule is not None:
            return rule
        own, other = addresses
        # Else whoever calls itself by an address would be out of a denied network.
        if other is not None and self._networks.find(other) == "deny":
            return "deny"
        return (own and self._networks.find(own)) or ""
