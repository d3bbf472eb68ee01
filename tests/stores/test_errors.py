"""Test that each thing that can be wrong with a server is told in plain words, by real servers."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import redis

from flask_irl.errors import StoreError
from flask_irl.stores.location import locate
from flask_irl.stores.redis.errors import span
from flask_irl.stores.redis.store import RedisStore
from tests.servers import HOST, RedisServer, free_port
from tests.stores import fake_server
from tests.stores.conftest import plan_of
from tests.stores.fake_server import Connection, FakeServer, make_certificate

PLAN = plan_of()
CALLS: Mapping[str, Callable[[RedisStore], object]] = {
    "on a request's path": lambda store: store.hit(PLAN, ("c",), 1),
    "in the background": lambda store: store.add_rows([b"row"], 9),
}
both = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Run a server whose settings the tests may change."""
    with RedisServer() as found:
        yield found


@pytest.fixture
def admin(server: RedisServer) -> Iterator[redis.Redis]:
    """Connect to the server, and undo what a test did to it."""
    with server.client() as client:
        client.ping()
        yield client
        client.execute_command("REPLICAOF", "NO", "ONE")
        for name, value in (("maxmemory", "0"), ("maxclients", "100")):
            client.config_set(name, value)
        client.config_set("replica-serve-stale-data", "yes")


def complaint(
    uri: str, call: Callable[[RedisStore], object], timeout: float = 5.0
) -> tuple[str, str]:
    """Give the kind and the text of the error that a call of a new store ends in."""
    store = RedisStore(locate(uri), timeout=timeout)
    try:
        with pytest.raises(StoreError) as caught:
            call(store)
    finally:
        store.close()
    return caught.value.kind, str(caught.value)


# Down, far away, overloaded


def test_an_answer_that_does_not_come_is_told_with_the_configured_time(
    server: RedisServer,
) -> None:
    store = RedisStore(locate(server.url), timeout=5.0)
    store.hit(PLAN, ("c",), 1)
    store._timeout = store._servers._timeout = store._servers.of(b"", 0.0)._timeout = 0.05
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreError) as caught:
            store.hit(PLAN, ("c",), 1)
    finally:
        os.kill(server.pid, signal.SIGCONT)
        store.close()
    assert (caught.value.kind, str(caught.value)) == ("timeout", "no answer within 50 ms")


def test_a_connection_that_does_not_come_is_told_with_the_configured_time(
    server: RedisServer,
) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        told = complaint(server.url, CALLS["on a request's path"], 0.05)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert told == ("timeout", "no connection within 50 ms")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.05, "50 ms"), (0.0005, "0.5 ms"), (0.1234, "123 ms"), (1.0, "1 s"), (2.5, "2.5 s")],
)
def test_a_time_is_in_a_unit_that_fits(seconds: float, text: str) -> None:
    assert span(seconds) == text


@both
def test_a_server_that_is_down(call: Callable[[RedisStore], object]) -> None:
    port = free_port()
    told = complaint(f"redis://{HOST}:{port}", call)
    assert told == ("refused", f"{HOST}:{port} refuses connections")


@both
def test_a_host_that_is_not_known(call: Callable[[RedisStore], object]) -> None:
    told = complaint("redis://nosuch.invalid:6379", call, 20.0)
    assert told == ("connection", "the host of nosuch.invalid:6379 is not known")


@both
def test_a_socket_that_is_not_there(call: Callable[[RedisStore], object]) -> None:
    path = f"{tempfile.gettempdir()}/no-such.sock"
    assert complaint(f"unix://{path}", call) == ("connection", f"there is no socket {path}")


# Passwords and rights


@both
def test_passwords_that_are_wrong_or_missing(call: Callable[[RedisStore], object]) -> None:
    with RedisServer(config={"requirepass": "right"}) as server:
        wrong = complaint(f"redis://:geheim@{HOST}:{server.port}", call)
        missing = complaint(f"redis://{HOST}:{server.port}", call)
    assert wrong == ("response", "wrong user name or password")
    assert missing == ("response", "the server wants a password, and REDIS_URL has none")


@both
def test_rights_that_do_not_suffice(
    server: RedisServer, admin: redis.Redis, call: Callable[[RedisStore], object]
) -> None:
    admin.execute_command(*"ACL SETUSER bob on >x ~* resetchannels -@all +ping +select".split())
    admin.execute_command(*"ACL SETUSER eve on >x ~other +@all".split())
    told = {
        user: complaint(server.url.replace("://", f"://{user}:x@"), call) for user in ("bob", "eve")
    }
    assert {kind for kind, _ in told.values()} == {"response"}
    assert told["bob"][1].startswith("the user's rights don't suffice: it may not run ")
    assert told["eve"][1] == "the user's rights don't suffice: it may not use keys of this prefix"


# Servers that answer, and yet don't serve


@both
def test_a_full_server(
    server: RedisServer, admin: redis.Redis, call: Callable[[RedisStore], object]
) -> None:
    admin.config_set("maxmemory", "1")
    assert complaint(server.url, call) == ("response", "the server is full (maxmemory)")


@both
def test_a_replica(
    server: RedisServer, admin: redis.Redis, call: Callable[[RedisStore], object]
) -> None:
    admin.execute_command("REPLICAOF", HOST, free_port())
    told = "the server is a read-only replica: REDIS_URL must name its primary"
    assert complaint(server.url, call) == ("response", told)


def test_a_replica_that_has_lost_its_primary(server: RedisServer, admin: redis.Redis) -> None:
    admin.execute_command("REPLICAOF", HOST, free_port())
    admin.config_set("replica-serve-stale-data", "no")
    told = complaint(server.url, CALLS["on a request's path"])
    assert told == ("response", "the server is a replica that has lost its primary")


@both
def test_a_server_without_room_for_another_connection(
    server: RedisServer, admin: redis.Redis, call: Callable[[RedisStore], object]
) -> None:
    admin.config_set("maxclients", "1")
    told = complaint(server.url, call)
    assert told == ("connection", "the server takes no more connections (maxclients)")


@both
def test_a_database_that_is_not_there(
    server: RedisServer, call: Callable[[RedisStore], object]
) -> None:
    told = complaint(f"redis://{HOST}:{server.port}/99", call)
    assert told == ("response", "the server has no database of the number in REDIS_URL")


def test_a_server_that_is_no_cluster(server: RedisServer) -> None:
    _, told = complaint(f"redis+cluster://{HOST}:{server.port}", CALLS["in the background"])
    assert told.endswith(
        "the server is no cluster: REDIS_URL must begin with redis:// or rediss://"
    )


ANSWERS = {
    b"-LOADING Redis is loading the dataset in memory": (
        "the server is still loading its data after a start"
    ),
    b"-ERR unknown command 'EVALSHA', with args beginning with: 'x'": (
        "the server doesn't know the command EVALSHA: it is older than Redis 7, or no Redis or "
        "Valkey"
    ),
    b"-MISCONF Redis is configured to save RDB snapshots, but": (
        "the server can't save its data to disk, and so refuses to write"
    ),
    b"-NOREPLICAS Not enough good replicas to write.": (
        "the server has too few replicas to write (min-replicas-to-write)"
    ),
    b"-BUSY Redis is busy running a script.": "the server is busy with a script of somebody's",
    b"-CLUSTERDOWN Hash slot not served": "the cluster is down: Hash slot not served",
    b"-MOVED 3999 127.0.0.1:6381": (
        "the server is a node of a cluster: REDIS_URL must begin with redis+cluster://"
    ),
    b"-ASK 3999 127.0.0.1:6381": (
        "the server is a node of a cluster: REDIS_URL must begin with redis+cluster://"
    ),
    b"-TRYAGAIN Multiple keys request during rehashing of slot": (
        "the server is a node of a cluster: REDIS_URL must begin with redis+cluster://"
    ),
    b"-OOM command not allowed when used memory > 'maxmemory'. script: 3f, on @user_script:3.": (
        "the server is full (maxmemory)"
    ),
    b"-NEW that nobody knows yet": "the server answers with an error: NEW that nobody knows yet",
    b"HTTP/1.1 400 Bad Request": (
        'the server doesn\'t answer as Redis does (Protocol error, got "H" as reply type byte)'
    ),
}
"""Texts by answers that are hard to have from a real server; they are those of Redis 7."""


@both
@pytest.mark.parametrize(("answer", "text"), ANSWERS.items(), ids=lambda part: str(part[:12]))
def test_answers_that_are_errors(
    call: Callable[[RedisStore], object], answer: bytes, text: str
) -> None:
    def send(connection: Connection, command: object) -> None:
        connection.send(answer + b"\r\n")

    with FakeServer(send) as server:
        told = complaint(f"redis://{HOST}:{server.port}", call)
    assert told == ("response", text)


@both
def test_a_server_that_is_too_old_to_be_greeted(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[RedisStore], object]
) -> None:
    greeting = b"-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n"
    monkeypatch.setattr(fake_server, "HELLO", greeting)
    with FakeServer(lambda connection, command: connection.send(b"+OK\r\n")) as server:
        kind, told = complaint(f"redis://{HOST}:{server.port}", call)
    assert (kind, told[:44]) == ("response", "the server doesn't know the command HELLO: i")


@both
def test_a_certificate_that_nobody_knows(
    tmp_path: Path, call: Callable[[RedisStore], object]
) -> None:
    with FakeServer(lambda connection, command: None, make_certificate(tmp_path)) as server:
        told = complaint(f"rediss://{HOST}:{server.port}", call)
    assert told == (
        "connection",
        "the server's certificate is not accepted: self-signed certificate",
    )


@both
def test_a_server_that_closes_the_connection(call: Callable[[RedisStore], object]) -> None:
    with FakeServer(lambda connection, command: connection.close()) as server:
        told = complaint(f"redis://{HOST}:{server.port}", call)
    assert told == ("connection", "the server closed the connection")
