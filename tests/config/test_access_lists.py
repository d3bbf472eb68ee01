"""Test the lists of allowed and denied clients, and honeypots."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.config.access_lists import AccessLists
from flask_irl.config.sources import resolve
from flask_irl.errors import ConfigurationError
from flask_irl.verdicts.step_log import LOGGED_PER_SECOND
from flask_irl.web.state import state_of


@pytest.mark.parametrize(
    ("client", "rule"),
    [
        ("192.0.2.7", "allow"),
        ("192.0.2.99", "deny"),
        ("198.51.100.1", ""),
        ("2001:db8:0:1::/64", "allow"),
        ("2001:db8:9::/64", "deny"),
        ("key:abc", "allow"),
        ("key:other", ""),
        ("unknown", ""),
    ],
)
def test_networks_addresses_and_keys_are_looked_up(client: str, rule: str) -> None:
    lists = AccessLists(
        allow=["192.0.2.0/24", "key:abc", "2001:db8:0:1::5"],
        deny=["192.0.2.99", "2001:db8:9::/48"],
    )
    assert lists.rule_for(client) == rule


def test_a_client_on_both_lists_is_denied() -> None:
    lists = AccessLists(allow=["10.0.0.0/8", "a"], deny=["10.0.0.0/8", "a"])
    assert [lists.rule_for(client) for client in ("10.1.2.3", "a")] == ["deny", "deny"]


@pytest.mark.parametrize(
    ("client", "rule"),
    [
        ("10.1.2.3", "allow"),
        ("10.1.2.4", "deny"),
        ("10.2.0.1", "allow"),
        ("2001:db8:0:1::/64", "deny"),
        ("2001:db8:0:2::/64", "allow"),
    ],
)
def test_the_longest_network_on_either_list_decides(client: str, rule: str) -> None:
    lists = AccessLists(
        allow=["10.0.0.0/8", "10.1.2.3", "2001:db8::/32"], deny=["10.1.0.0/16", "2001:db8:0:1::/64"]
    )
    assert lists.rule_for(client) == rule


@pytest.mark.parametrize(
    ("client", "remote", "rule"),
    [
        ("key:abc", "203.0.113.7", "deny"),
        ("key:abc", "192.0.2.7", "allow"),
        ("key:mine", "203.0.113.7", "allow"),
        ("key:abc", "", ""),
        # Whoever calls itself by an address isn't out of a denied network.
        ("192.0.2.7", "203.0.113.7", "deny"),
        # A proxy of the site's has told the address.
        ("198.51.100.1", "192.0.2.7", ""),
    ],
)
def test_networks_hold_for_clients_of_other_names(client: str, remote: str, rule: str) -> None:
    lists = AccessLists(allow=["192.0.2.0/24", "key:mine"], deny=["203.0.113.0/24"])
    assert lists.rule_for(client, remote) == rule


@pytest.mark.parametrize("option", ["allow", "deny"])
def test_a_network_with_a_prefix_that_is_none_is_refused_at_start(option: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{option}.*203.0.113.0/33.*from 0 to 32"):
        site(**{option: ["192.0.2.0/24", "203.0.113.0/33"]})


def site(**options: Any) -> Flask:
    """Make an app of one page, limited to three requests a minute."""
    app = Flask("site")
    IntelligentLimiter(app, base_limit=3, background=False, **options)
    app.add_url_rule("/", "index", lambda: "hello")
    return app


def ask(app: Flask, path: str = "/", address: str = "192.0.2.7") -> Any:
    """Send a request from an address."""
    return app.test_client().get(path, environ_base={"REMOTE_ADDR": address})


def test_an_allowed_client_is_never_limited_and_a_denied_one_always() -> None:
    app = site(allow=("192.0.2.0/24",), deny=("203.0.113.0/24",))
    assert {ask(app).status_code for _ in range(9)} == {200}
    assert "X-RateLimit-Limit" not in ask(app).headers
    answer = ask(app, address="203.0.113.5")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3600")
    assert ask(app, address="198.51.100.1").status_code == 200
    state_of(app).limiter.close()


def test_a_client_in_the_honeypot_is_blocked_with_the_next_flush() -> None:
    app = site(honeypots=("/wp-admin",), further_factors=(0.0,))
    assert ask(app, "/wp-admin/setup.php").status_code == 404
    assert ask(app).status_code == 200
    state_of(app).limiter.flush()
    assert ask(app).status_code == 429
    assert ask(app, address="198.51.100.1").status_code == 200
    state_of(app).limiter.close()


def test_many_clients_flagged_at_once_do_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = site(honeypots=("/wp-admin",))
    clients = [f"198.51.100.{number}" for number in range(1, 201)]
    for address in clients:
        ask(app, "/wp-admin/setup.php", address=address)
    caplog.set_level(logging.WARNING, "flask_irl")
    limiter = state_of(app).limiter
    limiter.flush()
    lines = [r for r in caplog.records if r.getMessage().startswith("client_flagged ")]
    # As many more where the machine is so busy that a second passes.
    assert LOGGED_PER_SECOND <= len(lines) < len(clients)
    assert "not_logged=0" in lines[0].getMessage()
    assert sum(state.step > 0 for state in limiter.store.load(clients) if state) == len(clients)
    limiter.close()


@pytest.mark.parametrize("value", [5, [5], b"/x"])
def test_an_access_list_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="deny"):
        site(deny=value)


@pytest.mark.parametrize("option", ["allow", "deny"])
@pytest.mark.parametrize(
    ("value", "network", "address"),
    [
        ("10.1.2.3/8", "10.0.0.0/8", "10.1.2.3"),
        ("192.0.2.9/24", "192.0.2.0/24", "192.0.2.9"),
        ("10.0.0.1/255.0.0.0", "10.0.0.0/8", "10.0.0.1"),
        ("2001:db8::1/32", "2001:db8::/32", "2001:db8::1"),
    ],
)
def test_an_address_in_a_network_is_refused_with_the_network_that_is_meant(
    option: str, value: str, network: str, address: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        resolve({option: ["192.0.2.7", value]}, {}, {})
    assert str(raised.value) == (
        f"{option}: {value} is one address in a network: give {network} for the network, or "
        f"{address} for the address"
    )
    assert getattr(resolve({option: [network, address]}, {}, {}), option) == (network, address)


def test_a_prefix_that_is_too_long_is_refused_by_the_options_name() -> None:
    with pytest.raises(ConfigurationError, match=r"^IRL_DENY: 10.0.0.0/33 is no network: give"):
        resolve({}, {"IRL_DENY": "10.0.0.0/33"}, {})


@pytest.mark.parametrize(
    "text",
    ["10.0.0/8", "010.0.0.0/8", "10.0.0.*", "[2001:db8::]/48", "192.0.2.7/", "2001:db8:::/32"],
)
def test_what_looks_like_a_network_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        resolve({"deny": ["192.0.2.7", text]}, {}, {})
    assert str(raised.value) == (
        f"deny: {text} is neither an address nor a network: give such as 10.0.0.0/8, "
        "2001:db8::/32 or 192.0.2.7"
    )


def test_names_that_look_a_little_like_networks_are_names() -> None:
    names = ("team/8", "10.1.2.3/all", "a/b", "2001:db8::/64", "v1.2/x", "1.2.3", "12/8", "a.b/c")
    assert resolve({"allow": names}, {}, {}).allow == names
