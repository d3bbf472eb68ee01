"""Find the server of a key: a single one, Sentinel's master, or a node of a cluster."""

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
from flask_irl.stores.redis.errors import store_error
from flask_irl.stores.redis.pool import Pool, run_until

SEARCH_SECONDS = 1.0
"""Least time between two searches for a cluster's nodes."""


class Servers:
    """Know the servers of a location; :meth:`refresh` finds them anew.

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
        self._pools: dict[Address | None, Pool] = {}
        self._slots: list[Pool] = []
        self._master: Pool | None = None
        self._lock = threading.Lock()
        self._last_search = -SEARCH_SECONDS
        first = location.hosts[0] if location.hosts else None
        if location.kind == "single":
            self._master = self._pool(first)
        else:
            self._open_pool(first)
        if location.kind == "sentinel" and first is not None:
            self._open_sentinel(first)

    @property
    def ready(self) -> bool:
        """Tell whether the servers are known."""
        return self._master is not None or bool(self._slots)

    @property
    def only(self) -> Pool | None:
        """Give the connections to the server that holds all keys; None where several share them."""
        return self._master

    def of(self, key: bytes, deadline: float) -> Pool:
        """Give the connections to the server of a key.

        Args:
            key: A Redis key.
            deadline: Time of ``time.monotonic`` until which a search for the servers may take.

        Raises:
            StoreError: No server is known and none was found in time.
        """
        if self._master is not None:
            return self._master
        if not self._slots:
            run_until(deadline, self.refresh, lambda _: None)
            if self._master is not None:
                return self._master
        return self._slots[key_slot(key)]

    def all(self) -> list[Pool]:
        """Give the connections to every server that holds keys, found anew.

        Raises:
            StoreError: No server answered well.
        """
        self.refresh()
        return [self._master] if self._master is not None else list(dict.fromkeys(self._slots))

    def redirect(self, error: MovedError, sender: Pool) -> Pool:
        """Note the new server of a cluster's slot, and give it; no host means the sender's.

        Raises:
            MovedError: The servers are meant to be no cluster.
        """
        if not self._slots:
            raise error
        pool = self._pool((error.host or sender.host, error.port))
        self._slots[error.slot_id] = pool
        return pool

    def report_failure(self) -> None:
        """Search in the background for a cluster's nodes: another may have replaced a failed one.

        A single server or Sentinel's master fails for all requests, which is left to the breaker.
        """
        if self._location.kind != "cluster":
            return
        with self._lock:
            now = time.monotonic()
            if now - self._last_search < SEARCH_SECONDS:
                return
            self._last_search = now
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._search, name="irl-search", daemon=True).start()

    def _search(self) -> None:
        # If no node answers, the next failure searches again.
        with contextlib.suppress(StoreError):
            self.refresh()

    def refresh(self) -> None:
        """Find the servers again; may take seconds, for background work.

        Raises:
            StoreError: No node and no Sentinel answered well.
        """
        if self._location.kind == "single":
            return
        errors: list[str] = []
        nodes: list[Address] = [a for a in list(self._pools) if a is not None and self._slots]
        for host in dict.fromkeys([*self._location.hosts, *nodes]):
            try:
                if self._location.kind == "sentinel":
                    self._master = self._pool(self._ask_sentinel(host))
                else:
                    self._slots = self._ask_cluster(host)
                return
            except StoreError as error:
                name = f"{host[0]}:{host[1]}"
                errors.append(str(error) if name in str(error) else f"{name}: {error}")
        raise StoreError("no server found: " + "; ".join(errors))

    def forget(self) -> None:
        """Drop the connections of a parent process."""
        self._lock = threading.Lock()
        self._last_search = -SEARCH_SECONDS
        for pool in list(self._pools.values()):
            pool.forget()

    def close(self) -> None:
        """Close all connections that are not in use."""
        for pool in list(self._pools.values()):
            pool.close()

    def _ask_sentinel(self, host: Address) -> Address:
        pool = self._open_sentinel(host)
        command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._location.master)
        answer = pool.run([command])[0]
        pool.close()
        if not isinstance(answer, list) or len(answer) != 2:
            raise StoreError(f"Sentinel knows no master {self._location.master!r}")
        return answer[0].decode(), int(answer[1])

    def _ask_cluster(self, host: Address) -> list[Pool]:
        answer = self._pool(host).run([("CLUSTER", "SLOTS")])[0]
        if not isinstance(answer, list):
            raise store_error(answer) from answer
        slots: list[Pool | None] = [None] * 16384
        for first, last, master, *_ in answer:
            pool = self._pool(((master[0] or b"").decode() or host[0], int(master[1])))
            slots[first : last + 1] = [pool] * (last + 1 - first)
        full = [pool for pool in slots if pool is not None]
        if len(full) != len(slots):
            raise StoreError("the cluster does not cover all slots", kind="response")
        return full

    def _pool(self, address: Address | None) -> Pool:
        with self._lock:
            pool = self._pools.get(address)
            if pool is None:
                pool = self._pools[address] = self._open_pool(address)
            return pool

    def _open_pool(self, address: Address | None) -> Pool:
        connect = {k: v for k, v in self._connect.items() if k != "sentinel_kwargs"}
        return self._make_pool(address, connect)

    def _open_sentinel(self, address: Address) -> Pool:
        # Sentinels have their own users; their passwords come as sentinel_kwargs.
        own = self._connect.get("sentinel_kwargs") or {}
        if not isinstance(own, Mapping):
            raise ConfigurationError("storage_options: sentinel_kwargs is no mapping")
        return self._make_pool(address, own)

    def _make_pool(self, address: Address | None, connect: Mapping[str, Any]) -> Pool:
        kind = self._location.connection_class
        return Pool(address, kind, connect, self._timeout, self._answer_bytes)
