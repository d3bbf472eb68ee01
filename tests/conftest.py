"""Provide the fixtures of all tests: a clock moved by hand, and real Redis servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from flask_irl.telemetry.log import logger
from tests import browser, prometheus
from tests.servers import (
    ClusterServer,
    NoRedisServerError,
    RedisServer,
    SentinelServer,
    redis_binary,
)

# On a busy machine an example may take any time. A test that needs more examples says so.
settings.register_profile("tests", deadline=None, max_examples=50)
settings.load_profile("tests")


class Clock:
    """Give the time in seconds to code under test.

    Args:
        start: Time at first.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """Move on by ``seconds`` (negative: a clock that was set back), and give the new time."""
        self.now += seconds
        return self.now


def pytest_report_header() -> str:
    """Name the Redis server that the tests use."""
    try:
        return f"redis server: {redis_binary()[1]}"
    except NoRedisServerError as error:
        return f"redis server: NONE. {error}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over files without slow tests where only those are wanted: to import all takes long."""
    if config.option.markexpr != "slow" or collection_path.suffix != ".py":
        return None
    return "mark.slow" not in collection_path.read_text(encoding="utf-8") or None


@pytest.fixture(autouse=True)
def level_of_the_log() -> Iterator[None]:
    """Give the package's logger its level back: a page's block and a command set it for good."""
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands still until a test advances it."""
    return Clock()


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave one folder on PATH, empty, and no variable that names a browser or a Prometheus."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in (*browser.OVERRIDES.values(), *prometheus.OVERRIDES.values()):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Run one server for all tests. A test that freezes or ends a server starts its own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Give the storage URI of ``redis_server``, emptied for this test."""
    with redis_server.client() as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(params=["memory", "redis"])
def uri(request: pytest.FixtureRequest) -> str:
    """Give the storage URI of each kind of store in turn."""
    return "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[ClusterServer]:
    """Run a cluster of one node, which refuses keys of several slots as a larger one does."""
    with ClusterServer() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_sentinel() -> Iterator[SentinelServer]:
    """Run a master watched by one Sentinel."""
    with SentinelServer() as servers:
        yield servers
