"""A managed Redis fails over: its name leads to another server, and the old one lives on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import cast

import pytest
from redis.credentials import CredentialProvider

from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.redis.store import RedisStore
from tests.faults.names import MovingName
from tests.faults.site import BACK, PATIENCE, Worker
from tests.servers import RedisServer, SentinelServer, free_port, wait_until
from tests.stores.fake_server import Connection, FakeServer

pytestmark = pytest.mark.integration

CLIENT = "192.0.2.1"
HOST = "127.0.0.1"
TIMEOUT = 0.3
"""The store's time-out where a server doesn't answer."""
LIMIT = 6
PING = b"*1\r\n$4\r\nPING\r\n"

Fault = Callable[[RedisServer, RedisServer], None]


@pytest.fixture
def old() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def new(redis_server: RedisServer) -> RedisServer:
    """Give the server that takes over, empty."""
    with redis_server.client() as client:
        client.flushall()
    return redis_server


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch, old: RedisServer) -> MovingName:
    return MovingName(monkeypatch, old)


def demote(old: RedisServer, new: RedisServer) -> None:
    """Make a server a replica of the other one."""
    with old.client() as client:
        client.execute_command("REPLICAOF", HOST, new.port)


def orphan(old: RedisServer, new: RedisServer) -> None:
    """Make a server a replica that has lost its primary, and doesn't serve old data."""
    with old.client() as client:
        client.config_set("replica-serve-stale-data", "no")
        client.execute_command("REPLICAOF", HOST, free_port())


def isolate(old: RedisServer, new: RedisServer) -> None:
    """Make a server a primary that has lost its replicas."""
    with old.client() as client:
        client.config_set("min-replicas-to-write", "1")


def kill(old: RedisServer, new: RedisServer) -> None:
    old.kill()


def freeze(old: RedisServer, new: RedisServer) -> None:
    old.freeze()


def pool_of(worker: Worker) -> Pool:
    """Give the connections of a worker to its only server."""
    return cast(RedisStore, worker.limiter.store)._servers.of(b"", 0.0)


def words(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List the log's lines about the store."""
    found = (record.getMessage().split()[0] for record in caplog.records)
    return [word for word in found if word.startswith("store_")]


@pytest.mark.parametrize("fault", [demote, orphan, isolate, kill])
def test_no_request_notices_that_the_name_leads_elsewhere(
    old: RedisServer,
    new: RedisServer,
    name: MovingName,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Worker(name.url, base_limit=LIMIT) as one, Worker(name.url, base_limit=LIMIT) as other:
        assert one.asks(2, CLIENT) + other.asks(2, CLIENT) == [200] * 4
        fault(old, new)
        name.move(new)
        # Of the limit nothing is known on the new server, but it is one limit.
        assert one.asks(3, CLIENT) + other.asks(3 + 2, CLIENT) == [*[200] * LIMIT, 429, 429]
        assert one.failures == other.failures == []
        assert words(caplog) == []


@pytest.mark.parametrize("fault", [demote, orphan, isolate, kill, freeze])
def test_background_work_goes_where_the_name_leads(
    old: RedisServer, new: RedisServer, name: MovingName, fault: Fault
) -> None:
    with Worker(name.url) as one:
        store = one.limiter.store
        store.add_counts({"requests": 1})
        fault(old, new)
        name.move(new)
        if fault is freeze:
            # Whoever waits for a server that doesn't answer, waits once.
            one.limiter.failures.guard("test", lambda: store.add_counts({"requests": 5}))
            assert one.failures == ["timeout"]
        store.add_counts({"requests": 2})
        assert store.counts() == {"requests": 2}


@pytest.mark.parametrize("fault", [demote, orphan, isolate, kill, freeze])
def test_the_store_is_back_once_the_name_leads_to_a_healthy_server(
    old: RedisServer,
    new: RedisServer,
    name: MovingName,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    with Worker(name.url, store_timeout=TIMEOUT, base_limit=LIMIT) as one:
        one.connect(CLIENT)
        # As many connections as busy threads leave behind.
        pool = pool_of(one)
        pool._idle.extend([pool._connect() for _ in range(8)])
        fault(old, new)
        assert one.asks(3, "192.0.2.2") == [200] * 3
        assert not one.healthy
        name.move(new)
        wait_until(lambda: one.healthy, "the store being back", BACK)
        assert one.source(CLIENT) == "store"
        wait_until(lambda: words(caplog)[-1] == "store_back", "the line that says so", BACK)
        assert words(caplog).count("store_lost") == words(caplog).count("store_back") == 1


CODES = (
    b"-READONLY You can't write against a read only replica. script: 3f, on @user_script:9.",
    b"-ERR Error running script: -READONLY You can't write against a read only replica.",
    b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    b"-LOADING Redis is loading the dataset in memory",
    b"-CLUSTERDOWN The cluster is down",
    b"-MOVED 3999 127.0.0.1:1",
    b"-NOAUTH Authentication required.",
    b"-WRONGPASS invalid username-password pair or user is disabled.",
)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code[1:30].decode())
def test_an_answer_of_a_wrong_server_drops_the_connection(
    new: RedisServer, monkeypatch: pytest.MonkeyPatch, code: bytes
) -> None:
    faulty: list[bool] = []

    def answer(connection: Connection, command: Sequence[bytes]) -> None:
        connection.send((code if faulty else b"+PONG") + b"\r\n")

    with FakeServer(answer) as server:
        name = MovingName(monkeypatch, server)
        with Worker(name.url) as one:
            one.limiter.store.put_note("test", b"")
            # A connection for requests, too.
            assert pool_of(one).call(PING, time.monotonic() + PATIENCE) == b"PONG"
            faulty.append(True)
            name.move(new)
            assert one.source(CLIENT) == "store"
            one.limiter.store.put_note("test", b"kept")
            assert one.limiter.store.note("test") == b"kept"
            assert one.failures == []


@pytest.mark.parametrize("code", [b"-OOM used memory > 'maxmemory'.", b"-ERR anything"])
def test_other_answers_cost_no_connection(monkeypatch: pytest.MonkeyPatch, code: bytes) -> None:
    with FakeServer(lambda connection, command: connection.send(code + b"\r\n")) as server:
        name = MovingName(monkeypatch, server)
        with Worker(name.url) as one:
            assert one.asks(2, CLIENT) == [200] * 2
            assert (one.failures, name.looked_up) == (["response"] * 2, 1)


def test_an_operator_who_asks_for_the_status_costs_requests_no_connection(
    name: MovingName,
) -> None:
    with Worker(name.url) as one:
        one.connect(CLIENT)
        before = pool_of(one)._idle[0]
        assert one.operations.status.read()["store"]["counts_requests"]
        assert pool_of(one)._idle[0] is before


class Rotating(CredentialProvider):
    """Give the password of the day, as a provider of short-lived tokens does."""

    password = "old"

    def get_credentials(self) -> tuple[str]:
        return (self.password,)


def test_a_rotated_password_is_asked_for_anew() -> None:
    with RedisServer(config={"requirepass": "old"}) as server, ExitStack() as stack:
        provider = Rotating()
        options = {"credential_provider": provider}
        one = Worker(f"redis://{HOST}:{server.port}/0", storage_options=options)
        stack.enter_context(one)
        assert one.ask(CLIENT) == 200
        with server.client() as client:
            client.config_set("requirepass", "new")
            client.client_kill_filter(_type="normal", skipme=True)
        assert one.asks(3, CLIENT) == [200] * 3
        assert set(one.failures) == {"response"}
        assert not one.healthy
        provider.password = "new"
        wait_until(lambda: one.healthy, "the store being back", BACK)
        assert one.source(CLIENT) == "store"


def test_a_master_that_sentinel_demoted_is_left(redis_sentinel: SentinelServer) -> None:
    with RedisServer() as new, Worker(redis_sentinel.url) as one:
        assert one.source(CLIENT) == "store"
        sentinel = redis_sentinel.client().sentinels[0]
        old = redis_sentinel.master
        try:
            demote(old, new)
            sentinel.sentinel_remove(redis_sentinel.service)
            sentinel.sentinel_monitor(redis_sentinel.service, HOST, new.port, 1)
            assert one.asks(3, CLIENT) == [200] * 3
            wait_until(lambda: one.healthy, "the store being back", BACK)
            assert one.source(CLIENT) == "store"
            with new.client() as client:
                assert client.exists(f"irl1:{{{CLIENT}}}")
        finally:
            with old.client() as client:
                client.execute_command("REPLICAOF", "NO", "ONE")
            sentinel.sentinel_remove(redis_sentinel.service)
            sentinel.sentinel_monitor(redis_sentinel.service, HOST, old.port, 1)
