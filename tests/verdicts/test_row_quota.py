"""Test that no network floods the training rows, whatever comes from there, and to which worker."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_irl import IntelligentLimiter, api_key
from flask_irl.behaviour.rows import unpack_rows
from flask_irl.config.options import Options
from flask_irl.stores.base import Store
from flask_irl.stores.open import open_store
from flask_irl.training.rows import sort_rows
from flask_irl.verdicts.row_quota import (
    MOST_NETWORKS,
    NETWORK_LEAST,
    NETWORK_SHARE,
    PERIOD_SECONDS,
    RowQuota,
    row_network,
)
from flask_irl.verdicts.training_rows import ROW_EVIDENCE
from flask_irl.web.state import state_of
from tests.conftest import Clock
from tests.operations.worker import Worker

NOW = 1_700_000_000.0
NETWORK = "93.184.216.0/24"
VISITS = int(ROW_EVIDENCE) + 1


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(1, 400)), max_size=12))
def test_no_network_has_more_than_its_share_of_an_hour(rows: list[tuple[str, int]]) -> None:
    quota, taken = RowQuota(), Counter[str]()
    for network, count in rows:
        for _ in range(count):
            taken[network] += quota.take(network, NOW)
            for name in "abc":
                bound = max(NETWORK_LEAST, NETWORK_SHARE * taken.total())
                assert taken[name] <= bound
    assert taken[""] == sum(count for network, count in rows if not network)


def test_each_hour_has_its_own_rows() -> None:
    quota = RowQuota()
    taken = [quota.take(NETWORK, NOW + second) for second in range(2 * int(PERIOD_SECONDS))]
    assert sum(taken) == 2 * NETWORK_LEAST


def test_a_clock_that_is_set_back_begins_an_hour() -> None:
    quota = RowQuota()
    assert sum(quota.take(NETWORK, NOW) for _ in range(500)) == NETWORK_LEAST
    assert quota.take(NETWORK, NOW - 5)


def test_networks_are_counted_in_bounded_memory() -> None:
    quota = RowQuota()
    for number in range(3 * MOST_NETWORKS):
        assert quota.take(str(number), NOW)
    assert len(quota._taken) <= MOST_NETWORKS


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("93.184.216.34", NETWORK),
        ("2600:1406:bc00:53::/64", "2600:1406:bc00::/48"),
        ("10.1.2.3", ""),
        ("fd00:1::/64", ""),
        ("127.0.0.1", ""),
        ("user/7", ""),
        ("", ""),
        ("\0", ""),
    ],
)
def test_only_networks_of_the_internet_are_bounded(client: str, network: str) -> None:
    assert row_network(client) == network


def send(workers: list[Worker], clock: Clock, attackers: int, people: int) -> None:
    """Let attackers of one network, and people, send what makes a row of each, by all workers."""
    for half in range(2):
        for worker in workers:
            for number in range(attackers):
                for _ in range(VISITS):
                    worker.ask(f"93.184.216.{number}", path=number)
            for number in range(people):
                for _ in range(VISITS):
                    worker.ask(f"user/{half}/{number}", path=number)
        clock.advance(40.0)
        for worker in workers:
            worker.limiter.flush()


def stored(store: Store) -> tuple[int, int]:
    """Count the stored rows of the network that has most, and all of them."""
    rows = unpack_rows(store.rows())
    _, counts = np.unique(rows["client"] >> np.uint64(32), return_counts=True)
    return int(counts.max()), len(rows)


def test_a_flood_of_one_network_leaves_the_others_their_rows(uri: str, clock: Clock) -> None:
    options: dict[str, Any] = {"storage_uri": uri, "base_limit": 1_000_000, "campaigns": False}
    store = open_store(Options(**options), clock)
    opened = [store] * 3 if store.local else [open_store(Options(**options), clock) for _ in "123"]
    workers = [Worker(each, options, clock) for each in opened]
    for _ in range(3):
        send(workers, clock, attackers=100, people=20)
    most, total = stored(store)
    # Each worker for itself, whatever it has seen of the others.
    assert most <= max(len(workers) * NETWORK_LEAST, NETWORK_SHARE * total)
    assert total - most >= 100
    own = sort_rows(store.rows()).own
    _, counts = np.unique(own["client"] >> np.uint64(32), return_counts=True)
    assert counts.max() <= 300
    for each in opened:
        each.close()


def test_invented_api_keys_of_one_network_are_of_that_network(clock: Clock) -> None:
    app = Flask("site")
    key = api_key("X-Api-Key", verify=lambda key: False)
    IntelligentLimiter(
        app, storage_uri="memory://", background=False, base_limit=1_000_000, key_func=key
    )
    app.add_url_rule("/", "index", lambda: "ok")
    client = app.test_client()
    for number in range(NETWORK_LEAST + 40):
        for _ in range(VISITS):
            remote = f"93.184.216.{number % 256}"
            client.get(
                "/",
                headers={"X-Api-Key": f"invented-{number}"},
                environ_base={"REMOTE_ADDR": remote},
            )
    limiter = state_of(app).limiter
    limiter.flush()
    assert stored(limiter.store) == (NETWORK_LEAST, NETWORK_LEAST)
