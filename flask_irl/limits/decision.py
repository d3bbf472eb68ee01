"""Describe a store's answer to a request, and make a decision of it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from flask_irl.limits.override import CODES
from flask_irl.limits.plan import Plan
from flask_irl.limits.strategies.base import Cell

Outcome = Literal["allowed", "limited", "blocked", "shadow_limited", "exempt"]
REFUSED: Final[frozenset[Outcome]] = frozenset({"limited", "blocked"})
Source = Literal["store", "local", "fallback", "none", "list"]


class Hit(NamedTuple):
    """Hold a store's answer to one request. Times are in microseconds.

    Attributes:
        admitted: True if every limit admits the request; only then has any counted it.
        binding: Index, over all scopes' limits in order, of the limit to show: the refusing one
            with the longest wait, or else the one with least left.
        step: The client's step on the ladder, 0 for the full limit.
        tight_refused: In shadow mode, true if the step's tighter limit would have refused.
        score: The client's latest calibrated score, 0 to -1.
        limit: The binding limit at the client's step, in requests; 0 where the request is under
            none, or is blocked.
        remaining: Requests left of it.
        reset_after: Time until its window ends (GCRA: until it is whole again); when refused, the
            same as ``retry_after``.
        retry_after: Time until the request is admitted if no other is counted; 0 if admitted.
        now: The store's time, since the epoch.
        gap: Time since the client's previous request, or -1 if none is known.
        override: Kind of the override that decided: 0 none, 1 allow, 2 block, 3 limit.
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


class Admission(NamedTuple):
    """Hold the outcome of all limits of a plan, as of :class:`Hit`, and the limits' new cells."""

    admitted: bool
    binding: int
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    cells: list[Cell]


class Decision(NamedTuple):
    """Hold the limiter's decision on one request, for headers, the 429 and the log.

    Attributes:
        outcome: ``allowed``, ``limited``, ``blocked``, ``shadow_limited`` (admitted, though
            refused at the client's step) or ``exempt``.
        key: The key that the request counts under, as stored: the client's, or that of its network
            where an operator has limited or blocked that.
        limit: Requests per window in effect for this client; 0 when exempt, when it is blocked, or
            when it is admitted under no limit.
        remaining: Requests left.
        reset_after: Seconds until the window resets.
        retry_after: Seconds until a refused request would be admitted; 0 when admitted.
        is_anomalous: True if the client is at a lower step than the full limit.
        step: The client's step, 0 for the full limit.
        score: The client's latest calibrated score, 0 (normal) to -1 (anomalous).
        window_seconds: The window of the limit shown.
        scope: Name of the scope of the limit shown; ``""`` is all of the client's requests.
        source: Origin of the decision: ``store``, ``local`` (a refusal that this process
            remembers, or a network that it knows to be blocked), ``fallback`` (counted here while
            the store is out), ``none``, or ``list`` (denied by configuration).
        at: The store's time, in seconds since the epoch.
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
        """Tell whether the request goes on to its view."""
        return self.outcome not in REFUSED


BLOCK: Final = CODES["block"]
DENIED_SECONDS: Final = 3600.0
DENIED_RETRY_SECONDS: Final = 1.0


def decision_of(plan: Plan, client: str, hit: Hit, source: Source) -> Decision:
    """Make the decision of a store's answer.

    Args:
        plan: The limits that applied.
        client: Canonical key of the client.
        hit: The answer.
        source: Origin of the answer.
    """
    admitted, binding, step, tight, score, amount, left, reset, retry, now, gap, override = hit
    scope, limit = plan.limits[binding]
    outcome: Outcome = "allowed"
    if not admitted:
        outcome = "blocked" if override == BLOCK else "limited"
    elif tight:
        outcome = "shadow_limited"
    fields = (
        outcome,
        client,
        amount,
        left,
        reset / 1e6,
        retry / 1e6,
        step > 0,
        step,
        score,
        limit.window_seconds,
        scope.name,
        source,
        now / 1e6,
        gap / 1e6 if gap >= 0 else -1.0,
    )
    # As Decision(...), but without a call of Python's: every request makes one.
    return tuple.__new__(Decision, fields)


def decision_without_store(plan: Plan, client: str, now: float, *, denied: bool) -> Decision:
    """Make the decision while no store answers and no request is counted.

    Args:
        plan: The limits that would apply.
        client: Canonical key of the client.
        now: Seconds since the epoch.
        denied: Refuse the request.
    """
    counted = plan.limits if plan.counted is None else plan.counted.limits
    limit = (counted or plan.limits)[0][1]
    amount = limit.amount if counted else 0
    wait = DENIED_RETRY_SECONDS if denied else 0.0
    return Decision(
        outcome="blocked" if denied else "allowed",
        key=client,
        limit=amount,
        remaining=0 if denied else amount,
        reset_after=wait,
        retry_after=wait,
        is_anomalous=False,
        step=0,
        score=0.0,
        window_seconds=limit.window_seconds,
        scope="",
        source="none",
        at=now,
        gap=-1.0,
    )


def decision_on_blocked(key: str, window_seconds: int, now: float, until: float) -> Decision:
    """Make the decision on a client of a network that an operator has blocked.

    Args:
        key: The network, which stands for all its clients.
        window_seconds: Seconds of the base limit's window.
        now: Seconds since the epoch.
        until: End of the block.
    """
    left = max(until - now, 0.0)
    denied = decision_on_denied(key, window_seconds, now)
    return denied._replace(reset_after=left, retry_after=left, source="local")


def decision_on_denied(client: str, window_seconds: int, now: float) -> Decision:
    """Make the decision on a client that is denied by configuration."""
    return Decision(
        outcome="blocked",
        key=client,
        limit=0,
        remaining=0,
        reset_after=DENIED_SECONDS,
        retry_after=DENIED_SECONDS,
        is_anomalous=False,
        step=0,
        score=0.0,
        window_seconds=window_seconds,
        scope="",
        source="list",
        at=now,
        gap=-1.0,
    )
