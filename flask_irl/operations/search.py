"""Search clients by their keys and routes, and put those that are found in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from flask_irl.addresses.country_record import CODE
from flask_irl.behaviour import profile
from flask_irl.behaviour.routes import is_login
from flask_irl.behaviour.sums import Floats
from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import HASHED, UNKNOWN, canonical, network_key
from flask_irl.limits.limit import MAX_AMOUNT
from flask_irl.limits.networks import (
    CLIENT_BITS,
    Address,
    check_prefix,
    is_within,
    read_address,
)
from flask_irl.limits.override import Override
from flask_irl.operations.traffic import requests_for
from flask_irl.stores.site import OVERRIDDEN
from flask_irl.stores.state import ClientState
from flask_irl.verdicts.rankings import RANKINGS

if TYPE_CHECKING:
    from flask_irl.addresses.countries import Countries

ANOMALOUS: Final = "anomalous"
ORDERS: Final = (*RANKINGS, OVERRIDDEN)
COLUMNS: Final = ("client", "state", "score", "rate", "refused", "seen")
"""Columns of a list of clients that it can be sorted by."""
MAX_FOUND: Final = 1000
"""Clients at which a search through all that are known ends."""
MAX_TEXT: Final = 200
ABOVE_STEPS: Final = 1000
"""Beyond any step on a ladder."""
READING: Final = ("GET", "HEAD", "OPTIONS")
LEAST_REQUESTS: Final = 0.1
"""Requests of about ten minutes for a route, faded, below which a client no longer asks for it."""


class WantedRoute(NamedTuple):
    """Describe a route to search for, with a method or ``""`` for any."""

    route: str
    method: str


class Found(NamedTuple):
    """Hold clients that were found, to be put in order.

    Attributes:
        states: Their states by key.
        records: Their profiles, in the same order.
        scores: Scores them as of now.
        overrides: The overrides of those that have one.
        now: Seconds since the epoch.
    """

    states: dict[str, ClientState]
    records: profile.Records
    scores: Callable[[], Floats]
    overrides: Mapping[str, Override]
    now: float

    def by(self, order: str) -> dict[str, ClientState]:
        """Sort by one of ``ORDERS``; without those that have no place in it."""
        if order == ANOMALOUS:
            values = -self.scores()
            return self._sorted(values, values >= RANKINGS[ANOMALOUS].least)
        if order == "flagged":
            flagged = [state.step > 0 for state in self.states.values()]
            values = np.where(flagged, self.records["stepped"], -1.0)
            return self._sorted(values, values >= 0)
        if order == OVERRIDDEN:
            overrides = (self.overrides.get(key) for key in self.states)
            ends = np.array([0.0 if override is None else override.until for override in overrides])
            return self._sorted(ends, ends > 0)
        name = "recent" if order == "active" else "refused"
        values = profile.sums_of(self.records, name, self.now)
        # Who is found by name is listed, however long it has been quiet.
        return self._sorted(values, values >= 0 if order == "active" else values > 0)

    def sorted_by(self, column: str, *, ascending: bool) -> dict[str, ClientState]:
        """Sort by one of ``COLUMNS``, the highest first unless told otherwise; equals by name."""
        if column == "client":
            return dict(sorted(self.states.items(), reverse=not ascending))
        states = self.states.values()
        if column == "state":
            values = np.array(
                [_strictness(x.step, self.overrides.get(k)) for k, x in self.states.items()]
            )
        elif column == "score":
            values = self.scores()
        elif column == "rate":
            values = profile.sums_of(self.records, "recent", self.now)
        elif column == "refused":
            n, refused = (profile.sums_of(self.records, name) for name in ("n", "refused"))
            values = np.minimum(refused / np.maximum(n, 1e-3), 1.0)
        else:
            values = np.array([state.last_seen for state in states])
        items, names = list(self.states.items()), np.array(list(self.states), dtype=object)
        order = np.lexsort((names, values if ascending else -values)) if items else ()
        return dict(items[index] for index in order)

    def asking_for(self, wanted: WantedRoute) -> dict[str, ClientState]:
        """Sort by the requests for a route; without clients that have sent none lately."""
        if not self.states:
            return {}
        values = requests_for(self.records, wanted.route, self.now)
        n, writes, logins, refused = (
            profile.sums_of(self.records, name, self.now)
            for name in ("n", "writes", "logins", "refused")
        )
        if is_login(wanted.route):
            # Refused requests count as no logins.
            values = np.minimum(values, logins + refused)
        if wanted.method:
            values = np.minimum(values, n - writes if wanted.method in READING else writes)
        return self._sorted(values, values >= LEAST_REQUESTS)

    def _sorted(
        self, values: Floats, wanted: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    ) -> dict[str, ClientState]:
        items = list(self.states.items())
        order = np.argsort(-values, kind="stable")
        return dict(items[index] for index in order.tolist() if wanted[index])


def check_order(order: str) -> None:
    """Check the name of an order.

    Raises:
        ConfigurationError: There is none such.
    """
    if order not in ORDERS:
        raise ConfigurationError(f"order is {order!r}: give one of {', '.join(ORDERS)}")


def check_sort(sort: str | None) -> None:
    """Check the name of a column to sort by, None for none.

    Raises:
        ConfigurationError: There is none such.
    """
    if sort is not None and sort not in COLUMNS:
        raise ConfigurationError(f"sort is {sort!r:.60}: give one of {', '.join(COLUMNS)}")


def country_wanted(country: str, countries: Countries | None) -> str:
    """Read the code of a country to search for.

    Raises:
        ConfigurationError: It is no code, or no file tells the countries of clients.
    """
    if countries is None:
        raise ConfigurationError(
            f"country is {country!r:.60}, but no country is known: give country_file first"
        )
    code = country.strip().upper()
    if CODE.fullmatch(code) is None:
        raise ConfigurationError(f"country is {country!r:.60}: give two letters, such as DE")
    return code


def key_matcher(text: str) -> tuple[Callable[[str], bool], str]:
    """Make a test of clients' keys.

    Args:
        text: Beginning of keys, an address, a network, or a name that is stored as a hash.

    Returns:
        The test, and a text that all keys that pass begin with.

    Raises:
        ConfigurationError: The text is too long, or meant as a network and is none.
    """
    if len(text) > MAX_TEXT:
        raise ConfigurationError(f"q is too long: give at most {MAX_TEXT} characters")
    text = text.strip()
    check_prefix(text)
    network = read_address(text) if "/" in text else None
    if network is not None:
        begins = _beginning(network)
        return lambda key: key.startswith(begins) and _is_found(key, network), begins
    if text.startswith(HASHED):
        # The beginning of a hash that was shown, or a key that is hashed because it begins so.
        own = canonical(text)
        return lambda key: _is_key(key) and (key.startswith(text) or key == own), HASHED
    if not text:
        return _is_key, ""
    names = {canonical(text), network_key(text)} - {UNKNOWN}
    if canonical(text) != text:
        # No key begins like that; but one may be the hash of it.
        return lambda key: key in names, canonical(text)
    begins = text if names == {text} else ""
    return lambda key: _is_key(key) and (key.startswith(text) or key in names), begins


def route_wanted(text: str, routes: Sequence[str]) -> WantedRoute | None:
    """Read a route to search for; None for one that nobody has asked for.

    Args:
        text: A route, perhaps with a method before it.
        routes: The site's routes.
    """
    text = text.strip()
    method, _, route = ("", "", text) if text in routes else text.rpartition(" ")
    method = method.strip().upper()
    return WantedRoute(route, method) if route in routes else None


def unknown_route(text: str, routes: Sequence[str]) -> str:
    """Word that nobody has asked for a route, and name those that are most like it."""
    near = get_close_matches(text.rpartition(" ")[2], routes, 3, 0.5) or routes[:5]
    known = f"give one such as {', '.join(near)}" if near else "nor for any other yet"
    return f"route is {text[:MAX_TEXT]!r}, which nobody has asked for: {known}"


def _strictness(step: int, override: Override | None) -> float:
    """Rank a client's state as lists show it: an operator's word, then the step on the ladder."""
    if override is None:
        return float(step)
    if override.kind == "limit":
        return float(ABOVE_STEPS + MAX_AMOUNT + 1 - override.amount)
    return np.inf if override.kind == "block" else float(ABOVE_STEPS)


def _is_key(key: str) -> bool:
    # The limiter's own probe of the store is no client.
    return canonical(key) == key


def _is_found(key: str, network: Address) -> bool:
    """Tell whether a client's address, or its whole network, is part of a network."""
    own = read_address(key)
    if own is None:
        return False
    if own.bits == CLIENT_BITS < network.bits:
        # A network smaller than a client's is found with that client.
        return is_within(network, own)
    return is_within(own, network)


def _beginning(network: Address) -> str:
    """Give the text that all addresses of a network begin with; of IPv6, none."""
    if network.version == 6:
        return ""
    whole = network.number.to_bytes(4, "big")[: network.bits // 8]
    return ".".join(map(str, whole)) + ("." if 0 < len(whole) < 4 else "")
