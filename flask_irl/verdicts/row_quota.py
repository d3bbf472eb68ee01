"""Bound the training rows of one network, so that a flood from there isn't all that is learned.

A network of the internet is a /24 of IPv4 or a /48 of IPv6. Private ones are none: the people of an
intranet are all of its site.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache
from typing import Final

from flask_irl.campaigns.newcomers import network_of

PERIOD_SECONDS: Final = 3600.0
NETWORK_SHARE: Final = 0.1
"""Share of the rows that a process takes in an hour, which those of one network may be."""
NETWORK_LEAST: Final = 100
"""Rows that a process takes of any network in an hour, whatever its share."""
MOST_NETWORKS: Final = 10_000
"""Networks that are counted at a time."""


class RowQuota:
    """Count the rows that this process takes, by network, from hour to hour."""

    def __init__(self) -> None:
        self._begin(0.0)

    def take(self, network: str, now: float) -> bool:
        """Count a row, if its network may still have one.

        Args:
            network: The network, as :func:`row_network` gives it.
            now: Seconds since the epoch.
        """
        if not 0.0 <= now - self._began < PERIOD_SECONDS or len(self._taken) >= MOST_NETWORKS:
            self._begin(now)
        if network:
            if self._taken[network] >= max(NETWORK_LEAST, int(self._total * NETWORK_SHARE)):
                return False
            self._taken[network] += 1
        self._total += 1
        return True

    def _begin(self, now: float) -> None:
        self._began, self._total = now, 0
        self._taken: Counter[str] = Counter()


@lru_cache(maxsize=8192)
def row_network(client: str) -> str:
    """Name the network of a client whose rows are bounded; empty for none."""
    network = network_of(client)
    return network if network and ipaddress.ip_network(network).is_global else ""
