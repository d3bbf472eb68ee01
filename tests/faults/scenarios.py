"""Break real servers in all the ways of the table in ``docs/reliability.md``, and mend them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import pytest
from redis.credentials import CredentialProvider

from tests.faults.mixed import clock_set_back, evicting, two_versions, wrong_password
from tests.faults.names import MovingName
from tests.faults.proxy import Proxy
from tests.faults.resharding import Resharding
from tests.faults.site import slot_of
from tests.faults.stage import COUNTED, FILLERS, Stage, run
from tests.servers import HOST, ClusterServer, RedisServer, SentinelServer, free_port, wait_until


@dataclass(frozen=True, slots=True)
class Scenario:
    """Describe a fault.

    Args:
        name: The fault, as the table says it.
        open: Starts the servers, healthy.
        store: Whether the store is expected to decide on every request all the time.
        kept: Whether counts, profiles and overrides are expected to be there afterwards.
    """

    name: str
    open: Callable[[], AbstractContextManager[Stage]]
    store: bool = False
    kept: bool = True


def _nothing() -> None:
    pass


@contextmanager
def refused() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(server.url, server.stop, server.start)


@contextmanager
def killed() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(server.url, server.kill, server.start)


@contextmanager
def frozen() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(server.url, server.freeze, server.thaw)


@contextmanager
def restarted() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(server.url, server.restart, _nothing)


@contextmanager
def restarted_with_its_data() -> Iterator[Stage]:
    config = {"appendonly": "yes", "appendfsync": "always"}
    with RedisServer(config=config) as server:

        def restart() -> None:
            server.kill()
            server.start()

        yield Stage(server.url, restart, _nothing)


@contextmanager
def loading() -> Iterator[Stage]:
    """Restart a server that takes seconds to load its data, and answers LOADING meanwhile."""
    with RedisServer() as server:
        pipeline = server.client().pipeline()
        for number in range(FILLERS):
            pipeline.set(f"filler{number}", "x" * 100)
        pipeline.execute()

        def restart() -> None:
            run(server, "SAVE")
            server.kill()
            server.configure(key_load_delay="500", loading_process_events_interval_bytes="1024")
            server.launch()

        def wait() -> None:
            with server.client() as client:
                wait_until(client.ping, "the data being loaded")

        yield Stage(server.url, restart, wait)


def _slow(delay: Callable[[], float]) -> Callable[[], AbstractContextManager[Stage]]:
    @contextmanager
    def slow() -> Iterator[Stage]:
        with RedisServer() as server, Proxy(server.port) as proxy:

            def fault() -> None:
                proxy.delay = delay

            def mend() -> None:
                proxy.delay = lambda: 0.0

            yield Stage(f"redis://{HOST}:{proxy.port}/0", fault, mend)

    return slow


def _jitter() -> float:
    return random.choice((0.0, 0.0, 0.0, 0.02, 0.08))


@contextmanager
def half_open() -> Iterator[Stage]:
    with RedisServer() as server, Proxy(server.port) as proxy:

        def drop(dropping: bool) -> None:
            proxy.dropping = dropping

        yield Stage(f"redis://{HOST}:{proxy.port}/0", lambda: drop(True), lambda: drop(False))


@contextmanager
def full() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(
            server.url,
            lambda: run(server, "CONFIG", "SET", "maxmemory", "1"),
            lambda: run(server, "CONFIG", "SET", "maxmemory", "0"),
        )


@contextmanager
def read_only() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(
            server.url,
            lambda: run(server, "REPLICAOF", HOST, free_port()),
            lambda: run(server, "REPLICAOF", "NO", "ONE"),
        )


@contextmanager
def script_cache_flushed() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(server.url, lambda: run(server, "SCRIPT", "FLUSH"), _nothing)


@contextmanager
def connections_cut() -> Iterator[Stage]:
    with RedisServer() as server:
        yield Stage(server.url, lambda: run(server, "CLIENT", "KILL", "TYPE", "NORMAL"), _nothing)


@contextmanager
def right_missing() -> Iterator[Stage]:
    with RedisServer() as server:
        run(server, "ACL", "SETUSER", "irl", "on", ">word", "~*", "&*", "+@all")
        yield Stage(
            server.url.replace("://", "://irl:word@"),
            lambda: run(server, "ACL", "SETUSER", "irl", "-evalsha", "-eval"),
            lambda: run(server, "ACL", "SETUSER", "irl", "+@all"),
        )


class _Provider(CredentialProvider):
    password = "old"

    def get_credentials(self) -> tuple[str]:
        return (self.password,)


@contextmanager
def password_rotated() -> Iterator[Stage]:
    """Rotate the password as managed services do, seconds before its provider knows the new one."""
    with RedisServer(config={"requirepass": "old"}) as server:
        provider = _Provider()

        def rotate() -> None:
            with server.client() as client:
                client.config_set("requirepass", "new")
                client.client_kill_filter(_type="normal", skipme=True)

        def tell() -> None:
            provider.password = "new"

        options = {"storage_options": {"credential_provider": provider}}
        yield Stage(f"redis://{HOST}:{server.port}/0", rotate, tell, options)


@contextmanager
def failed_over() -> Iterator[Stage]:
    """Demote a managed primary; its name leads to the new one at the end of the fault."""
    with _primary() as old, RedisServer() as new, pytest.MonkeyPatch.context() as patch:
        name = MovingName(patch, old)
        run(new, "REPLICAOF", HOST, old.port)

        def fault() -> None:
            _wait_for_replica(old)
            run(new, "REPLICAOF", "NO", "ONE")
            run(old, "REPLICAOF", HOST, new.port)

        yield Stage(name.url, fault, lambda: name.move(new))


@contextmanager
def name_moved() -> Iterator[Stage]:
    """Freeze a primary whose name leads to the new one at the end of the fault."""
    with _primary() as old, RedisServer() as new, pytest.MonkeyPatch.context() as patch:
        name = MovingName(patch, old)
        run(new, "REPLICAOF", HOST, old.port)

        def fault() -> None:
            _wait_for_replica(old)
            old.freeze()
            run(new, "REPLICAOF", "NO", "ONE")

        yield Stage(name.url, fault, lambda: name.move(new))


@contextmanager
def sentinel_failed_over() -> Iterator[Stage]:
    """Kill the master; three Sentinels agree on its replica."""
    with SentinelServer(sentinels=3, replicas=1) as servers:
        yield Stage(servers.url, lambda: _kill(servers.master), _nothing)


@contextmanager
def slot_moved() -> Iterator[Stage]:
    with ClusterServer(3) as cluster:
        resharding = Resharding(cluster, slot_of(COUNTED))

        def move() -> None:
            resharding.begin()
            for key in resharding.left():
                resharding.move(key)
                time.sleep(0.01)

        yield Stage(cluster.url, move, resharding.end)


@contextmanager
def cluster_master_killed() -> Iterator[Stage]:
    """Kill the master of a part of the slots; its replica takes over."""
    with ClusterServer(3, replicas=True) as cluster:
        node = cluster.nodes[slot_of(COUNTED) * 3 // 16_384]
        yield Stage(cluster.url, lambda: _kill(node), _nothing)


def _primary() -> RedisServer:
    return RedisServer(config={"repl-diskless-sync-delay": "0"})


def _kill(primary: RedisServer) -> None:
    _wait_for_replica(primary)
    primary.kill()


def _wait_for_replica(primary: RedisServer) -> None:
    """Wait until a replica has all that was written until now: a test loses nothing by chance."""
    wait_until(lambda: run(primary, "WAIT", 1, 500), "the replica")


SCENARIOS: Final = (
    Scenario("stopped for a moment", refused, kept=False),
    Scenario("killed in mid-flight", killed, kept=False),
    Scenario("restarted empty", restarted, kept=False),
    Scenario("restarted with its append-only file", restarted_with_its_data),
    Scenario("loads its data after a restart", loading),
    Scenario("frozen", frozen),
    Scenario("answers 30 ms late", _slow(lambda: 0.03), store=True),
    Scenario("answers 60 ms late", _slow(lambda: 0.06)),
    Scenario("answers up to 80 ms late, now and then", _slow(_jitter)),
    Scenario("the network loses everything, and tells nobody", half_open),
    Scenario("connections are cut", connections_cut, store=True),
    Scenario("full (`noeviction`)", full),
    Scenario("a read-only replica", read_only),
    Scenario("script cache flushed", script_cache_flushed, store=True),
    Scenario("full (`allkeys-lru`), keys evicted all the time", evicting, store=True, kept=False),
    Scenario("its clock set back by an hour", clock_set_back, store=True),
    Scenario("its user lacks a right", right_missing),
    Scenario("a wrong password from the start", wrong_password),
    Scenario("password rotated, and told later", password_rotated),
    Scenario("managed failover, the old primary read-only", failed_over),
    Scenario("its name leads elsewhere, the old server frozen", name_moved),
    Scenario("Sentinel: master killed", sentinel_failed_over),
    Scenario("Cluster: a slot moves", slot_moved, store=True),
    Scenario("Cluster: a master killed", cluster_master_killed),
    Scenario("workers of an earlier version beside", two_versions, store=True),
)
