"""The frozen data that flows: what a store is asked, what it answers, what a request gets."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from flask_irl.limit import Limit
from flask_irl.overrides import Override

Outcome = Literal["allowed", "limited", "blocked", "shadow_limited", "exempt"]
REFUSED: Final[frozenset[Outcome]] = frozenset({"limited", "blocked"})
Source = Literal["store", "local", "fallback", "none", "list"]
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


class Hit(NamedTuple):
    """A store's answer to one request. Times are in microseconds.

    Attributes:
        admitted: Whether every limit admits the request; only then has any counted it.
        binding: Index, over all scopes' limits in order, of the limit to show: the refusing one
            with the longest wait, or else the one with least left.
        step: The client's step on the ladder, 0 for the full limit.
        tight_refused: In shadow, whether the step's tighter limit would have refused.
        score: The client's latest calibrated score, 0 to -1.
        limit: The binding limit at the client's step, in requests.
        remaining: Requests left of it.
        reset_after: Until its window ends (GCRA: until it is whole again); when refused, the same
            as ``retry_after``.
        retry_after: Until the request will be admitted if nothing else is counted; 0 if admitted.
        now: The store's clock, since the epoch.
        gap: Since the client's previous request, or -1 when none is known.
        override: The operator's word that decided: 0 none, 1 allow, 2 block, 3 limit.
    """

    admitted: bool
    binding: int
    step: int
    tight_refused: bool
    score: float
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    now: float
    gap: float
    override: int = 0


class Decision(NamedTuple):
    """What the limiter decided on one request; the headers, the 429 and the log all show it.

    Attributes:
        outcome: ``allowed``, ``limited``, ``blocked``, ``shadow_limited`` (admitted, but the
            model's word would have refused it) or ``exempt``.
        key: The client's key, as stored.
        limit: Requests per window in effect for this client; 0 when exempt.
        remaining: Requests left.
        reset_after: Seconds until the window resets.
        retry_after: Seconds until a refused request would be admitted; 0 when admitted.
        is_anomalous: Whether the client is at a lower step than the full limit.
        step: Its step, 0 for the full limit.
        score: Its latest calibrated score, 0 (normal) to -1 (anomalous).
        window_seconds: The window of the limit shown.
        scope: What the limit shown counts; ``""`` is all of the client's requests.
        source: Who decided: ``store``, ``local`` (known to be over, the store wasn't asked),
            ``fallback`` (the store is out), ``none``, or ``list`` (denied by configuration).
        at: When, in seconds since the epoch, by the store's clock.
        gap: Seconds since the client's previous request, or -1.
    """

    outcome: Outcome
    key: str
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    is_anomalous: bool
    step: int
    score: float
    window_seconds: int
    scope: str
    source: Source
    at: float
    gap: float

    @property
    def admitted(self) -> bool:
        """Whether the request goes on to its view."""
        return self.outcome not in REFUSED


class Observation(NamedTuple):
    """What is learned from one answered request; goes to the profile off the request's path.

    Attributes:
        client: The client's key, as stored.
        at: Seconds since the epoch, by the store's clock.
        gap: Seconds since the client's previous request, or -1.
        route: The matched route's rule, or ``"unmatched"``.
        path: A hash of the path asked for, 0 to 2**63 - 1; stable across processes.
        method: The HTTP method.
        status: The response's status.
        size: The response's size in bytes, or -1 when unknown.
        refused: Whether the limiter refused it.
        times: How many such requests this stands for.
        anomalous: Whether the client was at a lower step.
    """

    client: str
    at: float
    gap: float
    route: str
    path: int
    method: str
    status: int
    size: int
    refused: bool
    times: int = 1
    anomalous: bool = False


Fields = tuple[str, float, float, str, int, str, int, int, bool, int, bool]
"""An :class:`Observation` as it waits: a plain tuple, which the garbage collector soon leaves
alone."""
AT: Final = 1
ROUTE: Final = 3
"""Places in it."""


class ClientState(NamedTuple):
    """A client as the store holds it.

    Attributes:
        step: Step on the ladder.
        score: Latest calibrated score.
        revision: Grows with each saved profile; a save names the one it was made from.
        last_seen: Seconds since the epoch.
        profile: The packed profile, empty if none yet.
        override: The operator's word on it; may have ended.
    """

    step: int
    score: float
    revision: int
    last_seen: float
    profile: bytes
    override: Override | None = None


class Update(NamedTuple):
    """A profile and verdict to save, provided that the client is still at ``revision``.

    Attributes:
        keep_seconds: Least seconds to live, beyond what all are given.
    """

    client: str
    revision: int
    step: int
    score: float
    profile: bytes
    keep_seconds: int = 0
