"""Test the Redis servers of the tests, and their clock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import Clock
from tests.redis_server import ports_of_worker
from tests.servers import (
    ClusterServer,
    RedisServer,
    SentinelServer,
    free_port,
    wait_until,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Run a server of the test's own."""
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[ClusterServer]:
    """Run a cluster of three nodes."""
    with ClusterServer(nodes=3) as cluster:
        yield cluster


@pytest.fixture
def left_over(redis_server: RedisServer) -> None:
    """Leave a key behind, as another test may."""
    with redis_server.client() as client:
        client.set("key", "of another test")


@pytest.mark.usefixtures("left_over")
def test_the_url_reaches_an_emptied_database(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_unix_socket_answers() -> None:
    with RedisServer(unix_socket=True) as server, redis.Redis.from_url(server.url) as client:
        assert server.url.startswith("unix:///")
        assert client.ping()


def test_a_password_is_part_of_the_url() -> None:
    with RedisServer(config={"requirepass": "sesame"}) as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        with server.client(password=None) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_a_frozen_server_makes_a_client_time_out(server: RedisServer) -> None:
    with server.client(socket_timeout=0.05) as client:
        server.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        assert server.running


def test_a_thawed_server_answers_again_with_its_keys(server: RedisServer) -> None:
    with server.client() as client:
        client.set("key", 1)
        server.freeze()
        server.thaw()
        assert client.get("key") == b"1"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_ended_server_refuses_connections(server: RedisServer, end: str) -> None:
    getattr(server, end)()
    with server.client() as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_frozen_server_can_be_stopped(server: RedisServer) -> None:
    server.freeze()
    server.stop()
    assert not server.running


def test_a_restarted_server_is_empty_and_on_the_same_port(server: RedisServer) -> None:
    port, pid = server.port, server.pid
    with server.client() as client:
        client.set("key", 1)
    server.restart()
    with server.client() as client:
        assert client.get("key") is None
    assert server.port == port
    assert server.pid != pid


def test_a_server_that_ends_at_its_start_shows_its_log() -> None:
    server = RedisServer(config={"no-such-directive": "1"})
    with pytest.raises(RuntimeError, match="no-such-directive"), server:
        pytest.fail("it started")
    assert not server.folder.exists()


def test_servers_end_with_the_process_that_started_them() -> None:
    script = (
        "from tests.servers import RedisServer\n"
        "server = RedisServer()\n"
        "server.start()\n"
        "print(server.pid, server.folder)\n"
    )
    output = subprocess.check_output(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], text=True
    )
    pid, folder = output.split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert not Path(folder).exists()


def test_one_node_makes_a_cluster_that_wants_one_slot_per_call(
    redis_cluster: ClusterServer,
) -> None:
    with redis_cluster.nodes[0].client() as client:
        client.mset({"{a}1": 1, "{a}2": 2})
        assert client.mget("{a}1", "{a}2") == [b"1", b"2"]
        with pytest.raises(redis.ResponseError, match="same slot"):
            client.mget("a", "b")


def test_three_nodes_share_the_slots(three_nodes: ClusterServer) -> None:
    keys = [f"key-{number}" for number in range(30)]
    client = three_nodes.client()
    try:
        for key in keys:
            client.set(key, key)
        assert [client.get(key) for key in keys] == [key.encode() for key in keys]
        owners = {client.get_node_from_key(key) for key in keys}
    finally:
        client.close()
    assert len(owners) == 3


def test_each_node_of_three_is_named_in_the_url(three_nodes: ClusterServer) -> None:
    scheme, _, nodes = three_nodes.url.partition("://")
    assert scheme == "redis+cluster"
    assert nodes.split(",") == [f"127.0.0.1:{node.port}" for node in three_nodes.nodes]


def test_the_sentinel_discovers_the_master(redis_sentinel: SentinelServer) -> None:
    sentinel = redis_sentinel.client()
    address = sentinel.discover_master(redis_sentinel.service)
    assert address == ("127.0.0.1", redis_sentinel.master.port)
    assert sentinel.master_for(redis_sentinel.service).set("key", 1)


def test_no_port_is_chosen_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50


def test_workers_choose_from_ports_of_their_own() -> None:
    shares = [
        ports_of_worker({"PYTEST_XDIST_WORKER": f"gw{number}", "PYTEST_XDIST_WORKER_COUNT": "3"})
        for number in range(3)
    ]
    assert len(set().union(*shares)) == sum(map(len, shares)) == len(ports_of_worker({}))


def test_a_worker_that_replaces_a_crashed_one_has_ports_too() -> None:
    environment = {"PYTEST_XDIST_WORKER": "gw7", "PYTEST_XDIST_WORKER_COUNT": "2"}
    assert ports_of_worker(environment)


def test_a_condition_that_never_holds_is_named() -> None:
    with pytest.raises(TimeoutError, match="a blue moon"):
        wait_until(lambda: False, "a blue moon", timeout=0.01)


def test_the_clock_moves_only_when_told(clock: Clock) -> None:
    assert clock() == clock() == 1_700_000_000.0
    assert clock.advance(1.5) == clock() == 1_700_000_001.5
