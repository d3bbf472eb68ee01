"""Check an answer by the knowledge of its client."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from flask_irl.config.options import Options
from flask_irl.limits.limit import Limit, scale
from flask_irl.limits.strategies.base import EMPTY
from flask_irl.limits.strategies.sliding_window import sliding_window_counter

Kind = Literal["allowed", "limited", "exempt", "lost"]

TOO_MANY: Final = 429
EXPECTED: Final = frozenset({200, 400, 401, 404, TOO_MANY})
"""Statuses of the demo site when all is well."""
HEADERS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
MOST_DIGITS: Final = 9
SLACK: Final = 0.5
"""Seconds by which two clocks may differ."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Describe the site's limits: on all requests, on single paths beside it, exempt paths.

    ``factors`` are the shares of a limit that clients may have; the first is 1.
    """

    base: Limit
    routes: Mapping[str, Limit] = field(default_factory=dict)
    exempt: frozenset[str] = frozenset()
    factors: tuple[float, ...] = (1.0, *Options().factors)


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold an answer to a client; its status is 0 when there was none.

    ``path`` is without the query; the times of request and answer are seconds of any origin.
    """

    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: float = 0.0
    received: float = 0.0

    def header(self, name: str) -> str | None:
        """Give a header by its name in any case."""
        return next((v for k, v in self.headers.items() if k.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Judge an answer: decision of the limiter, a limit below the full one, fault if there is one.

    ``within`` tells that the full limit alone would have admitted the request.
    """

    kind: Kind
    tightened: bool = False
    complaint: str = ""
    within: bool = False


class Wrong(Exception):
    """Signal that an answer is not as it should be."""


class Window:
    """Count the admitted requests of the current window, told from others by their resets.

    ``X-RateLimit-Reset`` is rounded up to seconds, and nobody knows when between asking and
    answering it was made: so each answer gives two times between which its window ends.
    """

    def __init__(self, seconds: int) -> None:
        # Within a second and the time that the answer took. When that took longer, the end of one
        # window can't be told from that of the next.
        self._longest = seconds / 2 - 1
        self._latest_end = -math.inf
        self.admitted = 0

    def admit(self, sent: float, received: float, reset: int) -> int:
        """Count a request, if its window is certain, and return the count of that window."""
        if received - sent >= self._longest:
            return 0
        if sent + reset - 1 > self._latest_end:
            self.admitted = 0
        self._latest_end = received + reset
        self.admitted += 1
        return self.admitted


class Account:
    """Record the requests granted to one client, which asks one thing after the other."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._granted: dict[str, deque[float]] = {path: deque() for path in ("", *rules.routes)}
        self._window = Window(rules.base.window_seconds)
        self._alone = EMPTY

    def judge(self, answer: Answer) -> Judgement:
        """Judge the next answer, and record it."""
        exempt = answer.path in self._rules.exempt
        return replace(self._judged(answer), within=not exempt and self._fits(answer.sent))

    def _fits(self, now: float) -> bool:
        """Tell whether the site's default strategy would admit a request at the full limit."""
        amount, window = self._rules.base.amount, self._rules.base.window_seconds * 1e6
        probe = sliding_window_counter(self._alone, now * 1e6, amount, window, amount, 1)
        self._alone = probe.cell
        return probe.admitted

    def _judged(self, answer: Answer) -> Judgement:
        rules = self._rules
        if answer.status == 0:
            return Judgement("lost", complaint="no answer")
        kind: Kind = "limited" if answer.status == TOO_MANY else "allowed"
        if answer.path in rules.exempt and kind == "allowed":
            kind = "exempt"
        tightened, complaint = False, ""
        try:
            if answer.status not in EXPECTED:
                raise Wrong(f"status {answer.status}")
            if answer.path in rules.exempt:
                if answer.status != 200:
                    raise Wrong(f"status {answer.status} of an exempt route")
                if any(answer.header(name) is not None for name in HEADERS):
                    raise Wrong("X-RateLimit headers on an exempt route")
                return Judgement(kind)
            limit, remaining, reset = (_figure(answer, name) for name in HEADERS)
            scope, full = self._scope(answer.path, limit)
            tightened = limit < full.amount
            if remaining > limit:
                raise Wrong("X-RateLimit-Remaining is above X-RateLimit-Limit")
            # On a refusal it is the wait, which for the tightened may end in the next window.
            longest = full.window_seconds * (2 if kind == "limited" else 1)
            if reset > longest:
                raise Wrong("X-RateLimit-Reset is too long for the window")
            if kind == "limited":
                check_refusal(answer, limit, remaining, reset, tightened, longest)
                self._check_deserved(answer, scope, limit, full)
            else:
                if limit == 0:
                    raise Wrong("admitted at a limit of 0")
                if answer.header("Retry-After") is not None:
                    raise Wrong("Retry-After on an admitted request")
                self._grant(answer, scope, full, reset)
        except Wrong as wrong:
            complaint = str(wrong)
        return Judgement(kind, tightened, complaint)

    def _scope(self, path: str, limit: int) -> tuple[str, Limit]:
        """Find the limit of an answer: the route's own, or that on everything."""
        own = self._rules.routes.get(path)
        if own is not None and limit in self._steps(own):
            return path, own
        if limit not in self._steps(self._rules.base):
            raise Wrong("X-RateLimit-Limit is neither the full limit nor a step of it")
        return "", self._rules.base

    def _steps(self, limit: Limit) -> set[int]:
        return {scale(limit.amount, factor) for factor in self._rules.factors}

    def _grant(self, answer: Answer, scope: str, full: Limit, reset: int) -> None:
        self._granted[""].append(answer.received)
        if answer.path in self._granted:
            self._granted[answer.path].append(answer.received)
        if scope == "":
            count = self._window.admit(answer.sent, answer.received, reset)
            if count > full.amount:
                raise Wrong("more admitted in a window than the full limit")

    def _check_deserved(self, answer: Answer, scope: str, limit: int, full: Limit) -> None:
        # In any strategy no more than the last two windows counts, and all of it at most.
        since = answer.sent - 2 * full.window_seconds - SLACK
        granted = self._granted[scope]
        while granted and granted[0] < since:
            granted.popleft()
        if len(granted) < limit:
            raise Wrong("429 that nothing the client did deserves")


def check_refusal(
    answer: Answer, limit: int, remaining: int, reset: int, tightened: bool, longest: int
) -> None:
    """Check wait, ``longest`` seconds at most, and body of a 429 against its other headers."""
    if (wait := answer.header("Retry-After")) is None:
        raise Wrong("429 without Retry-After")
    if not _is_whole(wait) or not 1 <= int(wait) <= longest:
        raise Wrong("429 whose Retry-After is no number of seconds, or too many")
    detail = {
        "error": "Rate limit exceeded",
        "limit": limit,
        "remaining": remaining,
        "reset_in": reset,
        "is_anomalous": tightened,
    }
    try:
        body: Any = json.loads(answer.body)
    except ValueError:
        raise Wrong("429 whose body is no JSON") from None
    # By their texts, since in Python True is 1.
    if json.dumps(body, sort_keys=True) != json.dumps({"detail": detail}, sort_keys=True):
        raise Wrong("429 whose body isn't what the headers say")


def _figure(answer: Answer, name: str) -> int:
    if (text := answer.header(name)) is None:
        raise Wrong(f"{name} is missing")
    if not _is_whole(text):
        raise Wrong(f"{name} is no whole number")
    return int(text)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
