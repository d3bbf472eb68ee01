"""Run the real Redis servers of the tests: alone, as a cluster, under a Sentinel.

All listen on free loopback ports, live in temporary folders, and are ended at exit at the latest.
``python -m tests.servers`` makes sure that there is a Redis server, a browser, a Prometheus and an
nginx, prints their versions, and looks for Apache, without which a test is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

from tests import apache, browser, find_redis, nginx, prometheus
from tests.find_redis import NoRedisServerError, redis_binary
from tests.redis_server import HOST, Closing, RedisServer, free_port, impatient, wait_until

__all__ = [
    "HOST",
    "ClusterServer",
    "NoRedisServerError",
    "RedisServer",
    "SentinelServer",
    "free_port",
    "impatient",
    "redis_binary",
    "wait_until",
]

SLOTS = 16_384


class ClusterServer(Closing):
    """Run a Redis Cluster of masters only inside a ``with`` block.

    Args:
        nodes: Number of nodes, 1 or more, with equal shares of the slots.
        config: Directives of redis.conf for each node beside those set here.
    """

    def __init__(self, nodes: int = 1, config: Mapping[str, str] | None = None) -> None:
        config = {
            "cluster-enabled": "yes",
            "cluster-announce-ip": HOST,
            "cluster-node-timeout": "2000",
            **(config or {}),
        }
        self._bus_ports = [free_port() for _ in range(nodes)]
        self.nodes = tuple(
            RedisServer(config=config | {"cluster-port": str(bus)}) for bus in self._bus_ports
        )

    @property
    def url(self) -> str:
        """Give the storage URI, which names every node."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def client(self, **options: Any) -> RedisCluster:
        """Make a client of the whole cluster that does not retry."""
        start = [ClusterNode(HOST, node.port) for node in self.nodes]
        return RedisCluster(startup_nodes=start, **(impatient() | options))

    def start(self) -> None:
        """Start the nodes, join them, and wait until each sees the whole cluster."""
        first = self.nodes[0]
        for index, node in enumerate(self.nodes):
            node.start()
            begin = SLOTS * index // len(self.nodes)
            end = SLOTS * (index + 1) // len(self.nodes) - 1
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", begin, end)
                if node is not first:
                    address = (HOST, first.port, self._bus_ports[0])
                    client.execute_command("CLUSTER", "MEET", *address)
        for node in self.nodes:
            with node.client() as client:
                wait_until(partial(self._whole, client), f"the cluster of {self.url}")

    def close(self) -> None:
        """End every node."""
        for node in self.nodes:
            node.close()

    def _whole(self, client: redis.Redis) -> bool:
        info = cast("dict[str, str]", client.execute_command("CLUSTER INFO"))
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == len(self.nodes)


class SentinelServer(Closing):
    """Run a master and one Sentinel that watches it inside a ``with`` block."""

    service = "mymaster"

    def __init__(self) -> None:
        self.master = RedisServer()
        self.sentinel = RedisServer(
            config={
                f"sentinel monitor {self.service}": f"{HOST} {self.master.port} 1",
                f"sentinel down-after-milliseconds {self.service}": "1000",
            },
            arguments=("--sentinel",),
        )

    @property
    def url(self) -> str:
        """Give the storage URI, which names the Sentinel and the service."""
        return f"redis+sentinel://{HOST}:{self.sentinel.port}/{self.service}"

    def client(self, **options: Any) -> Sentinel:
        """Make a client of the Sentinel; its ``master_for(service)`` is a client of the master."""
        address = (HOST, self.sentinel.port)
        return Sentinel([address], sentinel_kwargs=impatient(), **(impatient() | options))

    def start(self) -> None:
        """Start both and wait until the Sentinel has found the master in good health."""
        self.master.start()
        self.sentinel.start()
        sentinel = self.client()
        wait_until(lambda: sentinel.discover_master(self.service), f"a master found by {self.url}")

    def close(self) -> None:
        """End both."""
        self.sentinel.close()
        self.master.close()


def main() -> int:
    """Make sure that all servers of the tests can run; give 1 if one of them can't, else 0."""
    return max(find_redis.main(), browser.main(), prometheus.main(), nginx.main(), apache.main())


if __name__ == "__main__":
    sys.exit(main())
