"""Read networks, and find the longest one that holds an address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from socket import AF_INET, inet_pton
from typing import Final, Generic, NamedTuple, TypeVar

from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import parse_address

T = TypeVar("T")
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

BITS: Final = {4: 32, 6: 128}
"""Bits of an address by its version."""
CLIENT_BITS: Final = 64
"""Bits of an IPv6 address that tell one client from another."""
PREFIX: Final = re.compile(r"[-+]?[0-9.]+")
"""Ends of texts that are meant as networks: a prefix length, right or wrong, or a netmask."""
MAX_SHOWN: Final = 80


class Address(NamedTuple):
    """Hold an address as a number, or the network that a client's address stands for.

    Attributes:
        version: 4 or 6.
        number: The address, or the first one of the network.
        bits: Length of its prefix: 32 or 128 for a single address.
    """

    version: int
    number: int
    bits: int


def parse_network(text: str) -> str | None:
    """Give a network in its usual form, such as ``203.0.113.0/24`` or ``2001:db8::/48``.

    Args:
        text: Any text.

    Returns:
        The network (of IPv4, if it is one mapped into IPv6); None for a text that isn't meant as
        one, such as a single address.

    Raises:
        ConfigurationError: The prefix length isn't allowed, or the address has bits beyond it.
    """
    network = _read_network(text)
    if network is None:
        return None
    address = ipaddress.ip_address(text.partition("/")[0])
    if network.network_address != address:
        raise ConfigurationError(
            f"{text[:MAX_SHOWN]} is one address in a network: give {network} for the network, or "
            f"{address} for the address"
        )
    return str(_unmapped(network))


def check_prefix(text: str) -> None:
    """Check that a text isn't meant as a network and yet is none.

    Raises:
        ConfigurationError: The prefix length isn't allowed.
    """
    _read_network(text)


def read_address(text: str) -> Address | None:
    """Read an address, with a port or a zone perhaps, or a network; None for other texts."""
    head, slash, tail = text.partition("/")
    if not slash or (tail.isdecimal() and tail.isascii() and len(tail) < 3 and int(tail) <= 32):
        try:
            # The commonest case: ten times as fast as the others.
            number = int.from_bytes(inet_pton(AF_INET, head), "big")
            return Address(4, number, int(tail) if slash else 32)
        except (OSError, ValueError):
            pass
    if slash:
        try:
            network = _read_network(text)
        except ConfigurationError:
            return None
        return None if network is None else _address_of(_unmapped(network))
    parsed = parse_address(text)
    return None if parsed is None else Address(parsed.version, int(parsed), BITS[parsed.version])


def is_within(part: Address, network: Address) -> bool:
    """Tell whether an address or a network is part of a network."""
    version, number, bits = network
    shift = BITS[version] - bits
    return part.version == version and part.bits >= bits and part.number >> shift == number >> shift


class NetworkTable(Generic[T]):
    """Map networks to values, and find the value of the longest one that holds an address.

    It takes one look-up for each different length of the networks' prefixes.

    Args:
        entries: Networks or addresses, each with its value; the last one counts of equal ones.
        longest: The longest prefix of IPv6; longer ones are cut, 128 for none.
    """

    def __init__(self, entries: Iterable[tuple[str, T]], longest: int = BITS[6]) -> None:
        tables: dict[int, dict[int, dict[int, T]]] = {4: {}, 6: {}}
        for text, value in entries:
            address = read_address(text)
            if address is None:
                continue
            version, number, bits = address
            if version == 6:
                bits = min(bits, longest)
            tables[version].setdefault(bits, {})[number >> (BITS[version] - bits)] = value
        self._tables: Mapping[int, list[tuple[int, dict[int, T]]]] = {
            version: sorted(by_bits.items(), reverse=True) for version, by_bits in tables.items()
        }

    def find(self, address: Address) -> T | None:
        """Find the value of the longest network that holds an address; None for none."""
        version, number, own = address
        for bits, values in self._tables[version]:
            if bits <= own:
                value = values.get(number >> (BITS[version] - bits))
                if value is not None:
                    return value
        return None


class Addresses(NamedTuple):
    """Hold the addresses by which networks are matched with a client's request.

    Attributes:
        own: The client's, else that of the other end; None where neither is one.
        other: That of the other end, if the client's name is an address, too, and another one.
    """

    own: Address | None
    other: Address | None


def addresses_of(client: str, remote: str) -> Addresses:
    """Read the addresses of a request.

    Args:
        client: Key of the client: perhaps an address, which a proxy has told the app, or the /64
            network of the other end.
        remote: Address of the other end; empty if it isn't known.
    """
    named = read_address(client)
    if client == remote:
        return Addresses(named, None)
    end = read_address(remote)
    if named is None or end is None:
        return Addresses(named or end, None)
    shift = BITS[end.version] - named.bits
    if named.version == end.version and named.number >> shift == end.number >> shift:
        # That of the other end tells more: the client may be a whole network.
        return Addresses(end, None)
    return Addresses(named, end)


def _read_network(text: str) -> IpNetwork | None:
    """Parse a network, whatever bits are beyond its prefix; None if none is meant."""
    head, slash, tail = text.partition("/")
    if not slash or "%" in head or PREFIX.fullmatch(tail) is None:
        return None
    try:
        version = ipaddress.ip_address(head).version
    except ValueError:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigurationError(
            f"{text[:MAX_SHOWN]} is no network: give a prefix length from 0 to {BITS[version]}, "
            f"such as {head}/{BITS[version]}"
        ) from None


def _unmapped(network: IpNetwork) -> IpNetwork:
    """Give the network of IPv4 that is mapped into one of IPv6."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _address_of(network: IpNetwork) -> Address:
    return Address(network.version, int(network.network_address), network.prefixlen)
