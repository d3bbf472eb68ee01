"""The limiter: one pass per request, and the only place that knows what to do without a store."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final

from flask_irl.config.options import Options
from flask_irl.config.runtime import apply_settings, read_settings
from flask_irl.errors import StoreError
from flask_irl.limiter.breaker import Breaker
from flask_irl.limiter.failures import Troubles
from flask_irl.limiter.refusals import Refusals
from flask_irl.limiter.schedule import Background
from flask_irl.limits.decision import (
    REFUSED,
    Decision,
    decision_of,
    decision_on_denied,
    decision_without_store,
)
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Mode, Plan, Scope
from flask_irl.limits.plans import Plans
from flask_irl.stores.base import Begun, Store
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.site import News
from flask_irl.telemetry.events import Listener, Notify, StoreBack, StoreLost, ignore
from flask_irl.telemetry.log import Sampler, event
from flask_irl.training.trainer import Trainer, Training
from flask_irl.training.training_set import Fit, fit_in_child
from flask_irl.verdicts.ladder import ladder_of
from flask_irl.verdicts.profiler import Profiler
from flask_irl.verdicts.rules import Rules

FALLBACK_CLIENTS: Final = 50_000
LOG_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 1.0
PROBE: Final = "#probe"
"""A key that no client can have."""


class Limiter:
    """Decides on requests and learns from them; knows nothing of Flask.

    Args:
        options: All options.
        store: Where state lives.
        listener: Takes events, for metrics.
        fit: How detectors are trained.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        *,
        listener: Listener | None = None,
        fit: Fit = fit_in_child,
    ) -> None:
        self.options = options
        self._configured = options
        self._news = News(0, 0, 0)
        self.store = store
        self.listener = listener
        self.notify: Notify = ignore if listener is None else listener.notify
        self.ladder = ladder_of(
            options.factors, float(options.window_seconds), options.anomaly_threshold
        )
        self.trainer = Trainer(
            store,
            notify=self.notify,
            threshold=options.anomaly_threshold,
            false_flag_rate=options.false_flag_rate,
            min_clients=options.min_clients,
            interval_seconds=options.training_interval_minutes * 60,
            learning_seconds=options.learning_minutes * 60,
            detector=options.detector,
            fit=fit,
        )
        self.profiler = Profiler(
            store,
            ladder=self.ladder,
            model=lambda: self.trainer.model,
            notify=self.notify,
            ttl_seconds=options.profile_ttl_seconds,
            rows_capacity=options.rows_capacity,
            rules=Rules(options.login_failures, options.unknown_paths),
        )
        self.breaker = Breaker(self._probe, self._store_changed)
        self.troubles = Troubles(self.notify, self.breaker)
        self._background = Background(
            flush=functools.partial(self.troubles.guarded, "flush", self._flush_or_wait),
            poll=functools.partial(self.troubles.guarded, "poll", self._poll),
            train=functools.partial(self.troubles.guarded, "train", self._tick)
            if options.train
            else None,
            expire=functools.partial(self.troubles.guarded, "expire", self._expire),
            train_seconds=options.training_interval_minutes * 60,
        )
        self._probe_plan = Plan(
            (Scope("", (Limit(1, 1),)),), options.strategy, (1.0,), ttl_seconds=2
        )
        self._mode: Mode = options.mode
        self.plans = Plans(options.strategy, options.profile_ttl_seconds)
        self.plans.use(options.base, self.ladder.factors, self._mode)
        self.asks_ahead = not store.local
        """Whether :meth:`begin` may be of use."""
        self.refusals = Refusals()
        """Clients known to be over their limit; with an embedded store, likely to be."""
        self._local = MemoryStore(max_clients=FALLBACK_CLIENTS)
        self._refused_log = Sampler(LOG_SECONDS)
        self._training: threading.Thread | None = None
        self._training_lock = threading.Lock()
        self._started = False
        self._closed = False
        _LIMITERS.add(self)

    @property
    def mode(self) -> Mode:
        """Whether verdicts are enforced, only told, or not made."""
        return self._mode

    def plan(self, scopes: tuple[Scope, ...]) -> Plan:
        """The plan for a route's scopes, beside the limit on everything that a client asks for."""
        return self.plans.plan(scopes)

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> Begun | None:
        """Ask about a request that :meth:`decide` is to decide on in a moment, as early as can be.

        The arguments are those of :meth:`decide`, which must be given what this returns. None where
        there is nobody to ask now.
        """
        if not self._started or self.breaker.is_open:
            return None
        try:
            return self.store.begin(plan, keys, cost)
        except Exception as error:
            self.troubles.store_failed(error)
            return None

    def decide(
        self, plan: Plan, keys: Sequence[str], cost: int = 1, begun: Begun | None = None
    ) -> Decision:
        """Decide on one request. Never raises, never waits longer than the store's timeout.

        Args:
            plan: From :meth:`plan`.
            keys: One canonical key for each of the plan's scopes, the client's own first.
            cost: What the request counts for, 0 or more.
            begun: From :meth:`begin`, if that was called.
        """
        if not self._started:
            self.start()
        client = keys[0]
        refusals = self.refusals
        if begun is None and refusals.known and not self.store.local:
            now = time.monotonic()
            refusal = refusals.find(client, plan, cost, now)
            if refusal is not None:
                return decision_of(plan, client, refusal.hit_at(now), "local")
        if self.breaker.is_open and begun is None:
            return self._without_store(plan, keys, cost)
        news = self._news
        try:
            hit = self.store.hit(plan, keys, cost) if begun is None else self.store.end(begun)
        except Exception as error:
            self.troubles.store_failed(error)
            return self._without_store(plan, keys, cost)
        if self.breaker.failures:
            self.breaker.success()
        if not hit.admitted:
            if news is self._news:
                refusals.remember(client, plan, cost, hit, time.monotonic())
        elif client in refusals.known:
            refusals.forget(client)
        return decision_of(plan, client, hit, "store")

    def observe(
        self, decision: Decision, *, route: str, path: int, method: str, status: int, size: int
    ) -> None:
        """Learn from an answered request, later.

        Args:
            decision: What was decided on it.
            route: Its rule, or ``"unmatched"``.
            path: A hash of its path.
            method: Its method.
            status: The answer's status.
            size: The answer's bytes, or -1.
        """
        if self._mode != "off":
            outcome, key, _, _, _, _, anomalous, _, _, _, _, source, at, gap = decision
            refused = outcome in REFUSED
            observation = (key, at, gap, route, path, method, status, size, refused, 1, anomalous)
            if source == "local":
                self.profiler.observe_refused(observation)
            else:
                self.profiler.observe(observation)

    def flush(self) -> int:
        """Merge what was observed and judge the clients, now; how many observations that were.

        Raises:
            StoreError: The store failed.
        """
        return self.profiler.flush()

    def train(self) -> Training:
        """Flush, then train now; never raises."""
        try:
            self.flush()
        except StoreError as error:
            self.troubles.store_failed(error)
        return self.trainer.train()

    def forget(self, client: str) -> bool:
        """Forget a client, as if it had never been here; whether it was known.

        Raises:
            StoreError: The store failed.
        """
        self.refusals.forget(client)
        return self.store.forget(client, self.plans.longest)

    def drop_refusals(self, client: str) -> None:
        """Ask the store again for a client that is known to be over its limit."""
        self.refusals.forget(client)

    def refresh(self) -> None:
        """Take up what others have changed: the model, the settings, what to remember no more.

        Raises:
            StoreError: The store failed.
        """
        before, news = self._news, self.store.news()
        # First, so that a refusal that is under way isn't remembered past a change.
        self._news = news
        try:
            if news.epoch != before.epoch:
                self.refusals.clear()
            if news.settings != before.settings:
                _, stored = self.store.settings()
                self._apply(read_settings(stored))
            if news.model != before.model or news.model != self.trainer.model.version:
                self.trainer.poll()
        except BaseException:
            self._news = before
            raise

    def _apply(self, settings: dict[str, Any]) -> None:
        """Put settings made at run time over the configured options."""
        options = apply_settings(self._configured, settings)
        self.options = options
        self._mode = options.mode
        self.ladder = ladder_of(
            options.factors, float(options.window_seconds), options.anomaly_threshold
        )
        self.profiler.use(self.ladder)
        self.trainer.threshold = options.anomaly_threshold
        self.plans.use(options.base, self.ladder.factors, self._mode)
        self.refusals.clear()
        event(logging.WARNING, "settings_changed", **settings)

    def start(self, *, train_at_once: bool = False) -> None:
        """Start background work in this process, unless the options forbid it.

        Args:
            train_at_once: Train now for the first time, and not only after the interval.
        """
        self._started = True
        if self.options.background and not self._closed:
            self._background.start(train_at_once=train_at_once)

    def close(self) -> None:
        """Flush, stop background work, let connections go."""
        self._closed = True
        self._background.stop()
        self._leave_training()
        self.breaker.close()
        if not self.breaker.is_open:
            self.troubles.guarded("flush", self.flush)
        self.store.close()

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent's threads and buffers aren't here."""
        self._started = False
        self._training = None
        self._training_lock = threading.Lock()
        self._background.after_fork()
        self.breaker.reset()
        self.profiler.after_fork()
        self.trainer.after_fork()
        self.store.after_fork()
        self._local.after_fork()
        self.refusals = Refusals()

    def _without_store(self, plan: Plan, keys: Sequence[str], cost: int) -> Decision:
        if self.options.on_store_error == "memory":
            return decision_of(plan, keys[0], self._local.hit(plan, keys, cost), "fallback")
        denied = self.options.on_store_error == "deny"
        return decision_without_store(plan, keys[0], time.time(), denied=denied)

    def turn_away(self, client: str) -> Decision:
        """The decision on a client that is denied by configuration."""
        return decision_on_denied(client, self.options.window_seconds, time.time())

    def refused(self, decision: Decision, route: str) -> None:
        """Log a refusal, at most one line a second."""
        held = self._refused_log.passes()
        if held is not None:
            event(
                logging.INFO,
                "request_refused",
                client=decision.key,
                route=route,
                limit=decision.limit,
                retry_after=decision.retry_after,
                anomalous=decision.is_anomalous,
                not_logged=held,
            )

    def _probe(self) -> None:
        """Raise while the store is out, or answers and yet can't count (full, or a replica)."""
        self.store.ping()
        self.store.hit(self._probe_plan, (PROBE,), 0)

    def _store_changed(self, lost: bool, reason: str) -> None:
        with contextlib.suppress(Exception):
            self.notify(StoreLost(reason) if lost else StoreBack())
        if lost:
            event(logging.ERROR, "store_lost", then=self.options.on_store_error, reason=reason)
        else:
            event(logging.WARNING, "store_back")

    def _flush_or_wait(self) -> None:
        if not self.breaker.is_open:
            self.profiler.flush(gently=True)

    def _poll(self) -> None:
        if not self.breaker.is_open:
            self.refresh()

    def _tick(self) -> None:
        """Train on a daemon thread: a process that ends waits for the threads of a pool."""
        with self._training_lock:
            if self._closed or (self._training is not None and self._training.is_alive()):
                return
            work = functools.partial(self.troubles.guarded, "train", self._train_if_due)
            self._training = threading.Thread(target=work, name="irl-train", daemon=True)
            self._training.start()

    def _leave_training(self) -> None:
        """Wait a moment for a scheduled training; if that isn't enough, leave its turn to others.

        A thread that is in native code when the interpreter ends may bring it down.
        """
        with self._training_lock:
            training, self._training = self._training, None
        if training is not None:
            training.join(CLOSE_SECONDS)
            if training.is_alive() and not self.breaker.is_open:
                self.troubles.guarded("close", self.trainer.leave)

    def _train_if_due(self) -> None:
        if not self.breaker.is_open and self._mode != "off":
            self.flush()
            self.trainer.tick()

    def _expire(self) -> None:
        gone = self.store.expire() + self._local.expire()
        if gone:
            event(logging.INFO, "clients_expired", clients=gone)


_LIMITERS: weakref.WeakSet[Limiter] = weakref.WeakSet()


def _after_fork() -> None:
    for limiter in list(_LIMITERS):
        limiter.after_fork()


def _at_exit() -> None:
    for limiter in list(_LIMITERS):
        limiter.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
