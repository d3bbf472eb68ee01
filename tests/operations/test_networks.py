"""Test overrides of networks, with each kind of store."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import Thread

import pytest

from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.limiter import access
from flask_irl.limiter.access import Ruling
from flask_irl.operations import overrides
from flask_irl.operations.results import ClientEntry
from flask_irl.stores.site import AUDIT_KEPT
from tests.operations.worker import ADA, Site, Worker, break_store, override

NETWORK = "203.0.113.0/24"
CLIENT = "203.0.113.7"
OUTSIDER = "198.51.100.1"


def ruling(worker: Worker, client: str, remote: str = "") -> Ruling:
    """Rule on a request, as a web worker does before its limits."""
    rule = worker.limiter.access.rule
    return Ruling(client, None) if rule is None else rule(client, remote or client)


def is_blocked(worker: Worker, client: str = CLIENT, remote: str = "") -> bool:
    return ruling(worker, client, remote).refusal is not None


def ask(worker: Worker, client: str) -> str:
    """Send a request as a web worker does, and give its outcome."""
    key, refusal = ruling(worker, client)
    return (refusal or worker.ask(key)).outcome if key else "exempt"


# In force


def test_a_block_holds_here_at_once_and_elsewhere_after_the_next_look(
    site: Site, here: Worker
) -> None:
    there = site.worker()
    override(here, "block", NETWORK)
    assert is_blocked(here)
    assert not is_blocked(here, OUTSIDER)
    there.limiter.refresh()
    assert is_blocked(there)


def test_a_worker_that_starts_later_knows_the_networks(site: Site, here: Worker) -> None:
    override(here, "block", NETWORK)
    later = site.worker()
    later.limiter.refresh()
    assert is_blocked(later)


def test_a_blocked_network_is_refused_as_a_blocked_client(site: Site, here: Worker) -> None:
    override(here, "block", "c", seconds=90)
    client = here.ask()
    override(here, "block", NETWORK, seconds=90)
    network = ruling(here, CLIENT).refusal
    assert network is not None
    assert (network.outcome, network.key) == ("blocked", NETWORK)
    for name in ("limit", "remaining", "window_seconds", "scope", "is_anomalous"):
        assert getattr(network, name) == getattr(client, name)
    for name in ("reset_after", "retry_after"):
        assert getattr(network, name) == pytest.approx(90, abs=1e-5)


def test_refusals_of_a_blocked_network_are_counted_as_its_own(site: Site, here: Worker) -> None:
    override(here, "block", NETWORK)
    for host in range(1, 6):
        refusal = ruling(here, f"203.0.113.{host}").refusal
        assert refusal is not None
        here.limiter.observe(refusal, route="/", path=1, method="GET", status=429, size=10)
    here.limiter.flush()
    found = here.operations.clients.describe(NETWORK)
    assert found is not None
    assert (found["requests"], found["refused_share"]) == (5, 1.0)


def test_the_clients_of_a_network_share_its_limit(here: Worker) -> None:
    override(here, "limit", NETWORK, amount=3)
    outcomes = [ask(here, f"203.0.113.{host}") for host in range(1, 6)]
    assert outcomes == ["allowed"] * 3 + ["limited"] * 2
    assert ask(here, OUTSIDER) == "allowed"


def test_an_allowed_network_is_not_limited_at_all(here: Worker) -> None:
    override(here, "allow", NETWORK)
    assert [ask(here, CLIENT) for _ in range(12)] == ["exempt"] * 12


def test_the_longest_network_wins(here: Worker) -> None:
    override(here, "block", "203.0.0.0/16")
    override(here, "allow", NETWORK)
    override(here, "block", "203.0.113.7/32")
    assert is_blocked(here, "203.0.1.1")
    assert ruling(here, "203.0.113.8").key == ""
    assert is_blocked(here, CLIENT)


@pytest.mark.parametrize(("kind", "outcome"), [("allow", "allowed"), ("limit", "allowed")])
def test_an_override_of_the_clients_own_wins(
    site: Site, here: Worker, kind: str, outcome: str
) -> None:
    there = site.worker()
    override(here, "block", NETWORK)
    override(here, kind, CLIENT, amount=2 if kind == "limit" else 0, seconds=60)
    there.limiter.refresh()
    for worker in (here, there):
        assert ruling(worker, CLIENT) == (CLIENT, None)
        assert is_blocked(worker, "203.0.113.8")
    assert ask(here, CLIENT) == outcome
    site.clock.advance(60)
    assert is_blocked(here)
    assert is_blocked(there)


def test_a_client_of_its_own_that_is_cleared_is_the_networks_again(here: Worker) -> None:
    override(here, "block", NETWORK)
    override(here, "allow", CLIENT)
    here.operations.overrides.clear(CLIENT, ADA)
    assert is_blocked(here)


@pytest.mark.parametrize("kind", ["block", "allow", "limit"])
def test_a_network_ends(site: Site, here: Worker, kind: str) -> None:
    there = site.worker()
    override(here, kind, NETWORK, seconds=60)
    there.limiter.refresh()
    site.clock.advance(60)
    assert ruling(there, CLIENT) == (CLIENT, None)
    assert there.limiter.access.rule is None
    here.limiter.refresh()
    assert here.store.networks() == {}
    assert here.limiter.access.rule is None


def test_the_network_around_one_that_ended_holds(site: Site, here: Worker) -> None:
    override(here, "block", "203.0.0.0/16", seconds=900)
    override(here, "allow", NETWORK, seconds=60)
    site.clock.advance(60)
    assert is_blocked(here)
    here.limiter.refresh()
    assert list(here.store.networks()) == ["203.0.0.0/16"]


def test_a_request_amid_a_change_waits_for_rules_that_have_ended(
    site: Site, here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    override(here, "block", "203.0.0.0/16", seconds=900)
    there = site.worker()
    there.limiter.refresh()
    override(here, "allow", NETWORK, seconds=60)
    site.clock.advance(60)
    found: list[Ruling] = []

    def between(*ends: Iterable[float], default: float) -> float:
        monkeypatch.undo()
        request.start()
        # It has to wait, and is let wait so long.
        request.join(0.1)
        return min(*ends, default=default)

    request = Thread(target=lambda: found.append(ruling(there, CLIENT)))
    monkeypatch.setattr(access, "min", between, raising=False)
    there.limiter.refresh()
    request.join()
    assert [ruled.key for ruled in found] == ["203.0.0.0/16"]


def test_a_network_that_is_cleared_holds_nowhere(site: Site, here: Worker) -> None:
    there = site.worker()
    override(here, "limit", NETWORK)
    there.limiter.refresh()
    assert ruling(there, CLIENT).key == NETWORK
    assert here.operations.overrides.clear(NETWORK, ADA)
    there.limiter.refresh()
    for worker in (here, there):
        assert ruling(worker, CLIENT) == (CLIENT, None)
    assert not here.operations.overrides.clear(NETWORK, ADA)
    assert [entry["action"] for entry in here.audited()] == ["clear", "override"]
    assert here.audited()[0]["before"]["kind"] == "limit"  # type: ignore[index]


@pytest.mark.parametrize("then", ["block", "allow"])
def test_a_network_may_be_overridden_anew(here: Worker, then: str) -> None:
    override(here, "limit", NETWORK)
    override(here, then, NETWORK)
    assert is_blocked(here) is (then == "block")
    assert here.audited()[0]["before"]["kind"] == "limit"  # type: ignore[index]


def test_a_reset_leaves_the_override_of_a_network(here: Worker) -> None:
    override(here, "limit", NETWORK, amount=3)
    assert [ask(here, CLIENT) for _ in range(4)][-1] == "limited"
    here.operations.clients.reset(NETWORK, ADA)
    assert [ask(here, CLIENT) for _ in range(4)] == ["allowed"] * 3 + ["limited"]


# Clients of other names


def test_a_network_holds_for_clients_of_any_name(here: Worker) -> None:
    override(here, "block", NETWORK)
    assert is_blocked(here, "key:abc", CLIENT)
    assert not is_blocked(here, "key:abc", OUTSIDER)


def test_nobody_escapes_a_network_by_calling_itself_an_address(here: Worker) -> None:
    override(here, "block", NETWORK)
    override(here, "limit", "192.0.2.0/24")
    assert is_blocked(here, OUTSIDER, CLIENT)
    assert ruling(here, OUTSIDER, "192.0.2.1").key == "192.0.2.0/24"
    override(here, "allow", "198.51.100.0/24")
    assert is_blocked(here, OUTSIDER, CLIENT)


def test_a_client_told_by_a_proxy_is_matched_by_its_own_address(here: Worker) -> None:
    override(here, "allow", "10.0.0.0/8")
    override(here, "block", NETWORK)
    assert is_blocked(here, CLIENT, "10.0.0.1")
    assert ruling(here, OUTSIDER, "10.0.0.1") == (OUTSIDER, None)


@pytest.mark.parametrize(
    ("network", "held"),
    [("2001:db8::/32", True), ("2001:db8::/96", True), ("2001:db8:1::/48", False)],
)
def test_a_network_of_ipv6_may_be_larger_or_smaller_than_a_client(
    here: Worker, network: str, held: bool
) -> None:
    override(here, "block", network)
    assert is_blocked(here, "2001:db8::/64", "2001:db8::5") is held
    # Another host of the same client.
    assert is_blocked(here, "2001:db8::/64", "2001:db8::9:0:0:1") is (network == "2001:db8::/32")


# The configuration's lists


def test_what_the_configuration_denies_stays_denied(site: Site) -> None:
    worker = site.worker(deny=(NETWORK,))
    override(worker, "allow", "203.0.0.0/16")
    assert is_blocked(worker)
    assert ruling(worker, "203.0.1.1").key == ""


@pytest.mark.parametrize("client", [CLIENT, "203.0.113.128/25"])
@pytest.mark.parametrize("kind", ["allow", "limit"])
def test_an_override_that_a_denied_client_would_get_nothing_from_is_refused(
    site: Site, client: str, kind: str
) -> None:
    worker = site.worker(deny=(NETWORK,))
    with pytest.raises(ConfigurationError, match="IRL_DENY"):
        override(worker, kind, client)
    assert worker.audited() == []


@pytest.mark.parametrize("blocked", [CLIENT, NETWORK])
def test_an_operator_may_block_whom_the_configuration_allows(site: Site, blocked: str) -> None:
    worker = site.worker(allow=("203.0.0.0/16",))
    assert ruling(worker, CLIENT).key == ""
    override(worker, "block", blocked)
    assert ask(worker, CLIENT) == "blocked"
    worker.operations.overrides.clear(blocked, ADA)
    assert ruling(worker, CLIENT).key == ""


# Without the store


@pytest.mark.parametrize("mode", ["memory", "allow", "deny"])
def test_a_blocked_network_stays_blocked_without_the_store(site: Site, mode: str) -> None:
    worker = site.worker(on_store_error=mode)
    override(worker, "block", NETWORK, seconds=900)
    break_store_but_now(worker)
    assert ask(worker, CLIENT) == "blocked"
    assert ask(worker, OUTSIDER) == ("blocked" if mode == "deny" else "allowed")
    site.clock.advance(899)
    assert is_blocked(worker)
    site.clock.advance(1)
    assert not is_blocked(worker)


def test_a_refresh_that_fails_leaves_the_networks(here: Worker) -> None:
    override(here, "block", NETWORK)
    break_store_but_now(here)
    with pytest.raises(StoreError):
        here.limiter.refresh()
    assert is_blocked(here)


def break_store_but_now(worker: Worker) -> None:
    """Have a store fail; an embedded one knows the time without asking anybody."""
    now = worker.store.now
    break_store(worker.store, StoreError("out", kind="timeout"))
    if worker.store.local:
        worker.store.now = now  # type: ignore[method-assign]


# Shown


def test_a_network_is_described_with_its_override(site: Site, here: Worker) -> None:
    override(here, "block", NETWORK, reason="Scrapes.", who="bob")
    for client in (NETWORK, "203.0.113.0/255.255.255.0"):
        found = here.operations.clients.describe(here.operations.clients.key_of(client))
        assert found is not None
        assert found["client"] == NETWORK
        assert found["override"] == {
            **{"kind": "block", "until": site.clock() + 600, "amount": 0},
            **{"reason": "Scrapes.", "who": "bob"},
        }
        assert found["covered_by"] is None


def test_a_client_is_described_with_the_network_that_covers_it(site: Site, here: Worker) -> None:
    override(here, "limit", "203.0.0.0/16", amount=9)
    override(here, "block", NETWORK, reason="Scrapes.")
    found = here.operations.clients.describe(CLIENT)
    assert found is not None
    assert found["override"] is None
    assert found["covered_by"] == {
        **{"network": NETWORK, "kind": "block", "until": site.clock() + 600, "amount": 0},
        **{"reason": "Scrapes.", "who": ADA},
    }
    assert here.operations.clients.describe(OUTSIDER) is None
    site.clock.advance(600)
    assert here.operations.clients.describe(CLIENT) is None


def test_networks_are_listed_among_the_overridden(site: Site, here: Worker) -> None:
    override(here, "block", "short", seconds=60, reason="One.")
    override(here, "limit", NETWORK, seconds=120, reason="Two.", who="bob")
    override(here, "allow", "2001:db8::/64", seconds=30)

    def listed() -> tuple[list[ClientEntry], int]:
        return here.operations.clients.ranked(order="overridden")

    entries, total = listed()
    until = site.clock()
    assert [
        tuple(x[n] for n in ("client", "override", "amount", "since", "until", "reason", "who"))
        for x in entries
    ] == [
        (NETWORK, "limit", 2, until, until + 120, "Two.", "bob"),
        ("short", "block", 0, until, until + 60, "One.", ADA),
        ("2001:db8::/64", "allow", 0, until, until + 30, "", ADA),
    ]
    assert all(entry.keys() == ClientEntry.__required_keys__ for entry in entries)
    assert total == 3
    second, total = here.operations.clients.ranked(order="overridden", offset=1, limit=1)
    assert ([entry["client"] for entry in second], total) == (["short"], 3)
    site.clock.advance(60)
    assert [entry["client"] for entry in listed()[0]] == [NETWORK]


def test_a_network_has_its_author_when_the_audit_log_has_it_no_longer(here: Worker) -> None:
    override(here, "block", NETWORK, reason="Scrapes.", who="bob")
    override(here, "block", "c", reason="Scrapes.", who="bob")
    for _ in range(AUDIT_KEPT):
        here.store.add_audit(b"{}")
    entries, _ = here.operations.clients.ranked(order="overridden")
    assert {x["client"]: (x["since"], x["reason"], x["who"]) for x in entries} == {
        NETWORK: (None, "Scrapes.", "bob"),
        "c": (None, "", None),
    }


def test_an_app_may_name_a_network(here: Worker) -> None:
    here.limiter.label_of = {NETWORK: "Acme Ltd"}.get
    override(here, "block", NETWORK)
    [entry], _ = here.operations.clients.ranked(order="overridden")
    found = here.operations.clients.describe(NETWORK)
    assert found is not None
    assert entry["label"] == found["label"] == "Acme Ltd"


# Refused


@pytest.mark.parametrize("wrong", ["203.0.113.0/33", "203.0.113.7/24"])
def test_a_network_that_is_written_wrong_changes_nothing(here: Worker, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="203"):
        override(here, "block", wrong)
    assert (here.audited(), here.store.networks()) == ([], {})


def test_a_client_that_is_called_like_a_wrong_network_is_one(here: Worker) -> None:
    here.ask("203.0.113.7/24")
    assert override(here, "block", "203.0.113.7/24")["client"] == "203.0.113.7/24"
    assert here.ask("203.0.113.7/24").outcome == "blocked"


def test_more_networks_than_every_worker_can_know_are_refused(
    site: Site, here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overrides, "MAX_NETWORKS", 2)
    override(here, "block", "192.0.2.0/24", seconds=60)
    override(here, "block", NETWORK)
    with pytest.raises(ConfigurationError, match="2 networks are overridden"):
        override(here, "limit", "198.51.100.0/24")
    assert ruling(here, OUTSIDER) == (OUTSIDER, None)
    assert here.operations.clients.ranked(order="overridden")[1] == 2
    # One that is there may change, and those that have ended make room.
    override(here, "allow", NETWORK)
    site.clock.advance(60)
    override(here, "limit", "198.51.100.0/24")
    assert ruling(here, OUTSIDER).key == "198.51.100.0/24"


def test_an_override_that_is_damaged_is_told_and_the_others_hold(
    here: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    here.store.put_network("192.0.2.0/24", b'{"kind": "slow"}', 10)
    with caplog.at_level(logging.WARNING, "flask_irl"):
        override(here, "block", NETWORK)
    assert is_blocked(here)
    assert "network_override_damaged network=192.0.2.0/24" in caplog.text


@pytest.mark.parametrize(
    ("client", "known"), [("seen", True), ("new", False), (CLIENT, False), (NETWORK, True)]
)
def test_an_override_tells_whether_the_client_is_known(
    here: Worker, client: str, known: bool
) -> None:
    here.ask("seen")
    assert override(here, "block", client)["known"] is known


@pytest.mark.parametrize(
    ("client", "likely"),
    [("seen", True), ("new", False), (CLIENT, True), ("2001:db8::5", True), (NETWORK, True)],
)
def test_an_id_may_be_right_if_it_was_seen_or_is_an_address_or_a_network(
    here: Worker, client: str, likely: bool
) -> None:
    here.ask("seen")
    assert here.operations.clients.is_known(client) is likely
