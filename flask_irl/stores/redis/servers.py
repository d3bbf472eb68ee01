"""Find the server of a key: a single one, Sentinel's master, or a node of a cluster."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask_irl.errors import OUT, StoreError
from flask_irl.stores.location import Address, Location
from flask_irl.stores.redis.deadline import run_until
from flask_irl.stores.redis.discovery import ask_cluster, ask_sentinel
from flask_irl.stores.redis.errors import store_error
from flask_irl.stores.redis.exceptions import AskError, MovedError, ResponseError, TryAgainError
from flask_irl.stores.redis.outages import Outages, name_of_slot
from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.redis.slots import SLOTS, key_slot

SEARCH_SECONDS: Final = 1.0
"""Least time between two searches for a cluster's nodes."""
PROBE_KEYS: Final = 20 * SLOTS
"""Keys that are tried for one on a node, which may have a single slot."""
SENDERS_HOST: Final = ("", "?")
"""Hosts in a redirection that stand for the host of the node that sends it."""
UNSERVED: Final = "CLUSTERDOWN Hash slot"
"""Beginning of the answer on a slot that no node serves, or that isn't served now."""


class Servers:
    """Know the servers of a location; :meth:`refresh` finds them anew.

    Args:
        location: Read from the storage URI.
        connect: Keyword arguments of redis-py's connections.
        timeout: Seconds that a call on a request's path may take in all.
        answer_bytes: Length of the answer that such calls expect.
        probe: Counts nothing for a key at a server, and raises if that fails.
        probe_key: Gives the Redis key of each of ever more numbers, for probes.

    Attributes:
        clustered: Whether they are a cluster.
        outages: The nodes and slots of it that are out.

    Raises:
        ConfigurationError: redis-py's connections don't know an option.
    """

    def __init__(
        self,
        location: Location,
        connect: Mapping[str, Any],
        timeout: float,
        answer_bytes: int,
        *,
        probe: Callable[[Pool, int], object],
        probe_key: Callable[[int], bytes],
    ) -> None:
        self._location = location
        self.clustered = location.kind == "cluster"
        self._ask_probe = probe
        self._probe_key = probe_key
        self.outages = Outages(self._probe)
        self._connect = connect
        self._timeout = timeout
        self._answer_bytes = answer_bytes
        self._pools: dict[Address | None, Pool] = {}
        self._slots: list[Pool | None] = []
        self._nodes: frozenset[Pool] = frozenset()
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
            StoreError: No server is known and none was found in time, or that of the key is out.
        """
        if self._master is not None:
            return self._master
        if self._slots and not self.outages.any:
            pool = self._slots[key_slot(key)]
            if pool is not None:
                return pool
        pool = self.node_of(key, deadline)
        if self._slots:
            self.outages.check_slot(key_slot(key))
        return pool

    def node_of(self, key: bytes, deadline: float) -> Pool:
        """Give the connections to the server of a key, also while others may not ask for its slot.

        Arguments and errors as for :meth:`of`.
        """
        if self._master is None and not self._slots:
            run_until(deadline, self.refresh, lambda _: None)
        if self._master is not None:
            return self._master
        slot = key_slot(key)
        pool = self._slots[slot]
        if pool is None:
            self.search()
            part = name_of_slot(slot)
            raise StoreError(f"{part} is served by no node", kind="response", part=part)
        self.outages.check_node(pool, self._nodes)
        return pool

    def all(self) -> list[Pool]:
        """Give the connections to every server that holds keys, found anew.

        Raises:
            StoreError: No server answered well.
        """
        self.refresh()
        return [self._master] if self._master is not None else list(self._nodes)

    def redirect(self, error: AskError, sender: Pool) -> Pool:
        """Give the server that a node of a cluster sends a client to; note it if for good.

        Args:
            error: MOVED, which holds for good, or ASK.
            sender: The node; a redirection without a host means the sender's.

        Raises:
            ResponseError: The servers are meant to be no cluster.
        """
        if not self._slots:
            raise error
        host = sender.host if error.host in SENDERS_HOST else error.host
        pool = self._pool((host, error.port))
        if isinstance(error, MovedError):
            self._slots[error.slot_id] = pool
            self._nodes |= {pool}
            # More may have moved with it.
            self.search()
        return pool

    def refused(self, key: bytes, pool: Pool, error: ResponseError) -> StoreError:
        """Word an answer that is an error, and note a slot of a cluster that isn't served now."""
        of_slot = isinstance(error, AskError | TryAgainError) or str(error).startswith(UNSERVED)
        if not (pool.node and of_slot):
            return store_error(error, part=pool.node)
        slot = key_slot(key)
        self.outages.slot_failed(slot)
        return store_error(error, part=name_of_slot(slot))

    def report_failure(self, error: StoreError) -> None:
        """Note that a node of a cluster failed, and search for one that may have replaced it.

        A single server or Sentinel's master fails for all requests, which is left to the breaker.
        """
        if not self.clustered:
            return
        if error.part and error.kind != OUT:
            node = next((p for p in list(self._pools.values()) if p.node == error.part), None)
            if node is not None:
                self.outages.node_failed(node, error)
        self.search()

    def search(self) -> None:
        """Search in the background for a cluster's nodes, unless that was done a moment ago."""
        with self._lock:
            now = time.monotonic()
            if now - self._last_search < SEARCH_SECONDS:
                return
            self._last_search = now
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._search, name="irl-search", daemon=True).start()

    def known(self) -> list[Pool]:
        """Give the connections to every server that was ever met, Sentinels not among them."""
        return list(self._pools.values())

    def _probe(self, node: Pool) -> None:
        """Raise while a node of a cluster is out, or answers and yet can't count."""
        with contextlib.suppress(StoreError):
            self.refresh()
        if node not in self._nodes:
            # Another one has its slots by now.
            return
        node.renew()
        for number in range(PROBE_KEYS):
            if self._slots[key_slot(self._probe_key(number))] is node:
                self._ask_probe(node, number)
                return

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
        hosts = list(dict.fromkeys([*self._location.hosts, *nodes]))
        if self.outages.any:
            # Those last that are known to be out.
            hosts.sort(key=lambda host: self.outages.is_out(self._pool(host)))
        gaps: list[Pool | None] = []
        for host in hosts:
            try:
                if self._location.kind == "sentinel":
                    self._master = self._pool(
                        ask_sentinel(self._open_sentinel(host), self._location.master)
                    )
                    return
                slots = self._ask_cluster(host)
                if None not in slots:
                    self._use(slots)
                    return
                # Another node may know more; else only the clients of those slots go without.
                gaps = gaps or slots
            except StoreError as error:
                name = f"{host[0]}:{host[1]}"
                errors.append(str(error) if name in str(error) else f"{name}: {error}")
        if any(gaps):
            self._use(gaps)
            return
        if gaps:
            errors.append("no node of the cluster has slots")
        raise StoreError("no server found: " + "; ".join(errors))

    def _use(self, slots: list[Pool | None]) -> None:
        # First, since who finds a node among the slots looks it up here.
        self._nodes |= {pool for pool in slots if pool is not None}
        self._slots = slots
        self._nodes = frozenset(pool for pool in slots if pool is not None)

    def forget(self) -> None:
        """Drop the connections of a parent process."""
        self._lock = threading.Lock()
        self._last_search = -SEARCH_SECONDS
        self.outages.forget()
        for pool in list(self._pools.values()):
            pool.forget()

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.outages.close()
        for pool in list(self._pools.values()):
            pool.close()

    def _ask_cluster(self, host: Address) -> list[Pool | None]:
        slots: list[Pool | None] = [None] * SLOTS
        for first, last, node in ask_cluster(self._pool(host)):
            slots[first : last + 1] = [self._pool(node)] * (last + 1 - first)
        return slots

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
        return self._make_pool(address, self._connect.get("sentinel_kwargs") or {})

    def _make_pool(self, address: Address | None, connect: Mapping[str, Any]) -> Pool:
        kind = self._location.transport
        node = f"{address[0]}:{address[1]}" if self.clustered and address is not None else ""
        return Pool(address, kind, connect, self._timeout, self._answer_bytes, node)
