"""Describe the limits of a request: scopes, and a plan of all scopes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from flask_irl.limits.limit import Limit

LEAST_LEASED: Final = 100
"""The smallest limit under which requests are counted ahead: a fiftieth of it is two."""

Mode = Literal["enforce", "shadow", "off"]
StrategyName = Literal["sliding-window-counter", "fixed-window", "gcra"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Describe limits that count together under one name.

    Args:
        name: A route's endpoint or a shared name; ``""`` for all of the client's requests.
        limits: 1 to 16 limits; none in a scope whose requests are counted already.
        own_key: Count another key than the client's (that of a limit's own ``key_func``).
        replaces_base: Count instead of the limit on all of the client's requests.
        standby: Count only while an operator's own limit for the client is in force; only the
            scope of all the client's requests may.
    """

    name: str
    limits: tuple[Limit, ...]
    own_key: bool = False
    replaces_base: bool = False
    standby: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Describe all limits of a route, for a store; made once, used for every request.

    Compared by identity, so that stores can keep a packed form of it.

    Args:
        scopes: The first is the client's own (name ``""``); all must admit a request.
        strategy: Name of the strategy that counts.
        factors: Share of each limit that is left at each step; ``factors[0]`` is 1.
        enforce: Tighten the limit at a step; else (shadow) only set ``Hit.tight_refused``.
        ttl_seconds: Seconds that an idle client's state is kept; at least twice the longest window.
        signatures: For each scope, 16 bits of its windows and the strategy: a state with another
            signature was counted in another way, and begins anew.
        limits: Each limit with its scope, in the order of ``Hit.binding``.
        counted: The plan of the limits that count without an operator's own limit, where the first
            scope is on standby; else None.
        leasable: Whether requests may be counted ahead: no limit is small, and none counts another
            key, which many clients may share.
    """

    scopes: tuple[Scope, ...]
    strategy: StrategyName
    factors: tuple[float, ...]
    enforce: bool = True
    ttl_seconds: int = 3600
    signatures: tuple[int, ...] = field(init=False)
    limits: tuple[tuple[Scope, Limit], ...] = field(init=False)
    counted: Plan | None = field(init=False)
    leasable: bool = field(init=False)

    def __post_init__(self) -> None:
        signatures = tuple(
            zlib.crc32(repr((self.strategy, [x.window_seconds for x in scope.limits])).encode())
            & 0xFFFF
            for scope in self.scopes
        )
        longest = max((x.window_seconds for scope in self.scopes for x in scope.limits), default=0)
        limits = tuple((scope, limit) for scope in self.scopes for limit in scope.limits)
        object.__setattr__(self, "signatures", signatures)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "ttl_seconds", max(self.ttl_seconds, 2 * longest))
        counted = None
        if self.scopes and self.scopes[0].standby:
            counted = replace(self, scopes=(Scope("", ()), *self.scopes[1:]))
        object.__setattr__(self, "counted", counted)
        count = [(scope, limit) for scope, limit in limits if not scope.standby]
        leasable = bool(count) and not any(
            scope.own_key or limit.amount < LEAST_LEASED for scope, limit in count
        )
        object.__setattr__(self, "leasable", leasable)
