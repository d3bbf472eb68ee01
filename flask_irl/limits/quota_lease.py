"""Describe quota leases: leave for a few more requests, which the store has counted before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from flask_irl.limits.decision import Hit
from flask_irl.limits.plan import Plan

LEASE_SECONDS: Final = 1.0
"""The longest time for which a lease is good."""


class LeaseCall(NamedTuple):
    """Ask for a lease, with a request of cost 1, and tell of the one that has ended.

    Attributes:
        want: Units wanted, 0 or more.
        ended: The time at which the ended lease was given, by the store's clock in µs; 0 for none.
        unused: The units of it that no request has used.
    """

    want: int
    ended: float = 0.0
    unused: int = 0


class Leased(NamedTuple):
    """Hold a store's answer to a request that asked for a lease.

    Attributes:
        hit: The answer to the request; ``hit.remaining`` is without the lease's units.
        units: Requests that the lease is good for, 0 if there is none.
        lasts: µs for which it is good, from when the request was sent.
        counted: Requests that the window of the limit shown has counted, the lease's included. By
            GCRA: requests that were counted or waited for since ever, modulo 2**32.
        start: Start of that window, in µs since the epoch; 0 where there is none. By GCRA: the µs
            of a request, below 0.
    """

    hit: Hit
    units: int = 0
    lasts: float = 0.0
    counted: int = 0
    start: float = 0.0


class EndedLease(NamedTuple):
    """Tell of a lease that has ended.

    Attributes:
        plan: The limits that counted its units.
        keys: The keys under which they did.
        given: The time at which it was given, by the store's clock in µs.
        unused: The units that no request has used.
    """

    plan: Plan
    keys: Sequence[str]
    given: float
    unused: int
