"""Start the Redis server of benchmark and load test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.redis_server import RedisServer


@contextmanager
def redis_server() -> Iterator[str]:
    """Start an empty Redis server without persistence, and give its URL.

    Raise :class:`RuntimeError` if none is installed.
    """
    with RedisServer() as server:
        yield server.url
