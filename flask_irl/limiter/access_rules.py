"""Find the rule that holds for a client, whatever its requests are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from flask_irl.config.access_lists import AccessLists
from flask_irl.limits.network_override import NetworkOverride
from flask_irl.limits.networks import Addresses, NetworkTable, addresses_of


class AccessRule(NamedTuple):
    """Describe a rule.

    Attributes:
        word: ``deny`` or ``allow`` of the configuration; ``block``, ``allow`` or ``limit`` of an
            operator's for a network; ``own`` where the store has an override of the client's own.
        key: Key under which requests count: the client's, or the network's for its override.
        until: End in seconds since the epoch; infinite for the configuration's.
    """

    word: Literal["deny", "own", "block", "allow", "limit"]
    key: str
    until: float


class AccessRules:
    """Combine the configuration's lists with operators' overrides; never changes.

    The configuration's ``deny`` goes first, then an override of the client's own, then that of the
    longest network that holds its address, and the configuration's ``allow`` last.

    Args:
        lists: The lists of the configuration.
        networks: Operators' overrides by network.
        own: The ends of the overrides of single clients, by client.
    """

    def __init__(
        self,
        lists: AccessLists,
        networks: Mapping[str, NetworkOverride],
        own: Mapping[str, float],
    ) -> None:
        self._lists = lists
        self._own = own
        self._networks = NetworkTable(networks.items())

    def find(self, client: str, remote: str) -> AccessRule | None:
        """Find the rule for a client, with the address of the other end of its connection."""
        addresses = addresses_of(client, remote)
        listed = self._lists.rule_at(client, addresses)
        if listed == "deny":
            return AccessRule("deny", client, math.inf)
        until = self._own.get(client)
        if until is not None:
            return AccessRule("own", client, until)
        found = self.network_at(addresses)
        if found is not None:
            override = found.override
            return AccessRule(override.kind, found.network, override.until)
        return AccessRule("allow", client, math.inf) if listed else None

    def network_at(self, addresses: Addresses) -> NetworkOverride | None:
        """Find the override of the longest network that holds a client's address.

        That of the other end counts beside an address that the client is named by only if it is the
        stricter one: else whoever calls itself by an address would be out of a blocked network.
        """
        own, other = addresses
        found = None if own is None else self._networks.find(own)
        if other is not None:
            behind = self._networks.find(other)
            if behind is not None:
                kind = behind.override.kind
                if kind == "block" or (kind == "limit" and found is None):
                    return behind
        return found
