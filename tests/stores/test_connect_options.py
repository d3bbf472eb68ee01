"""What redis-py takes in a URI is taken here, used or named; what is wrong is refused."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster
from redis.connection import (
    URL_QUERY_ARGUMENT_PARSERS,
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.sentinel import Sentinel

from flask_irl.config.options import Options
from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit
from flask_irl.stores.open import open_store
from flask_irl.stores.redis.connect_options import UNUSED, UNUSED_BY_KIND, sort_options
from tests.servers import ClusterServer, RedisServer, SentinelServer
from tests.stores.conftest import PATIENCE, plan_of

EVERYTHING = (
    "max_connections=20&timeout=5&socket_timeout=1.5&socket_connect_timeout=2&retry_on_timeout=yes"
    "&retry_on_error=x&health_check_interval=30&decode_responses=true&protocol=2"
    "&legacy_responses=no&lib_name=mine&lib_version=1"
)
NAMED = sorted(part.partition("=")[0] for part in EVERYTHING.split("&"))
USED = "client_name=mine&socket_keepalive=yes&encoding=utf-8&socket_read_size=4096"

ELSEWHERE = {
    # What a URI names in other places, or nobody writes in one.
    "url", "host", "port", "path", "startup_nodes", "sentinels", "sentinel_kwargs",
    # Another kind of connection: to leave it out could mean one without TLS.
    "ssl", "unix_socket_path", "connection_pool", "connection_class", "queue_class",
    "cache_factory", "max_connections",
}  # fmt: skip


def names_of(*classes: type) -> set[str]:
    """List the named parameters of classes."""
    found: set[str] = set()
    for each in classes:
        parameters = inspect.signature(each).parameters.values()
        found |= {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
    return found


def test_each_option_of_redis_pys_has_its_place() -> None:
    """A new version may bring more: decide on each."""
    taken = names_of(AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection)
    clients = names_of(redis.Redis, BlockingConnectionPool)
    assert clients - taken - UNUSED <= ELSEWHERE
    assert names_of(RedisCluster) - taken - UNUSED - UNUSED_BY_KIND["cluster"] <= ELSEWHERE
    assert names_of(Sentinel) - taken - UNUSED - UNUSED_BY_KIND["sentinel"] <= ELSEWHERE
    assert set(URL_QUERY_ARGUMENT_PARSERS) <= taken | UNUSED


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def use(uri: str, **storage_options: Any) -> None:
    """Open a store, and ask it in both ways."""
    options = Options(
        storage_uri=uri, storage_options=storage_options, store_timeout=PATIENCE, key_prefix="opts"
    )
    store = open_store(options)
    try:
        assert store.hit(plan_of(base=Limit(5, 60)), ("c",), 1).admitted
        store.put_note("test", b"x")
    finally:
        store.close()


def test_a_uri_written_for_redis_py_is_taken_with_one_warning(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"{redis_server.url}?{EVERYTHING}&{USED}"
    client = redis.Redis.from_url(uri)
    client.close()
    use(uri)
    [line] = warnings_of(caplog)
    assert line == f'storage_options_unused options="{", ".join(NAMED)}"'


def test_a_uri_of_a_socket_is_taken_so_too(caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer(unix_socket=True) as server:
        use(f"{server.url}&max_connections=20&health_check_interval=30")
    [line] = warnings_of(caplog)
    assert line.endswith('options="health_check_interval, max_connections"')


def test_what_means_something_is_used_without_a_word(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    options = Options(storage_uri=f"{redis_server.url}?{USED}", store_timeout=PATIENCE)
    store = open_store(options)
    try:
        store.ping()
        with redis_server.client() as client:
            assert "mine" in {each["name"] for each in client.client_list()}
    finally:
        store.close()
    assert warnings_of(caplog) == []


def test_the_same_names_are_taken_as_storage_options(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    use(redis_server.url, socket_connect_timeout=30, max_connections=20, client_name="mine")
    [line] = warnings_of(caplog)
    assert line == 'storage_options_unused options="max_connections, socket_connect_timeout"'


def test_those_of_a_clusters_client(
    redis_cluster: ClusterServer, caplog: pytest.LogCaptureFixture
) -> None:
    use(f"{redis_cluster.url}?read_from_replicas=true&require_full_coverage=false")
    [line] = warnings_of(caplog)
    assert line.endswith('options="read_from_replicas, require_full_coverage"')


def test_those_of_sentinels_have_their_own_place(
    redis_sentinel: SentinelServer, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"socket_timeout": 0.5, "client_name": "mine"}
    use(redis_sentinel.url, min_other_sentinels=1, sentinel_kwargs=own)
    [line] = warnings_of(caplog)
    assert line.endswith('options="min_other_sentinels, sentinel_kwargs.socket_timeout"')


WRONG = {
    "max_connections": ("many", "-1", "1.5"),
    "timeout": ("soon", "-1", "nan", "0"),
    "socket_timeout": ("soon", "-0.1", "inf"),
    "socket_connect_timeout": ("soon", "0"),
    "health_check_interval": ("often", "-1"),
    "protocol": ("four", "4"),
    "db": ("first",),
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in WRONG.items() for t in texts])
def test_a_wrong_value_is_refused_at_start_by_name(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        open_store(Options(storage_uri=f"redis://127.0.0.1:6379/0?{name}={text}"))


@pytest.mark.parametrize("value", [True, "20", 1.5, -1, 2**40])
def test_a_wrong_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"max_connections is .* from 0 to"):
        sort_options({"max_connections": value}, "single")


@pytest.mark.parametrize("name", ["max_conections", "ssl", "nonsense"])
def test_a_name_that_is_not_redis_pys_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        open_store(Options(storage_uri=f"redis://127.0.0.1:6379/0?{name}=1"))


def test_an_option_of_a_cluster_alone_is_refused_for_a_single_server() -> None:
    with pytest.raises(ConfigurationError, match="read_from_replicas"):
        open_store(Options(storage_uri="redis://127.0.0.1:6379/0?read_from_replicas=true"))


def test_sentinel_kwargs_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="sentinel_kwargs is of type str"):
        sort_options({"sentinel_kwargs": "password=x"}, "sentinel")
