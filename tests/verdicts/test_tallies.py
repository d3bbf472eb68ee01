"""Test tallies of a day: what a flush tells of them, what waits, and what gives way."""

from __future__ import annotations

from collections import Counter

import pytest

from flask_irl.behaviour.observation import Fields, Observation
from flask_irl.behaviour.rollups import Seconds
from flask_irl.behaviour.site_counting import count_observations
from flask_irl.stores.history import DAY
from flask_irl.verdicts.tallies import (
    CLIENTS,
    COUNTRIES,
    MOST_TOLD,
    MOST_WAITING,
    NETWORKS,
    TOLD_SECONDS,
    Tallies,
)

DAY_OF = 19_000
AT = DAY_OF * DAY + 5.0


def count(tallies: Tallies, *clients: str, at: float = AT) -> None:
    seen: list[Fields] = [
        (*Observation(client, at, -1.0, "/", 0, "GET", 200, 9, False),) for client in clients
    ]
    tallies.count(count_observations(seen, Seconds(), tallies.clients(at)))


def told(tallies: Tallies, name: str) -> dict[str, int]:
    """Tell what is due, and give the counts of one tally."""
    found = tallies.highest()
    tallies.remove(found)
    return dict(found.get((DAY_OF, name), {}))


def test_requests_of_clients_are_told_each_few_seconds_and_none_is_lost() -> None:
    tallies = Tallies()
    count(tallies, "a", "a", "b")
    assert told(tallies, CLIENTS) == {"a": 2, "b": 1}
    count(tallies, "a", at=AT + 1)
    assert told(tallies, CLIENTS) == {}
    count(tallies, "a", "c", at=AT + TOLD_SECONDS)
    assert told(tallies, CLIENTS) == {"a": 2, "c": 1}


def test_what_a_store_did_not_take_is_told_again() -> None:
    tallies = Tallies()
    count(tallies, "192.0.2.1")
    assert tallies.highest() == tallies.highest()
    assert told(tallies, NETWORKS) == {"192.0.2.0/24": 1}
    assert tallies.highest() == {}


def test_a_network_counts_its_clients_that_give_way_too() -> None:
    tallies = Tallies()
    clients = [f"10.{n // 250}.{n % 250}.1" for n in range(MOST_WAITING)]
    count(tallies, *clients, *(f"192.0.2.{n}" for n in range(250)))
    count(tallies, *clients)
    tallies.bound()
    assert told(tallies, NETWORKS)["192.0.2.0/24"] == 250
    assert len(told(tallies, CLIENTS)) <= MOST_TOLD


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("key:5f0c", None),
        ("1.2.3.4.5", None),
        ("1.2.3.4x", None),
    ],
)
def test_a_client_counts_for_its_network(client: str, network: str | None) -> None:
    tallies = Tallies()
    count(tallies, client)
    assert told(tallies, NETWORKS) == ({} if network is None else {network: 1})


def country_of(client: str) -> str:
    """Tell two countries from other keys."""
    return {"10": "DE", "192": "FR"}.get(client.partition(".")[0], "")


def test_a_country_counts_its_clients_those_that_give_way_too() -> None:
    tallies = Tallies(country_of)
    clients = [f"10.{n // 250}.{n % 250}.1" for n in range(MOST_WAITING)]
    count(tallies, *clients, *(f"192.0.2.{n}" for n in range(250)), "key:5f0c")
    count(tallies, *clients)
    tallies.bound()
    found: Counter[str] = Counter()
    for flush in range(MOST_WAITING // MOST_TOLD):
        found.update(told(tallies, COUNTRIES))
        # Of one more, so that time passes.
        count(tallies, "key:5f0c", at=AT + (flush + 1) * TOLD_SECONDS)
    assert found == {"DE": 2 * MOST_WAITING, "FR": 250}


def test_requests_out_of_the_ordinary_are_told_by_country_with_each_flush() -> None:
    tallies = Tallies(country_of)
    for status, client in ((429, "10.1.2.3"), (200, "192.0.2.1"), (429, "key:5f0c")):
        seen: list[Fields] = [
            (*Observation(client, AT, -1.0, "/", 0, "GET", status, 9, True, outcome="limited"),)
        ]
        tallies.count(count_observations(seen, Seconds(), tallies.clients(AT)))
    found = tallies.highest()
    assert found[DAY_OF, "country.limited"] == {"DE": 1, "FR": 1}
    assert sum(found[DAY_OF, "client.limited"].values()) == 3


def test_without_a_file_no_country_is_told() -> None:
    tallies = Tallies()
    count(tallies, "192.0.2.1")
    assert not [name for name in tallies.highest() if name[1].startswith("country")]


def test_all_but_the_latest_days_are_dropped_while_the_store_is_out() -> None:
    tallies = Tallies()
    for day in range(4):
        count(tallies, "a", at=AT + day * DAY)
    tallies.bound()
    assert {day for day, _ in tallies.highest()} == {DAY_OF + 2, DAY_OF + 3}
