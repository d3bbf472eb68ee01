"""Which server holds a key: a single one, Sentinel's master of the day, or a cluster's node."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from redis.crc import key_slot
from redis.exceptions import MovedError

from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.stores.location import Address, Location
from flask_irl.stores.redis.connections import Connections, within

SEARCH_SECONDS = 1.0
"""The least time between two searches for a cluster's nodes."""


class Servers:
    """The servers of a location, found anew by :meth:`refresh`.

    Args:
        location: Read from the storage URI.
        options: More keyword arguments for redis-py's connections; they win over the URI's.
        timeout: Seconds that a call on a request's path may take in all.
        answer_bytes: Length of the answer that such calls expect.

    Raises:
        ConfigurationError: redis-py's connections don't know an option.
    """

    def __init__(
        self, location: Location, options: Mapping[str, Any], timeout: float, answer_bytes: int
    ) -> None:
        self._location = location
        self._connect = {**location.connect, **options}
        self._timeout = timeout
        self._answer_bytes = answer_bytes
        self._pools: dict[Address | None, Connections] = {}
        self._slots: list[Connections] = []
        self._master: Connections | None = None
        self._lock = threading.Lock()
        self._searched = -SEARCH_SECONDS
        first = location.hosts[0] if location.hosts else None
        if location.kind == "single":
            self._master = self._pool(first)
        else:
            self._connections(first)
        if location.kind == "sentinel" and first is not None:
            self._sentinel(first)

    @property
    def found(self) -> bool:
        """Whether the servers are known."""
        return self._master is not None or bool(self._slots)

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

    def moved(self, error: MovedError, teller: Connections) -> Connections:
        """Remember a cluster's word that a slot lives elsewhere; no host means the teller's."""
        pool = self._pool((error.host or teller.host, error.port))
        self._slots[error.slot_id] = pool
        return pool

    def doubt(self) -> None:
        """A server failed: see in the background whether another one of its cluster replaced it.

        A single server or Sentinel's master fails for all requests; the breaker sees to that.
        """
        if not self.is_cluster:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._searched < SEARCH_SECONDS:
                return
            self._searched = now
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._search, name="irl-search", daemon=True).start()

    def _search(self) -> None:
        # If nobody can tell, the next failure asks again.
        with contextlib.suppress(StoreError):
            self.refresh()

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
        known: list[Address] = [a for a in list(self._pools) if a is not None and self._slots]
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
        self._searched = -SEARCH_SECONDS
        for pool in list(self._pools.values()):
            pool.forget()

    def close(self) -> None:
        """Close all connections that are not in use."""
        for pool in list(self._pools.values()):
            pool.close()

    def _ask_sentinel(self, host: Address) -> Address:
        pool = self._sentinel(host)
        command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._location.master)
        answer = pool.run([command])[0]
        pool.close()
        if not isinstance(answer, list) or len(answer) != 2:
            raise StoreError(f"Sentinel knows no master {self._location.master!r}")
        return answer[0].decode(), int(answer[1])

    def _ask_cluster(self, host: Address) -> list[Connections]:
        answer = self._pool(host).run([("CLUSTER", "SLOTS")])[0]
        if not isinstance(answer, list):
            raise StoreError(f"not a cluster: {answer}", kind="response")
        slots: list[Connections | None] = [None] * 16384
        for first, last, master, *_ in answer:
            pool = self._pool(((master[0] or b"").decode() or host[0], int(master[1])))
            slots[first : last + 1] = [pool] * (last + 1 - first)
        full = [pool for pool in slots if pool is not None]
        if len(full) != len(slots):
            raise StoreError("the cluster does not cover all slots", kind="response")
        return full

    def _pool(self, address: Address | None) -> Connections:
        with self._lock:
            pool = self._pools.get(address)
            if pool is None:
                pool = self._pools[address] = self._connections(address)
            return pool

    def _connections(self, address: Address | None) -> Connections:
        connect = {k: v for k, v in self._connect.items() if k != "sentinel_kwargs"}
        return self._made(address, connect)

    def _sentinel(self, address: Address) -> Connections:
        # Sentinels have their own users; their passwords come as sentinel_kwargs.
        own = self._connect.get("sentinel_kwargs") or {}
        if not isinstance(own, Mapping):
            raise ConfigurationError("storage_options: sentinel_kwargs is no mapping")
        return self._made(address, own)

    def _made(self, address: Address | None, connect: Mapping[str, Any]) -> Connections:
        kind = self._location.connection_class
        return Connections(address, kind, connect, self._timeout, self._answer_bytes)
