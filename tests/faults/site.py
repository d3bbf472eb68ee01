"""Serve an app whose store a test breaks, and tell who decided on each of its requests."""

from __future__ import annotations

from typing import Any

from flask import Flask
from redis.crc import key_slot

from flask_irl import IntelligentLimiter
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.operations import Operations
from flask_irl.telemetry.events import StoreFailed
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.redis_server import Closing, wait_until

BACK = 15.0
"""Seconds after which a site on a busy machine is back on its store, at the most."""
PATIENCE = 5.0
"""The store's time-out: a busy machine fails no test that isn't about time."""


class Worker(Closing):
    """Run an app as one of a site's workers does; background work is done when a test says so.

    Args:
        uri: The storage URI.
        route_limit: A limit of the route ``/`` beside the base limit; empty for none.
        options: Further options of the limiter.
    """

    def __init__(self, uri: str, *, route_limit: str = "", **options: Any) -> None:
        self.app = Flask("site")
        self.events = Recorder()
        self._extension = IntelligentLimiter(
            self.app,
            **{
                "storage_uri": uri,
                "store_timeout": PATIENCE,
                "base_limit": 20,
                "background": False,
                "train": False,
                "listener": self.events,
                **options,
            },
        )
        view = self._extension.limit(route_limit)(_hello) if route_limit else _hello
        self.app.add_url_rule("/", "index", view)
        self._client = self.app.test_client()

    def start(self) -> None:
        """Do nothing: background work starts with the first request."""

    def close(self) -> None:
        """End its limiter."""
        self.limiter.close()

    @property
    def limiter(self) -> Limiter:
        return state_of(self.app).limiter

    @property
    def operations(self) -> Operations:
        return Operations(self.limiter)

    @property
    def healthy(self) -> bool:
        return not self.limiter.breaker.is_open

    @property
    def failures(self) -> list[str]:
        """List the kinds of the failed calls of the store."""
        return [event.kind for event in self.events.of(StoreFailed)]

    def ask(self, client: str) -> int:
        """Send one request of a client, and give its status."""
        return self._client.get("/", environ_base={"REMOTE_ADDR": client}).status_code

    def asks(self, count: int, client: str) -> list[int]:
        return [self.ask(client) for _ in range(count)]

    def connect(self, *clients: str) -> None:
        """Ask the store about clients until it decides: a busy machine may take long to connect."""
        for client in clients:
            wait_until(lambda c=client: self.source(c) == "store", "a connection", BACK)  # type: ignore[misc]

    def source(self, client: str) -> str:
        """Tell who decides on a request of a client now: the store, or this worker."""
        return self.limiter.decide(self.limiter.plan(()), (client,)).source


def _hello() -> str:
    return "hello"


def client_in(first: int, last: int, number: int = 0) -> str:
    """Find the address of a client whose keys are in a range of a cluster's slots.

    Args:
        first: The range's first slot.
        last: Its last slot.
        number: Chooses one of several clients.
    """
    for index in range(2**16):
        client = f"198.51.{index >> 8}.{index & 255}"
        if first <= slot_of(client) <= last:
            if not number:
                return client
            number -= 1
    raise ValueError("the range is too small")


def slot_of(client: str) -> int:
    """Give the slot of a client's keys."""
    return int(key_slot(f"irl1:{{{client}}}".encode()))
