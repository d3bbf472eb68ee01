"""Keep failures from the app: breaker, fallback, and events; no other room knows of them.

A store that fails is asked less and less often: after a few failures the breaker opens, and until
the store answers again a local limiter decides, or whatever ``on_store_error`` says. Errors of the
limiter's own are counted, logged (not too often) and swallowed; so are, but apart, those of the
app's functions, which a stranger may cause.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from flask_irl.config.options import Options
from flask_irl.errors import OUT, IrlError, StoreError
from flask_irl.limiter.store_clock import FollowingClock, StoreClock
from flask_irl.limits.decision import Decision, Hit, decision_of, decision_without_store
from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.stores.base import Pending, Store
from flask_irl.stores.breaker import Breaker
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.events import (
    CallbackFailed,
    ErrorSwallowed,
    JobSkipped,
    Notify,
    StoreBack,
    StoreFailed,
    StoreLost,
)
from flask_irl.telemetry.log import Sampler, event, failure, name_of, place_of

CALLBACK_LOG_SECONDS: Final = 60.0
MAX_CALLBACKS: Final = 100
"""Places at which functions of the app's fail that are logged each by itself."""
MAX_ERROR_CHARACTERS: Final = 200
FALLBACK_CLIENTS: Final = 50_000
LOG_SECONDS: Final = 1.0
PROBE_KEY: Final = "#probe"
"""A key that no client can have."""
T = TypeVar("T")


class Failed(Protocol):
    """Take an error that must not reach the app, as :meth:`Failures.callback_failed` does."""

    def __call__(self, where: str, error: BaseException, function: object) -> None: ...


class Failures:
    """Ask the store on a request's path, and decide without it while it fails.

    Args:
        store: The store that may fail.
        options: ``on_store_error`` says how requests are decided meanwhile.
        notify: Takes the events of failures.
        monotonic: Seconds of a clock that is never set.
        leader: Those of another limiter that has the store's connections, where several share
            them: its breaker and its clock are theirs, too.

    Attributes:
        clock: Tells the store's time, also while it is out.
        breaker: Open while the store is out.
        before_back: Is called when a store that was out answers, before requests go to it again.
    """

    def __init__(
        self,
        store: Store,
        options: Options,
        notify: Notify,
        monotonic: Callable[[], float] = time.monotonic,
        leader: Failures | None = None,
    ) -> None:
        self._store = store
        self._on_store_error = options.on_store_error
        self._notify = notify
        self._log = Sampler(LOG_SECONDS)
        self._callback_logs: dict[tuple[str, str], Sampler] = {}
        self._held: Mapping[str, Override] = {}
        self.clock: StoreClock = (
            StoreClock(store, monotonic) if leader is None else FollowingClock(leader.clock)
        )
        self._local = MemoryStore(max_clients=FALLBACK_CLIENTS, clock=self.clock)
        self._probe_plan = Plan(
            (Scope("", (Limit(1, 1),)),), options.strategy, (1.0,), ttl_seconds=2
        )
        self._leads = leader is None
        self.breaker: Breaker = (
            Breaker(self._come_back, self._report) if leader is None else leader.breaker
        )
        self._left_open = False
        self.before_back: Callable[[], object] = _nothing

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> Pending | None:
        """Begin to ask the store about a request; None where it can't be asked now."""
        if self.breaker.is_open:
            return None
        try:
            return self._store.begin(plan, keys, cost)
        except Exception as error:
            self.store_failed(error)
            return None

    def hit(self, plan: Plan, keys: Sequence[str], cost: int, begun: Pending | None) -> Hit | None:
        """Ask the store about a request, or end what was begun; None where the store is out."""
        breaker = self.breaker
        if breaker.is_open and begun is None:
            return None
        try:
            hit = self._store.hit(plan, keys, cost) if begun is None else self._store.end(begun)
        except Exception as error:
            self.store_failed(error)
            return None
        if breaker.failures:
            breaker.success()
        return hit

    def ask(self, call: Callable[[], T], begun: bool) -> T | None:
        """Ask the store in another way, as :meth:`hit` does; None where it is out.

        Args:
            call: Asks it.
            begun: Whether the question is under way.
        """
        if self.breaker.is_open and not begun:
            return None
        try:
            answer = call()
        except Exception as error:
            self.store_failed(error)
            return None
        if self.breaker.failures:
            self.breaker.success()
        return answer

    def decide(self, plan: Plan, keys: Sequence[str], cost: int) -> Decision:
        """Decide on a request without the store."""
        override = self._held.get(keys[0])
        if override is not None and override.until <= self.clock():
            override = None
        if override is not None:
            # Whoever else comes meanwhile may have taken its place.
            self._local.set_override(keys[0], override, 0)
        if override is not None or self._on_store_error == "memory":
            return decision_of(plan, keys[0], self._local.hit(plan, keys, cost), "fallback")
        denied = self._on_store_error == "deny"
        return decision_without_store(plan, keys[0], self.clock(), denied=denied)

    def store_failed(self, error: Exception) -> None:
        """Report a failed call of the store.

        While a part of it fails, a node of a cluster or a slot, the store as a whole isn't out.
        """
        kind = error.kind if isinstance(error, StoreError) else "error"
        part = error.part if isinstance(error, StoreError) else ""
        with contextlib.suppress(Exception):
            self._notify(StoreFailed(kind))
        if part and kind == OUT:
            # That it is was said when it began.
            return
        held = self._log.passes()
        if held is not None:
            if isinstance(error, StoreError):
                event(logging.WARNING, "store_error", kind=kind, error=error, not_logged=held)
            else:
                failure("store_error", error, kind=kind, not_logged=held)
        if not part:
            self.breaker.failure(error)

    def swallow(self, where: str, error: BaseException) -> None:
        """Report an error of the limiter's own, which must not reach the app."""
        self.count_swallowed(where)
        held = self._log.passes()
        if held is not None:
            failure("limiter_error", error, where=where, not_logged=held)

    def job_skipped(self, job: str) -> None:
        """Report a background job that was due while it still ran."""
        # On the scheduler's own thread, which nothing may stop.
        with contextlib.suppress(Exception):
            self._notify(JobSkipped(job))

    def count_swallowed(self, where: str) -> None:
        """Count an error that must not reach the app, and that is logged elsewhere."""
        # The listener itself may have failed.
        with contextlib.suppress(Exception):
            self._notify(ErrorSwallowed(where))

    def callback_failed(self, where: str, error: BaseException, function: object) -> None:
        """Report a function of the app's that raised, or returned nothing of use.

        Args:
            where: The option by which it was given.
            error: What it raised, or what is wrong with what it returned.
            function: The function.
        """
        with contextlib.suppress(Exception):
            self._notify(CallbackFailed(where))
        at = place_of(error) or name_of(function)
        logs = self._callback_logs
        # Each place by itself, lest a stranger's rubbish hides what else is wrong.
        place = (where, at) if (where, at) in logs or len(logs) < MAX_CALLBACKS else ("", "")
        log = logs.get(place) or logs.setdefault(place, Sampler(CALLBACK_LOG_SECONDS))
        held = log.passes()
        if held is not None:
            event(
                logging.WARNING,
                "callback_error",
                where=where,
                at=at,
                error=_shown(error),
                not_logged=held,
            )

    def guard(self, where: str, work: Callable[[], object]) -> None:
        """Do background work, and report its errors instead of raising them."""
        try:
            work()
        except StoreError as error:
            self.store_failed(error)
        except Exception as error:
            self.swallow(where, error)

    def forget_all(self) -> None:
        """Forget the local limiter's clients."""
        self._local.forget_all(0)

    def hold(self, overrides: Mapping[str, Override]) -> None:
        """Hold clients to operators' overrides without the store, too, from now on to these."""
        gone = self._held.keys() - overrides.keys()
        self._held = overrides
        for client in gone:
            self._local.set_override(client, None, 0)

    def start(self) -> None:
        """Tell the listener that a forked process asks the store, though its parent didn't.

        Not at the fork: a lock of the listener's may be one that a thread of the parent holds.
        """
        if self._left_open:
            self._left_open = False
            self._notify(StoreBack())

    def expire(self) -> int:
        """Drop the local limiter's idle clients; returns how many there were."""
        return self._local.expire()

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        if self._leads:
            self._left_open = self._left_open or self.breaker.is_open
            self.breaker.reset()
        self._local.after_fork()

    def probe(self) -> None:
        """Raise while the store is out, or answers and yet can't count (full, or a replica)."""
        self._store.ping()
        self._store.hit(self._probe_plan, (PROBE_KEY,), 0)

    def _come_back(self) -> None:
        """Probe the store where its name leads by now; raise while it is out as a whole."""
        self._store.renew()
        try:
            self.probe()
        except StoreError as error:
            # One node of a cluster, but not all.
            if not error.part:
                raise
        self.guard("poll", self.before_back)

    def _report(self, lost: bool, reason: str) -> None:
        with contextlib.suppress(Exception):
            self._notify(StoreLost(reason) if lost else StoreBack())
        if lost:
            event(logging.ERROR, "store_lost", then=self._on_store_error, reason=reason)
        else:
            event(logging.WARNING, "store_back")


def _nothing() -> None:
    """Do nothing."""


def _shown(error: BaseException) -> str:
    """Word an error of an app's function, whatever a stranger may have put into it."""
    try:
        return (str(error) if isinstance(error, IrlError) else repr(error))[:MAX_ERROR_CHARACTERS]
    except Exception:
        return type(error).__name__
