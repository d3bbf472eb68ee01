"""Start a Redis, or a cluster, that workers share, and read its CPU time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import redis

from loadtests.bench.measure.cpu import server_cpu
from tests.servers import ClusterServer, RedisServer


@dataclass(frozen=True)
class Site:
    """Hold a store that workers share.

    Attributes:
        masters: Masters of the cluster; 0 for a Redis of its own.
        url: The storage URI.
        servers: Clients of all servers.
    """

    masters: int
    url: str
    servers: Sequence[redis.Redis]

    def cpu(self) -> list[float]:
        """Read the CPU seconds of each server."""
        return [server_cpu(server) for server in self.servers]


@contextmanager
def site_of(masters: int) -> Iterator[Site]:
    """Start a cluster of so many masters, or a Redis of its own for 0, without persistence.

    Raises:
        RuntimeError: No Redis server is installed.
    """
    with ExitStack() as stack:
        if masters:
            cluster = stack.enter_context(ClusterServer(masters))
            nodes, url = cluster.nodes, cluster.url
        else:
            server = stack.enter_context(RedisServer())
            nodes, url = (server,), server.url
        # On a full machine an answer may take long.
        clients = [stack.enter_context(node.client(socket_timeout=30.0)) for node in nodes]
        yield Site(masters, url, clients)
