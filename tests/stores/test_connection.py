"""Test connections without redis-py: they log in as its own do, and need nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from redis.connection import parse_url
from redis.crc import key_slot as their_slot

from flask_irl.stores.location import Transport, locate
from flask_irl.stores.redis.connection import PlainConnection, is_plain
from flask_irl.stores.redis.errors import store_error
from flask_irl.stores.redis.exceptions import (
    AskError,
    ConnectError,
    ConnectTimeoutError,
    MovedError,
    RedisError,
    ResponseError,
    answered_error,
)
from flask_irl.stores.redis.redis_py import connect_by_redis_py
from flask_irl.stores.redis.slots import key_slot
from flask_irl.stores.redis.wire import Wire
from tests.servers import HOST, RedisServer, free_port
from tests.stores import fake_server
from tests.stores.fake_server import Connection, FakeServer

SECONDS = 5.0
PING = b"*1\r\n$4\r\nPING\r\n"

URLS = (
    "redis://",
    "redis://host",
    "redis://host:7000",
    "redis://host:0/1",
    "redis://HOST:7000/0",
    "redis://host/3",
    "redis://:pass@host/3",
    "redis://user@host",
    "redis://user:p%40ss%2F%3A@host:1/2",
    "redis://[::1]:7000/2",
    "redis://host/",
    "redis://host:7000/2#there",
    "rediss://user:pass@host:1/2",
    "unix:///run/redis.sock",
    "unix://user:pass@/run/re%20dis.sock",
)
AS_REDIS_PY = (
    "redis://host?db=2&client_name=mine&timeout=2&socket_keepalive=no",
    "unix:///run/redis.sock?db=2",
)


@pytest.mark.parametrize("url", [*URLS, *AS_REDIS_PY])
def test_a_url_is_read_as_redis_py_reads_it(url: str) -> None:
    theirs = dict(parse_url(url))
    theirs.pop("connection_class", None)
    location = locate(url)
    ours = dict(location.connect)
    if location.hosts:
        [(ours["host"], ours["port"])] = location.hosts
        theirs = {"host": "localhost", "port": 6379, **theirs}
    assert ours == theirs


def test_slots_are_those_of_redis_py() -> None:
    keys = [b"", b"{", b"{}", b"{}a", b"a{b}c", b"a{b", b"}a{b}", b"irl1:{10.0.0.1}:x", b"{{a}}"]
    assert [key_slot(key) for key in keys] == [their_slot(key) for key in keys]


PLAIN: Mapping[str, Any] = {"username": "u", "password": None, "client_name": "n", "db": 2}


@pytest.mark.parametrize(
    ("transport", "options", "plain"),
    [
        ("tcp", {}, True),
        ("tcp", PLAIN, True),
        ("unix", {"path": "/run/redis.sock", **PLAIN}, True),
        ("tcp", {"path": "/run/redis.sock"}, False),
        ("tls", {}, False),
        ("tcp", {"socket_keepalive": True}, False),
        ("tcp", {"credential_provider": object()}, False),
        ("tcp", {"password": b"bytes"}, False),
        ("tcp", {"db": "2"}, True),
        ("tcp", {"db": 2.0}, False),
        ("tcp", {"nonsense": 1}, False),
    ],
)
def test_all_but_the_plain_is_left_to_redis_py(
    transport: Transport, options: Mapping[str, Any], plain: bool
) -> None:
    assert is_plain(transport, options) is plain


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request: pytest.FixtureRequest) -> Any:
    """Run a server with a password, reached by TCP or by a socket."""
    config = {"requirepass": "secret"}
    with RedisServer(config=config, unix_socket=request.param == "unix") as found:
        with found.client() as client:
            client.execute_command("ACL", "SETUSER", "alice", "on", ">pw", "~*", "&*", "+@all")
        yield found


def described(connection: Any) -> dict[str, str]:
    """Ask a server for what it knows of a connection."""
    wire = Wire(connection, SECONDS, 2)
    [answer] = wire.ask_all([("CLIENT", "INFO")], lambda: SECONDS)
    wire.close()
    pairs = (part.partition("=") for part in answer.decode().split())
    known = {name: value for name, _, value in pairs}
    # Each connection has an id, an age and a port of its own; older servers know of no libraries.
    told = ("name", "db", "user", "resp", "lib-name", "lib-ver")
    return {name: known[name] for name in told if name in known}


@pytest.mark.parametrize(
    "options",
    [
        {"password": "secret"},
        {"username": "alice", "password": "pw"},
        {"username": "alice", "password": "pw", "db": 3, "client_name": "mine"},
    ],
    ids=["password", "user", "all"],
)
def test_a_server_sees_a_login_as_redis_pys(
    server: RedisServer, options: Mapping[str, Any]
) -> None:
    location = locate(server.url)
    address = location.hosts[0] if location.hosts else None
    given = {**location.connect, **options}
    theirs = connect_by_redis_py(location.transport, address, given, SECONDS)(SECONDS)
    ours = PlainConnection(address, given, SECONDS)
    found = described(ours)
    assert found == described(theirs)
    assert found["user"] == options.get("username", "default")
    assert found["db"] == str(options.get("db", 0))


@pytest.mark.parametrize("open_by", ["ours", "theirs"])
@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({}, "(?i)already authenticated|authentication required"),
        ({"password": "wrong"}, "invalid username-password pair"),
        ({"password": "secret", "db": 99}, "DB index is out of range"),
    ],
    ids=["none", "wrong", "database"],
)
def test_a_refused_login_is_a_servers_error(
    server: RedisServer, open_by: str, options: Mapping[str, Any], part: str
) -> None:
    location = locate(server.url)
    address = location.hosts[0] if location.hosts else None
    given = {k: v for k, v in location.connect.items() if k == "path"} | dict(options)
    with pytest.raises(ResponseError, match=part):
        if open_by == "ours":
            PlainConnection(address, given, SECONDS)
        else:
            connect_by_redis_py(location.transport, address, given, SECONDS)(SECONDS)


def error_of(open_connection: Callable[[], object]) -> tuple[type[RedisError], str]:
    with pytest.raises(RedisError) as caught:
        open_connection()
    return type(caught.value), str(caught.value)


def both(port: int, seconds: float = SECONDS) -> list[tuple[type[RedisError], str]]:
    """Give the errors of both kinds of connection to a port, in which they must agree."""
    theirs = connect_by_redis_py("tcp", (HOST, port), {}, seconds)
    return [
        error_of(lambda: PlainConnection((HOST, port), {}, seconds)),
        error_of(lambda: theirs(seconds)),
    ]


def test_a_port_that_nobody_listens_on_is_told_as_redis_py_tells_it() -> None:
    ours, theirs = both(free_port())
    assert ours == theirs
    assert ours[0] is ConnectError
    assert "Connection refused" in ours[1]


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".test"], ids=["gap", "long"])
def test_a_text_that_is_no_hosts_name_is_an_error_of_connecting(host: str) -> None:
    kind, text = error_of(lambda: PlainConnection((host, 6379), {}, SECONDS))
    assert kind is ConnectError
    assert str(store_error(kind(text))) == f"the host of {host}:6379 is not known"


def never(connection: Connection, command: object) -> None:
    """Answer nothing."""


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", ConnectError),
        (b"-ERR max number of clients reached\r\n", ConnectError),
        (b"-NOPERM User default has no permissions to run the 'hello' command\r\n", ResponseError),
        (b"%1\r\n+proto\r\n:2\r\n", ConnectError),
        (b"", ConnectTimeoutError),
    ],
    ids=["loading", "full", "rights", "protocol", "silent"],
)
def test_a_greeting_that_is_none_is_of_the_kind_that_redis_pys_is(
    monkeypatch: pytest.MonkeyPatch, greeting: bytes, kind: type[RedisError]
) -> None:
    monkeypatch.setattr(fake_server, "HELLO", greeting)
    with FakeServer(never) as found:
        ours, theirs = both(found.port, SECONDS if greeting else 0.05)
    assert ours[0] is theirs[0] is kind


def test_a_server_that_speaks_another_language_is_told() -> None:
    with FakeServer(never) as found:
        port = found.port
        original = fake_server.HELLO
        try:
            fake_server.HELLO = b"HTTP/1.1 400 Bad Request\r\n\r\n"
            ours, theirs = both(port)
        finally:
            fake_server.HELLO = original
    assert ours[0] is theirs[0]


def test_redirections_tell_their_node() -> None:
    for text, kind in (("MOVED 7 [::1]:7000", MovedError), ("ASK 7 [::1]:7000", AskError)):
        found = answered_error(text)
        assert type(found) is kind
        assert (found.slot_id, found.host, found.port) == (7, "[::1]", 7000)
    assert type(answered_error("MOVED somewhere")) is ResponseError


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks no process")
def test_a_forked_process_drops_a_connection_without_a_word(redis_server: RedisServer) -> None:
    [address] = locate(redis_server.url).hosts
    connection = PlainConnection(address, {}, SECONDS)
    wire = Wire(connection, SECONDS, 2)
    child = os.fork()
    if child == 0:
        connection.disconnect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert wire.ask_all([("PING",)], lambda: SECONDS) == [b"PONG"]
    wire.close()


def test_a_worker_on_redis_answers_and_learns_without_redis_py(redis_server: RedisServer) -> None:
    code = f"""
import sys
from flask import Flask
from flask_irl import IntelligentLimiter

app = Flask("x")
limiter = IntelligentLimiter(
    app, storage_uri={redis_server.url!r}, background=False, store_timeout=5.0, key_prefix="bare"
)
app.add_url_rule("/", view_func=lambda: "ok")
answer = app.test_client().get("/")
print(answer.headers["X-RateLimit-Remaining"])
with app.app_context():
    print(limiter.flush())
    limiter.close()
print(sorted({{"redis", "asyncio", "apscheduler"}} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout.split("\n") == ["99", "1", "[]", ""], run.stderr
