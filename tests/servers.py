"""Run the real Redis servers of the tests: alone, as a cluster, under a Sentinel.

All listen on free loopback ports, live in temporary folders, and are ended at exit at the latest.
``python -m tests.servers`` makes sure that there is a Redis server, a browser, a Prometheus and an
nginx, prints their versions, and looks for Apache and libfaketime, without which tests are skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

from tests import apache, browser, faketime, find_redis, nginx, prometheus
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
    """Run a Redis Cluster inside a ``with`` block.

    Args:
        nodes: Number of masters, 1 or more, with equal shares of the slots.
        config: Directives of redis.conf for each node beside those set here.
        replicas: Give each master a replica.
    """

    def __init__(
        self, nodes: int = 1, config: Mapping[str, str] | None = None, *, replicas: bool = False
    ) -> None:
        config = {
            "cluster-enabled": "yes",
            "cluster-announce-ip": HOST,
            "cluster-node-timeout": "2000",
            "repl-diskless-sync-delay": "0",
            **(config or {}),
        }
        self._bus_ports = [free_port() for _ in range(nodes * (1 + replicas))]
        servers = [
            RedisServer(config=config | {"cluster-port": str(bus)}) for bus in self._bus_ports
        ]
        self.nodes, self.replicas = tuple(servers[:nodes]), tuple(servers[nodes:])

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
        for replica in self.replicas:
            replica.start()
            with replica.client() as client:
                client.execute_command("CLUSTER", "MEET", HOST, first.port, self._bus_ports[0])
        for node in (*self.nodes, *self.replicas):
            with node.client() as client:
                wait_until(partial(self._whole, client), f"the cluster of {self.url}")
        for replica, node in zip(self.replicas, self.nodes, strict=False):
            with node.client() as client:
                name = client.execute_command("CLUSTER", "MYID")
            with replica.client() as client:
                wait_until(partial(_becomes_replica, client, name), f"a replica of {node.url}")
                wait_until(partial(_is_linked, client), f"the link of {replica.url}")

    def close(self) -> None:
        """End every node."""
        for node in (*self.nodes, *self.replicas):
            node.close()

    def _whole(self, client: redis.Redis) -> bool:
        info = cast("dict[str, str]", client.execute_command("CLUSTER INFO"))
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == len(
            self._bus_ports
        )


class SentinelServer(Closing):
    """Run a master and the Sentinels that watch it inside a ``with`` block.

    Args:
        sentinels: Number of Sentinels, most of whom must agree.
        replicas: Number of replicas of the master.
    """

    service = "mymaster"

    def __init__(self, sentinels: int = 1, replicas: int = 0) -> None:
        self.master = RedisServer(config={"repl-diskless-sync-delay": "0"})
        address = f"{HOST} {self.master.port}"
        self.replicas = tuple(RedisServer(config={"replicaof": address}) for _ in range(replicas))
        config = {
            f"sentinel monitor {self.service}": f"{address} {sentinels // 2 + 1}",
            f"sentinel down-after-milliseconds {self.service}": "1000",
            f"sentinel failover-timeout {self.service}": "3000",
        }
        self.sentinels = tuple(
            RedisServer(config=config, arguments=("--sentinel",)) for _ in range(sentinels)
        )

    @property
    def url(self) -> str:
        """Give the storage URI, which names the Sentinels and the service."""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.service}"

    def client(self, **options: Any) -> Sentinel:
        """Make a client of the Sentinels; its ``master_for(service)`` is a client of the master."""
        addresses = [(HOST, sentinel.port) for sentinel in self.sentinels]
        return Sentinel(addresses, sentinel_kwargs=impatient(), **(impatient() | options))

    def start(self) -> None:
        """Start all, and wait until the Sentinels know each other, and a master in good health."""
        self.master.start()
        for replica in self.replicas:
            replica.start()
            with replica.client() as client:
                wait_until(partial(_is_linked, client), f"the link of {replica.url}")
        for sentinel in self.sentinels:
            sentinel.start()
        client = self.client()
        wait_until(lambda: client.discover_master(self.service), f"a master found by {self.url}")
        for each in client.sentinels:
            wait_until(partial(self._knows_all, each), f"the Sentinels of {self.url}")

    def close(self) -> None:
        """End all."""
        for server in (*self.sentinels, *self.replicas, self.master):
            server.close()

    def _knows_all(self, sentinel: redis.Redis) -> bool:
        found = cast("dict[str, Any]", sentinel.sentinel_master(self.service))
        others, replicas = found["num-other-sentinels"], found["num-slaves"]
        return (others, replicas) == (len(self.sentinels) - 1, len(self.replicas))


def _becomes_replica(client: redis.Redis, master: str) -> bool:
    # Refused until the node has heard of the master.
    client.execute_command("CLUSTER", "REPLICATE", master)
    return True


def _is_linked(client: redis.Redis) -> bool:
    info = cast("dict[str, str]", client.info("replication"))
    return info.get("master_link_status") == "up"


def main() -> int:
    """Make sure that all servers of the tests can run; give 1 if one of them can't, else 0."""
    found = (find_redis.main(), browser.main(), prometheus.main(), nginx.main(), apache.main())
    return max(*found, faketime.main())


if __name__ == "__main__":
    sys.exit(main())
