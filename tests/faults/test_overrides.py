"""Operators' overrides of single clients hold in every worker while a real Redis is out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from flask_irl.limiter import failures
from flask_irl.limiter.access import LOOK_SECONDS
from flask_irl.limiter.restoring import LOST_SECONDS, REASON
from flask_irl.limits.override import Override
from tests.faults.site import BACK, Worker
from tests.servers import RedisServer, wait_until

pytestmark = pytest.mark.integration

BLOCKED, ALLOWED, LIMITED, OTHER = (f"192.0.2.{number}" for number in range(1, 5))
NETWORK = "203.0.113.0/24"
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
        later = time.monotonic() + 61
        monkeypatch.setattr(one.limiter.failures.clock, "_monotonic", lambda: later)
        assert one.ask(BLOCKED) == 200


@pytest.mark.parametrize("then", ["memory", "allow"])
@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_it_is_nothing_to_them_that_this_machines_clock_is_set_meanwhile(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, then: str, seconds: float
) -> None:
    with Worker(server.url, on_store_error=then) as one:
        set_overrides(one)
        server.kill()
        system = time.time
        monkeypatch.setattr(time, "time", lambda: system() + seconds)
        assert one.ask(BLOCKED) == 429
        later = time.monotonic() + 61
        monkeypatch.setattr(one.limiter.failures.clock, "_monotonic", lambda: later)
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


def test_they_hold_as_long_as_they_should_where_the_servers_clock_is_wrong(
    server: RedisServer,
) -> None:
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


def test_a_store_that_comes_back_empty_has_them_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with Worker(server.url) as one, Worker(server.url) as other:
        set_overrides(one)
        one.operations.overrides.set(
            NETWORK, "block", amount=0, seconds=60, reason="spam", who="test"
        )
        # As with background work, which does so when a store that was out answers.
        one.limiter.failures.before_back = one.limiter.refresh
        other.limiter.refresh()
        server.kill()
        assert one.asks(4, BLOCKED) == [429] * 4
        server.start()
        wait_until(lambda: one.healthy, "the store being back", BACK)
        assert one.limiter.failures.breaker.failures == 0
        # From the store, which every worker asks.
        with Worker(server.url) as new:
            assert new.source(BLOCKED) == "store"
            assert (new.ask(BLOCKED), new.ask(ALLOWED)) == (429, 200)
            assert new.asks(3, LIMITED) == [200, 200, 429]
            new.limiter.refresh()
            assert new.ask("203.0.113.7") == 429
            entries, total = new.operations.clients.ranked(order="overridden")
            assert {entry["client"] for entry in entries} == {BLOCKED, ALLOWED, LIMITED, NETWORK}
            assert total == 4
            [entry] = new.operations.audit.latest_of("override", [BLOCKED]).values()
            assert (entry["who"], entry["reason"]) == ("flask_irl", REASON)
        assert "overrides_restored clients=3 networks=1" in caplog.text


def test_each_worker_gives_back_what_others_did_not_know(server: RedisServer) -> None:
    with Worker(server.url) as one, Worker(server.url) as other:
        set_overrides(one)
        other.limiter.refresh()
        one.operations.overrides.set(OTHER, "block", amount=0, seconds=60, reason="", who="test")
        server.restart()
        other.limiter.refresh()
        # Nobody looks for changes here: what the store says holds.
        assert one.ask(OTHER) == 200
        one.limiter.refresh()
        assert [one.ask(client) for client in (OTHER, BLOCKED)] == [429, 429]
        other.limiter.refresh()
        assert other.limiter.access.own.keys() == {BLOCKED, ALLOWED, LIMITED, OTHER}


def test_what_was_cleared_or_has_ended_is_not_given_back(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Worker(server.url) as one, Worker(server.url) as other:
        set_overrides(one)
        other.limiter.refresh()
        one.operations.overrides.clear(BLOCKED, "test")
        other.limiter.refresh()
        server.restart()
        now = time.time() + 61
        monkeypatch.setattr(one.limiter.store, "now", lambda: now)
        one.limiter.refresh()
        assert one.limiter.store.ranked("overridden", 0, 9) == ([], 0)
        other.limiter.refresh()
        assert set(one.limiter.store.ranked("overridden", 0, 9)[0]) == {ALLOWED, LIMITED}
        assert other.ask(BLOCKED) == 200


def write_clearing(worker: Worker, action: str = "clear") -> None:
    """Write into the audit log that somebody takes the block back, as is done before it is done."""
    entry = {"at": time.time(), "who": "somebody", "action": action, "target": BLOCKED}
    worker.limiter.store.add_audit(json.dumps(entry).encode())


class Later:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def test_one_that_a_full_server_evicted_is_given_back(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Later()
    with Worker(server.url) as one, server.client() as client:
        access = one.limiter.access
        access._monotonic = access._missing._monotonic = clock
        set_overrides(one, seconds=3600)
        client.delete(f"irl1:{{{BLOCKED}}}")
        clock.ahead += LOOK_SECONDS
        one.limiter.refresh()
        # An operator may be about to clear it.
        [state] = one.limiter.store.load([BLOCKED])
        assert state is None
        clock.ahead += LOST_SECONDS
        one.limiter.refresh()
        one.limiter.refusals.clear()
        assert [one.ask(each) for each in (BLOCKED, ALLOWED)] == [429, 200]
        assert "overrides_restored clients=1 networks=0" in caplog.text
        assert not access._missing


def test_the_list_of_them_that_a_full_server_evicted_is_given_back(server: RedisServer) -> None:
    clock = Later()
    with Worker(server.url) as one, Worker(server.url) as other, server.client() as client:
        access = one.limiter.access
        access._monotonic = access._missing._monotonic = clock
        access.look_soon = lambda: True
        set_overrides(one, seconds=3600)
        one.operations.overrides.clear(LIMITED, "test")
        client.delete("irl1.{site}.rank.overridden", f"irl1:{{{BLOCKED}}}")
        other.operations.overrides.set(OTHER, "block", amount=0, seconds=60, reason="", who="test")
        one.limiter.refresh()
        assert one.asks(2, BLOCKED) == [429] * 2
        clock.ahead += LOST_SECONDS
        one.limiter.refresh()
        listed, _ = one.limiter.store.ranked("overridden", 0, 9)
        assert set(listed) == {BLOCKED, ALLOWED, OTHER}
        other.limiter.refresh()
        assert [other.ask(each) for each in (BLOCKED, ALLOWED, LIMITED)] == [429, 200, 200]


def test_one_that_was_set_again_after_it_was_cleared_is_given_back(server: RedisServer) -> None:
    clock = Later()
    with Worker(server.url) as one, server.client() as client:
        access = one.limiter.access
        access._monotonic = access._missing._monotonic = clock
        set_overrides(one, seconds=3600)
        one.operations.overrides.clear(BLOCKED, "test")
        set_overrides(one, seconds=3600)
        client.delete("irl1.{site}.rank.overridden")
        clock.ahead += LOOK_SECONDS
        one.limiter.refresh()
        assert set(one.limiter.store.ranked("overridden", 0, 9)[0]) == {BLOCKED, ALLOWED, LIMITED}


@pytest.mark.parametrize("then", ["memory", "allow"])
def test_who_is_known_to_be_overridden_stays_so_on_a_store_that_lost_it(
    server: RedisServer, then: str
) -> None:
    with Worker(server.url, base_limit=LIMIT, on_store_error=then) as one:
        looks: list[None] = []

        def look() -> bool:
            looks.append(None)
            return True

        one.limiter.access.look_soon = look
        set_overrides(one)
        assert one.ask(OTHER) == 200
        server.restart()
        assert one.asks(3, BLOCKED) == [429] * 3
        assert one.asks(LIMIT + 2, ALLOWED) == [200] * (LIMIT + 2)
        assert one.asks(3, LIMITED) == [200, 200, 429]
        assert len(looks) == 3 + LIMIT + 2 + 3
        assert one.source(OTHER) == "store"
        # Somebody else has cleared it: the look tells.
        write_clearing(one)
        one.limiter.store.rank("overridden", {}, [BLOCKED])
        one.limiter.store.advance_epoch()
        one.limiter._news = one.limiter._news._replace(epoch=0)
        one.limiter.refresh()
        assert one.ask(BLOCKED) == 200


@pytest.mark.slow
def test_with_background_work_a_doubt_is_settled_at_once(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with Worker(server.url, background=True) as one:
        one.connect(OTHER)
        set_overrides(one)
        server.restart()
        assert one.asks(20, BLOCKED) == [429] * 20
        restored = "overrides_restored clients=3"
        wait_until(lambda: restored in caplog.text, "the overrides being restored", BACK)
        assert one.ask(BLOCKED) == 429


def test_networks_that_a_full_server_evicted_are_given_back(server: RedisServer) -> None:
    with Worker(server.url) as one, server.client() as client:
        one.operations.overrides.set(NETWORK, "block", amount=0, seconds=60, reason="", who="test")
        client.delete("irl1.{site}.networks")
        one.limiter.refresh()
        assert one.ask("203.0.113.7") == 429
        assert one.limiter.store.networks().keys() == {NETWORK}


@pytest.mark.parametrize(
    ("action", "order"),
    [("clear", ("rank", "override")), ("clear_override", ("override", "rank"))],
)
def test_one_that_is_being_cleared_is_not_given_back(
    server: RedisServer, action: str, order: tuple[str, str]
) -> None:
    """By a worker of this version, or by one that takes the override away first."""
    clock = Later()
    with Worker(server.url) as one:
        store = one.limiter.store
        steps = {
            "rank": lambda: store.rank("overridden", {}, [BLOCKED]),
            "override": lambda: store.set_override(BLOCKED, None, 60),
        }
        access = one.limiter.access
        access._monotonic = access._missing._monotonic = clock
        set_overrides(one, seconds=3600)
        write_clearing(one, action)
        for step in order:
            steps[step]()
            clock.ahead += LOOK_SECONDS
            one.limiter.refresh()
        clock.ahead += LOOK_SECONDS
        one.limiter.refresh()
        assert one.ask(BLOCKED) == 200
        assert BLOCKED not in access.own


def test_forgetting_all_clients_gives_nothing_back(server: RedisServer) -> None:
    with Worker(server.url) as one:
        one.asks(2, OTHER)
        one.limiter.forget_all()
        one.limiter.refresh()
        assert one.limiter.store.ranked("overridden", 0, 9) == ([], 0)
        assert one.limiter.store.audit(0, 9) == ([], 0)
