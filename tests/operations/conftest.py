"""Provide sites on each kind of store, and a model of a quiet site."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from flask_irl.model.model import Model
from flask_irl.stores.memory.store import MemoryStore
from tests.conftest import Clock
from tests.operations.worker import Site, Worker, sites_on


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Site]:
    """Make a site whose time stands still until the test advances it."""
    yield from sites_on(request, clock)


@pytest.fixture
def here(site: Site) -> Worker:
    return site.worker()


@pytest.fixture(scope="module")
def trained() -> Model:
    """Train a model of a quiet site: people send few requests, and get a 404 once in a while."""
    # The sites of the tests have been observed for an hour when they begin.
    clock, draw = Clock(Clock().now - 3600.0), random.Random(1)
    worker = Worker(MemoryStore(clock=clock), {"base_limit": 1000})
    pauses = {f"person-{n}": draw.uniform(2, 12) for n in range(40)}
    for _ in range(300):
        for name, pause in pauses.items():
            if draw.random() < 1 / pause:
                status = 404 if draw.random() < 0.1 else 200
                worker.ask(name, draw.choice("/a /b /c".split()), draw.randrange(20), status)
        clock.advance(1)
        worker.limiter.flush()
    training = worker.limiter.train()
    assert (training.result, worker.limiter.trainer.model.advisory) == ("accepted", False)
    return worker.limiter.trainer.model
