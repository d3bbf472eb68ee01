"""Move a slot of a real cluster from one node to another, as far as a test wants."""

from __future__ import annotations

from typing import Any

from tests.redis_server import HOST, RedisServer
from tests.servers import SLOTS, ClusterServer

MIGRATE_TIMEOUT = "5000"


class Resharding:
    """Move a slot to the next node, step by step, as ``redis-cli --cluster reshard`` does.

    Args:
        cluster: The cluster.
        slot: The slot, still on the node that had it at the start.
    """

    def __init__(self, cluster: ClusterServer, slot: int) -> None:
        nodes = cluster.nodes
        index = min(slot * len(nodes) // SLOTS, len(nodes) - 1)
        while not SLOTS * index // len(nodes) <= slot < SLOTS * (index + 1) // len(nodes):
            index += 1 if slot >= SLOTS * (index + 1) // len(nodes) else -1
        self._others = nodes
        self.source, self.target = nodes[index], nodes[(index + 1) % len(nodes)]
        self.slot = slot

    def begin(self) -> None:
        """Have the source answer ASK for keys that it doesn't hold."""
        self._set(self.target, "IMPORTING", _id(self.source))
        self._set(self.source, "MIGRATING", _id(self.target))

    def left(self) -> list[bytes]:
        """List the slot's keys that are still on the source."""
        found: list[bytes] = _run(self.source, "CLUSTER", "GETKEYSINSLOT", self.slot, 1000)
        return sorted(found)

    def move(self, *keys: bytes) -> None:
        """Move some keys; all that are left by default."""
        for key in keys or self.left():
            address = (HOST, self.target.port, "", 0, MIGRATE_TIMEOUT)
            _run(self.source, "MIGRATE", *address, "KEYS", key)

    def end(self) -> None:
        """Give the slot to the target for good."""
        owner = _id(self.target)
        self._set(self.target, "NODE", owner)
        for node in self._others:
            if node is not self.target:
                self._set(node, "NODE", owner)

    def undo(self) -> None:
        """Give the slot back to the source, without the keys."""
        owner = _id(self.source)
        for node in self._others:
            self._set(node, "STABLE")
        for node in (self.source, *self._others):
            self._set(node, "NODE", owner)

    def _set(self, node: RedisServer, *words: str) -> None:
        _run(node, "CLUSTER", "SETSLOT", self.slot, *words)


def _id(node: RedisServer) -> str:
    found = _run(node, "CLUSTER", "MYID")
    return found.decode() if isinstance(found, bytes) else str(found)


def _run(node: RedisServer, *words: object) -> Any:
    with node.client() as client:
        return client.execute_command(*words)
