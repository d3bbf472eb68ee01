"""Which server holds a key: a single one, Sentinel's master of the day, or a cluster's node."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from redis.connection import Connection
from redis.crc import key_slot

from flask_irl.errors import StoreError
from flask_irl.stores.addresses import Address, Location
from flask_irl.stores.connections import Connections, within


class Servers:
    """The servers of a location, found anew by :meth:`refresh`.

    Args:
        location: Read from the storage URI.
        options: More keyword arguments for redis-py's connections; they win over the URI's.
        timeout: Seconds that a call on a request's path may take in all.
    """

    def __init__(self, location: Location, options: Mapping[str, Any], timeout: float) -> None:
        self._location = location
        self._connect = {**location.connect, **options}
        self._timeout = timeout
        self._pools: dict[Address | None, Connections] = {}
        self._slots: list[Connections] = []
        self._master: Connections | None = None
        self._lock = threading.Lock()
        if location.kind == "single":
            self._master = self._pool(location.hosts[0] if location.hosts else None)

    @property
    def is_cluster(self) -> bool:
        """Whether keys of different clients may live on different servers."""
        return self._location.kind == "cluster"

    def of(self, key: bytes) -> Connections:
        """The server of a key. On a request's path: waits no longer than the timeout.

        Raises:
            StoreError: No server is known and none was found in time.
        """
        if self._master is not None:
            return self._master
        if not self._slots:
            within(self._timeout, self.refresh, lambda _: None)
            if self._master is not None:
                return self._master
        return self._slots[key_slot(key)]

    def moved(self, slot: int, address: Address) -> Connections:
        """Remember a cluster's word that a slot lives elsewhere."""
        pool = self._pool(address)
        self._slots[slot] = pool
        return pool

    def at(self, address: Address) -> Connections:
        """The connections to one server."""
        return self._pool(address)

    def refresh(self) -> None:
        """Find the servers again; may take seconds, for background work.

        Raises:
            StoreError: Nobody who was asked could tell.
        """
        if self._location.kind == "single":
            return
        errors: list[str] = []
        known: list[Address] = [a for a in self._pools if a is not None and self._slots]
        for host in dict.fromkeys([*self._location.hosts, *known]):
            try:
                if self._location.kind == "sentinel":
                    self._master = self._pool(self._ask_sentinel(host))
                else:
                    self._slots = self._ask_cluster(host)
                return
            except StoreError as error:
                errors.append(f"{host[0]}:{host[1]}: {error}")
        raise StoreError("no server found: " + "; ".join(errors))

    def forget(self) -> None:
        """Drop what a parent process opened."""
        self._lock = threading.Lock()
        for pool in list(self._pools.values()):
            pool.forget()

    def close(self) -> None:
        """Close all connections that are not in use."""
        for pool in list(self._pools.values()):
            pool.close()

    def _ask_sentinel(self, host: Address) -> Address:
        # Sentinels have their own users; their passwords come as sentinel_kwargs.
        own = dict(self._connect.get("sentinel_kwargs") or {})
        pool = Connections(host, self._location.connection_class, own, self._timeout)
        command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._location.master)
        answer = pool.run([command], seconds=1.0)[0]
        pool.close()
        if not isinstance(answer, list) or len(answer) != 2:
            raise StoreError(f"Sentinel knows no master {self._location.master!r}")
        return answer[0].decode(), int(answer[1])

    def _ask_cluster(self, host: Address) -> list[Connections]:
        answer = self._pool(host).run([("CLUSTER", "SLOTS")], seconds=1.0)[0]
        if not isinstance(answer, list):
            raise StoreError(f"not a cluster: {answer}", kind="response")
        slots: list[Connections | None] = [None] * 16384
        for first, last, master, *_ in answer:
            pool = self._pool((master[0].decode() or host[0], int(master[1])))
            slots[first : last + 1] = [pool] * (last + 1 - first)
        full = [pool for pool in slots if pool is not None]
        if len(full) != len(slots):
            raise StoreError("the cluster does not cover all slots", kind="response")
        return full

    def _pool(self, address: Address | None) -> Connections:
        with self._lock:
            pool = self._pools.get(address)
            if pool is None:
                connect = {k: v for k, v in self._connect.items() if k != "sentinel_kwargs"}
                pool = Connections(
                    address, self._location.connection_class or Connection, connect, self._timeout
                )
                self._pools[address] = pool
            return pool
