"""A slot of a real cluster moves under load: only its own clients may notice, and they barely."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from flask_irl.errors import OUT
from flask_irl.stores.redis import redirection
from tests.faults.resharding import Resharding
from tests.faults.site import Worker, client_in, slot_of
from tests.servers import SLOTS, ClusterServer
from tests.stores.test_rights import PAGE, documented_rights

pytestmark = pytest.mark.integration

FIRST_HALF = (0, SLOTS // 2 - 1)
STAYS = client_in(SLOTS // 2, SLOTS - 1)
MOVES = client_in(*FIRST_HALF)
"""Clients on the two nodes; the second one's slot moves."""
OTHERS = (client_in(SLOTS // 2, SLOTS - 1, 1), client_in(*FIRST_HALF, 1))
LIMIT, MANY = 15, 1000


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    with ClusterServer(2) as cluster:
        yield cluster


@pytest.fixture
def resharding(cluster: ClusterServer) -> Iterator[Resharding]:
    """Have a slot that is about to move, and the cluster empty and as it was for the next test."""
    for node in cluster.nodes:
        with node.client() as client:
            client.flushall()
    resharding = Resharding(cluster, slot_of(MOVES))
    yield resharding
    for node in cluster.nodes:
        with node.client() as client:
            client.flushall()
    resharding.undo()


@pytest.fixture
def workers(cluster: ClusterServer, resharding: Resharding) -> Iterator[list[Worker]]:
    with (
        Worker(cluster.url, route_limit=f"{LIMIT}/minute") as one,
        Worker(cluster.url, route_limit=f"{LIMIT}/minute") as other,
    ):
        yield [one, other]


def rest_of(count: int) -> list[int]:
    """List the statuses of a client that has so many requests left, and sends three more."""
    return [200] * count + [429] * 3


def test_a_limit_goes_on_wherever_the_clients_keys_are(
    workers: list[Worker], resharding: Resharding
) -> None:
    one, other = workers
    assert one.asks(3, MOVES) + other.asks(3, MOVES) == [200] * 6
    resharding.begin()
    assert one.ask(MOVES) == 200
    resharding.move()
    assert other.asks(2, MOVES) == [200] * 2
    # Also where a client only asks how its limits stand.
    plan = other.limiter.plan(())
    assert other.limiter.store.peek(plan, (MOVES,)).cells[0][1] == 9
    resharding.end()
    assert one.asks(LIMIT - 9 + 3, MOVES) == rest_of(LIMIT - 9)
    assert other.ask(MOVES) == 429
    assert one.failures == other.failures == []


def test_a_client_that_comes_meanwhile_is_counted_where_the_slot_goes(
    cluster: ClusterServer, resharding: Resharding
) -> None:
    resharding.begin()
    with Worker(cluster.url, base_limit=LIMIT) as one, Worker(cluster.url, base_limit=LIMIT) as two:
        assert one.asks(LIMIT - 5, MOVES) == [200] * (LIMIT - 5)
        resharding.end()
        assert two.asks(5 + 3, MOVES) == rest_of(5)
        assert one.failures == two.failures == []


def test_a_client_that_asks_often_is_counted_where_its_keys_are(
    cluster: ClusterServer, resharding: Resharding
) -> None:
    options: dict[str, Any] = {"base_limit": MANY, "background": True, "mode": "off"}
    with Worker(cluster.url, store_timeout=0.5, **options) as one:
        one.connect(MOVES)
        # Its questions ask for a lease, too, whose key needn't exist.
        assert one.asks(9, MOVES) == [200] * 9
        resharding.begin()
        assert one.asks(9, MOVES) == [200] * 9
        resharding.move()
        assert one.asks(9, MOVES) == [200] * 9
        assert one.failures == []
        resharding.end()
        assert one.asks(9, MOVES) == [200] * 9
        plan = one.limiter.plan(())
        assert one.limiter.store.peek(plan, (MOVES,)).cells[0][1] >= 4 * 9


def test_a_client_with_keys_on_both_nodes_is_asked_for_until_they_are_together(
    workers: list[Worker], resharding: Resharding, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = workers
    assert one.asks(4, MOVES) == [200] * 4
    resharding.begin()
    resharding.move(resharding.left()[0])

    def move_the_rest(seconds: float) -> None:
        if resharding.left():
            resharding.move()

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=move_the_rest)
    monkeypatch.setattr(redirection, "time", clock)
    assert one.asks(LIMIT - 4 + 3, MOVES) == rest_of(LIMIT - 4)
    assert one.failures == []


@pytest.fixture
def torn(
    cluster: ClusterServer, resharding: Resharding, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Worker]]:
    """Give two workers of a site while one of a client's two keys has moved, and stays there."""
    # No test is to wait for a time-out; the store's own is long enough for a busy machine.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: None)
    monkeypatch.setattr(redirection, "time", clock)
    options: dict[str, Any] = {"route_limit": f"{LIMIT}/minute", "store_timeout": 0.5}
    with Worker(cluster.url, **options) as one, Worker(cluster.url, **options) as other:
        for worker in (one, other):
            worker.connect(*OTHERS)
        assert one.ask(MOVES) == other.ask(MOVES) == 200
        yield [one, other]


def tear(resharding: Resharding) -> None:
    resharding.begin()
    resharding.move(resharding.left()[0])


def test_who_cannot_be_asked_for_takes_the_store_from_nobody_else(
    torn: list[Worker], resharding: Resharding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    one, other = torn
    tear(resharding)
    left = LIMIT
    for _ in range(5):
        assert one.ask(MOVES) == 200
        assert one.ask(STAYS) == other.ask(STAYS) == 200
        left -= 2
    assert one.asks(left + 3, STAYS) == rest_of(left)
    assert one.healthy
    # One call has waited for the slot; the others know.
    assert one.failures[0] == "response"
    assert set(one.failures[1:]) == {OUT}
    assert other.failures == []
    assert "store_lost" not in caplog.text
    assert "node_lost" not in caplog.text


@pytest.mark.parametrize("then", ["memory", "allow", "deny"])
def test_blocks_and_allowances_hold_while_a_client_cannot_be_asked_for(
    cluster: ClusterServer,
    resharding: Resharding,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
) -> None:
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: None)
    monkeypatch.setattr(redirection, "time", clock)
    limit = f"{LIMIT}/minute"
    options: dict[str, Any] = {"route_limit": limit, "store_timeout": 0.5, "on_store_error": then}
    with Worker(cluster.url, **options) as one, Worker(cluster.url, **options) as other:
        for worker in (one, other):
            worker.connect(*OTHERS)
        assert one.ask(MOVES) == other.ask(MOVES) == 200
        expected = {"block": [429] * 4, "allow": [200] * 30, "limit": [200, 200, 429, 429]}
        tear(resharding)
        for kind, statuses in expected.items():
            one.operations.overrides.set(
                MOVES, kind, amount=2 * (kind == "limit"), seconds=60, reason="", who="test"
            )
            other.limiter.refresh()
            assert other.asks(len(statuses), MOVES) == statuses
        one.operations.overrides.clear(MOVES, "test")
        other.limiter.refresh()
        before = {"memory": 200, "allow": 200, "deny": 503}
        assert other.ask(MOVES) == before[then]


def test_background_work_follows_a_client(workers: list[Worker], resharding: Resharding) -> None:
    one, other = workers
    assert one.asks(3, MOVES) + one.asks(3, STAYS) == [200] * 6
    resharding.begin()
    resharding.move()
    assert one.limiter.flush() == 6
    store = one.limiter.store
    assert [bool(state and state.profile) for state in store.load([MOVES, STAYS])] == [True] * 2
    one.operations.overrides.set(MOVES, "block", amount=0, seconds=60, reason="", who="test")
    assert other.ask(MOVES) == 429
    assert one.operations.clients.reset(MOVES, "test")
    resharding.end()
    assert other.ask(MOVES) == 429
    one.operations.overrides.clear(MOVES, "test")
    other.limiter.refresh()
    assert other.ask(MOVES) == 200
    assert one.failures == other.failures == []


def test_an_idle_connection_that_the_new_node_closed_costs_no_request(
    workers: list[Worker], resharding: Resharding
) -> None:
    one, _ = workers
    assert one.ask(MOVES) == one.ask(STAYS) == 200
    resharding.begin()
    resharding.move()
    with resharding.target.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert one.asks(LIMIT - 1 + 3, MOVES) == rest_of(LIMIT - 1)
    assert one.failures == []


def test_the_documented_rights_of_a_clusters_user_suffice(
    cluster: ClusterServer, resharding: Resharding
) -> None:
    rights = [*documented_rights(), "+cluster|slots", "+asking"]
    assert "`+cluster|slots +asking`" in PAGE.read_text(encoding="utf-8")
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command(*rights)
    try:
        with Worker(cluster.url.replace("://", "://irl:geheim@"), base_limit=LIMIT) as one:
            assert one.asks(3, MOVES) == [200] * 3
            resharding.begin()
            resharding.move()
            assert one.limiter.flush() == 3
            assert one.asks(LIMIT - 3 + 3, MOVES) == rest_of(LIMIT - 3)
            assert one.failures == []
    finally:
        for node in cluster.nodes:
            with node.client() as client:
                client.execute_command("ACL", "DELUSER", "irl")
