"""Test that client keys are safe to store, log and show."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.limits.keys import MAX_KEY_CHARACTERS, canonical, network_key

PLAIN = ["1.2.3.4", "2001:db8::/64", "alice@example.org", "user/7", "key:a:b", "Ærøskøbing", "客户",
         "a%2Fb", "x" * MAX_KEY_CHARACTERS]  # fmt: skip
STRANGE = ["", " ", "a b", "a\tb", "a\nb", "a\0b", "{a}", "a}b", "x" * (MAX_KEY_CHARACTERS + 1),
           "#a", "<b>", "a'b", 'a"b', "a&b", "a\\b", "\u202eabc", "a\u00a0b", "a\u3000b", "\ud800",
           "\x7f"]  # fmt: skip

anything = st.text(st.characters(exclude_categories=[]), max_size=100)
"""Texts, lone surrogates included."""


@pytest.mark.parametrize("key", PLAIN)
def test_a_plain_key_stays_as_it_is(key: str) -> None:
    assert canonical(key) == key


@pytest.mark.parametrize("key", STRANGE)
def test_a_strange_key_becomes_a_hash(key: str) -> None:
    made = canonical(key)
    assert made.startswith("#")
    assert len(made) == 33


def test_the_hash_is_the_same_in_every_process_and_version() -> None:
    assert canonical("a b") == "#acc9227cc02e5f5c13e74125bce89499"


@given(key=anything)
def test_a_key_is_short_printable_and_free_of_special_characters(key: str) -> None:
    made = canonical(key)
    assert 0 < len(made) <= MAX_KEY_CHARACTERS
    assert made.isprintable()
    assert not set(made) & set("{} \"'<>&\\")
    assert not any(character.isspace() for character in made)
    assert made.encode()


@given(key=anything)
def test_a_key_that_was_shown_can_be_looked_up(key: str) -> None:
    assert canonical(canonical(key)) == canonical(key)


@given(one=anything, other=anything)
def test_two_clients_never_share_a_key(one: str, other: str) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4 ", "1.2.3.4"),
        ("1.2.3.4:5555", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("[::ffff:1.2.3.4]:80", "1.2.3.4"),
        ("::FFFF:0102:0304", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[fe80::1%25eth0]:80", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_address_becomes_the_key_of_its_network(address: str, key: str) -> None:
    assert network_key(address) == key


@pytest.mark.parametrize(
    "address",
    ["", " ", "bogus", "unknown", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4, 5.6.7.8",
     "[", "[]", "[]:80", "::1::", "2001:db8::1:80:90:90:90:90:90", "/run/socket", "\u0661.2.3.4"],
)  # fmt: skip
def test_a_text_that_is_no_address_is_unknown(address: str) -> None:
    assert network_key(address) == "unknown"


@given(address=st.ip_addresses(v=4), port=st.integers(0, 65_535))
def test_ipv4_is_one_client_with_or_without_port_or_mapping(
    address: ipaddress.IPv4Address, port: int
) -> None:
    shown = {str(address), f"{address}:{port}", f"::ffff:{address}", f"[::ffff:{address}]:{port}"}
    assert {network_key(form) for form in shown} == {str(address)}


@given(address=st.ip_addresses(v=6), host=st.integers(0, 2**64 - 1))
def test_ipv6_is_one_client_per_network_of_64_bits(
    address: ipaddress.IPv6Address, host: int
) -> None:
    network = ipaddress.ip_network((address, 64), strict=False)
    neighbour = ipaddress.IPv6Address(int(network.network_address) + host)
    for one in (address, neighbour):
        if one.ipv4_mapped is None:
            assert network_key(str(one)) == network_key(one.exploded) == str(network)


@given(address=st.from_regex(r"[0-9]{1,4}(\.[0-9]{0,4}){2,4}[ a0\0]?", fullmatch=True))
def test_ipv4_is_as_the_standard_library_has_it(address: str) -> None:
    try:
        expected = str(ipaddress.IPv4Address(address.strip()))
    except ValueError:
        expected = "unknown"
    assert network_key(address) == expected


@given(address=anything)
def test_any_text_makes_a_key_that_is_canonical(address: str) -> None:
    made = network_key(address)
    assert canonical(made) == made
