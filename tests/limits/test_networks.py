"""Test networks: how they are read, and which one holds an address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.errors import ConfigurationError
from flask_irl.limits.networks import Address, NetworkTable, addresses_of, parse_network

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.7/32", "203.0.113.7/32"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("2001:db8::1/128", "2001:db8::1/128"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        # Names of clients that are no networks.
        ("203.0.113.7", None),
        ("2001:db8::1", None),
        ("user-3", None),
        ("10.0.0.1/reports", None),
        ("10.0.0.1/", None),
        ("a/24", None),
        ("fe80::1%eth0/64", None),
        ("/", None),
    ],
)
def test_a_network_has_one_form_and_other_texts_are_none(text: str, network: str | None) -> None:
    assert parse_network(text) == network


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("203.0.113.0/33", "prefix length from 0 to 32"),
        ("203.0.113.0/-1", "prefix length from 0 to 32"),
        ("203.0.113.0/255.0.255.0", "prefix length from 0 to 32"),
        ("2001:db8::/129", "prefix length from 0 to 128"),
        ("203.0.113.7/24", "give 203.0.113.0/24 for the network, or 203.0.113.7 for the address"),
        ("2001:db8::1/48", "give 2001:db8::/48 for the network"),
        ("203.0.113.0/" + "9" * 5000, "prefix length from 0 to 32"),
    ],
)
def test_a_network_that_is_written_wrong_is_told_how_to_write_it(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_network(text)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 300


def _networks(version: int) -> st.SearchStrategy[IpNetwork]:
    """Make networks that share their first bits, so that many hold each other."""
    bits = 32 if version == 4 else 128
    base = 0xCB007100 if version == 4 else 0x20010DB8 << 96
    return st.builds(
        lambda low, prefix: ipaddress.ip_network(
            (((base | low) >> (bits - prefix)) << (bits - prefix), prefix)
            if version == 4
            else (
                ipaddress.IPv6Address(((base | low) >> (bits - prefix)) << (bits - prefix)),
                prefix,
            )
        ),
        st.integers(0, 2**10),
        st.integers(0, bits),
    )


EITHER = st.one_of(_networks(4), _networks(6))


@given(st.lists(EITHER, max_size=12), EITHER, st.integers(0, 3))
def test_the_longest_network_that_holds_an_address_is_found(
    networks: list[IpNetwork], near: IpNetwork, host: int
) -> None:
    address = near.network_address + min(host, near.num_addresses - 1)
    holding = [each for each in networks if each.version == address.version and address in each]
    expected = max(holding, key=lambda each: each.prefixlen, default=None)
    table = NetworkTable([(str(each), each) for each in networks])
    found = table.find(Address(address.version, int(address), address.max_prefixlen))
    assert found == expected


@given(st.lists(EITHER, max_size=12), EITHER)
def test_a_client_that_is_a_network_is_held_by_those_that_hold_all_of_it(
    networks: list[IpNetwork], client: IpNetwork
) -> None:
    holding = [
        each
        for each in networks
        if each.version == client.version and client.subnet_of(each)  # type: ignore[arg-type]
    ]
    expected = max(holding, key=lambda each: each.prefixlen, default=None)
    own, other = addresses_of(str(client), "")
    assert own is not None
    assert other is None
    assert NetworkTable([(str(each), each) for each in networks]).find(own) == expected


def test_an_address_of_the_other_end_tells_more_than_the_network_that_is_the_client() -> None:
    own, other = addresses_of("2001:db8::/64", "2001:db8::5")
    assert own == Address(6, int(ipaddress.ip_address("2001:db8::5")), 128)
    assert other is None


@pytest.mark.parametrize("client", ["key:abc", "user:7", "unknown", "#" + "0" * 32])
def test_a_client_of_another_name_is_where_its_requests_come_from(client: str) -> None:
    assert addresses_of(client, "203.0.113.7") == addresses_of("203.0.113.7", "203.0.113.7")


def test_a_client_named_by_another_address_has_both() -> None:
    own, other = addresses_of("203.0.113.7", "10.0.0.1")
    assert (own, other) == (Address(4, 0xCB007107, 32), Address(4, 0x0A000001, 32))
