"""Count the Redis commands of operations: as many however many clients there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from flask_irl.operations import ORDERS
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from tests.conftest import Clock
from tests.operations.worker import Worker, override
from tests.servers import RedisServer

WALKS = {"keys", "scan", "hscan", "sscan", "zscan", "smembers", "sort", "randomkey"}
"""Commands whose cost grows with what there is."""
PAGE = 10


def ranked(worker: Worker, **query: Any) -> object:
    """List the first page of a ranking."""
    return worker.operations.clients.ranked(**query, limit=PAGE)


ASKED: dict[str, Callable[[Worker], object]] = {
    "stats": lambda w: w.operations.site.stats(),
    "status": lambda w: w.operations.status.read(),
    "limits": lambda w: w.operations.site.limits(),
    "client": lambda w: w.operations.clients.describe("client-7"),
    "course": lambda w: w.operations.course("client-7"),
    "audit": lambda w: w.operations.audit.entries(),
    **{order: partial(ranked, order=order) for order in ORDERS},
    "at a step": partial(ranked, step=0),
}


@pytest.fixture
def worker(redis_url: str, clock: Clock) -> Iterator[Worker]:
    found = Worker(RedisStore(locate(redis_url), timeout=5, clock=clock), {})
    yield found
    found.limiter.close()


def populate(worker: Worker, clients: int) -> None:
    for number in range(clients):
        worker.ask(f"client-{number}")
    worker.limiter.flush()
    for number in range(PAGE):
        override(worker, "allow", f"client-{number}")


@contextmanager
def counted(server: RedisServer) -> Iterator[dict[str, int]]:
    """Count the calls of each command meanwhile, those of scripts included."""
    calls: dict[str, int] = {}
    with server.client() as client:
        client.config_resetstat()
        yield calls
        for name, stats in client.info("commandstats").items():
            calls[name.removeprefix("cmdstat_")] = stats["calls"]


@pytest.mark.parametrize("question", ASKED)
def test_a_question_costs_as_many_commands_with_more_clients_and_walks_through_none(
    worker: Worker, redis_server: RedisServer, question: str
) -> None:
    found = []
    for clients in (PAGE, 20 * PAGE):
        populate(worker, clients)
        # The first time, the store's probe finds nothing, and this process no settings.
        ASKED[question](worker)
        with counted(redis_server) as calls:
            ASKED[question](worker)
        found.append({name: n for name, n in calls.items() if name != "config|resetstat"})
    few, many = found
    assert few
    assert not WALKS & {name.partition("|")[0] for name in many}
    if question != "at a step":
        # The other looks at all that the ranking keeps, a thousand at most.
        assert many == few
