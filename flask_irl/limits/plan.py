"""Describe the limits that a request is under: scopes, and a plan of them all."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Literal

from flask_irl.limits.limit import Limit

Mode = Literal["enforce", "shadow", "off"]
StrategyName = Literal["sliding-window-counter", "fixed-window", "gcra"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Limits that count together under one name.

    Args:
        name: What is counted: a route's endpoint or a shared name; ``""`` is everything that
            the client asks for.
        limits: The limits, at least one, at most 16.
        own_key: The limits count another key than the client's (a limit's own ``key_func``).
    """

    name: str
    limits: tuple[Limit, ...]
    own_key: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that a store needs to know of a route's limits; made once, used for every request.

    Compared by identity, so that stores can keep what they prepare of it.

    Args:
        scopes: The first is the client's own (name ``""``); all must admit a request.
        strategy: How requests are counted.
        factors: Share of each limit that is left at each step; ``factors[0]`` is 1.
        enforce: Whether a step tightens the limit, or only ``Hit.tight_refused`` tells (shadow).
        ttl_seconds: How long an idle client's state is kept; raised to twice the longest window.
        signatures: For each scope, 16 bits of its windows and the strategy: state that was
            counted another way is another state.
        shown: Each limit with its scope, in the order of ``Hit.binding``.
    """

    scopes: tuple[Scope, ...]
    strategy: StrategyName
    factors: tuple[float, ...]
    enforce: bool = True
    ttl_seconds: int = 3600
    signatures: tuple[int, ...] = field(init=False)
    shown: tuple[tuple[Scope, Limit], ...] = field(init=False)

    def __post_init__(self) -> None:
        signatures = tuple(
            zlib.crc32(repr((self.strategy, [x.window_seconds for x in scope.limits])).encode())
            & 0xFFFF
            for scope in self.scopes
        )
        longest = max((x.window_seconds for scope in self.scopes for x in scope.limits), default=0)
        shown = tuple((scope, limit) for scope in self.scopes for limit in scope.limits)
        object.__setattr__(self, "signatures", signatures)
        object.__setattr__(self, "shown", shown)
        object.__setattr__(self, "ttl_seconds", max(self.ttl_seconds, 2 * longest))
