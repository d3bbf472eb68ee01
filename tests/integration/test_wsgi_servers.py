"""Each WSGI server people use: limits hold, what is served is learned from, and it ends quietly."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path

import pytest

from flask_irl.config.options import Options
from flask_irl.stores.open import open_store
from tests.integration.wsgi_servers import PATIENCE, SERVERS, Running, WsgiServer
from tests.servers import RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LIMIT = 5
REFUSED = 3
LATE = 2
"""Requests right before the server ends."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a client and the store saw of a server, from its start to its end."""

    server: WsgiServer
    answers: list[tuple[int, HTTPMessage]]
    learned: int
    clients: int
    log: str


@pytest.fixture(scope="module", params=SERVERS)
def visit(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[Visit]:
    """Start a server, send requests past the limit, wait until they are learned from, send more."""
    server = SERVERS[request.param]
    if server.missing:
        pytest.skip(server.missing)
    with redis_server.client() as client:
        client.flushall()
    # Not pytest's own folders, which only this user may read: Apache is another.
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_store(Options(storage_uri=redis_server.url, store_timeout=10.0))) as store,
    ):
        Path(folder).chmod(0o755)

        def learned() -> int:
            return store.counts().get("requests", 0)

        with Running(server, Path(folder), redis_server.url, LIMIT) as running:
            answers = [running.get() for _ in range(LIMIT + REFUSED)]
            wait_until(lambda: learned() == len(answers), "what was served, learned", PATIENCE)
            for _ in range(LATE):
                running.get()
            running.stop()
            yield Visit(server, answers, learned(), store.unique_clients(), running.log)


def test_a_client_is_served_up_to_its_limit_and_told_what_is_left(visit: Visit) -> None:
    served = visit.answers[:LIMIT]
    assert [status for status, _ in served] == [200] * LIMIT
    left = [headers["X-RateLimit-Remaining"] for _, headers in served]
    assert left == [str(n) for n in reversed(range(LIMIT))]


def test_past_its_limit_it_is_told_when_to_come_back(visit: Visit) -> None:
    refused = visit.answers[LIMIT:]
    assert [status for status, _ in refused] == [429] * REFUSED
    assert all(0 < int(headers["Retry-After"]) <= 60 for _, headers in refused)


def test_all_is_learned_from_under_one_client(visit: Visit) -> None:
    assert visit.clients == 1
    # Where Python doesn't end in good order, the last second may be lost.
    assert visit.learned >= len(visit.answers) + (LATE if visit.server.ends_python else 0)


def test_it_ends_without_a_traceback(visit: Visit) -> None:
    assert "Traceback" not in visit.log
