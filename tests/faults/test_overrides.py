"""Operators' overrides of single clients hold in every worker while a real Redis is out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from flask_irl.limiter import failures
from flask_irl.limits.override import Override
from tests.faults.site import BACK, Worker
from tests.servers import RedisServer, wait_until

pytestmark = pytest.mark.integration

BLOCKED, ALLOWED, LIMITED, OTHER = (f"192.0.2.{number}" for number in range(1, 5))
LIMIT = 5
DEFAULTS = {"memory": [200] * LIMIT + [429], "allow": [200] * (LIMIT + 1), "deny": [503]}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def set_overrides(worker: Worker, seconds: float = 60) -> None:
    for client, kind, amount in (
        (BLOCKED, "block", 0),
        (ALLOWED, "allow", 0),
        (LIMITED, "limit", 2),
    ):
        worker.operations.overrides.set(
            client, kind, amount=amount, seconds=seconds, reason="", who="test"
        )


@pytest.mark.parametrize("then", DEFAULTS)
def test_they_hold_whoever_decides_meanwhile(server: RedisServer, then: str) -> None:
    options: dict[str, Any] = {"base_limit": LIMIT, "on_store_error": then}
    with Worker(server.url, **options) as one, Worker(server.url, **options) as other:
        set_overrides(one)
        other.limiter.refresh()
        server.kill()
        for worker in (one, other):
            assert worker.asks(3, BLOCKED) == [429] * 3
            assert worker.asks(LIMIT + 3, ALLOWED) == [200] * (LIMIT + 3)
            assert worker.asks(4, LIMITED) == [200, 200, 429, 429]
            assert worker.asks(len(DEFAULTS[then]), OTHER) == DEFAULTS[then]
            assert not worker.healthy


def test_one_that_is_cleared_or_changed_is_held_no_longer(server: RedisServer) -> None:
    with Worker(server.url, base_limit=LIMIT) as one, Worker(server.url, base_limit=LIMIT) as other:
        set_overrides(one)
        other.limiter.refresh()
        one.operations.overrides.clear(BLOCKED, "test")
        one.operations.overrides.set(LIMITED, "limit", amount=3, seconds=60, reason="", who="test")
        other.limiter.refresh()
        server.kill()
        assert other.asks(LIMIT + 1, BLOCKED) == [*[200] * LIMIT, 429]
        assert other.asks(4, LIMITED) == [*[200] * 3, 429]


@pytest.mark.parametrize("then", ["memory", "allow"])
def test_one_that_ends_meanwhile_is_held_no_longer(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    with Worker(server.url, on_store_error=then) as one:
        set_overrides(one)
        server.kill()
        assert one.ask(BLOCKED) == 429
        later = time.time() + 61
        monkeypatch.setattr(time, "time", lambda: later)
        monkeypatch.setattr(one.limiter.failures._local, "_clock", lambda: later)
        assert one.ask(BLOCKED) == 200


def test_a_flood_of_others_drives_none_out(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "FALLBACK_CLIENTS", 3)
    with Worker(server.url) as one:
        set_overrides(one)
        server.kill()
        assert one.ask(BLOCKED) == 429
        assert {one.ask(f"198.51.100.{number}") for number in range(9)} == {200}
        assert one.ask(BLOCKED) == 429


def test_they_hold_by_this_machines_clock_where_the_servers_is_wrong(server: RedisServer) -> None:
    with Worker(server.url) as one:
        # As on a server whose clock is an hour behind.
        until = time.time() - 3600 + 60
        one.limiter.store.set_override(BLOCKED, Override("block", until), 3600)
        one.limiter.store.rank("overridden", {BLOCKED: until})
        one.limiter.store.advance_epoch()
        now = one.limiter.store.now
        one.limiter.store.now = lambda: now() - 3600  # type: ignore[method-assign]
        one.limiter.refresh()
        server.kill()
        assert one.asks(4, BLOCKED) == [429] * 4


def test_a_forked_process_knows_them(server: RedisServer) -> None:
    with Worker(server.url) as one:
        set_overrides(one)
        one.limiter.after_fork()
        server.kill()
        assert one.asks(4, BLOCKED) == [429] * 4


def test_the_store_decides_again_when_it_is_back(server: RedisServer) -> None:
    with Worker(server.url) as one:
        set_overrides(one)
        server.kill()
        assert one.asks(4, BLOCKED) == [429] * 4
        # Empty: nobody is blocked any more, as the operators' list tells, too.
        server.start()
        wait_until(lambda: one.healthy, "the store being back", BACK)
        assert one.ask(BLOCKED) == 200
