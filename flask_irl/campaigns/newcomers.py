"""Tell newcomers from clients with a history, and sort them by what they do."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import column
from flask_irl.behaviour.rows import GOOD
from flask_irl.behaviour.sums import GAP_EDGES, View
from flask_irl.limits.networks import BITS, Address, read_address

Mask = NDArray[np.bool_]
SystemOf = Callable[[str], str]
"""Name the autonomous system of a client, such as ``AS64500``; empty for none."""
LoginSort = Literal["direct", "page", "visitor"]
LOGIN_SORTS: Final[tuple[LoginSort, ...]] = ("direct", "page", "visitor")
"""Sorts of newcomers at a login: those that do nothing but log in, those that look at the login
page at most, and those that ask for something else, too."""
Sort = Literal["taking", "leafing", "pacing", "scanning"]
SORTS: Final[tuple[Sort, ...]] = ("taking", "leafing", "pacing", "scanning")
"""Sorts of newcomers anywhere: those that take one new path of one route after the other, fast or
as slowly as people, those that take new paths of many routes at an even pace, and those that guess
at paths."""

HISTORY_SECONDS: Final = 1800.0
HISTORY_MINUTES: Final = 5
HISTORY_REQUESTS: Final = 20
"""A client has a history when it was first seen so long ago, was active in so many minutes, and has
sent so many requests."""
LOGGED_IN: Final = 0.5
"""Successful logins of about ten minutes from which on a client has logged in well."""
OTHER: Final = 0.5
"""Requests of about ten minutes that aren't login attempts, from which on it did something else."""

NEW_SECONDS: Final = 1800.0
"""Age up to which a client anywhere is a newcomer."""
SORTED_AT: Final = 8
"""Requests after which a newcomer is sorted."""
HELD_AT: Final[dict[Sort, int]] = {"taking": 6, "leafing": 8, "pacing": 8, "scanning": 5}
"""Requests after which a newcomer that looks like a running campaign is held."""
NEW_PATHS: Final = 0.85
"""Least share of new paths among the requests of one that takes."""
READING: Final = 0.15
"""Largest share of writes of one."""
ONE_ROUTE: Final = 0.85
"""Least share of one route among the requests of one that takes all of it."""
UNEVEN: Final = 1.5
EVEN: Final = 0.8
"""Largest variation of the intervals, relative to their mean: a page that loads its parts at once
varies more."""
AT_ONCE: Final = 0.5
"""Largest share of intervals below a quarter of a second: a page loads its parts at once."""
AT_ONCE_BINS: Final = int(np.searchsorted(GAP_EDGES, 0.25)) + 1
TAKING_PACE: Final = 15.0
LEAFING_PACE: Final = 1.0
PACE: Final = 6.0
"""Least requests a minute."""
SCANNING_SHARE: Final = 0.5
"""Least share of paths that don't exist, each another one, among the answers to a scanner."""

NETWORK_BITS: Final = {4: 24, 6: 48}
"""Bits of the networks that newcomers are counted by."""


def has_history(records: profile.Records) -> Mask:
    """Tell which clients have been here for so long that no campaign concerns them."""
    known_for = records["updated"] - records["first"]
    history: Mask = (
        (known_for >= HISTORY_SECONDS)
        & (records["minutes"] >= HISTORY_MINUTES)
        & (records["total"] >= HISTORY_REQUESTS)
    )
    return np.asarray(history | (records["feedback"] == GOOD))


def logins_done(view: View, *, named: bool = False) -> NDArray[np.float64]:
    """Count each client's successful logins of about ten minutes, or fewer.

    Args:
        view: The clients' sums.
        named: Count those at known logins alone. Else, of a client that is at none, changes that it
            was allowed to make count: the site may have a login that nobody named.
    """
    logins = view["login_writes"]
    if not named:
        others = view["writes"] - view["refused"] - view["bad"] - view["missing"] - view["failed"]
        logins = np.where(logins >= OTHER, logins, others)
    return np.maximum(logins - view["failed_writes"], 0.0)


def login_sorts(view: View) -> list[LoginSort]:
    """Sort newcomers at a login by what else they asked for within about ten minutes."""
    failed = view["failed_writes"]
    others = view["n"] - np.maximum(view["logins"], failed) - view["refused"]
    looks = view["logins"] - np.maximum(view["login_writes"], failed)
    places = np.where(others >= OTHER, 2, np.where(looks >= OTHER, 1, 0))
    return [LOGIN_SORTS[place] for place in places.tolist()]


def came_after(records: profile.Records, at: float | NDArray[np.float64]) -> Mask:
    """Tell which clients came to the site after a time, in seconds since the epoch."""
    came: Mask = records["first"] >= np.maximum(at, 1.0)
    return np.asarray(came & (records["feedback"] != GOOD))


def sort_masks(features: NDArray[np.float32], records: profile.Records) -> dict[Sort, Mask]:
    """Tell for each sort which clients are of it, by what they did so far.

    Args:
        features: Their features, one row each.
        records: Their profiles.
    """
    seconds = np.maximum(records["updated"] - records["first"], 0.1)
    pace = 60.0 * (np.maximum(records["total"].astype(np.float64), 1.0) - 1.0) / seconds
    reading = (column(features, "new_path_share") >= NEW_PATHS) & (
        column(features, "write_share") <= READING
    )
    varies = column(features, "interval_variation")
    leafing = reading & (pace >= LEAFING_PACE) & (varies <= UNEVEN)
    leafing &= column(features, "top_route_share") >= ONE_ROUTE
    gaps = profile.view(records, 0.0, 0.0).gap_bins
    leafing &= gaps[:, :AT_ONCE_BINS].sum(axis=1) <= AT_ONCE * gaps.sum(axis=1)
    taking = leafing & (pace >= TAKING_PACE)
    pacing = reading & (pace >= PACE) & (varies <= EVEN)
    scanning = column(features, "unknown_path_share") >= SCANNING_SHARE
    return {
        "taking": taking & ~scanning,
        "leafing": leafing & ~taking & ~scanning,
        "pacing": pacing & ~leafing & ~scanning,
        "scanning": scanning,
    }


@lru_cache(maxsize=8192)
def network_of(client: str) -> str:
    """Name the network of a client: its /24 or /48; empty where its key is no address."""
    address = read_address(client)
    if address is None:
        return ""
    return _named(address)


def networks_of(client: str, system_of: SystemOf | None) -> list[str]:
    """Name the networks that a client is counted by.

    Args:
        client: Its key.
        system_of: Names its autonomous system; None where nothing does.
    """
    found = (network_of(client), system_of(client) if system_of else "")
    return [network for network in found if network]


def is_of(client: str, network: str, system_of: SystemOf | None) -> bool:
    """Tell whether a client is of a network.

    Args:
        client: Its key.
        network: A /24, a /48 or an autonomous system.
        system_of: Names its autonomous system; None where nothing does.
    """
    if not is_system(network):
        return network_of(client) == network
    return system_of is not None and system_of(client) == network


def is_system(network: str) -> bool:
    """Tell whether a network is an autonomous system."""
    return network.startswith("AS")


def _named(address: Address) -> str:
    version, number, own = address
    bits = min(NETWORK_BITS[version], own)
    shift = BITS[version] - bits
    first = number >> shift << shift
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return f"{kind(first)}/{bits}"
