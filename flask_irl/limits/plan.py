"""Describe the limits of a request: scopes, and a plan of all scopes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from flask_irl.limits.calendar import UTC, Unit
from flask_irl.limits.limit import Limit

LEAST_LEASED: Final = 100
"""The smallest limit under which requests are counted ahead: a fiftieth of it is two."""

Mode = Literal["enforce", "shadow", "off"]
StrategyName = Literal["sliding-window-counter", "fixed-window", "gcra"]
Role = Literal["count", "test", "take", "breach"]
"""Part of a scope in deciding: ``count`` counts the requests that all limits admit; ``test`` must
have room for a request, which doesn't count in it (``deduct_when``); ``take`` refuses none, and
counts as much of each as it has room for; ``breach`` must have room for one more, and counts the
requests that another scope refuses (a meta limit)."""
Counting = Literal["together", "in turn", "apart"]
"""Limits in which a refused request counts: ``together`` none, ``in turn`` those before the first
that refuses, ``apart`` each that admits it."""


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
        yields: Count only while no operator's own limit for the client is in force.
        role: Its part in deciding.
        cost: Units that a request counts for in it, 0 or more; None for the request's own.
        of: In the role ``breach``: names of the scopes whose refusals count; empty for all.
    """

    name: str
    limits: tuple[Limit, ...]
    own_key: bool = False
    replaces_base: bool = False
    standby: bool = False
    yields: bool = False
    role: Role = "count"
    cost: int | None = None
    of: tuple[str, ...] = ()


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
        counting: What a refused request counts in.
        zone: Time zone of the calendar's periods.
        periods: For each unit of a calendar that a limit has, its starts, see ``calendar.bounds``.
        shown: Name of the scope whose first limit is shown for an admitted request; None for the
            limit with least left.
        signatures: For each scope, 16 bits of its windows and the strategy: a state with another
            signature was counted in another way, and begins anew.
        limits: Each limit with its scope, in the order of ``Hit.binding``.
        counted: The plan of the limits that count without an operator's own limit, where the first
            scope is on standby; else None.
        overridden: The plan of the limits that count with one, where a scope yields; else None.
        places: Of those two: the place of each limit in the whole plan.
        leasable: Whether requests may be counted ahead: no limit is small or a calendar's, and none
            counts another key, which many clients may share.
        ruled: Whether a scope has a role or a cost of its own, or several limits an order: such a
            plan has a script of its own.
        plain: Whether it is neither ruled nor has a scope on standby.
        alone: Its limit, where it has a single one, in the client's own scope and in windows that
            begin with a request; else None.
        shown_index: The place among ``limits`` of the limit to show, or -1.
        has_breaches: Whether a scope counts refusals.
    """

    scopes: tuple[Scope, ...]
    strategy: StrategyName
    factors: tuple[float, ...]
    enforce: bool = True
    ttl_seconds: int = 3600
    counting: Counting = "together"
    shown: str | None = None
    zone: str = UTC
    periods: Mapping[Unit | None, tuple[float, ...]] = field(default_factory=dict)
    signatures: tuple[int, ...] = field(init=False)
    limits: tuple[tuple[Scope, Limit], ...] = field(init=False)
    counted: Plan | None = field(init=False)
    overridden: Plan | None = field(init=False)
    places: tuple[int, ...] = field(init=False)
    leasable: bool = field(init=False)
    ruled: bool = field(init=False)
    plain: bool = field(init=False)
    alone: Limit | None = field(init=False)
    shown_index: int = field(init=False)
    has_breaches: bool = field(init=False)

    def __post_init__(self) -> None:
        signatures = tuple(
            zlib.crc32(repr((self.strategy, [self._window(x) for x in scope.limits])).encode())
            & 0xFFFF
            for scope in self.scopes
        )
        longest = max((x.window_seconds for scope in self.scopes for x in scope.limits), default=0)
        limits = tuple((scope, limit) for scope in self.scopes for limit in scope.limits)
        object.__setattr__(self, "signatures", signatures)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "ttl_seconds", max(self.ttl_seconds, 2 * longest))
        counted = overridden = None
        if self.scopes and self.scopes[0].standby:
            counted = replace(self, scopes=(Scope("", ()), *self.scopes[1:]))
            _set_places(counted, self, lambda scope: not scope.standby)
        if any(scope.yields for scope in self.scopes):
            first = replace(self.scopes[0], standby=False)
            rest = (scope for scope in self.scopes[1:] if not scope.yields)
            overridden = replace(self, scopes=(first, *rest))
            _set_places(overridden, self, lambda scope: not scope.yields)
        object.__setattr__(self, "counted", counted)
        object.__setattr__(self, "overridden", overridden)
        object.__setattr__(self, "places", ())
        count = [(scope, limit) for scope, limit in limits if not scope.standby]
        leasable = bool(count) and not any(
            scope.own_key or limit.amount < LEAST_LEASED or limit.calendar is not None
            for scope, limit in count
        )
        # A limit that is alone counts in one way only, and is the one to show.
        ordered = len(count) > 1 and (self.counting != "together" or self.shown is not None)
        ruled = ordered or any(
            scope.role != "count" or scope.cost is not None for scope in self.scopes
        )
        object.__setattr__(self, "leasable", leasable and not ruled)
        object.__setattr__(self, "ruled", ruled)
        plain = counted is overridden is None and not ruled
        object.__setattr__(self, "plain", plain)
        one = plain and len(self.scopes) == len(limits) == 1 and self.strategy != "gcra"
        alone = limits[0][1] if one and limits[0][1].calendar is None else None
        object.__setattr__(self, "alone", alone)
        names = [scope.name for scope, _ in limits]
        shown = names.index(self.shown) if self.shown in names else -1
        object.__setattr__(self, "shown_index", shown)
        has_breaches = any(scope.role == "breach" for scope in self.scopes)
        object.__setattr__(self, "has_breaches", has_breaches)

    def _window(self, limit: Limit) -> int | str:
        """Tell apart the windows that a limit's count is of."""
        if limit.calendar is None:
            return limit.window_seconds
        return f"{limit.calendar} {self.zone}"


def _set_places(part: Plan, whole: Plan, counts: Callable[[Scope], bool]) -> None:
    """Note where the limits of a part of a plan are in the whole."""
    places = tuple(place for place, (scope, _) in enumerate(whole.limits) if counts(scope))
    object.__setattr__(part, "places", places)
