"""Test that an attack that the model lets pass, or a flood, teaches the next model little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import (
    ABUSE,
    GOOD,
    client_hash,
    pack_rows,
    unpack_rows,
    within_network_quota,
)
from flask_irl.training.rows import (
    CLIENT_LEAST,
    CLIENT_SHARE,
    HARMFUL_ROWS,
    NETWORK_LEAST,
    NETWORK_SHARE,
    TrainingRows,
    sort_rows,
)
from flask_irl.verdicts.row_quota import row_network

PLACE = FEATURE_NAMES.index("sustained_new_paths")
LEAST = 4.0


def rows_of(*clients: str, taking: float = 0.0, each: int = 10, **columns: Any) -> list[bytes]:
    """Make rows of clients that take so many new paths a minute; the rest of them is the same."""
    features = np.zeros((len(clients) * each, len(FEATURE_NAMES)), dtype=np.float32)
    features[:, PLACE] = taking
    names = [client for client in clients for _ in range(each)]
    at = np.arange(len(names), dtype=np.float64)
    return pack_rows(names, np.full(len(names), 5), at, features, **columns)


PEOPLE = rows_of(*(f"p{i}" for i in range(30)))


def learned(rows: TrainingRows, taking: float) -> int:
    """Count the rows that a detector is fitted or calibrated on, of those that take so much."""
    used = rows.own[rows.fit | rows.calibration]
    return int((used["features"][:, PLACE] == np.float32(taking)).sum())


def test_of_a_newcomer_that_does_harm_few_rows_are_learned() -> None:
    rows = sort_rows(PEOPLE + rows_of("x", "y", taking=LEAST))
    assert learned(rows, LEAST) == 2 * HARMFUL_ROWS
    assert learned(rows, 0.0) == 30 * 10


@pytest.mark.parametrize(
    ("taking", "columns"),
    [
        (LEAST * 0.9, {}),
        (LEAST, {"regular": True}),
        (LEAST, {"feedback": GOOD}),
    ],
    ids=["no harm", "a regular", "called good by an operator"],
)
def test_of_others_all_are(taking: float, columns: dict[str, Any]) -> None:
    assert learned(sort_rows(PEOPLE + rows_of("x", taking=taking, **columns)), taking) == 10


def test_short_bursts_of_many_people_are_learned_whole() -> None:
    bursts = rows_of(*(f"b{i}" for i in range(30)), taking=LEAST, each=HARMFUL_ROWS)
    assert learned(sort_rows(PEOPLE + bursts), LEAST) == len(bursts)


# Floods


def flood(*clients: str, each: int) -> list[bytes]:
    """Make rows of clients with addresses, as the profiler does."""
    names = [client for client in clients for _ in range(each)]
    features = np.zeros((len(names), len(FEATURE_NAMES)), dtype=np.float32)
    at = np.arange(len(names), dtype=np.float64)
    networks = [row_network(name) for name in names]
    return pack_rows(names, np.full(len(names), 5), at, features, networks=networks)


def address(version: int, network: int, host: int) -> str:
    """Name a host of a network of the internet."""
    if version == 4:
        return f"93.184.{network}.{host % 256}"
    return f"2600:{network:x}:0:{host:x}::/64"


FLOODS = st.lists(
    st.tuples(
        st.sampled_from([4, 6]),
        st.integers(1, 3),
        st.integers(1, 250),
        st.sampled_from([1, 2, 9, 40]),
    ),
    min_size=1,
    max_size=5,
)
"""Each by its version, network, number of addresses, and rows of each."""


@settings(max_examples=40)
@given(FLOODS, st.integers(0, 60))
def test_no_network_and_no_client_has_more_rows_than_its_quota(
    floods: list[tuple[int, int, int, int]], people: int
) -> None:
    packed = rows_of(*(f"p{i}" for i in range(people)))
    for version, network, hosts, each in floods:
        packed += flood(*(address(version, network, host) for host in range(hosts)), each=each)
    own = sort_rows(packed).own
    _, of_networks = np.unique(own["client"] >> np.uint64(32), return_counts=True)
    assert of_networks.max() <= max(NETWORK_LEAST, NETWORK_SHARE * len(own))
    before = within_network_quota(unpack_rows(packed), NETWORK_SHARE, NETWORK_LEAST)
    _, of_clients = np.unique(own["client"], return_counts=True)
    assert of_clients.max() <= max(CLIENT_LEAST, CLIENT_SHARE * len(before))


@pytest.mark.parametrize("version", [4, 6])
def test_a_flood_of_one_network_is_a_tenth_of_what_is_learned(version: int) -> None:
    people = rows_of(*(f"p{i}" for i in range(900)), each=5)
    attack = flood(*(address(version, 1, host) for host in range(250)), each=36)
    own = sort_rows(people + attack).own
    assert len(own) == 4500 + 500


def test_no_other_network_loses_rows_for_a_flood() -> None:
    others = flood(*(address(4, 2, host) for host in range(200)), each=1)
    attack = flood(*(address(4, 1, host) for host in range(200)), each=36)
    own = sort_rows(others + attack).own
    kept = set(own["client"].tolist())
    assert set(unpack_rows(others)["client"].tolist()) <= kept


def test_an_intranet_is_no_network_that_floods() -> None:
    packed = flood(*(f"10.0.0.{host}" for host in range(200)), each=9)
    assert len(sort_rows(packed).own) == len(packed)


def test_two_clients_of_a_network_are_two_and_of_one_network() -> None:
    one, other = unpack_rows(flood("93.184.1.1", "93.184.1.2", each=1))["client"].tolist()
    assert one != other
    assert one >> 32 == other >> 32


def test_clients_that_are_no_addresses_are_as_a_build_before_has_them() -> None:
    assert unpack_rows(flood("user/7", each=1))["client"].tolist() == [client_hash("user/7")]


def test_a_client_with_an_address_is_held_back_as_a_build_before_holds_it() -> None:
    [client] = unpack_rows(flood("93.184.1.1", each=1))["client"].tolist()
    assert client % 4 == client_hash("93.184.1.1") % 4


def test_an_abuser_s_rows_are_all_examples_of_attacks() -> None:
    rows = sort_rows(PEOPLE + rows_of("x", taking=LEAST, feedback=ABUSE))
    assert len(rows.attacks) == 10


def test_all_rows_still_tell_how_the_site_is_used() -> None:
    assert len(sort_rows(PEOPLE + rows_of("x", taking=LEAST)).own) == 31 * 10
