"""Make workers that share a store, each with its operations."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import pytest

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.model.model import Model, dump
from flask_irl.operations import Operations
from flask_irl.operations.results import AuditEntry, ClientOverride
from flask_irl.stores.base import Store
from flask_irl.stores.location import locate
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.redis.store import RedisStore
from flask_irl.stores.state import Update
from flask_irl.telemetry.events import Listener
from flask_irl.training.fit import Fit, fit_here
from tests.conftest import Clock

ADA = "ada"


class Worker:
    """Hold a limiter as one process has it, with its operations."""

    def __init__(
        self,
        store: Store,
        options: Mapping[str, Any],
        monotonic: Callable[[], float] = time.monotonic,
        fit: Fit = fit_here,
        listener: Listener | None = None,
    ) -> None:
        self.store = store
        self.limiter = Limiter(
            Options(
                **{
                    "base_limit": 10,
                    "strategy": "fixed-window",
                    "background": False,
                    "learning_minutes": 0.0,
                    **options,
                }
            ),
            store,
            listener=listener,
            fit=fit,
            monotonic=monotonic,
        )
        self.operations = Operations(self.limiter)

    def ask(
        self,
        client: str = "c",
        route: str = "/",
        path: int = 1,
        status: int = 200,
        method: str = "GET",
    ) -> Decision:
        """Send a request, and observe it."""
        decision = self.limiter.decide(self.limiter.plan(()), (client,))
        self.limiter.observe(
            decision,
            route=route,
            path=path,
            method=method,
            status=status if decision.admitted else 429,
            size=1000,
        )
        return decision

    def admitted(self, count: int, client: str = "c") -> int:
        """Send requests, and count those that are admitted."""
        return sum(self.ask(client).admitted for _ in range(count))

    def flag(self, client: str = "c", score: float = -0.9, step: int = 1) -> None:
        """Put a client a step or more down, as a verdict does."""
        [state] = self.store.load([client])
        assert state is not None
        update = Update(client, state.revision, step, score, state.profile)
        assert self.store.save([update], 3600) == ["saved"]

    def audited(self, limit: int = 50) -> list[AuditEntry]:
        """List the latest changes, newest first."""
        return self.operations.audit.entries(limit=limit)[0]

    def publish(self, model: Model, version: int = 1) -> bytes:
        """Put a model in force, as a training in another worker does."""
        blob = dump(dataclasses.replace(model, version=version))
        assert self.store.publish(self.store.model_version(), version, blob)
        return blob


UNASKED = ("local", "kind", "address", "close", "after_fork", "keeps_history")
"""Attributes of a store that need no answer of it."""


def break_store(store: Store, error: Exception) -> None:
    """Have every method of a store fail that asks it something."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    for name in dir(store):
        if not name.startswith("_") and name not in UNASKED:
            setattr(store, name, fail)


class Site:
    """Make workers that share a store."""

    def __init__(self, clock: Clock, open_store: Callable[[], Store]) -> None:
        self.clock = clock
        self._open = open_store
        self.workers: list[Worker] = []

    def worker(self, **options: Any) -> Worker:
        self.workers.append(Worker(self._open(), options, self.clock))
        return self.workers[-1]


def attack(
    site: Site,
    worker: Worker,
    client: str = "mallory",
    seconds: int = 30,
    first_path: int = 1000,
) -> None:
    """Look for pages that aren't there, twice a second and each another one."""
    for second in range(seconds):
        for half in range(2):
            worker.ask(client, "unmatched", first_path + 2 * second + half, 404)
            site.clock.advance(0.5)
        worker.limiter.flush()


def override(worker: Worker, kind: str, client: str = "c", **given: Any) -> ClientOverride:
    """Set an override as Ada, for ten minutes if nothing else is given."""
    amount = 2 if kind == "limit" else 0
    values = {"amount": amount, "seconds": 600.0, "reason": "", "who": ADA, **given}
    return worker.operations.overrides.set(client, kind, **values)


def sites_on(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Site]:
    """Make a site on the store that a fixture's parameter names, ``memory`` or ``redis``."""
    if request.param == "memory":
        memory = MemoryStore(clock=clock)
        found = Site(clock, lambda: memory)
    else:
        location = locate(request.getfixturevalue("redis_url"))
        found = Site(clock, lambda: RedisStore(location, timeout=5, clock=clock))
    yield found
    for worker in found.workers:
        worker.limiter.close()
