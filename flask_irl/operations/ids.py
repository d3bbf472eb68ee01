"""Find the key that an operator means by a client's id."""

from __future__ import annotations

from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import UNKNOWN, canonical, network_key
from flask_irl.limits.networks import parse_network
from flask_irl.stores.base import Store
from flask_irl.verdicts.rankings import RANKINGS

EXAMPLES = 3


def key_of(store: Store, client_id: str) -> str:
    """Find the key of a client, or the usual form of a network.

    An address may be given in full where its network is the client, as with IPv6: an override of a
    key that no request ever counts under would do nothing.

    Args:
        store: Knows the clients.
        client_id: Name or key of a client, or a network such as ``203.0.113.0/24``.

    Raises:
        ConfigurationError: A network is written wrong, and no client is called so.
        StoreError: The store failed.
    """
    key = canonical(client_id)
    try:
        network = parse_network(client_id.strip())
    except ConfigurationError:
        if store.load([key]) != [None]:
            return key
        raise
    return network or client_key_of(store, client_id)


def client_key_of(store: Store, name: str) -> str:
    """Find the key of a client by its name, whose owner may have called it like a network.

    Args:
        store: Knows the clients.
        name: Name or key of a client, or an address.

    Raises:
        StoreError: The store failed.
    """
    key = canonical(name)
    network = network_key(name)
    if network in (UNKNOWN, key) or store.load([key]) != [None]:
        return key
    return network


def is_network(key: str) -> bool:
    """Tell whether a key is a network in its usual form."""
    try:
        return parse_network(key) == key
    except ConfigurationError:
        return False


def is_no_client(key: str) -> bool:
    """Tell whether a key is a network that can't be a client, as an IPv6 one of 64 bits is."""
    return is_network(key) and not (":" in key and key.endswith("/64"))


def is_address(client_id: str) -> bool:
    """Tell whether a client's id is an address, seen yet or not."""
    return network_key(client_id) != UNKNOWN


def examples(store: Store) -> list[str]:
    """List the keys of some active clients, to show their form."""
    return store.ranked(RANKINGS["active"].stored, 0, EXAMPLES)[0]
