"""Nodes of a real cluster die: only their own clients go without the store."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator

import pytest

from flask_irl.errors import OUT
from flask_irl.limiter.restoring import LOST_SECONDS
from tests.faults.site import BACK, Worker, client_in
from tests.servers import SLOTS, ClusterServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LIMIT = 10
FAILURES = 3
SITE_SLOT = 7181
"""Slot of the keys of the site as a whole: on the second of three nodes."""
DIES = 2
NODES = 3


def client_of(node: int, number: int = 0) -> str:
    """Find the address of a client on one of the three nodes."""
    return client_in(SLOTS * node // NODES, SLOTS * (node + 1) // NODES - 1, number)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServer]:
    # As most operators have it who would rather lose a part than all.
    with ClusterServer(NODES, {"cluster-require-full-coverage": "no"}) as cluster:
        yield cluster


@pytest.fixture
def nodes(cluster: ClusterServer) -> Iterator[ClusterServer]:
    """Have all nodes run, and be empty; those that a test ended are started again."""
    revive(cluster)
    for node in cluster.nodes:
        with node.client() as client:
            client.flushall()
    yield cluster
    revive(cluster)


def revive(cluster: ClusterServer) -> None:
    for node in cluster.nodes:
        if not node.running:
            node.start()
    for node in cluster.nodes:
        with node.client() as client:
            wait_until(lambda c=client: cluster._whole(c), "the cluster being whole")  # type: ignore[misc]


def words(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List the log's lines about what is lost or back."""
    found = (record.getMessage().split()[0] for record in caplog.records)
    return [word for word in found if word.endswith(("_lost", "_back"))]


def test_a_dead_node_takes_the_store_from_its_own_clients_alone(
    nodes: ClusterServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    lost, kept = client_of(DIES), client_of(0)
    with Worker(nodes.url, base_limit=LIMIT) as one, Worker(nodes.url, base_limit=LIMIT) as other:
        assert one.asks(2, lost) + one.asks(2, kept) == [200] * 4
        nodes.nodes[DIES].kill()
        # A local limiter decides on its clients, and waits for nothing after the third failure.
        assert one.asks(LIMIT + 2, lost) == [*[200] * LIMIT, 429, 429]
        assert len(one.failures) == LIMIT + 2
        assert OUT not in one.failures[:FAILURES]
        assert set(one.failures[FAILURES:]) == {OUT}
        assert other.asks(LIMIT - 2 + 2, kept) == [*[200] * (LIMIT - 2), 429, 429]
        assert one.source(client_of(1)) == "store"
        assert one.healthy
        assert words(caplog) == ["node_lost"]

        nodes.nodes[DIES].start()
        wait_until(lambda: "node_back" in words(caplog), "the node being back", BACK)
        assert one.source(client_of(DIES, 1)) == "store"
        assert words(caplog) == ["node_lost", "node_back"]


def test_blocks_hold_for_a_dead_nodes_clients_and_changes_reach_the_others(
    nodes: ClusterServer,
) -> None:
    blocked, later = client_of(DIES), client_of(0)
    with Worker(nodes.url) as one, Worker(nodes.url) as other:
        overrides = one.operations.overrides
        overrides.set(blocked, "block", amount=0, seconds=60, reason="", who="test")
        other.limiter.refresh()
        nodes.nodes[DIES].kill()
        overrides.set(later, "block", amount=0, seconds=60, reason="", who="test")
        other.limiter.refresh()
        assert other.asks(4, blocked) == [429] * 4
        assert other.ask(later) == 429
        nodes.nodes[DIES].start()
        overrides.clear(later, "test")
        wait_until(lambda: one.source(client_of(DIES, 1)) == "store", "the node", BACK)
        other.limiter.refresh()
        assert other.ask(later) == 200
        # It came back empty: the worker that knows the block writes it again at its second look.
        other.limiter.access._missing._monotonic = lambda: time.monotonic() + LOST_SECONDS
        other.limiter.refresh()
        assert one.ask(blocked) == 429
        [state] = one.limiter.store.load([blocked])
        assert state is not None
        assert state.override is not None


def test_clients_of_the_other_nodes_are_learned_from(nodes: ClusterServer) -> None:
    lost, kept = client_of(DIES), client_of(0)
    with Worker(nodes.url) as one:
        assert one.asks(2, lost) + one.asks(2, kept) == [200] * 4
        nodes.nodes[DIES].kill()
        one.limiter.failures.guard("flush", one.limiter.flush)
        [state] = one.limiter.store.load([kept])
        assert state is not None
        assert state.profile
        assert one.limiter.store.counts()["requests"] == 4
        assert one.failures
        assert one.healthy


def test_without_any_node_the_store_is_lost_until_one_is_back(
    nodes: ClusterServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    with Worker(nodes.url) as one:
        assert one.asks(3, client_of(0)) == [200] * 3
        for node in nodes.nodes:
            node.kill()
        for number in range(NODES):
            assert one.asks(FAILURES, client_of(number)) == [200] * FAILURES
        assert one.asks(FAILURES, client_of(0)) == [200] * FAILURES
        assert not one.healthy
        before = len(one.failures)
        assert one.ask(client_of(0)) == 200
        assert len(one.failures) == before
        for node in nodes.nodes:
            node.start()
        wait_until(lambda: one.healthy, "the store being back", BACK)
        wait_until(lambda: words(caplog).count("node_back") == NODES, "the nodes", BACK)
        assert {one.source(client_of(number, 1)) for number in range(NODES)} == {"store"}
        assert words(caplog).count("store_lost") == words(caplog).count("store_back") == 1


def test_operators_see_the_other_nodes_clients_and_all_overrides(nodes: ClusterServer) -> None:
    lost, kept = client_of(DIES), client_of(0)
    with Worker(nodes.url) as one:
        assert one.asks(2, lost) + one.asks(2, kept) == [200] * 4
        one.limiter.flush()
        clients = one.operations.clients
        overrides = one.operations.overrides
        overrides.set(lost, "block", amount=0, seconds=60, reason="", who="test")
        assert {entry["client"] for entry in clients.ranked()[0]} == {lost, kept}
        nodes.nodes[DIES].kill()
        assert {entry["client"] for entry in clients.ranked()[0]} == {lost, kept}
        [entry], total = clients.ranked(order="overridden")
        assert (entry["client"], total) == (lost, 1)
        assert clients.count_held()["overridden"]["block"] == 1
        out = f"127.0.0.1:{nodes.nodes[DIES].port}"
        found = one.operations.status.read()
        assert (found["store"]["nodes_out"], found["breaker"]) == ([out], "closed")
        shown = one.app.test_cli_runner().invoke(args=["irl", "status"])
        assert re.search(rf"^nodes OUT +{re.escape(out)}$", shown.output, re.MULTILINE)
        overrides.set(kept, "allow", amount=0, seconds=60, reason="", who="test")
        nodes.nodes[DIES].start()
        wait_until(lambda: one.source(client_of(DIES, 1)) == "store", "the node", BACK)
        # It is empty, and none of its clients has left the rankings meanwhile.
        assert one.limiter.store.ranked("rate", 0, 9)[1] == 2
