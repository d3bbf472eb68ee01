"""Test the search for clients by key, network and route, with each kind of store."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_irl.behaviour.routes import route_bin
from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import canonical, network_key
from flask_irl.operations.search import key_matcher
from tests.operations.worker import Site, Worker, override

ADDRESSES = ("203.0.113.7", "203.0.113.70", "203.0.11.3", "198.51.100.9", "2001:db8::/64")


def found(worker: Worker, text: str = "", **given: Any) -> list[str]:
    entries, total = worker.operations.clients.find(text, **given)
    assert total == len(entries)
    return [entry["client"] for entry in entries]


@pytest.fixture(params=[False, True], ids=["ranked", "all"])
def everybody(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("203.0.113", {"203.0.113.7", "203.0.113.70"}),
        ("203.0.11", {"203.0.113.7", "203.0.113.70", "203.0.11.3"}),
        ("203.0.113.7", {"203.0.113.7", "203.0.113.70"}),
        ("203.0.113.0/24", {"203.0.113.7", "203.0.113.70"}),
        ("203.0.113.9/24", {"203.0.113.7", "203.0.113.70"}),
        ("203.0.113.0/26", {"203.0.113.7"}),
        ("203.0.113.7/32", {"203.0.113.7"}),
        ("0.0.0.0/0", set(ADDRESSES[:4])),
        ("2001:db8::/32", {"2001:db8::/64"}),
        ("2001:db8::7", {"2001:db8::/64"}),
        ("2001:DB8::7", {"2001:db8::/64"}),
        ("2001:db8::7/128", {"2001:db8::/64"}),
        ("2001:db8", {"2001:db8::/64"}),
        ("::/0", {"2001:db8::/64"}),
        ("198.51.100.9:8080", {"198.51.100.9"}),
        ("192.0.2", set()),
        ("*", set()),
        ("198.51.100.?", set()),
    ],
)
def test_clients_are_found_by_the_beginning_of_their_keys_or_by_a_network(
    here: Worker, everybody: bool, text: str, names: set[str]
) -> None:
    for client in ADDRESSES:
        here.ask(client)
    here.limiter.flush()
    assert set(found(here, text, everybody=everybody)) == names


def test_a_name_that_is_stored_as_a_hash_is_found_by_itself(here: Worker, everybody: bool) -> None:
    here.ask(canonical("Ada Lovelace"))
    here.limiter.flush()
    assert found(here, "Ada Lovelace", everybody=everybody) == [canonical("Ada Lovelace")]
    assert found(here, "Ada", everybody=everybody) == []


def test_who_was_not_here_for_long_is_found_too(site: Site, here: Worker) -> None:
    here.ask("203.0.113.7")
    here.limiter.flush()
    site.clock.advance(3000)
    assert here.operations.clients.ranked() == ([], 0)
    assert found(here, "203.0.113") == ["203.0.113.7"]


def test_who_never_made_a_request_is_found_by_its_override(here: Worker) -> None:
    override(here, "block", "203.0.113.7")
    assert found(here, "203.0.113", order="overridden") == ["203.0.113.7"]


def test_a_client_that_no_flush_has_ranked_is_found_among_all(here: Worker) -> None:
    here.ask("203.0.113.7")
    assert found(here, "203.0.113") == []
    assert found(here, "203.0.113", everybody=True) == ["203.0.113.7"]


def test_the_probe_of_the_store_is_no_client(here: Worker) -> None:
    here.limiter.failures.probe()
    here.ask("#" + "0" * 32)
    assert found(here, "#", everybody=True) == ["#" + "0" * 32]


def test_clients_that_are_found_come_in_order_and_pages(here: Worker) -> None:
    for number, count in enumerate((3, 19, 1, 12)):
        here.admitted(count, f"c{number}")
    here.admitted(20, "other")
    here.limiter.flush()
    here.flag("c2")
    assert found(here, "c") == ["c1", "c3", "c0", "c2"]
    assert found(here, "c", order="refused") == ["c1", "c3"]
    assert found(here, "c", step=1) == ["c2"]
    entries, total = here.operations.clients.find("c", offset=1, limit=2)
    assert ([entry["client"] for entry in entries], total) == (["c3", "c0"], 4)


def ask_routes(worker: Worker) -> None:
    for client, route, method, count in (
        ("guesser", "/login", "POST", 9),
        ("looker", "/login", "GET", 8),
        ("reader", "/page", "GET", 7),
        ("both", "/page", "GET", 4),
        ("both", "/login", "POST", 5),
    ):
        for _ in range(count):
            worker.ask(client, route, method=method)
    worker.limiter.flush()


@pytest.mark.parametrize(
    ("route", "names"),
    [
        ("POST /login", ["guesser", "both"]),
        ("post  /login", ["guesser", "both"]),
        ("/login", ["guesser", "looker", "both"]),
        ("GET /page", ["reader", "both"]),
    ],
)
def test_clients_are_found_by_a_route_with_those_that_ask_for_it_most_first(
    site: Site, everybody: bool, route: str, names: list[str]
) -> None:
    here = site.worker(base_limit=100)
    ask_routes(here)
    assert found(here, route=route, everybody=everybody) == names
    assert found(here, "b", route=route, everybody=everybody) == [n for n in names if n == "both"]


def test_who_asked_for_a_route_long_ago_does_so_no_longer(site: Site, here: Worker) -> None:
    ask_routes(here)
    site.clock.advance(3500)
    assert found(here, route="/login") == []


def test_who_is_refused_a_login_again_and_again_is_found_by_it(here: Worker) -> None:
    for _ in range(200):
        here.ask("guesser", "/login", method="POST", status=401)
    here.limiter.flush()
    entries, _ = here.operations.clients.find(route="POST /login")
    assert [(x["client"], x["refused_share"]) for x in entries] == [("guesser", 0.95)]


def test_a_route_that_nobody_asked_for_finds_nobody(here: Worker) -> None:
    ask_routes(here)
    assert found(here, route="/login/") == []
    with pytest.raises(ConfigurationError, match="nobody has asked for: give one such as /login"):
        here.operations.clients.same_group("/login/")
    with pytest.raises(ConfigurationError, match="route is 'POST', which nobody"):
        here.operations.clients.same_group("POST")


def test_routes_that_are_counted_together_are_named(here: Worker) -> None:
    beside = next(f"/r{n}" for n in range(999) if route_bin(f"/r{n}") == route_bin("/login"))
    ask_routes(here)
    here.ask("other", beside)
    here.limiter.flush()
    assert here.operations.clients.same_group("POST /login") == [beside]
    assert found(here, route="/login")[-1] != "other"


def test_an_override_of_a_network_is_found_as_a_client_is(
    site: Site, here: Worker, everybody: bool
) -> None:
    for name in ("203.0.113.0/24", "203.0.0.0/16", "2001:db8::/32", "2001:db8::/96"):
        override(here, "block", name)
    here.ask("203.0.113.7")
    here.limiter.flush()
    texts = ("203.0.113.0/24", "203.0.0.0/16", "203.0.113", "2001:db8::/48", "2001:db8::/32")
    assert {text: set(found(here, text, everybody=everybody)) for text in texts} == {
        "203.0.113.0/24": {"203.0.113.0/24", "203.0.113.7"},
        "203.0.0.0/16": {"203.0.0.0/16", "203.0.113.0/24", "203.0.113.7"},
        "203.0.113": {"203.0.113.0/24", "203.0.113.7"},
        "2001:db8::/48": {"2001:db8::/96"},
        "2001:db8::/32": {"2001:db8::/32", "2001:db8::/96"},
    }
    assert found(here, "203.0.113.0/24", order="overridden", everybody=everybody) == [
        "203.0.113.0/24"
    ]
    site.clock.advance(600)
    here.limiter.refresh()
    assert "203.0.113.0/24" not in found(here, "203.0.113.0/24", order="overridden")


def test_a_name_that_only_begins_as_an_address_is_found_as_a_name(here: Worker) -> None:
    here.ask("203.0.113.0/x")
    here.limiter.flush()
    assert found(here, "203.0.113.0/") == found(here, "203.0.113.0/x") == ["203.0.113.0/x"]


@pytest.mark.parametrize("text", ["203.0.113.0/33", "2001:db8::/129"])
def test_a_network_that_is_none_is_refused(here: Worker, text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no network: give a prefix length"):
        here.operations.clients.find(text)


def test_a_text_that_is_too_long_is_refused(here: Worker) -> None:
    with pytest.raises(ConfigurationError, match="q is too long"):
        here.operations.clients.find("x" * 201)


V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)


@given(V4, V4, st.integers(0, 32))
def test_a_network_holds_the_addresses_that_are_in_it(
    address: ipaddress.IPv4Address, other: ipaddress.IPv4Address, length: int
) -> None:
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    matches, begins = key_matcher(str(network))
    for one in (address, other):
        key = network_key(str(one))
        assert matches(key) is (one in network)
        assert not matches(key) or key.startswith(begins)


@given(st.text(max_size=40))
@example("#0")
def test_any_text_may_be_searched_for(text: str) -> None:
    try:
        matches, begins = key_matcher(text)
    except ConfigurationError:
        return
    key = canonical(text)
    assert not matches(key) or key.startswith(begins)
    if text.strip() and text == text.strip() and "/" not in text:
        assert matches(key)
